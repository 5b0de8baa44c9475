"""The assertions must fail where they should: each test here is a function that is wrong."""

import pytest
import torch

from euclidium.testing import assert_equivariant, equivariance_error


def test_a_small_function_that_is_not_equivariant_is_found():
    """An absolute tolerance lets it pass."""
    with pytest.raises(AssertionError, match="relative equivariance error .* in float32"):
        assert_equivariant(lambda x: 1e-5 * x**3, ["1o"], "1o")


def test_a_function_that_is_zero_shows_nothing():
    with pytest.raises(ValueError, match="zero throughout, so its equivariance cannot be seen"):
        assert_equivariant(lambda x: 0 * x, ["1o"], "1o")


def test_a_small_wrong_part_beside_a_large_right_one():
    def function(x):
        return torch.cat([1e6 * x, 1e-6 * x.abs()], dim=-1)

    assert equivariance_error(function, ["1o"], "1o+1o") > 0.1


def test_a_function_that_is_wrong_under_inversion_only():
    """The cross product of two vectors is a pseudovector."""

    def cross(x, y):
        return torch.linalg.cross(x, y)

    assert_equivariant(cross, ["1o", "1o"], "1e")
    with pytest.raises(AssertionError, match="relative equivariance error 2"):
        assert_equivariant(cross, ["1o", "1o"], "1o")


class _WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g.abs()


def test_a_wrong_gradient_is_found():
    with pytest.raises(AssertionError, match="gradient"):
        assert_equivariant(_WrongGradient.apply, ["1o"], "1o")


def test_the_wrong_width_and_what_is_not_finite():
    with pytest.raises(ValueError, match="last dimension of 3, 1x2e needs 5"):
        equivariance_error(lambda x: x, ["1o"], "2e")
    with pytest.raises(ValueError, match="the result is not finite"):
        equivariance_error(lambda x: x / 0, ["1o"], "1o")


def test_an_equivariant_function_passes():
    assert_equivariant(lambda x: x * x.square().sum(-1, keepdim=True), ["1o"], "1o")

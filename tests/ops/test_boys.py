import math

import numpy as np
import pytest
import scipy.special
import torch

from euclidium.ops.boys import boys

ORDERS = range(15)


def grid():
    rng = np.random.default_rng(0)
    return np.concatenate([np.linspace(0.1, 100, 500), np.exp(rng.uniform(-30, 30, 500))])


@pytest.mark.parametrize("n", ORDERS)
def test_equal_to_its_integral(n):
    """By 80 points of Gauss and Legendre, exact to rounding where exp(−x t²) is smooth enough."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    t, weights = (nodes + 1) / 2, weights / 2
    x = np.linspace(0, 60, 777)
    expected = (weights * t ** (2 * n) * np.exp(-x[:, None] * t**2)).sum(-1)
    np.testing.assert_allclose(boys(n, torch.tensor(x)), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(boys(n, torch.tensor(x)), expected, rtol=1e-13)


@pytest.mark.parametrize("n", ORDERS)
def test_equal_to_the_incomplete_gamma_function_at_any_size(n):
    x = grid()[grid() > 0.5]
    expected = scipy.special.gamma(n + 0.5) * scipy.special.gammainc(n + 0.5, x)
    expected /= 2 * x ** (n + 0.5)
    np.testing.assert_allclose(boys(n, torch.tensor(x)), expected, rtol=2e-13)


@pytest.mark.parametrize("n", ORDERS)
def test_recursion(n):
    x = torch.tensor(grid())
    left, right = (2 * n + 1) * boys(n, x), 2 * x * boys(n + 1, x) + torch.exp(-x)
    torch.testing.assert_close(left, right, rtol=1e-13, atol=0)


def test_limits():
    x = torch.tensor([0.0, math.inf, math.nan], dtype=torch.float64)
    assert boys(3, x)[:2].tolist() == pytest.approx([1 / 7, 0.0], abs=1e-16)
    assert boys(3, x)[2].isnan()
    far = torch.tensor([1e6], dtype=torch.float64)
    assert boys(0, far).item() == pytest.approx(math.sqrt(math.pi / 4e6), rel=1e-15)


def test_float32():
    x = torch.tensor(grid())
    exact = boys(4, x)
    single = boys(4, x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n", [0, 5])
def test_derivatives(n):
    end = 64 + 2 * n  # where the table ends
    x = torch.tensor([0.0, 0.03, 1.0, 20.0, end - 0.01, end + 0.01, 300.0], dtype=torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: boys(n, x), x + 1e-3)
    assert torch.autograd.gradgradcheck(lambda x: boys(n, x), x + 1e-3)
    (first,) = torch.autograd.grad(boys(n, x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(first, -boys(n + 1, x))
    assert torch.equal(second, boys(n + 2, x))


def test_functional_transforms():
    x = torch.linspace(0, 100, 7, dtype=torch.float64)
    third = torch.func.vmap(torch.func.grad(torch.func.grad(torch.func.grad(lambda x: boys(1, x)))))
    torch.testing.assert_close(third(x), -boys(4, x))
    _, tangent = torch.func.jvp(lambda x: boys(1, x), (x,), (torch.ones_like(x),))
    torch.testing.assert_close(tangent, -boys(2, x))


def test_order():
    with pytest.raises(ValueError, match="order of the Boys function is -1: it must be 0, 1, 2"):
        boys(-1, torch.zeros(1))

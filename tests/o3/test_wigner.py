"""Wigner D matrices: group theory to rounding, for every degree to 12 and beyond."""

import time

import e3nn.o3
import numpy as np
import pytest
import torch

from euclidium.o3 import (
    axis_angle_to_matrix,
    change_basis_real_to_complex,
    generators,
    matrix_x,
    matrix_y,
    quaternion_to_matrix,
    rand_angles,
    rand_matrix,
    rand_quaternion,
    wigner_D,
)
from euclidium.o3.wigner import wigner_D_of_matrix

DEGREES = range(13)


def exponential(X, angle):
    """exp(angle X) of a generator, whose eigenvalues i m are known exactly."""
    m, v = np.linalg.eigh(-1j * X)
    return ((v * np.exp(1j * angle * m.round())) @ v.conj().T).real


def largest_difference(a, b):
    return np.abs(a - b).max()


@pytest.mark.parametrize("l", DEGREES)
def test_group_to_rounding(l):
    R = rand_matrix(2, 50, rng=l)
    D = wigner_D_of_matrix(l, R)
    assert largest_difference(D @ D.swapaxes(-1, -2), np.eye(2 * l + 1)) < 2e-14  # unitary
    assert (
        largest_difference(D[0] @ D[1], wigner_D_of_matrix(l, R[0] @ R[1])) < 2e-14
    )  # homomorphism
    assert largest_difference(wigner_D_of_matrix(l, R.swapaxes(-1, -2)), D.swapaxes(-1, -2)) < 2e-14
    assert largest_difference(wigner_D_of_matrix(l, np.eye(3)), np.eye(2 * l + 1)) < 1e-14


@pytest.mark.parametrize("l", [30, 80])
def test_high_degrees(l):
    R = rand_matrix(2, rng=0)
    D = wigner_D_of_matrix(l, R)
    assert largest_difference(D @ D.swapaxes(-1, -2), np.eye(2 * l + 1)) < 1e-13
    assert largest_difference(D[0] @ D[1], wigner_D_of_matrix(l, R[0] @ R[1])) < 1e-13


@pytest.mark.parametrize("l", [*DEGREES[:7], 12])
def test_agrees_with_e3nn(l, float64):
    angles = rand_angles(10, rng=l)
    theirs = e3nn.o3.wigner_D(l, *map(torch.tensor, angles))
    np.testing.assert_allclose(wigner_D(l, *angles), theirs, atol=1e-12)
    np.testing.assert_allclose(generators(l), e3nn.o3._wigner.so3_generators(l), atol=1e-13)


def test_basis_agrees_with_e3nn():
    for l in range(5):
        theirs = e3nn.o3._wigner.change_basis_real_to_complex(l, dtype=torch.float64)
        np.testing.assert_allclose(change_basis_real_to_complex(l), theirs, atol=1e-15)


@pytest.mark.parametrize("l", [1, 2, 5, 12])
@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-9, 1e-12])
def test_near_the_identity(l, angle):
    """An arc cosine would leave errors of 1e-10 at 1e-5 rad, as in e3nn."""
    for axis in np.random.default_rng(0).normal(size=(5, 3)):
        X = np.tensordot(axis / np.linalg.norm(axis), generators(l), axes=1)
        D = wigner_D_of_matrix(l, axis_angle_to_matrix(axis, angle))
        assert largest_difference(D, exponential(X, angle)) < 1e-14


@pytest.mark.parametrize("l", [1, 2, 5, 12])
def test_near_a_half_turn_and_about_the_axes(l):
    axes = np.vstack([np.eye(3), -np.eye(3), np.random.default_rng(0).normal(size=(5, 3))])
    for axis in axes:
        X = np.tensordot(axis / np.linalg.norm(axis), generators(l), axes=1)
        half = exponential(X, np.pi / 2)
        for tiny in (0.0, 1e-9, -1e-5):
            D = wigner_D_of_matrix(l, axis_angle_to_matrix(axis, np.pi + tiny))
            assert largest_difference(D, half @ exponential(X, tiny) @ half) < 2e-14


@pytest.mark.parametrize("l", [1, 3, 6])
def test_float32_rotations_are_taken_as_they_are(l):
    """e3nn errs by 4e-4 for float32 rotations of 1e-3 rad."""
    exact = axis_angle_to_matrix(np.array([1.0, 2.0, -1.0]), 1e-3)
    D = wigner_D_of_matrix(l, exact.astype(np.float32))
    assert D.dtype == np.float64
    assert largest_difference(D, wigner_D_of_matrix(l, exact)) < 1e-6


@pytest.mark.parametrize("l", DEGREES)
def test_generators_obey_their_algebra(l):
    x, y, z = generators(l)
    tolerance = 1e-13 * max(1, l * l)
    for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
        assert largest_difference(a @ b - b @ a, c) < tolerance
        assert largest_difference(a, -a.T) == pytest.approx(0, abs=1e-14)
    casimir = -(x @ x + y @ y + z @ z)
    assert largest_difference(casimir, l * (l + 1) * np.eye(2 * l + 1)) < tolerance


def test_vectors_and_axes():
    np.testing.assert_allclose(wigner_D(1, 0.0, 0.4, 0.0), matrix_x(0.4), atol=1e-15)
    np.testing.assert_allclose(wigner_D(1, 0.4, 0.0, 0.0), matrix_y(0.4), atol=1e-15)
    np.testing.assert_array_equal(wigner_D(0, 0.4, 1.0, 2.0), [[1.0]])


def test_angles_broadcast_and_may_be_large():
    D = wigner_D(2, np.zeros((3, 1)), np.ones(4), 0)
    assert D.shape == (3, 4, 5, 5)
    far = 0.3 + 2 * np.pi * 1000
    np.testing.assert_allclose(wigner_D(5, far, 0, 0), wigner_D(5, 0.3, 0, 0), atol=1e-11)


def test_no_rotations_give_no_matrices():
    assert wigner_D_of_matrix(2, np.zeros((0, 3, 3))).shape == (0, 5, 5)


def test_errors():
    with pytest.raises(ValueError, match="the degree l is -1: it must be 0, 1, 2"):
        wigner_D(-1, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="the degree l is -1"):
        generators(-1)
    with pytest.raises(ValueError, match="the degree l is -1"):
        change_basis_real_to_complex(-1)
    with pytest.raises(ValueError, match=r"the determinant is -1\. For reflections use"):
        wigner_D_of_matrix(1, -np.eye(3))


def test_ten_thousand_rotations_are_quick():
    """e3nn takes 0.3 s."""
    R = quaternion_to_matrix(rand_quaternion(10_000, rng=0))
    wigner_D_of_matrix(6, R[:1])
    start = time.process_time()
    wigner_D_of_matrix(6, R)
    assert time.process_time() - start < 0.15

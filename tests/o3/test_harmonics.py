"""Spherical harmonics: against SciPy, e3nn and their defining properties."""

import math

import e3nn.o3
import numpy as np
import pytest
import torch
from scipy.special import lpmv

from euclidium.o3 import Irreps, rand_matrix, recurrence, spherical_harmonics
from euclidium.o3.harmonics import harmonic_blocks
from euclidium.o3.wigner import wigner_D_of_matrix

VECTORS = np.random.default_rng(0).normal(size=(40, 3))
SPECIAL = np.vstack([np.eye(3), -np.eye(3), [[0, 1, 1e-9], [1e-9, -1, 0], [1, 1, 1]]])


def legendre(l, x):
    """Integral-normalised real harmonics from SciPy's Legendre functions, polar axis y."""
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    azimuth = np.arctan2(x[:, 0], x[:, 2])
    columns = []
    for m in range(-l, l + 1):
        k = abs(m)
        ratio = math.factorial(l - k) / math.factorial(l + k)
        size = math.sqrt((2 * l + 1) / (4 * math.pi) * ratio * (2 if m else 1))
        part = np.sin(k * azimuth) if m < 0 else np.cos(k * azimuth)
        columns.append((-1) ** k * size * lpmv(k, l, x[:, 1]) * part)  # SciPy has (-1)^m
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("l", range(13))
def test_agrees_with_scipy(l):
    x = np.vstack([VECTORS, SPECIAL[:6]])
    ours = spherical_harmonics(l, x, normalization="integral")
    np.testing.assert_allclose(ours, legendre(l, x), atol=1e-13)


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.parametrize("normalize", [True, False])
def test_agrees_with_e3nn(normalization, normalize):
    ls = list(range(12))
    theirs = e3nn.o3.spherical_harmonics(
        ls, torch.tensor(VECTORS), normalize=normalize, normalization=normalization
    )
    ours = spherical_harmonics(ls, VECTORS, normalize, normalization)
    scale = np.abs(theirs.numpy()).max(axis=0)
    assert (np.abs(ours - theirs.numpy()) / scale).max() < 1e-12


@pytest.mark.parametrize("l", [*range(13), 40])
def test_equivariant(l):
    R = rand_matrix(rng=l)
    turned = spherical_harmonics(l, VECTORS @ R.T)
    expected = spherical_harmonics(l, VECTORS) @ wigner_D_of_matrix(l, R).T
    np.testing.assert_allclose(turned, expected, atol=1e-12)
    np.testing.assert_allclose(
        spherical_harmonics(l, -VECTORS), (-1) ** l * spherical_harmonics(l, VECTORS), atol=1e-13
    )


@pytest.mark.parametrize("l", [0, 1, 5, 12, 100])
def test_normalization(l):
    x = np.vstack([VECTORS, SPECIAL])
    square = {
        name: (spherical_harmonics(l, x, normalization=name) ** 2).sum(-1)
        for name in ("component", "norm", "integral")
    }
    np.testing.assert_allclose(square["component"], 2 * l + 1, rtol=1e-12)
    np.testing.assert_allclose(square["norm"], 1, rtol=1e-12)
    np.testing.assert_allclose(square["integral"], (2 * l + 1) / (4 * math.pi), rtol=1e-12)


def test_orthonormal_on_the_sphere():
    """Quadrature: Gauss-Legendre in the height, equal steps in the azimuth; exact to l = 24."""
    y, weight = np.polynomial.legendre.leggauss(13)
    azimuth = 2 * np.pi * np.arange(26) / 26
    s = np.sqrt(1 - y**2)[:, None]
    x = np.stack(np.broadcast_arrays(s * np.sin(azimuth), y[:, None], s * np.cos(azimuth)), -1)
    Y = spherical_harmonics(range(13), x, normalization="integral")
    gram = np.einsum("yai,yaj,y->ij", Y, Y, weight) * 2 * np.pi / 26
    np.testing.assert_allclose(gram, np.eye(169), atol=1e-13)


def test_first_degree_is_the_vector():
    x = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(spherical_harmonics(1, x, False, "norm"), x, rtol=1e-15)


@pytest.mark.parametrize("normalize", [True, False])
def test_zero_vector(normalize):
    Y = spherical_harmonics(range(5), np.zeros((2, 3)), normalize)
    np.testing.assert_array_equal(Y[:, 0], 1)
    np.testing.assert_array_equal(Y[:, 1:], 0)


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_direction_of_tiny_and_huge_vectors(size):
    x = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(
        spherical_harmonics(range(5), size * x), spherical_harmonics(range(5), x), rtol=1e-13
    )


def test_recurrence_is_what_the_record_says():
    """A literal evaluation, as any other layer may write it."""
    for normalization in ("component", "norm", "integral"):
        table = recurrence(4, normalization)
        x, y, z = 0.3, -0.7, 1.1
        r2 = x * x + y * y + z * z
        P, out = {(0, 0): table.n00}, []
        for m in range(1, 5):
            P[m, m] = table.d[m] * P[m - 1, m - 1]
        for m in range(5):
            for l in range(m + 1, 5):
                P[l, m] = table.a[l, m] * y * P[l - 1, m]
                P[l, m] += table.b[l, m] * r2 * P.get((l - 2, m), 0.0)
        for l in range(5):
            for m in range(-l, l + 1):
                A = (z + 1j * x) ** abs(m)
                out.append(P[l, abs(m)] * (A.imag if m < 0 else A.real))
        expected = spherical_harmonics(range(5), np.array([x, y, z]), False, normalization)
        np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-15)


def test_recurrence_is_shared_and_read_only():
    table = recurrence(3)
    assert table is recurrence(3)
    assert table.a.shape == table.b.shape == (4, 4)
    with pytest.raises(ValueError, match="read-only"):
        table.a[1, 0] = 0


def test_degrees_in_every_form():
    x = VECTORS
    by_irreps = spherical_harmonics("0e+1o+2e", x)
    for form in ([0, 1, 2], range(3), Irreps.spherical_harmonics(2), (0, 1, 2)):
        np.testing.assert_array_equal(spherical_harmonics(form, x), by_irreps)
    np.testing.assert_array_equal(
        spherical_harmonics([2, 0, 2], x),
        np.hstack([by_irreps[:, 4:], by_irreps[:, :1], by_irreps[:, 4:]]),
    )
    assert spherical_harmonics("0e+1e+2e", x).shape == (40, 9)  # of an axial vector
    assert spherical_harmonics([], x).shape == (40, 0)
    assert spherical_harmonics(3, np.zeros((0, 3))).shape == (0, 7)


def test_repeated_irreps_are_channel_last():
    Y = spherical_harmonics("2x1o", VECTORS).reshape(-1, 3, 2)
    np.testing.assert_array_equal(Y[..., 0], Y[..., 1])
    np.testing.assert_array_equal(Y[..., 0], spherical_harmonics(1, VECTORS))


@pytest.mark.parametrize("shape", [(4,), (5, 2), ()])
def test_wrong_last_dimension(shape, unchecked):
    """e3nn drops the fourth column in silence."""
    with pytest.raises(ValueError, match="vectors have 3 components on the last axis"):
        spherical_harmonics([0, 1], np.zeros(shape))


def test_other_errors():
    with pytest.raises(ValueError, match="choose 'component', 'norm' or 'integral'"):
        spherical_harmonics(1, VECTORS, normalization="4pi")
    with pytest.raises(ValueError, match="not spherical harmonics: of a vector they have parity"):
        spherical_harmonics("0e+1o+2o", VECTORS)
    with pytest.raises(ValueError, match="not spherical harmonics"):
        harmonic_blocks("1e+1o")
    with pytest.raises(ValueError, match="the highest degree lmax is -1"):
        recurrence(-1)
    with pytest.raises(ValueError, match="not an irrep: degree -1"):
        spherical_harmonics(-1, VECTORS)

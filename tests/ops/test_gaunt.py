from itertools import product

import numpy as np
import pytest

from euclidium.o3.harmonics import spherical_harmonics
from euclidium.ops.gaunt import gaunt


def sphere(degree):
    """Points and weights that integrate polynomials to this degree exactly."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    azimuth = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    y, angle = (a.ravel() for a in np.meshgrid(nodes, azimuth, indexing="ij"))
    across = np.sqrt(1 - y**2)
    points = np.stack([across * np.sin(angle), y, across * np.cos(angle)], -1)
    return points, np.repeat(weights, degree + 1) * 2 * np.pi / (degree + 1)


def test_equal_to_integrals_of_products():
    lmax = 5
    points, weights = sphere(4 * lmax)
    y = [spherical_harmonics(l, points, normalization="integral") for l in range(2 * lmax + 1)]
    for a, b in product(range(lmax + 1), repeat=2):
        for c in range(abs(a - b), a + b + 1):
            expected = np.einsum("p,pi,pj,pk->ijk", weights, y[a], y[b], y[c], optimize=True)
            np.testing.assert_allclose(gaunt(a, b, c), expected, atol=1e-14)
            assert (a + b + c) % 2 == 0 or not gaunt(a, b, c).any()


def test_the_product_of_two_harmonics_is_a_sum_of_harmonics():
    v = np.random.default_rng(0).normal(size=(20, 3))
    y = [spherical_harmonics(l, v, normalization="integral") for l in range(13)]
    for a, b in ((6, 6), (6, 3), (0, 4)):
        parts = [
            y[c] @ gaunt(a, b, c).reshape(-1, 2 * c + 1).T for c in range(abs(a - b), a + b + 1)
        ]
        expected = (y[a][:, :, None] * y[b][:, None]).reshape(20, -1)
        np.testing.assert_allclose(sum(parts), expected, atol=1e-13)


def test_degrees_that_do_not_couple():
    with pytest.raises(ValueError, match="degrees 1, 1, 3 do not couple"):
        gaunt(1, 1, 3)


def test_nobody_can_change_what_is_kept():
    with pytest.raises(ValueError, match="read-only"):
        gaunt(1, 1, 2)[0, 0, 0] = 1

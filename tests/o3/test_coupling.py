"""Wigner 3j symbols: invariance, orthogonality, published values, and e3nn's signs."""

import itertools
import math

import e3nn.o3
import numpy as np
import pytest
import torch

from euclidium.o3 import rand_matrix, spherical_harmonics, wigner_3j
from euclidium.o3.wigner import wigner_D_of_matrix


def triples(lmax):
    for l1, l2 in itertools.product(range(lmax + 1), repeat=2):
        for l3 in range(abs(l1 - l2), min(l1 + l2, lmax) + 1):
            yield l1, l2, l3


def test_signs_and_values_are_those_of_e3nn():
    for ls in triples(6):
        theirs = e3nn.o3.wigner_3j(*ls, dtype=torch.float64)
        np.testing.assert_allclose(wigner_3j(*ls), theirs, atol=1e-14, err_msg=str(ls))


def test_no_rotation_changes_them():
    R = rand_matrix(rng=0)
    D = [wigner_D_of_matrix(l, R) for l in range(13)]
    for l1, l2, l3 in triples(12):
        if l1 <= l2 <= l3:
            C = wigner_3j(l1, l2, l3)
            turned = np.einsum("ijk,li,mj,nk->lmn", C, D[l1], D[l2], D[l3], optimize=True)
            assert np.abs(turned - C).max() < 1e-14


def test_orthogonal_and_complete():
    """Σ (2 l3 + 1) C C over l3 is the identity on l1 ⊗ l2."""
    for l1, l2 in ((0, 0), (1, 1), (2, 3), (5, 12), (12, 12)):
        rows = [
            wigner_3j(l1, l2, l3).reshape(-1, 2 * l3 + 1).T * math.sqrt(2 * l3 + 1)
            for l3 in range(abs(l1 - l2), l1 + l2 + 1)
        ]
        Q = np.concatenate(rows)
        np.testing.assert_allclose(Q @ Q.T, np.eye(len(Q)), atol=1e-14)
        np.testing.assert_allclose(Q.T @ Q, np.eye(len(Q)), atol=1e-14)


def test_exchange_of_two_degrees():
    for l1, l2, l3 in triples(5):
        sign = (-1) ** (l1 + l2 + l3)
        np.testing.assert_allclose(
            wigner_3j(l1, l2, l3), sign * wigner_3j(l2, l1, l3).transpose(1, 0, 2), atol=1e-15
        )


def test_known_couplings():
    np.testing.assert_allclose(wigner_3j(1, 1, 0)[..., 0], np.eye(3) / math.sqrt(3), atol=1e-16)
    epsilon = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        epsilon[i, j, k], epsilon[j, i, k] = 1, -1
    np.testing.assert_allclose(wigner_3j(1, 1, 1), epsilon / math.sqrt(6), atol=1e-16)


@pytest.mark.parametrize(("l1", "l2", "l3"), [(1, 1, 2), (2, 2, 2), (3, 4, 5), (6, 6, 10)])
def test_product_of_harmonics_is_gaunt(l1, l2, l3):
    """Y1 ⊗ Y2 coupled to l3 is proportional to Y3 where the sum of degrees is even."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    y1, y2, y3 = (spherical_harmonics(l, x) for l in (l1, l2, l3))
    coupled = np.einsum("zi,zj,ijk->zk", y1, y2, wigner_3j(l1, l2, l3))
    ratio = (coupled * y3).sum(-1) / (y3 * y3).sum(-1)
    np.testing.assert_allclose(coupled, ratio[:, None] * y3, atol=1e-13)
    assert np.ptp(ratio) < 1e-13
    assert ratio[0] > 1e-3


def test_forbidden_elements_are_exactly_zero():
    C = wigner_3j(4, 5, 6)
    assert 0 < np.count_nonzero(C) < 0.2 * C.size
    assert np.abs(C[C != 0]).min() > 1e-4


def test_high_degrees_are_exact():
    C = wigner_3j(40, 40, 40)
    assert abs((C**2).sum() - 1) < 1e-14
    # (40 40 80; 0 0 0)² = 80!³ ... in closed form (DLMF 34.3.5)
    square = math.comb(80, 40) ** 2 / math.comb(160, 80) / 161
    np.testing.assert_allclose(wigner_3j(40, 40, 80)[40, 40, 80] ** 2, square, rtol=1e-14)


def test_computed_once_and_read_only():
    assert wigner_3j(2, 2, 2) is wigner_3j(2, 2, 2)
    with pytest.raises(ValueError, match="read-only"):
        wigner_3j(2, 2, 2)[0, 0, 0] = 1


@pytest.mark.parametrize("ls", [(1, 1, 3), (0, 1, 0), (-1, 1, 1)])
def test_degrees_that_do_not_couple(ls):
    with pytest.raises(ValueError, match=r"do not couple: choose l3 from \|l1 - l2\| to l1 \+ l2"):
        wigner_3j(*ls)

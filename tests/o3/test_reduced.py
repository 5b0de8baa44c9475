"""Reduced tensor products: orthonormal, equivariant, symmetric, and of e3nn's span."""

import math
import time

import e3nn.o3
import numpy as np
import pytest

from euclidium.o3 import Irreps, ReducedTensorProducts, from_e3nn_permutation, rand_matrix
from euclidium.o3.permutations import parse_formula

SMALL = [
    ("i", {"i": "2x0e+1o"}),
    ("ij", {"i": "1o", "j": "0e+1e"}),
    ("ij=ji", {"i": "1o"}),
    ("ij=-ji", {"i": "1o"}),
    ("ij=ji", {"i": "2x0e+2x1o+1x2e"}),
    ("ij=-ji", {"i": "0o+2x1o"}),
    ("ijk=jik=ikj", {"i": "1o"}),
    ("ijk=-jik=-ikj", {"i": "1o"}),
    ("ijk=-jik=-ikj", {"i": "2e"}),
    ("ijk=jki", {"i": "0e+1o"}),
    ("ijk=jik", {"i": "0e+1o", "k": "2x1o"}),
    ("ijk=kji", {"i": "1o", "j": "2e"}),
    ("ijkl=jikl=klij", {"i": "1o"}),
    ("ijkl=jikl=ijlk=klij", {"i": "1o"}),
    ("ijkl=-jikl=-ijlk=klij", {"i": "1o"}),
    ("ijkl=jikl=ijlk", {"i": "1o", "k": "1e"}),
    ("ijkl=jikl=ikjl=ijlk", {"i": "1e"}),
]
FILTERED = [
    ("ij=ji", {"i": "1o+2e"}, ["0e", "2e"], None),
    ("ijk=jik=ikj", {"i": "0e+1o"}, ["1o"], None),
    ("ijk=jik=ikj", {"i": "1o"}, None, ["0e", "1o", "2e"]),
    ("ijk=jik", {"i": "1o", "k": "1o"}, None, ["0e", "1o", "3o"]),
    ("ijk=jki", {"i": "0e+1o"}, ["0e", "1o"], ["0e", "1o", "2e"]),
    ("ijkl=jikl=klij", {"i": "1o"}, ["0e", "2e"], ["0e", "1o", "2e"]),
    ("i", {"i": "2x0e+1o"}, ["1o"], None),
]


def flat(rtp):
    return rtp.change_of_basis.reshape(rtp.irreps_out.dim, -1)


def theirs_in_our_order(rtp, irreps_in):
    """e3nn's change of basis with channel-last inputs; its rows stay as they are."""
    Q = rtp.change_of_basis.numpy()
    for axis, irreps in enumerate(irreps_in):
        Q = np.take(Q, from_e3nn_permutation(irreps), axis=axis + 1)
    return Q.reshape(len(Q), -1)


@pytest.mark.parametrize(("formula", "irreps"), SMALL)
def test_orthonormal_symmetric_equivariant(formula, irreps):
    rtp = ReducedTensorProducts(formula, **irreps)
    Q = flat(rtp)
    np.testing.assert_allclose(Q @ Q.T, np.eye(len(Q)), atol=1e-14)
    for g in parse_formula(formula).group:
        turned = rtp.change_of_basis.transpose(0, *(1 + i for i in g.images))
        np.testing.assert_allclose(turned, g.sign * rtp.change_of_basis, atol=1e-15)
    R = -rand_matrix(rng=0)
    D = np.ones((1, 1))
    for x in rtp.irreps_in:
        D = np.kron(D, x.D_from_matrix(R))
    np.testing.assert_allclose(Q @ D, rtp.irreps_out.D_from_matrix(R) @ Q, atol=1e-13)


@pytest.mark.parametrize(("formula", "irreps"), SMALL)
def test_same_span_as_e3nn(formula, irreps, float64):
    ours = ReducedTensorProducts(formula, **irreps)
    theirs = e3nn.o3.ReducedTensorProducts(formula, **irreps)
    assert repr(ours.irreps_out) == repr(theirs.irreps_out)
    Q, P = flat(ours), theirs_in_our_order(theirs, ours.irreps_in)
    np.testing.assert_allclose(Q.T @ Q, P.T @ P, atol=1e-13)
    for block, where in zip(ours.irreps_out, ours.irreps_out.slices(), strict=True):
        one, two = Q[where], P[where]  # each irrep by itself spans the same
        np.testing.assert_allclose(one.T @ one, two.T @ two, atol=1e-13, err_msg=str(block))


@pytest.mark.parametrize(("formula", "irreps", "out", "mid"), FILTERED)
def test_filters_as_in_e3nn(formula, irreps, out, mid, float64):
    ours = ReducedTensorProducts(formula, filter_ir_out=out, filter_ir_mid=mid, **irreps)
    theirs = e3nn.o3.ReducedTensorProducts(formula, out, mid, **irreps)
    assert repr(ours.irreps_out) == repr(theirs.irreps_out)
    Q, P = flat(ours), theirs_in_our_order(theirs, ours.irreps_in)
    np.testing.assert_allclose(Q.T @ Q, P.T @ P, atol=1e-13)


def test_elastic_tensor_is_quick():
    """Below 2 s is asked; it takes some 10 ms."""
    start = time.process_time()
    rtp = ReducedTensorProducts("ijkl=jikl=ijlk=klij", i="1o")
    assert time.process_time() - start < 1
    assert rtp.irreps_out == "2x0e+2x2e+1x4e"


@pytest.mark.parametrize(
    ("formula", "irreps", "dim"),
    [
        ("ijkl=jikl=jkli", "0e+1o+2e", math.comb(12, 4)),
        ("ijk=jik=jki", "2x0e+2x1o+1x2e", math.comb(15, 3)),
        ("ijklmn=jiklmn=jklmni", "1o", math.comb(8, 6)),
        ("ijkl=-jikl=-jkli", "1o+2e", math.comb(8, 4)),  # a cycle of four is odd
    ],
)
def test_large_powers(formula, irreps, dim):
    start = time.process_time()
    rtp = ReducedTensorProducts(formula, i=irreps)
    assert time.process_time() - start < 2
    assert rtp.irreps_out.dim == dim
    Q = flat(rtp)
    np.testing.assert_allclose(Q @ Q.T, np.eye(dim), atol=1e-14)
    # a product of vectors turns as the irreps do
    R = -rand_matrix(rng=0)
    x = [rtp.irreps_in[0].randn(-1, rng=seed) for seed in range(len(rtp.irreps_in))]
    turned = [rtp.irreps_in[0].D_from_matrix(R) @ v for v in x]
    expected = rtp.irreps_out.D_from_matrix(R) @ rtp(*x)
    np.testing.assert_allclose(rtp(*turned), expected, atol=1e-12)


def test_deterministic_and_independent_of_the_written_formula():
    a = ReducedTensorProducts("ijkl=jikl=klij", i="1o").change_of_basis
    b = ReducedTensorProducts("ijkl=ijlk=klij", l="1o").change_of_basis
    np.testing.assert_array_equal(a, b)


def test_basis_of_common_tensors_is_that_of_e3nn(float64):
    """So converted models read and write the same elastic constants."""
    for formula in ("ij=ji", "ij=-ji", "ijk=ikj", "ijkl=jikl=klij"):
        vectors = dict.fromkeys(formula.split("=")[0], "1o")
        ours = ReducedTensorProducts(formula, **vectors)
        theirs = e3nn.o3.ReducedTensorProducts(formula, **vectors)
        rows = from_e3nn_permutation(ours.irreps_out)
        np.testing.assert_allclose(
            ours.change_of_basis, theirs.change_of_basis.numpy()[rows], atol=1e-13
        )


def test_values_of_a_product():
    rtp = ReducedTensorProducts("ijk=jik", i="0e+1o", k="2x1o")
    x, y, z = (irreps.randn(7, -1, rng=i) for i, irreps in enumerate(rtp.irreps_in))
    expected = np.einsum("aijk,zi,zj,zk->za", rtp.change_of_basis, x, y, z)
    np.testing.assert_allclose(rtp(x, y, z), expected, atol=1e-14)
    np.testing.assert_allclose(rtp(y, x, z), expected, atol=1e-14)
    np.testing.assert_allclose(rtp(x[0], y[0], z), rtp(x[:1], y[:1], z), atol=1e-15)


def test_nothing_left():
    rtp = ReducedTensorProducts("ijkl=-jikl=-jkli", i="1o")
    assert rtp.irreps_out == Irreps("")
    assert rtp.change_of_basis.shape == (0, 3, 3, 3, 3)
    assert rtp(*[np.ones(3)] * 4).shape == (0,)
    assert ReducedTensorProducts("ij=ji", i="1o", filter_ir_out=["5e"]).irreps_out == ""
    assert ReducedTensorProducts("ij=ji", i="").change_of_basis.shape == (0, 0, 0)


def test_prints_and_is_read_only():
    rtp = ReducedTensorProducts("ij=-ji", i="1o")
    assert repr(rtp) == "ReducedTensorProducts('ij=-ji': 1x1o ⊗ 1x1o -> 1x1e)"
    with pytest.raises(ValueError, match="read-only"):
        rtp.change_of_basis[0] = 0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ReducedTensorProducts("ij=ji"), r"the index 'i' of 'ij=ji' has no irreps"),
        (lambda: ReducedTensorProducts("ij", i="1o"), r"the index 'j' of 'ij' has no irreps"),
        (lambda: ReducedTensorProducts("ij=ji", i="1o", k="1o"), "'k' has irreps, but is not an"),
        (lambda: ReducedTensorProducts("ij=ji", i="1o", irreps="1o"), "'irreps' has irreps, but"),
        (
            lambda: ReducedTensorProducts("ij=ji", i="1o", j="1e"),
            "the indices 'ij' of 'ij=ji' are exchanged, so their irreps must be the same",
        ),
        (
            lambda: ReducedTensorProducts("ij=ji", i="1o")(np.ones(3)),
            "'ij=ji' is a product of 2 vectors, not 1",
        ),
        (
            lambda: ReducedTensorProducts("ij=ji", i="1o")(np.ones(3), np.ones(4)),
            r"vector 1 has shape \(4,\), but 1x1o has 3 components",
        ),
    ],
)
def test_errors(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

"""Irreps as values, against e3nn and against what a representation is."""

import pickle
import time

import e3nn.o3
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from euclidium.o3 import (
    Block,
    Irrep,
    Irreps,
    angles_to_matrix,
    axis_angle_to_matrix,
    quaternion_to_matrix,
    rand_angles,
    rand_axis_angle,
    rand_matrix,
    rand_quaternion,
    to_e3nn_permutation,
)

# plain tuples: the run-time checks of annotations may not run inside a strategy
irrep = st.tuples(st.integers(0, 6), st.sampled_from([1, -1]))
irreps = st.lists(st.tuples(st.integers(0, 4), irrep), max_size=6)


def oracle(x):
    return e3nn.o3.Irreps(repr(x))


def test_irrep_in_every_form():
    forms = [
        Irrep(1, -1),
        Irrep("1o"),
        Irrep(" 1o"),
        Irrep("1y"),
        Irrep((1, -1)),
        Irrep.parse("1o"),
    ]
    forms += [Irrep(Irrep("1o")), Irrep(Block(3, Irrep("1o"))), Irrep(np.int64(1), np.int64(-1))]
    assert set(forms) == {Irrep("1o")}
    assert Irrep("2y") == "2e"
    assert Irrep("1o") == (1, -1)
    assert Irrep("1o") != "1e"
    assert repr(Irrep("11e")) == "11e"


@pytest.mark.parametrize("text", ["1v", "", "o", "-1o", "1", "1.5e", "1oo", "x1o", "²e"])
def test_text_that_is_no_irrep(text):
    with pytest.raises(ValueError, match=r"not an irrep: '.*'\. Write the degree and the parity"):
        Irrep(text)


def test_numbers_that_are_no_irrep():
    with pytest.raises(ValueError, match="not an irrep: degree -1, parity 1"):
        Irrep(-1, 1)
    with pytest.raises(ValueError, match="not an irrep: degree 1, parity 0"):
        Irrep(1, 0)
    with pytest.raises(ValueError, match=r"the degree 0\.5 is not an integer"):
        Irrep(0.5, 1)
    with pytest.raises(ValueError, match=r"not an irrep: 3\.0"):
        Irrep(3.0)


@pytest.mark.parametrize(
    "text", ["1v", "2x1v", "1o+", "-2x1o", "2.0x1o", "2x", "x1o", "1o 2e", "2X1o"]
)
def test_text_that_is_no_irreps(text):
    with pytest.raises(ValueError, match=r"not irreps: '.*', because of '.*'\. Write"):
        Irreps(text)


def test_values_that_are_no_irreps():
    with pytest.raises(ValueError, match=r"not irreps: 3\. Write e\.g\. '16x0e"):
        Irreps(3)
    with pytest.raises(ValueError, match="Write pairs of a multiplicity and an irrep"):
        Irreps([(-1, "1o")])
    with pytest.raises(ValueError, match="the multiplicity '2' is not an integer"):
        Irreps([("2", "1o")])
    with pytest.raises(ValueError, match="empty irreps have no highest degree"):
        _ = Irreps("0x1o").lmax


def test_irreps_do_not_multiply(unchecked):
    with pytest.raises(TypeError, match="for the product of two representations"):
        _ = Irreps("1o") * Irreps("1o")


def test_irreps_in_every_form():
    expected = Irreps("2x0e+1x1o")
    forms = [" 2x0e + 1o ", [(2, "0e"), "1o"], [(2, (0, 1)), Irrep("1o")], expected, iter(expected)]
    assert {Irreps(form) for form in forms} == {expected}
    assert Irreps(Irrep("1o")) == Irreps("1o") == Irreps(Block(1, Irrep("1o")))
    assert Irreps() == Irreps("") == Irreps(None) == Irreps([]) == ""
    assert Irreps("").dim == 0


def test_irreps_equal_their_text():
    assert Irreps("1o") == "1o"  # e3nn: False
    assert Irreps("1o") == "1x1o"
    assert Irreps("2x0e+1o") == "2x0e+1o"
    assert Irreps("1o") != "1e"
    assert Irreps("1o") != "nonsense"
    assert Irreps("1o") != 3
    assert Irreps("1e+1o") != Irreps("1o+1e")


@given(irreps)
def test_text_and_back(x):
    x = Irreps(x)
    assert Irreps(repr(x)) == x == repr(x)
    assert hash(Irreps(repr(x))) == hash(x)
    assert pickle.loads(pickle.dumps(x)) == x


def test_irreps_are_immutable():
    x = Irreps("1o")
    with pytest.raises(AttributeError, match="irreps are immutable"):
        x.dim = 5
    with pytest.raises(AttributeError, match="irreps are immutable"):
        del x.dim
    with pytest.raises(AttributeError):
        Irrep("1o").l = 2


@given(irreps, irreps)
def test_agrees_with_e3nn(x, y):
    x, y = Irreps(x), Irreps(y)
    assert repr(x + y) == repr(oracle(x) + oracle(y))
    assert repr(x * 2) == repr(2 * x) == repr(oracle(x) * 2)
    for method in ("simplify", "regroup", "remove_zero_multiplicities"):
        assert repr(getattr(x, method)()) == repr(getattr(oracle(x), method)())
    ours, theirs = x.sort(), oracle(x).sort()
    assert (repr(ours.irreps), ours.p, ours.inv) == (repr(theirs.irreps), theirs.p, theirs.inv)
    assert (x.dim, x.num_irreps, x.ls) == (oracle(x).dim, oracle(x).num_irreps, oracle(x).ls)
    assert x.slices() == oracle(x).slices()
    assert repr(x[1:3]) == repr(oracle(x)[1:3])
    theirs = oracle(x).slice_by_mul[1:5].remove_zero_multiplicities()
    assert repr(x.slice_by_mul[1:5]) == repr(theirs)
    if x.num_irreps:
        assert x.lmax == oracle(x).lmax


@given(irreps, irrep)
def test_filter_and_count_agree_with_e3nn(x, ir):
    x, ir = Irreps(x), Irrep(ir)
    theirs = e3nn.o3.Irrep(repr(ir))
    assert x.count(ir) == oracle(x).count(theirs)
    assert (ir in x) == (theirs in oracle(x))
    assert repr(x.filter(keep=ir)) == repr(oracle(x).filter(keep=[theirs]))
    assert repr(x.filter(drop=[ir])) == repr(oracle(x).filter(drop=[theirs]))
    assert repr(x.filter(lmax=ir.l)) == repr(oracle(x).filter(lmax=ir.l))
    assert x.filter(lambda b: b.ir == ir) == x.filter(ir) == x.filter(repr(ir))
    assert x.filter() == x


def test_filter_takes_one_rule():
    with pytest.raises(ValueError, match="give only one of keep, drop and lmax"):
        Irreps("1o").filter("1o", lmax=1)


@given(irrep, irrep)
def test_product_of_irreps(a, b):
    a, b = Irrep(a), Irrep(b)
    product = a * b
    assert product == b * a
    assert sum(ir.dim for ir in product) == a.dim * b.dim
    assert {ir.p for ir in product} == {a.p * b.p}
    theirs = e3nn.o3.Irrep(repr(a)) * e3nn.o3.Irrep(repr(b))
    assert list(map(repr, product)) == list(map(repr, theirs))
    assert (a < b) == (e3nn.o3.Irrep(repr(a)) < e3nn.o3.Irrep(repr(b)))


def test_iterator_and_harmonics():
    assert list(map(repr, Irrep.iterator(2))) == list(map(repr, e3nn.o3.Irrep.iterator(2)))
    assert next(iter(Irrep.iterator())) == "0e"
    assert Irreps.spherical_harmonics(2) == "0e+1o+2e"
    assert Irreps.spherical_harmonics(2, p=1) == "0e+1e+2e"


@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_random_features(normalization):
    x = Irreps("3x0e+2x1o+2x2e").randn(4000, -1, 2, normalization=normalization, rng=0)
    assert x.shape == (4000, 19, 2)
    vector = x[:, 3:9].reshape(4000, 3, 2, 2)  # component, channel, after
    mean_square = (vector**2).mean(axis=(0, 2, 3))
    expected = 1 if normalization == "component" else 1 / 3
    np.testing.assert_allclose(mean_square, expected, rtol=0.05)
    if normalization == "norm":
        np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, rtol=1e-14)


def test_random_features_are_those_of_the_seed():
    x = Irreps("3x0e+1o")
    np.testing.assert_array_equal(x.randn(2, -1, rng=1), x.randn(2, -1, rng=1))
    np.testing.assert_array_equal(
        x.randn(2, -1, rng=1), x.randn(2, -1, rng=np.random.default_rng(1))
    )
    with pytest.raises(ValueError, match=r"the size \(2, 3\) needs exactly one -1"):
        x.randn(2, 3)
    with pytest.raises(ValueError, match="choose 'component' or 'norm'"):
        x.randn(-1, normalization="integral")


@given(irreps, st.integers(0, 99))
def test_representation_of_reflections_too(x, seed):
    x = Irreps(x)
    R = rand_matrix(2, rng=seed) * np.array([1, -1])[:, None, None]
    D = x.D_from_matrix(R)
    np.testing.assert_allclose(D[0] @ D[1], x.D_from_matrix(R[0] @ R[1]), atol=1e-13)
    np.testing.assert_allclose(D @ D.swapaxes(-1, -2) - np.eye(x.dim), 0, atol=1e-13)


def test_all_ways_to_a_matrix_agree():
    x = Irreps("2x0o+3x1o+1x2e+1x5e")
    angles, q, axis_angle = (
        rand_angles(4, rng=0),
        rand_quaternion(4, rng=0),
        rand_axis_angle(4, rng=0),
    )
    for given_, R in (
        (x.D_from_angles(*angles), angles_to_matrix(*angles)),
        (x.D_from_quaternion(q), quaternion_to_matrix(q)),
        (x.D_from_axis_angle(*axis_angle), axis_angle_to_matrix(*axis_angle)),
    ):
        np.testing.assert_allclose(given_, x.D_from_matrix(R), atol=1e-13)
    k = np.array([0, 1, 2, 3])
    sign = (-1.0) ** k[:, None, None]
    flipped = x.D_from_matrix(sign * angles_to_matrix(*angles))
    np.testing.assert_allclose(x.D_from_angles(*angles, k=k), flipped, atol=1e-13)
    flipped = x.D_from_matrix(sign * quaternion_to_matrix(q))
    np.testing.assert_allclose(x.D_from_quaternion(q, k=k), flipped, atol=1e-13)


def test_matrix_agrees_with_e3nn_in_its_order(float64):
    x = Irreps("2x0o+3x1o+2x3e")
    R = -rand_matrix(5, rng=0)
    p = to_e3nn_permutation(x)
    ours = x.D_from_matrix(R)[:, p][:, :, p]
    np.testing.assert_allclose(ours, oracle(x).D_from_matrix(torch.tensor(R)), atol=1e-12)


def test_matrix_of_a_vector_is_the_rotation():
    R = rand_matrix(7, rng=0)
    np.testing.assert_allclose(Irrep("1o").D_from_matrix(-R), -R, atol=1e-15)
    np.testing.assert_allclose(Irrep("1e").D_from_matrix(-R), R, atol=1e-15)


def test_matrices_that_are_not_orthogonal(unchecked):
    with pytest.raises(ValueError, match=r"R Rᵀ differs from the identity by 3\.0e"):
        Irrep("1o").D_from_matrix(2 * np.eye(3))
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3, 3\), not \(2, 2\)"):
        Irrep("1o").D_from_matrix(np.eye(2))
    with pytest.raises(ValueError, match="not orthogonal: R Rᵀ differs from the identity by nan"):
        Irrep("1o").D_from_matrix(np.full((3, 3), np.nan))


def test_parsing_is_remembered(unchecked):
    """e3nn takes 15 µs a time. Bounds are loose, because the machine may be busy."""
    text = "128x0e+128x1o+64x2e"
    Irreps(text)
    start = time.process_time()
    for _ in range(1000):
        Irreps(text)
    assert time.process_time() - start < 0.05

"""Index symmetry: groups and orbits, against brute force."""

import itertools
import math

import numpy as np
import pytest

from euclidium.o3.permutations import generate, orbits, parse_formula

FORMULAS = ["ij", "ij=ji", "ij=-ji", "ijk=jik=ikj", "ijk=-jik=jki", "ijkl=-jikl=-ijlk=klij"]


def project(group, tensor):
    """Mean over the group, as the definition says."""
    return sum(g.sign * tensor.transpose(g.images) for g in group) / len(group)


@pytest.mark.parametrize("formula", FORMULAS)
def test_orbits_span_the_symmetric_tensors(formula):
    symmetry = parse_formula(formula)
    dims = (3,) * len(symmetry.indices)
    found = orbits(symmetry.group, dims)
    basis = np.zeros((len(found.size), math.prod(dims)))
    for x, (number, sign) in enumerate(zip(found.number, found.sign, strict=True)):
        if number >= 0:
            basis[number, x] = sign / math.sqrt(found.size[number])
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-15)
    tensor = np.random.default_rng(0).normal(size=dims)
    projected = (basis.T @ (basis @ tensor.ravel())).reshape(dims)
    np.testing.assert_allclose(projected, project(symmetry.group, tensor), atol=1e-15)
    np.testing.assert_array_equal(found.first, np.sort(found.first))
    np.testing.assert_array_equal(found.number[found.first], np.arange(len(found.first)))


def test_groups():
    assert len(parse_formula("ijkl=jikl=jkli").group) == 24
    assert len(parse_formula("ijkl=jikl=klij").group) == 8
    assert len(parse_formula("i").group) == 1
    assert parse_formula("ij = -ji") == parse_formula("ij=-ji")
    # the sign of a product is the product of the signs
    for g in parse_formula("ijk=-jik=-ikj").group:
        assert g.sign == round(np.linalg.det(np.eye(3)[list(g.images)]))


def test_group_is_closed():
    group = parse_formula("ijkl=-jikl=klij").group
    assert generate(group, 4) == group


def test_subgroup_of_the_first_indices():
    symmetry = parse_formula("ijkl=jikl=klij")
    assert symmetry.fixing_last(0) == symmetry.group
    assert len(symmetry.fixing_last(1)) == len(symmetry.fixing_last(2)) == 2
    assert len(symmetry.fixing_last(3)) == 1


def test_contradiction_leaves_nothing():
    found = orbits(parse_formula("ij=ji=-ij").group, (3, 3))
    assert (found.number == -1).all()
    assert len(found.size) == 0


def test_two_dimensions():
    found = orbits(parse_formula("ijk=jik").group, (2, 2, 3))
    assert len(found.size) == 9
    assert sorted(found.size) == [1] * 6 + [2] * 3


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("", "must begin with different letters"),
        ("-ij=ji", "must begin with different letters"),
        ("ii", "must begin with different letters"),
        ("ij=ik", "'ik' in the formula 'ij=ik' is not a permutation of 'ij'"),
        ("ij=jii", "'jii' in the formula 'ij=jii' is not a permutation"),
        ("ij=--ji", "'--ji' in the formula 'ij=--ji' is not a permutation"),
        ("ij=", "'' in the formula 'ij=' is not a permutation"),
    ],
)
def test_errors(formula, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_formula(formula)


def test_symmetric_counts():
    for n, d in itertools.product((1, 2, 3, 4), (2, 3)):
        letters = "ijkl"[:n]
        swaps = [letters[:k] + letters[k + 1] + letters[k] + letters[k + 2 :] for k in range(n - 1)]
        full = parse_formula("=".join([letters, *swaps])).group
        signed = parse_formula("=".join([letters, *("-" + s for s in swaps)])).group
        assert len(orbits(full, (d,) * n).size) == math.comb(d + n - 1, n)
        assert len(orbits(signed, (d,) * n).size) == math.comb(d, n)

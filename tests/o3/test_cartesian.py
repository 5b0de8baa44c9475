"""Cartesian tensors: to irreps and back, for every symmetry; nothing rebuilt, nothing leaked."""

import gc
import pickle
import time

import e3nn.io
import numpy as np
import pytest
import torch

from euclidium.o3 import (
    CartesianTensor,
    rand_matrix,
    spherical_harmonics,
    to_e3nn_permutation,
)
from euclidium.o3.permutations import parse_formula

FORMULAS = {
    "i": "1o",
    "ij": "0e+1e+2e",
    "ij=ji": "0e+2e",
    "ij=-ji": "1e",
    "ijk=ikj": "2x1o+1x2o+1x3o",
    "ijk=jik=ikj": "1o+3o",
    "ijk=-jik=-ikj": "0o",
    "ijkl=jikl=klij": "2x0e+2x2e+1x4e",
    "ijkl=jikl=ijlk": "2x0e+1x1e+3x2e+1x3e+1x4e",
    "ijkl=-jikl=-ijlk=klij": "0e+2e",  # Riemann's
    "ij=ji=-ij": "",  # nothing has it
}


def symmetric(formula, shape=(), seed=0):
    """A random tensor of the symmetry."""
    symmetry = parse_formula(formula)
    rank = len(symmetry.indices)
    t = np.random.default_rng(seed).normal(size=(*shape, *(3,) * rank))
    lead = range(len(shape))
    terms = [
        g.sign * t.transpose(*lead, *(len(shape) + i for i in g.images)) for g in symmetry.group
    ]
    return sum(terms) / len(terms)


def turn(t, R, rank):
    """t with R on each of its last ``rank`` indices."""
    for axis in range(t.ndim - rank, t.ndim):
        t = np.moveaxis(np.tensordot(t, R, axes=(axis, 1)), -1, axis)
    return t


@pytest.mark.parametrize("formula", FORMULAS)
def test_there_and_back(formula):
    tensor = CartesianTensor(formula)
    t = symmetric(formula, (4, 2))
    y = tensor.from_cartesian(t)
    assert y.shape == (4, 2, tensor.dim)
    np.testing.assert_allclose(tensor.to_cartesian(y), t, atol=1e-14)
    norm = (t**2).sum(axis=tuple(range(2, t.ndim)))
    np.testing.assert_allclose((y**2).sum(-1), norm, rtol=1e-13)


@pytest.mark.parametrize("formula", FORMULAS)
def test_irreps_turn_as_the_tensor_does(formula):
    tensor = CartesianTensor(formula)
    R = -rand_matrix(rng=0)
    t = symmetric(formula)
    turned = tensor.from_cartesian(turn(t, R, t.ndim))
    expected = tensor.irreps.D_from_matrix(R) @ tensor.from_cartesian(t)
    np.testing.assert_allclose(turned, expected, atol=1e-13)


@pytest.mark.parametrize(("formula", "irreps"), FORMULAS.items())
def test_irreps_of_known_tensors(formula, irreps):
    assert CartesianTensor(formula).irreps == irreps


@pytest.mark.parametrize("formula", ["ij=ji", "ij=-ji", "ijk=ikj", "ijkl=jikl=klij"])
def test_agrees_with_e3nn(formula, float64):
    theirs = e3nn.io.CartesianTensor(formula)
    t = symmetric(formula, (5,))
    y = theirs.from_cartesian(torch.tensor(t)).numpy()
    ours = CartesianTensor(formula)
    np.testing.assert_allclose(
        ours.from_cartesian(t)[..., to_e3nn_permutation(ours.irreps)], y, atol=1e-12
    )


def test_symmetric_matrix_is_trace_and_second_harmonic():
    x = np.array([0.3, -0.5, 1.2])
    y = CartesianTensor("ij=ji").from_vectors(x, x)
    np.testing.assert_allclose(y[0], x @ x / np.sqrt(3), rtol=1e-14)
    harmonic = spherical_harmonics(2, x, normalize=False, normalization="norm")
    np.testing.assert_allclose(y[1:], harmonic * np.sqrt(2 / 3), rtol=1e-13)


def test_antisymmetric_matrix_is_the_cross_product():
    x, y = np.array([0.3, -0.5, 1.2]), np.array([1.0, 0.2, -0.4])
    got = CartesianTensor("ij=-ji").from_vectors(x, y)
    np.testing.assert_allclose(got, np.cross(x, y) / np.sqrt(2), atol=1e-15)


def test_part_without_the_symmetry_is_projected_out():
    t = np.random.default_rng(0).normal(size=(3, 3))
    tensor = CartesianTensor("ij=ji")
    back = tensor.to_cartesian(tensor.from_cartesian(t))
    np.testing.assert_allclose(back, (t + t.T) / 2, atol=1e-15)


def test_basis_is_double_precision_for_single_precision_data():
    """e3nn's basis, built in float32, stays so after .to(float64)."""
    tensor = CartesianTensor("ijkl=jikl=klij")
    y = tensor.from_cartesian(symmetric("ijkl=jikl=klij").astype(np.float32))
    assert y.dtype == np.float64
    Q = tensor.change_of_basis.reshape(21, -1)
    np.testing.assert_allclose(Q @ Q.T, np.eye(21), atol=1e-14)


def test_conversion_neither_rebuilds_nor_leaks():
    """e3nn takes 30 ms a call and keeps 45 objects of each."""
    tensor, t = CartesianTensor("ijkl=jikl=klij"), symmetric("ijkl=jikl=klij")
    basis = tensor.change_of_basis
    tensor.from_cartesian(t)
    gc.collect()
    objects, start = len(gc.get_objects()), time.process_time()
    for _ in range(100):
        tensor.to_cartesian(tensor.from_cartesian(t))
        assert CartesianTensor("ijkl=jikl=klij").change_of_basis is basis
    assert time.process_time() - start < 1.0
    gc.collect()
    assert len(gc.get_objects()) - objects < 50


def test_value():
    tensor = CartesianTensor("ij=ji")
    assert tensor == CartesianTensor("ij=ji")
    assert hash(tensor) == hash(CartesianTensor("ij=ji"))
    assert pickle.loads(pickle.dumps(tensor)) == tensor
    assert repr(tensor) == "CartesianTensor('ij=ji': 1x0e+1x2e)"
    assert tensor.indices == "ij"
    with pytest.raises(ValueError, match="read-only"):
        tensor.change_of_basis[0] = 0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: CartesianTensor("ij=jk"), "'jk' in the formula 'ij=jk' is not a permutation"),
        (
            lambda: CartesianTensor("ij=ji").from_cartesian(np.ones((3, 2))),
            r"a tensor 'ij=ji' has shape \(\.\.\., 3, 3\), not \(3, 2\)",
        ),
        (
            lambda: CartesianTensor("ij=ji").from_cartesian(np.ones(3)),
            r"a tensor 'ij=ji' has shape \(\.\.\., 3, 3\), not \(3,\)",
        ),
        (
            lambda: CartesianTensor("ij=ji").to_cartesian(np.ones(9)),
            r"1x0e\+1x2e has 6 components on the last axis, but the shape is \(9,\)",
        ),
        (lambda: CartesianTensor("ij=ji").from_vectors(np.ones(3)), "a product of 2 vectors"),
    ],
)
def test_errors(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

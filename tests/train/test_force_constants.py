"""Vibrations of networks, beside phonopy's, and gradients of what is learned from them."""

import copy

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.models.config import NequIPConfig, PotentialConfig, RadialConfig
from euclidium.models.potential import Potential
from euclidium.simulate.phonons import phonons
from euclidium.train.force_constants import (
    Vibrations,
    columns,
    constants_term,
    frequency_term,
    hessian_products,
    vibration_errors,
)
from euclidium.units import THZ_TO_CM1

CELL = bulk("Si")
Q = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5], [0.1, 0.2, 0.37]])


@pytest.fixture(scope="module")
def potential():
    torch.manual_seed(3)
    network = NequIPConfig(channels=4, lmax=1, layers=2, radial=RadialConfig(size=4, hidden=(8,)))
    config = PotentialConfig(
        species=("Si",), cutoff=3.0, network=network, mean_neighbors=4.0, scale=2.0, dtype="float64"
    )
    return Potential(config).train()


@pytest.fixture(scope="module")
def supercell():
    return Structure.from_ase(CELL.repeat(2), keys=None)


@pytest.fixture(scope="module")
def rows(potential, supercell):
    """The rows of the Hessian that belong to the primitive cell."""
    known = vibrations(supercell, frequencies=np.ones((4, 6)))
    graph = Graph.from_structures([supercell], potential.cutoff)
    products, _, _ = hessian_products(potential, graph, columns(known))
    return products.detach().reshape(2, 3, 16, 3)


def vibrations(supercell, q=Q, **known):
    return Vibrations(supercell, np.array([0, 1]), CELL.cell.array, q=q, **known)


def own(supercell, rows, q=Q, **more):
    """What is known if everything is as the model says."""
    constants = rows.numpy().transpose(0, 2, 1, 3)
    squares = vibrations(supercell, q, frequencies=np.ones((len(q), 6))).squares(rows)
    frequencies = (squares.sign() * squares.abs().sqrt()).numpy()
    known = {"force_constants": constants, "frequencies": frequencies, **more}
    return Vibrations(supercell, np.array([0, 1]), CELL.cell.array, q=q, **known)


def test_frequencies_are_those_of_phonopy(potential, supercell, rows):
    expected = phonons(CELL, potential, (2, 2, 2), method="hessian", mesh=(2, 2, 2), relax=False)
    squares = vibrations(supercell, frequencies=np.ones((4, 6))).squares(rows).numpy()
    found = np.sign(squares) * np.sqrt(np.abs(squares))
    np.testing.assert_allclose(found[1:], expected.frequencies_at(Q)[1:], atol=1e-6)
    np.testing.assert_allclose(found[0, 3:], expected.frequencies_at(Q)[0, 3:], atol=1e-6)


def test_masses_of_isotopes(supercell, rows):
    light = vibrations(supercell, frequencies=np.ones((4, 6)), masses=np.full(2, 14.0425))
    usual = vibrations(supercell, frequencies=np.ones((4, 6)))
    np.testing.assert_allclose(light.squares(rows), 2 * usual.squares(rows), rtol=1e-3, atol=1e-6)


def test_nothing_is_wrong_with_what_the_model_says(potential, supercell, rows):
    known = own(supercell, rows)
    errors = vibration_errors(potential, [known, known])
    assert errors.force_constants < 1e-10
    assert errors.frequencies < 1e-5
    assert errors.forces < 1e-10
    products = rows.flatten(0, 1)
    assert float(constants_term(products, known, np.arange(6)).value) < 1e-20
    assert float(frequency_term(known.squares(rows), known).value) < 1e-16


def test_errors_are_as_large_as_they_are_made(potential, supercell, rows):
    known = own(supercell, rows)
    size = np.sqrt((known.force_constants**2).mean())
    off = own(supercell, rows, force_constants=known.force_constants + 0.1 * size)
    assert vibration_errors(potential, [off]).force_constants == pytest.approx(0.1 * size)
    loss = constants_term(rows.flatten(0, 1), off, np.arange(6)).value
    assert float(loss) == pytest.approx(0.01, rel=0.05)
    high = np.where(known.frequencies > 3, known.frequencies + 0.2, known.frequencies)
    off = own(supercell, rows, frequencies=high)
    share = (known.frequencies > 3).mean()
    assert vibration_errors(potential, [off]).frequencies == pytest.approx(0.2 * share**0.5)


@pytest.mark.parametrize("kind", ["force_constants", "frequencies"])
def test_gradients_are_those_of_the_loss(potential, supercell, rows, kind):
    """Third derivatives of the energy: beside differences along a random change of weights."""
    known = own(supercell, rows, q=Q[1:])
    shifted = {"force_constants": known.force_constants * 1.1}
    shifted["frequencies"] = known.frequencies + 0.3
    known = own(supercell, rows, q=Q[1:], **shifted)
    model = copy.deepcopy(potential)
    graph = Graph.from_structures([supercell], model.cutoff)

    def loss():
        products, _, _ = hessian_products(model, graph, columns(known))
        if kind == "force_constants":
            return constants_term(products, known, np.arange(6)).value
        return frequency_term(known.squares(products.reshape(2, 3, 16, 3)), known).value

    generator = torch.Generator().manual_seed(1)
    changes = [torch.randn(p.shape, generator=generator).double() for p in model.parameters()]
    gradients = torch.autograd.grad(loss(), list(model.parameters()))
    expected = sum(float((g * c).sum()) for g, c in zip(gradients, changes, strict=True))
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, change in zip(model.parameters(), changes, strict=True):
                p += sign * 1e-5 * change
        values.append(float(loss().detach()))
        with torch.no_grad():
            for p, change in zip(model.parameters(), changes, strict=True):
                p -= sign * 1e-5 * change
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_a_density_of_states_is_its_quantiles(supercell, rows):
    """The modes of a mesh, as a histogram: quantiles give each mode its place back."""
    q = np.random.default_rng(0).uniform(-0.5, 0.5, (30, 3))
    weights = np.arange(1.0, 31.0)
    known = own(supercell, rows, q, weights=weights)
    edges = np.linspace(-200, 700, 3000)
    share = np.repeat(weights / weights.sum(), 6)
    modes, _ = np.histogram(known.frequencies.ravel() * THZ_TO_CM1, edges, weights=3 * share)
    dos = PhononDOS(edges, modes)
    spectrum = vibrations(supercell, q, dos=dos, weights=weights)
    squares = known.squares(rows)
    assert float(frequency_term(squares, spectrum).value) < 5e-4
    stiffer = float(frequency_term(1.21 * squares, spectrum).value)  # ω is 1.1 times as high
    assert stiffer == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frequencies": np.ones((4, 5))}, r"frequencies have the shape \(4, 5\), expected"),
        ({"force_constants": np.ones((2, 2, 3, 3))}, "force_constants have the shape"),
        ({"frequencies": np.full((4, 6), np.nan)}, "frequencies hold a number that is not finite"),
        ({}, "silicon has neither force constants nor frequencies nor a DOS"),
        ({"force_constants": np.ones((2, 16, 3, 3))}, "has points q, but neither frequencies nor"),
        ({"q": None, "dos": PhononDOS(np.arange(3.0), np.ones(2))}, "needs a mesh of points q"),
    ],
)
def test_bad_arrays(unchecked, supercell, changes, sentence):
    arguments = {"q": Q, "name": "silicon", **changes}
    with pytest.raises(DataError, match=sentence):
        vibrations(supercell, **arguments)


def test_cells_that_do_not_fit(supercell):
    known = {"force_constants": np.ones((3, 16, 3, 3))}
    with pytest.raises(DataError, match="16 atoms are no supercell"):
        Vibrations(supercell, np.arange(3), CELL.cell.array, **known)
    wrong = Vibrations(supercell, np.array([0, 2]), CELL.cell.array, np.ones((2, 16, 3, 3)))
    with pytest.raises(DataError, match="Å from where the primitive cell puts one"):
        _ = wrong.members


def test_nothing_to_compare_with(potential):
    with pytest.raises(ValueError, match="there are no vibrations to compare with"):
        vibration_errors(potential, [])

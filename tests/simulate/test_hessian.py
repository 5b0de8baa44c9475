"""Second derivatives of networks, beside differences of their forces and what physics demands."""

import importlib

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from euclidium.models.config import NequIPConfig, PotentialConfig, RadialConfig
from euclidium.models.potential import Potential
from euclidium.simulate import Calculator, phonons
from euclidium.simulate.hessian import (
    differentiable,
    force_constants,
    hessian,
    hessian_products,
)
from euclidium.simulate.lattice import lattice


def network(species=("Si",), **radial):
    """A small untrained network whose crystals are held together by ordinary forces."""
    torch.manual_seed(3)
    config = PotentialConfig(
        species=list(species),
        cutoff=4.0,
        network=NequIPConfig(
            channels=4, lmax=2, layers=2, radial=RadialConfig(size=4, hidden=(8,), **radial)
        ),
        mean_neighbors=12.0,
        scale=2.0,
        dtype="float64",
    )
    return Potential(config).eval()


@pytest.fixture(scope="module")
def potential():
    return network()


@pytest.fixture(scope="module")
def rattled():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def differences(model, atoms, index, axis, step=1e-4):
    """−∂F/∂r of one coordinate by central differences of fourth order, eV/Å²."""
    atoms = atoms.copy()
    atoms.calc = Calculator(model)
    forces = {}
    for n in (-2, -1, 1, 2):
        atoms.positions[index, axis] += n * step
        forces[n] = atoms.get_forces()
        atoms.positions[index, axis] -= n * step
    return (8 * (forces[-1] - forces[1]) - (forces[-2] - forces[2])) / (12 * step)


@pytest.mark.parametrize("knots", [256, None])
def test_derivatives_are_those_of_the_forces(rattled, knots):
    model = network(knots=knots)
    found = hessian(model, rattled, [0, 5])
    for row, index in enumerate((0, 5)):
        for axis in range(3):
            expected = differences(model, rattled, index, axis)
            np.testing.assert_allclose(found[row, axis], expected, atol=5e-6)
    assert np.abs(found).max() > 1


def test_hessian_is_symmetric_and_sums_to_zero(potential, rattled):
    full = hessian(potential, rattled)
    flat = full.reshape(24, 24)
    np.testing.assert_allclose(flat, flat.T, atol=1e-11)
    np.testing.assert_allclose(full.sum(axis=2), 0, atol=1e-11)
    np.testing.assert_allclose(hessian(potential, rattled, [3, -1]), full[[3, -1]], atol=1e-12)


def test_hessian_of_a_molecule_knows_rotations():
    """At any geometry: H (n × r) = −n × F, because forces turn with the molecule."""
    model, water = network(("H", "O")), molecule("H2O")
    turned = np.cross([0.3, -0.5, 0.8], water.positions)[None]
    water.calc = Calculator(model)
    expected = -np.cross([0.3, -0.5, 0.8], water.get_forces())
    np.testing.assert_allclose(hessian_products(model, water, turned)[0], expected, atol=1e-10)


def test_products_are_those_of_the_matrix(potential, rattled, monkeypatch):
    directions = np.random.default_rng(0).normal(size=(7, 8, 3))
    full = hessian(potential, rattled).reshape(24, 24)
    seen = []
    monkeypatch.setattr(importlib.import_module("euclidium.simulate.hessian"), "EDGES", 700)
    found = hessian_products(
        potential, rattled, directions, observe=lambda *done: seen.append(done)
    )
    np.testing.assert_allclose(found.reshape(7, 24), directions.reshape(7, 24) @ full, atol=1e-10)
    assert seen[-1] == (7, 7)
    assert len(seen) > 1, "more than one block"
    assert hessian_products(potential, rattled, directions[:0]).shape == (0, 8, 3)


def test_force_constants_are_the_limit_of_displacements(potential):
    """Also where no symmetry relates the atoms' directions; differences are O(step²)."""
    crystal = bulk("Si")
    crystal.set_cell(crystal.cell.array @ np.diag([1.0, 1.0, 1.04]), scale_atoms=True)
    exact = force_constants(potential, crystal, (2, 2, 2))
    errors = []
    for step in (0.02, 0.01):
        found = phonons(
            crystal, potential, (2, 2, 2), displacement=step, mesh=(2, 2, 2), relax=False
        )
        errors.append(np.abs(found.force_constants - exact).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    fine = phonons(crystal, potential, (2, 2, 2), displacement=1e-4, mesh=(2, 2, 2), relax=False)
    np.testing.assert_allclose(fine.force_constants, exact, atol=1e-5)


def test_force_constants_are_rows_of_the_hessian(potential):
    """Without any symmetrisation: what the space group gives is what derivatives give."""
    crystal = bulk("Si", cubic=True)
    found = force_constants(potential, crystal, (1, 1, 1))
    cell = lattice(crystal, np.eye(3, dtype=np.int64))
    rows = hessian(potential, crystal, cell.primitive.p2s_map)
    np.testing.assert_allclose(found, rows.transpose(0, 2, 1, 3), atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-10)


def test_one_direction_is_enough_for_silicon(potential):
    seen = []
    force_constants(potential, bulk("Si"), (2, 2, 2), observe=lambda *done: seen.append(done))
    assert seen == [(1, 1)]


def test_permutation_symmetry(potential):
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    cell = lattice(bulk("Si"), 2 * np.eye(3, dtype=np.int64))
    compact = force_constants(potential, bulk("Si"), (2, 2, 2))
    full = compact_fc_to_full_fc(cell.primitive, compact)
    np.testing.assert_allclose(full, full.transpose(1, 0, 3, 2), atol=1e-9)


def test_phonons_of_both_methods_agree(potential):
    options = {"supercell": (2, 2, 2), "mesh": (4, 4, 4), "relax": False}
    one = phonons(bulk("Si"), potential, method="hessian", **options)
    two = phonons(bulk("Si"), Calculator(potential), displacement=1e-4, **options)
    np.testing.assert_allclose(one.force_constants, two.force_constants, atol=1e-5)
    np.testing.assert_allclose(one.mesh_frequencies, two.mesh_frequencies, atol=1e-4)


def test_other_models_are_refused(unchecked, potential, lennard_jones):
    argon = bulk("Ar")
    for model in (EMT(), LennardJones()):
        with pytest.raises(ValueError, match="second derivatives need a euclidium potential"):
            differentiable(model)
    with pytest.raises(ValueError, match="LennardJones has none: use displacements"):
        hessian(lennard_jones, argon)
    with pytest.raises(ValueError, match="the potential does not know Ar"):
        hessian(potential, argon)
    with pytest.raises(ValueError, match=r"moved is a list of indices of 2 atoms, got \[2\]"):
        hessian(potential, Atoms("Si2", [[0, 0, 0], [0, 0, 2.2]]), [2])
    with pytest.raises(ValueError, match=r"directions have the shape \(1, 3, 3\), expected"):
        hessian_products(potential, bulk("Si"), np.zeros((1, 3, 3)))

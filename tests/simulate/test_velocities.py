"""Thermal momenta are of the temperature asked for, and of nothing else."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

from euclidium.simulate.velocities import at_rest, free_motions, thermal_energy, thermal_momenta
from euclidium.units import K_B

CRYSTAL = bulk("NaCl", "rocksalt", a=5.64, cubic=True)


@pytest.mark.parametrize("name", ["H2O", "CO2", "CH4", "H2"])
def test_a_molecule_neither_drifts_nor_rotates(name):
    atoms = molecule(name)
    atoms.rotate(40, (1, 2, 3))
    atoms.positions += 7.0
    free = free_motions(atoms, conserved=True)
    atoms.set_momenta(thermal_momenta(atoms, 500.0, np.random.default_rng(0), free))
    assert free == 3 * len(atoms) - (5 if name in ("CO2", "H2") else 6)
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-13
    assert np.abs(atoms.get_angular_momentum()).max() < 1e-12
    assert 2 * thermal_energy(atoms, True) == pytest.approx(free * K_B * 500, rel=1e-13)


def test_a_crystal_does_not_drift():
    atoms = CRYSTAL.copy()
    free = free_motions(atoms, conserved=True)
    atoms.set_momenta(thermal_momenta(atoms, 300.0, np.random.default_rng(0), free))
    assert free == 3 * 8 - 3
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-13
    assert 2 * atoms.get_kinetic_energy() == pytest.approx(free * K_B * 300, rel=1e-13)


def test_momenta_follow_maxwell_and_boltzmann():
    atoms = CRYSTAL * (6, 6, 6)
    momenta = thermal_momenta(atoms, 300.0, np.random.default_rng(0), 3 * len(atoms))
    reduced = (momenta / np.sqrt(K_B * 300 * atoms.get_masses()[:, None])).ravel()
    error = len(reduced) ** -0.5
    assert abs(reduced.mean()) < 4 * error
    assert abs((reduced**4).mean() - 3) < 4 * 96**0.5 * error
    for z in (11, 17):
        part = reduced.reshape(-1, 3)[atoms.numbers == z]
        assert (part**2).mean() == pytest.approx(1, abs=4 * (2 / part.size) ** 0.5)


def test_the_same_seed_gives_the_same_momenta():
    first, second, other = (
        thermal_momenta(CRYSTAL, 300.0, np.random.default_rng(seed), 21) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.1


def test_atoms_held_in_space_keep_still():
    atoms = CRYSTAL.copy()
    atoms.set_constraint(FixAtoms([0, 1]))
    free = free_motions(atoms, conserved=True)
    momenta = thermal_momenta(atoms, 300.0, np.random.default_rng(0), free)
    assert free == 3 * 6
    assert not momenta[:2].any()
    assert (momenta**2 / atoms.get_masses()[:, None]).sum() == pytest.approx(free * K_B * 300)


def test_a_rotating_molecule_keeps_three_more_motions():
    water = molecule("H2O")
    water.set_momenta(np.cross([0.0, 0.0, 1.0], water.positions) * water.get_masses()[:, None])
    assert free_motions(water, conserved=True) == 6
    assert free_motions(water, conserved=False) == 9
    np.testing.assert_allclose(at_rest(water), 0, atol=1e-13)
    assert np.linalg.norm(at_rest(water, rotating=True)) > 1


def test_the_motion_of_the_whole_is_not_heat():
    atoms = CRYSTAL.copy()
    atoms.set_velocities(np.tile([0.1, 0.2, 0.0], (8, 1)))
    assert thermal_energy(atoms, conserved=True) == pytest.approx(0, abs=1e-12)
    assert thermal_energy(atoms, conserved=False) == atoms.get_kinetic_energy()


def test_a_single_atom_may_move():
    atom = Atoms("Ar", cell=np.eye(3) * 5, pbc=True)
    momenta = thermal_momenta(atom, 100.0, np.random.default_rng(0), 3)
    assert np.linalg.norm(momenta) > 0

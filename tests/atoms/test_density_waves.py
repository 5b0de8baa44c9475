"""Overlap and Coulomb matrices of crystals as sums of waves."""

import numpy as np
import pytest
from ase.build import bulk
from scipy.spatial.transform import Rotation

from euclidium.atoms import DataError, Density, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.density import electrons_of
from euclidium.atoms.density_metric import density_metric
from euclidium.atoms.density_waves import lattice_metric, transforms, waves_of
from euclidium.units import BOHR

BASIS = even_tempered(["Na", "Cl"], 0.3, 2.2, [2, 2, 1, 1, 1])


def crystal() -> Structure:
    """Rock salt, sheared and rattled."""
    salt = bulk("NaCl", "rocksalt", 6.0)
    shear = np.array([[0.3, 0, 0.1], [0, -0.2, 0], [0.4, 0, 0]])
    salt.set_cell(salt.cell + shear, scale_atoms=True)
    salt.rattle(0.2, seed=0)
    return Structure.from_ase(salt)


def test_overlaps_are_those_of_the_sum_over_the_lattice():
    structure = crystal()
    known = density_metric(structure, BASIS, "overlap").numpy()
    assert lattice_metric(structure, BASIS) == pytest.approx(known, abs=3e-6)


def test_the_transform_without_wave_is_the_number_of_electrons():
    structure = crystal()
    found = transforms(BASIS, structure, waves_of(np.zeros((1, 3)), structure))[0]
    assert found == pytest.approx(electrons_of(BASIS, structure.species))


def test_narrow_charges_of_rock_salt_have_the_energy_of_madelung():
    """-1.747565 q²/d for two ions, beside what each charge does to itself."""
    basis = DensityBasis("narrow", {11: ((0, 1.0),), 17: ((0, 1.0),)})
    salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64))
    q = electrons_of(basis, salt.species)[0]
    c = np.array([1.0, -1.0]) / q
    atom = Structure(np.array([11]), np.zeros((1, 3)))
    own = float(density_metric(atom, basis)[0, 0]) / q**2
    energy = c @ lattice_metric(salt, basis, coulomb=True) @ c / 2
    assert energy - own == pytest.approx(-1.747565 / (2.82 / BOHR), abs=1e-6)


def test_a_large_cell_is_nearly_a_molecule():
    """Differences of charge, dipole and quadrupole zero have no long range."""
    molecule = Structure(np.array([11, 17]), np.array([[6.0, 6, 6], [6.3, 6.4, 6.2]]))
    alone = Structure(molecule.species, molecule.positions, 12 * np.eye(3), np.ones(3, dtype=bool))
    c = np.zeros(2 * BASIS.size(11))
    degrees = BASIS.irreps(11).slices()
    c[degrees[3]] = np.random.default_rng(0).normal(size=7)
    c[BASIS.size(11) :][degrees[4]] = 1.0
    expected = c @ density_metric(molecule, BASIS).numpy() @ c
    assert c @ lattice_metric(alone, BASIS, coulomb=True) @ c == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("coulomb", [False, True])
def test_a_larger_cell_folds_to_the_cell(coulomb: bool):
    basis = even_tempered([14], 0.2, 2.0, [2, 1])
    small = Structure.from_ase(bulk("Si", "diamond", 5.43))
    large = Structure.from_ase(bulk("Si", "diamond", 5.43) * (2, 1, 1))
    one, two = (lattice_metric(s, basis, coulomb) for s in (small, large))
    c = np.random.default_rng(0).normal(size=len(one))
    assert np.tile(c, 2) @ two @ np.tile(c, 2) == pytest.approx(2 * c @ one @ c, rel=1e-8)


def test_the_energy_of_a_density_does_not_turn():
    """By the Wigner matrices of the basis' irreps."""
    structure = crystal()
    turn = Rotation.random(random_state=1).as_matrix()
    turned = Structure(
        structure.species, structure.positions @ turn.T, structure.cell @ turn.T, structure.pbc
    )
    c = np.random.default_rng(0).normal(size=len(electrons_of(BASIS, structure.species)))
    rows = [
        BASIS.irreps(int(z)).D_from_matrix(turn) @ own
        for z, own in zip(structure.species, Density(structure, BASIS, c).by_atom(), strict=True)
    ]
    d = np.concatenate(rows)
    before, after = (lattice_metric(s, BASIS, coulomb=True) for s in (structure, turned))
    assert d @ after @ d == pytest.approx(c @ before @ c, rel=1e-9)


def test_what_waves_cannot_do_gets_a_sentence():
    sharp = DensityBasis("sharp", {11: ((0, 1e5),), 17: ((0, 1.0),)})
    with pytest.raises(DataError, match="exponents up to 100000 need more than 3,000,000 waves"):
        lattice_metric(crystal(), sharp)
    slab = crystal()
    slab = Structure(slab.species, slab.positions, slab.cell, np.array([1, 1, 0]) > 0)
    with pytest.raises(DataError, match="not periodic in three directions, which a sum of waves"):
        lattice_metric(slab, BASIS)

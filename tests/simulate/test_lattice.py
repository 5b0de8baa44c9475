import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms.sites import store_occupations
from euclidium.simulate.lattice import ase_atoms, check_crystal, lattice


def test_rows_of_the_supercell_are_its_vectors():
    crystal = bulk("Mg")
    matrix = np.array([[2, 1, 0], [-1, 1, 0], [0, 0, 1]])
    found = ase_atoms(lattice(crystal, matrix).supercell)
    np.testing.assert_allclose(found.cell.array, matrix @ crystal.cell.array, atol=1e-12)
    assert len(found) == 6
    assert found.pbc.all()


def test_masses_are_those_of_the_atoms():
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    crystal.set_masses([23.5, 40.0])
    found = lattice(crystal, 2 * np.eye(3, dtype=np.int64))
    assert set(ase_atoms(found.supercell).get_masses()) == {23.5, 40.0}


@pytest.mark.parametrize(("cubic", "n_primitive"), [(True, 1), (False, 1)])
def test_the_primitive_cell_is_found(cubic, n_primitive):
    found = lattice(bulk("Cu", cubic=cubic), np.eye(3, dtype=np.int64))
    assert len(found.primitive) == n_primitive
    given = lattice(bulk("Cu", cubic=True), np.eye(3, dtype=np.int64), np.eye(3))
    assert len(given.primitive) == 4


ONE = np.eye(3, dtype=np.int64)


@pytest.mark.parametrize(("values", "n_primitive"), [((2, 2, 2, 2), 1), ((2, 3, 2, 3), 4)])
def test_isotopes_and_moments_are_kept_apart(values, n_primitive):
    """Where atoms of one element differ, the cell is as small as it was given."""
    crystal = bulk("Ni", cubic=True)
    crystal.set_masses([29.0 * v for v in values])
    found = lattice(crystal, ONE)
    assert len(found.primitive) == n_primitive
    assert set(ase_atoms(found.supercell).get_masses()) == {29.0 * v for v in values}
    crystal = bulk("Ni", cubic=True)
    crystal.set_initial_magnetic_moments(values)
    found = lattice(crystal, 2 * ONE)
    assert len(found.primitive) == n_primitive
    assert set(ase_atoms(found.supercell).get_initial_magnetic_moments()) == set(values)
    assert not ase_atoms(lattice(bulk("Cu"), ONE).supercell).get_initial_magnetic_moments().any()


def test_what_is_no_crystal_of_atoms_is_refused():
    left = bulk("Cu")
    left.set_cell(left.cell[[1, 0, 2]])
    mixed = bulk("Si")
    fractions = np.zeros((2, 119))
    fractions[:, 14], fractions[:, 32] = 0.6, 0.4
    store_occupations(mixed, fractions)
    for crystal, sentence in (
        (left, "the cell of this crystal is left-handed: exchange two of its vectors"),
        (mixed, "sites that elements share or that are empty in part"),
    ):
        for refuse in (check_crystal, lambda atoms: lattice(atoms, ONE)):
            with pytest.raises(ValueError, match=sentence):
                refuse(crystal)

import numpy as np
import pytest
from ase.build import bulk

from euclidium.simulate.lattice import ase_atoms, lattice


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

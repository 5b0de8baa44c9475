"""Supercells: wide enough, small, and of the crystal's symmetry."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from euclidium.simulate import supercell_matrix

CRYSTALS = {
    "fcc": bulk("Cu"),
    "bcc": bulk("Fe"),
    "diamond": bulk("Si"),
    "cubic": bulk("Si", cubic=True),
    "hexagonal": bulk("Zn"),
    "monoclinic": Atoms("Si", cell=[[4, 0, 0], [0, 5, 0], [1.5, 0, 6]], pbc=True),
}


def widths(cell):
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


@pytest.mark.parametrize("length", [5.0, 10.0, 14.0])
@pytest.mark.parametrize("name", CRYSTALS)
def test_it_is_wide_enough_and_not_larger_than_repetition(name, length):
    atoms = CRYSTALS[name]
    matrix = supercell_matrix(atoms, length)
    assert widths(matrix @ atoms.cell.array).min() >= length - 1e-6
    plain = np.prod(np.ceil(length / widths(atoms.cell.array) - 1e-6))
    assert 1 <= round(np.linalg.det(matrix)) <= plain


def test_silicon_of_ten_angstrom_is_the_cube_of_64_atoms():
    matrix = supercell_matrix(bulk("Si"), 10.0)
    assert 2 * round(np.linalg.det(matrix)) == 64
    np.testing.assert_allclose(matrix @ bulk("Si").cell.array, 10.86 * np.eye(3), atol=1e-10)


def test_given_matrices_are_taken():
    assert supercell_matrix(bulk("Si"), (2, 3, 4)).tolist() == [[2, 0, 0], [0, 3, 0], [0, 0, 4]]
    cube = [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]
    assert supercell_matrix(bulk("Si"), cube).tolist() == cube
    assert supercell_matrix(bulk("Si"), np.array(cube)).tolist() == cube


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((2, 2), r"the supercell is \[2, 2\]: give three integers"),
        ((2, 2, 1.5), "give three integers, a 3 × 3 matrix of integers, or a length in Å"),
        ((2, 2, 0), "has no volume or is left-handed: its determinant is 0"),
        ((2, 2, -1), "its determinant is -4, it should be one or more"),
        (-3.0, "the width of the supercell is a length in Å above zero, got -3"),
    ],
)
def test_nonsense_is_refused(unchecked, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        supercell_matrix(bulk("Si"), given)

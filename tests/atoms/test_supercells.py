"""Supercells hold the same crystal, and the compact ones are as compact as they can be."""

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.occupations import substitute
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.atoms.supercells import compact_supercell, repeated

FCC = bulk("Cu").cell.array
MATRICES = [
    np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
    np.array([[2, 0, 0], [1, 3, 0], [-1, 2, 1]]),
    np.array([[0, 1, 0], [1, 0, 0], [0, 0, 2]]),  # left-handed
]


@pytest.mark.parametrize("matrix", MATRICES)
def test_it_is_the_crystal_that_ase_makes(matrix: np.ndarray):
    atoms = bulk("ZnS", "zincblende", a=5.41)
    large = repeated(Structure.from_ase(atoms), matrix)
    expected = make_supercell(atoms, matrix)
    np.testing.assert_allclose(large.cell, expected.cell.array, atol=1e-12)
    assert large.composition == {"Zn": len(expected) / 2, "S": len(expected) / 2}
    ours, theirs = (p @ np.linalg.inv(large.cell) for p in (large.positions, expected.positions))
    apart = ours[:, None] - theirs[None]
    same = np.abs(apart - np.rint(apart)).max(axis=2) < 1e-9
    np.testing.assert_array_equal(same.sum(axis=1), 1)
    np.testing.assert_array_equal(same @ expected.numbers, large.species)


def test_occupations_and_neighbours_are_repeated():
    alloy = substitute(Structure.from_ase(bulk("NaCl", "rocksalt", 5.6)), {"Na": {"K": 0.3}})
    large = repeated(alloy, 2 * np.eye(3, dtype=int))
    assert large.composition == pytest.approx({"Na": 5.6, "K": 2.4, "Cl": 8})
    per_atom = [neighbor_list(s, 4.5).n_edges / s.n_atoms for s in (alloy, large)]
    assert per_atom[0] == per_atom[1]


@given(n=st.integers(1, 12), seed=st.integers(0, 1000))
def test_compact_cells_are_cells(n: int, seed: int):
    cell = np.eye(3) * 3 + np.random.default_rng(seed).normal(size=(3, 3)) * 0.5
    matrix = compact_supercell(cell, n)
    assert round(np.linalg.det(matrix)) == n


def shortest(cell: np.ndarray) -> float:
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), axis=-1).reshape(-1, 3)
    return float(np.sort(np.linalg.norm(grid @ cell, axis=1))[1])


@pytest.mark.parametrize(
    ("n", "expected"), [(4, np.sqrt(2)), (8, 2.0), (16, np.sqrt(6)), (27, 3.0), (32, np.sqrt(8))]
)
def test_of_a_close_packed_crystal_the_images_are_far_apart(n: int, expected: float):
    # in neighbour distances; a lattice cannot do better than the face-centred one, ∛(√2 V)
    found = shortest(compact_supercell(FCC, n) @ FCC) / shortest(FCC)
    assert found == pytest.approx(expected, rel=1e-9)
    assert found <= np.cbrt(n) * (1 + 1e-9)


def test_another_choice_of_vectors_gives_a_cell_as_compact():
    skewed = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ FCC
    for n in (6, 16):
        pair = [shortest(compact_supercell(cell, n) @ cell) for cell in (FCC, skewed)]
        assert pair[0] == pytest.approx(pair[1], rel=1e-9)


def test_what_is_no_supercell():
    copper = Structure.from_ase(bulk("Cu"))
    with pytest.raises(DataError, match="has no such supercell: the matrix .* has no volume"):
        repeated(copper, np.ones((3, 3), dtype=int))
    with pytest.raises(DataError, match="has no such supercell: it is not a crystal"):
        repeated(Structure(np.array([18]), np.zeros((1, 3))), np.eye(3, dtype=int))
    with pytest.raises(DataError, match="a supercell has one unit cell or more, got 0"):
        compact_supercell(FCC, 0)

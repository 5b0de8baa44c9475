"""Supercells: how many unit cells, and of what shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from jaxtyping import Int


def supercell_matrix(
    atoms: Atoms,
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray,
    symprec: float = 1e-5,
) -> Int[np.ndarray, "3 3"]:
    """The supercell as a matrix of integers, whose rows are its vectors in unit cells.

    From three repetitions, a matrix, or a length in Å. For a length L it is the smallest cell that
    has the crystal's point group and is at least L wide between any two opposite faces, among
    repetitions of the unit cell and nearly cubic cells.

    Raises ``ValueError`` for anything else, and for a matrix without volume.

    >>> from ase.build import bulk
    >>> supercell_matrix(bulk("Si"), 10.0).tolist()
    [[-2, 2, 2], [2, -2, 2], [2, 2, -2]]
    """
    if np.ndim(supercell) == 0:
        return _widest(atoms, float(supercell), symprec)  # type: ignore[arg-type]
    given = np.asarray(supercell)
    matrix = np.diag(given) if given.shape == (3,) else given
    if matrix.shape != (3, 3) or not np.array_equal(matrix, np.rint(matrix)):
        raise ValueError(
            f"the supercell is {np.asarray(supercell).tolist()}: give three integers, a 3 × 3 "
            "matrix of integers, or a length in Å"
        )
    if round(np.linalg.det(matrix)) < 1:
        raise ValueError(
            f"the supercell {matrix.tolist()} has no volume or is left-handed: its determinant is "
            f"{round(np.linalg.det(matrix))}, it should be one or more"
        )
    return matrix.astype(np.int64)


def _widest(atoms: Atoms, length: float, symprec: float) -> np.ndarray:
    """The smallest symmetric supercell at least this wide."""
    if not 0 < length < 1000:
        raise ValueError(f"the width of the supercell is a length in Å above zero, got {length:g}")
    cell = atoms.cell.array
    crystal = (cell, atoms.get_scaled_positions(), atoms.numbers)
    symmetry: Any = spglib.get_symmetry(crystal, symprec=symprec)
    plain = np.diag(np.ceil(length / _widths(cell) - 1e-6))
    cubes = (np.rint(np.linalg.inv(cell) * edge) for edge in np.linspace(1, 1.4, 9) * length)
    fitting = [
        matrix
        for matrix in (plain, *cubes)
        if np.linalg.det(matrix) > 0.5
        and _widths(matrix @ cell).min() >= length - 1e-6
        and _is_symmetric(matrix, symmetry["rotations"])
    ]
    # a repetition of the unit cell is wide enough, and good if nothing has the symmetry
    smallest = min(fitting, key=lambda m: round(np.linalg.det(m))) if fitting else plain
    return smallest.astype(np.int64)


def _widths(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of a cell."""
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _is_symmetric(matrix: np.ndarray, rotations: np.ndarray) -> bool:
    """Whether rotations of the crystal map the lattice of the supercell onto itself."""
    turned = matrix @ rotations.transpose(0, 2, 1) @ np.linalg.inv(matrix)
    return bool(np.abs(turned - np.rint(turned)).max() < 1e-6)

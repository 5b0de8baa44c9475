"""Densities on regular grids."""

import numpy as np

from euclidium.analyze.fields import density_at
from euclidium.atoms.centers import without_bond_centers
from euclidium.atoms.density import Density
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.atoms.volumetric import Volume, grid_points

CHUNK = 1_000_000  # points at once


def grid_of(
    density: Density, spacing: float = 0.1, margin: float = 3.0, device: str = "cpu"
) -> Volume:
    """A density on a regular grid: over the cell of a crystal, or a box around a molecule.

    Points are not further apart than ``spacing`` (Å), and the box of a molecule ends ``margin`` (Å)
    beyond its atoms, as that of a slab or a chain does along axes that are not periodic. A density
    with spin has both grids. No grid of use resolves the cores of heavy atoms: ``electrons`` of the
    volume is the sum over the grid, that of the density exact. The volume has the atoms alone,
    without centres of bonds.

    Raises ``DataError`` for a structure that is periodic along some axes and has no cell along the
    others, ``ValueError`` for a spacing or a margin that is not positive.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.5]))
    >>> volume = grid_of(density, spacing=0.2)
    >>> volume.values.shape, round(volume.electrons / density.electrons, 4)
    ((31, 31, 31), 1.0)
    """
    if not (spacing > 0 and margin > 0):
        raise ValueError(f"spacing and margin are lengths in Å, got {spacing} and {margin}")
    box, origin, shape = grid_box(density.structure, spacing, margin)
    points = grid_points(shape, box, origin)
    parts = np.array_split(points, -(-len(points) // CHUNK))

    def values(spin: bool) -> np.ndarray:
        found = [density_at(density, part, spin=spin, device=device) for part in parts]
        return np.concatenate(found).reshape(shape)

    spin = None if density.spin is None else values(True)
    return Volume(without_bond_centers(density.structure), values(False), box, origin, spin)


def grid_box(
    structure: Structure, spacing: float, margin: float
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Box (Å), origin (Å) and numbers of points of a grid around a structure.

    Raises as :func:`grid_of` does.

    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> grid_box(atom, 0.5, 1.0)[2]
    (5, 5, 5)
    """
    if structure.pbc.any():
        if structure.volume == 0:
            raise DataError(f"{structure.origin} is periodic, but has no cell along every axis")
        box, origin = structure.cell.copy(), np.zeros(3)
        inverse = np.linalg.inv(structure.cell)
        places, heights = structure.positions @ inverse, 1 / np.linalg.norm(inverse, axis=0)
        for axis in np.flatnonzero(~structure.pbc):  # as far as the atoms reach
            low, high = places[:, axis].min(), places[:, axis].max()
            beyond = margin / heights[axis]
            origin += (low - beyond) * structure.cell[axis]
            box[axis] *= high - low + 2 * beyond
        lengths = np.linalg.norm(box, axis=1)
        counts = np.maximum(np.ceil(lengths / spacing - 1e-9), 1).astype(int)
        return box, origin, (int(counts[0]), int(counts[1]), int(counts[2]))
    low, high = structure.positions.min(axis=0) - margin, structure.positions.max(axis=0) + margin
    counts = np.ceil((high - low) / spacing - 1e-9).astype(int) + 1
    middle, size = (low + high) / 2, spacing * (counts - 1)
    shape = (int(counts[0]), int(counts[1]), int(counts[2]))
    return np.diag(spacing * counts.astype(float)), middle - size / 2, shape

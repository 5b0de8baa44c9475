"""Which atoms are within the cutoff of which, periodic images included."""

from dataclasses import dataclass

import numpy as np
import vesin
from jaxtyping import Float, Int

from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

SAME_PLACE = 1e-3  # Å
# The rest is in units of the cutoff. vesin lays a grid of cells; it coarsens a grid of too many
# until a thin one has none left along some axis, and then ends the process.
MOST_CELLS = 100_000
FEWEST_LEFT = 4  # cells along an axis after coarsening
LARGEST_CELL = 10_000
GAP = 1.5  # what an empty stretch across the periodic directions shrinks to


@dataclass(frozen=True, eq=False)
class NeighborList:
    """Directed edges j → i between atoms closer than the cutoff, sorted by receiver i.

    The vector of an edge is r_j + S·cell − r_i, with the integer ``shifts`` S. Edges of one
    receiver are sorted by sender, then by shift.

    >>> NeighborList(np.array([1]), np.array([0]), np.zeros((1, 3), dtype=np.int64)).n_edges
    1
    """

    senders: Int[np.ndarray, " edge"]
    receivers: Int[np.ndarray, " edge"]
    shifts: Int[np.ndarray, "edge 3"]

    @property
    def n_edges(self) -> int:
        """Number of directed edges; each pair counts twice."""
        return len(self.senders)

    def vectors(self, structure: Structure) -> Float[np.ndarray, "edge 3"]:
        """Edge vectors r_j + S·cell − r_i in Å.

        >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        >>> neighbor_list(argon, cutoff=4.0).vectors(argon).tolist()
        [[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]
        """
        r = structure.positions
        return r[self.senders] - r[self.receivers] + self.shifts @ structure.cell


def neighbor_list(structure: Structure, cutoff: float) -> NeighborList:
    """All pairs with |r_j + S·cell − r_i| < cutoff (Å), in both directions.

    Periodic along any subset of the axes; the cell may be skewed and smaller than the cutoff, and
    atoms may lie outside of it. An atom is its own neighbour through its images (S ≠ 0) only.

    Raises ``ValueError`` for a cutoff that is not a positive length, and ``DataError`` for two
    atoms at one place or a lattice vector of more than 10,000 cutoffs.

    >>> crystal = Structure(
    ...     np.array([14]), np.zeros((1, 3)), 2.5 * np.eye(3), np.ones(3, dtype=bool)
    ... )
    >>> neighbor_list(crystal, cutoff=3.0).n_edges
    6
    """
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise ValueError(f"the cutoff is {cutoff}, expected a positive length in Å")
    _check_lengths(structure, cutoff)
    positions, images = _wrapped(structure)
    positions, box = _boxed(positions, structure, cutoff)
    search = vesin.NeighborList(cutoff=_search_radius(box, cutoff), full_list=True)
    edges = search.compute(positions, box, True, "ijSd")
    if search.cutoff > cutoff:
        near = edges[-1] < cutoff
        edges = tuple(column[near] for column in edges)
    receivers, senders, shifts = (column.astype(np.int64) for column in edges[:3])
    _check_places(structure, receivers, senders, edges[3])
    shifts += images[receivers] - images[senders]
    order = np.lexsort((*shifts.T[::-1], senders, receivers))
    return NeighborList(senders[order], receivers[order], shifts[order])


def _check_lengths(structure: Structure, cutoff: float) -> None:
    longest = float(np.linalg.norm(structure.cell[structure.pbc], axis=1).max(initial=0.0))
    if longest > LARGEST_CELL * cutoff:
        raise DataError(
            f"{structure.origin}: a lattice vector is {longest:.3g} Å long, more than "
            f"{LARGEST_CELL:,} cutoffs of {cutoff:g} Å: is the cell in Å?"
        )


def _wrapped(structure: Structure) -> tuple[Float[np.ndarray, "atom 3"], Int[np.ndarray, "atom 3"]]:
    """Positions inside the cell along its periodic axes, and the images they came from."""
    vectors = structure.cell[structure.pbc]
    images = np.zeros((structure.n_atoms, 3), dtype=np.int64)
    if len(vectors) == 0:
        return structure.positions, images
    images[:, structure.pbc] = np.floor(structure.positions @ np.linalg.pinv(vectors))
    return structure.positions - images @ structure.cell, images


def _boxed(
    positions: Float[np.ndarray, "atom 3"], structure: Structure, cutoff: float
) -> tuple[Float[np.ndarray, "atom 3"], Float[np.ndarray, "3 3"]]:
    """Positions in a box that is periodic along all axes: the same neighbours.

    Directions that are not periodic become lattice vectors that are longer than the atoms extend,
    by more than the cutoff. Long empty stretches along these are closed up, for a smaller box.
    """
    # what a cell says about axes that are not periodic is of no use here and could be singular
    box = np.where(structure.pbc[:, None], structure.cell, 0.0)
    across = np.linalg.svd(box)[2][int(structure.pbc.sum()) :]  # no periodic vector has a part here
    coordinates = positions @ across.T
    order = np.argsort(coordinates, axis=0)
    steps = np.diff(np.take_along_axis(coordinates, order, axis=0), axis=0, prepend=0.0)
    empty = np.maximum(np.abs(steps) - GAP * cutoff, 0.0) * np.sign(steps)
    moves = np.empty_like(coordinates)
    np.put_along_axis(moves, order, np.cumsum(empty, axis=0), axis=0)
    if moves.any():
        positions = positions - moves @ across
    lengths = np.ptp(coordinates - moves, axis=0) + GAP * cutoff
    box[~structure.pbc] = across * lengths[:, None]
    return positions, box


def _search_radius(box: Float[np.ndarray, "3 3"], cutoff: float) -> float:
    """The cutoff, or a larger radius where vesin's grid of cells would be too fine."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(box), axis=0)
    radius = cutoff
    while True:
        cells = np.maximum(np.trunc(heights / radius), 1.0)
        left = cells * np.cbrt(MOST_CELLS / cells.prod())
        if cells.prod() <= MOST_CELLS or left.min() >= FEWEST_LEFT:
            return radius
        radius *= 1.25


def _check_places(
    structure: Structure,
    receivers: Int[np.ndarray, " edge"],
    senders: Int[np.ndarray, " edge"],
    distances: Float[np.ndarray, " edge"],
) -> None:
    if len(distances) == 0 or distances.min() >= SAME_PLACE:
        return
    edge = int(np.argmin(distances))
    atoms = sorted({int(receivers[edge]), int(senders[edge])})
    who = (
        "atoms {} and {} are".format(*atoms)
        if len(atoms) == 2
        else f"atom {atoms[0]} and its image are"
    )
    raise DataError(
        f"{structure.origin}: {who} at the same place ({distances[edge]:.2g} Å apart): "
        "remove one of them"
    )

"""Which atoms are within the cutoff of which, periodic images included."""

from dataclasses import dataclass

import numpy as np
import vesin
from jaxtyping import Float, Int

from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

SAME_PLACE = 1e-3  # Å
LARGEST_EXTENT = 10_000  # cutoffs; vesin's grid of cells overflows soon beyond


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
    atoms at one place or atoms too far from the origin.

    >>> crystal = Structure(
    ...     np.array([14]), np.zeros((1, 3)), 2.5 * np.eye(3), np.ones(3, dtype=bool)
    ... )
    >>> neighbor_list(crystal, cutoff=3.0).n_edges
    6
    """
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise ValueError(f"the cutoff is {cutoff}, expected a positive length in Å")
    _check_extent(structure, cutoff)
    # what a cell says about axes that are not periodic is of no use here and could be singular
    box = np.where(structure.pbc[:, None], structure.cell, 0.0)
    search = vesin.NeighborList(cutoff=cutoff, full_list=True)
    receivers, senders, shifts, distances = search.compute(
        structure.positions, box, structure.pbc, "ijSd"
    )
    receivers, senders, shifts = (x.astype(np.int64) for x in (receivers, senders, shifts))
    _check_places(structure, receivers, senders, distances)
    order = np.lexsort((*shifts.T[::-1], senders, receivers))
    return NeighborList(senders[order], receivers[order], shifts[order])


def _check_extent(structure: Structure, cutoff: float) -> None:
    farthest = float(np.abs(structure.positions).max())
    if farthest > LARGEST_EXTENT * cutoff:
        atom = int(np.argmax(np.abs(structure.positions).max(axis=1)))
        raise DataError(
            f"{structure.origin}: atom {atom} lies {farthest:.3g} Å from the origin, more than "
            f"{LARGEST_EXTENT:,} cutoffs: did the structure come apart?"
        )


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

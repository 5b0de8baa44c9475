"""Neighbour lists that stay good while atoms move a little."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure


@dataclass(frozen=True)
class SkinnedGraph:
    """A graph with the edges up to cutoff + skin, good for all arrangements near the first.

    With the cell changed by the deformation D and the atoms by further displacements u_i, an edge
    that was longer than cutoff + skin is now longer than σ_min(D) (cutoff + skin) − 2 max |u_i|. As
    long as this is not below the cutoff no edge is missing. A motion common to all atoms does not
    count, so neither drift nor compression makes a new list necessary.
    """

    graph: Graph
    cutoff: float
    skin: float

    @classmethod
    def of(cls, structure: Structure, cutoff: float, skin: float) -> "SkinnedGraph":
        """The edges of a structure up to cutoff + skin (Å)."""
        return cls(Graph.from_structures([structure], cutoff + skin), cutoff, skin)

    def covers(
        self, positions: Float[np.ndarray, "atom 3"], cell: Float[np.ndarray, "3 3"]
    ) -> bool:
        """Whether every edge up to the cutoff is in the list when atoms and cell are as given."""
        old_cell = self.graph.cell[0].numpy()
        deformation = _deformation(old_cell, cell)
        if deformation is None:
            return False
        displacements = positions - self.graph.positions.numpy() @ deformation
        displacements -= displacements.mean(axis=0)
        largest = np.sqrt((displacements**2).sum(axis=1).max())
        smallest = np.linalg.norm(deformation, -2)  # the smallest singular value
        return bool(smallest * (self.cutoff + self.skin) - 2 * largest >= self.cutoff)

    def moved(
        self, positions: Float[np.ndarray, "atom 3"], cell: Float[np.ndarray, "3 3"]
    ) -> Graph:
        """The graph of other positions and another cell, with the edges up to the cutoff only.

        It is the graph that a new neighbour list would give, edge by edge and in the same order.
        """
        graph = self.graph.replace(
            positions=torch.from_numpy(positions.copy()), cell=torch.from_numpy(cell.copy())[None]
        )
        return graph.within(self.cutoff)


def _deformation(old: np.ndarray, new: np.ndarray) -> np.ndarray | None:
    """The matrix D with old cell · D = new cell, or None if it is not unique."""
    if np.array_equal(old, new):
        return np.eye(3)
    if abs(np.linalg.det(old)) < 1e-6:
        return None
    return np.linalg.solve(old, new)

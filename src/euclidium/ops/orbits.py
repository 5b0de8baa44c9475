"""Nodes that a symmetry maps onto each other: features of one are rotated copies of another's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from euclidium.o3.coupling import wigner_3j
from euclidium.o3.irreps import Irreps


@dataclass(frozen=True)
class Orbits:
    """Sets of nodes that are images of one node, their representative, under a symmetry.

    Node n is the image of the representative of the orbit ``members[n]`` under a symmetry whose
    rotation or rotoinversion is ``rotations[n]``, so that equivariant features obey
    x_n = D(R_n) x_representative, and need to be computed for the representatives alone.

    >>> orbits = Orbits.trivial(2)
    >>> orbits.n_orbits, orbits.multiplicities.tolist()
    (2, [1, 1])
    """

    representatives: Int[Tensor, " orbit"]
    members: Int[Tensor, " node"]
    rotations: Float[Tensor, "node 3 3"]

    @classmethod
    def trivial(cls, n_nodes: int) -> "Orbits":
        """Every node alone.

        >>> Orbits.trivial(3).members.tolist()
        [0, 1, 2]
        """
        nodes = torch.arange(n_nodes)
        return cls(nodes, nodes, torch.eye(3, dtype=torch.float64).repeat(n_nodes, 1, 1))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Orbits":
        """The orbits with every tensor changed."""
        return Orbits(change(self.representatives), change(self.members), change(self.rotations))

    @property
    def n_orbits(self) -> int:
        """Number of orbits."""
        return len(self.representatives)

    @property
    def multiplicities(self) -> Int[Tensor, " orbit"]:
        """Number of nodes of each orbit."""
        return torch.bincount(self.members, minlength=self.n_orbits)


class Spread:
    """From features of representatives to features of all nodes: x_n = D(R_n) x_orbit(n).

    The matrices D of degrees up to ``lmax`` are computed once, from those of the degree below,
    D^l = C (D^(l−1) ⊗ R) Cᵀ with the Wigner 3j symbols C, for all nodes together.

    >>> x = torch.tensor([[1.0, 0.0, 0.0, 2.0]])  # one orbit, a scalar and a vector
    >>> half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0])).expand(2, 3, 3)
    >>> orbits = Orbits(torch.tensor([0]), torch.tensor([0, 0]), half_turn)
    >>> Spread(orbits, 1, torch.float32)(x, Irreps("0e + 1o")).shape
    torch.Size([2, 4])
    """

    def __init__(self, orbits: Orbits, lmax: int, dtype: torch.dtype) -> None:
        self.members, self.representatives = orbits.members, orbits.representatives
        rotations = orbits.rotations
        self.parity = torch.linalg.det(rotations).round().to(dtype)[:, None, None]
        matrices = [rotations.new_ones(len(rotations), 1, 1), rotations]
        for l in range(2, lmax + 1):
            coupling = torch.from_numpy(np.array(wigner_3j(1, l - 1, l))).to(rotations)
            turned = torch.einsum("ace,nab->nbce", coupling, rotations)
            turned = torch.einsum("nbce,ncd->nbde", turned, matrices[-1])
            matrices.append((2 * l + 1) * torch.einsum("nbde,bdf->nef", turned, coupling))
        self.matrices = [matrix.to(dtype) for matrix in matrices]

    def __call__(
        self, x: Float[Tensor, "orbit irreps"], irreps: Irreps
    ) -> Float[Tensor, "node irreps"]:
        """The features of all nodes."""
        blocks, start = [], 0
        for block in irreps:
            l, width = block.ir.l, block.dim
            part = x[:, start : start + width].unflatten(1, (2 * l + 1, block.mul))[self.members]
            if l > 0:
                part = self.matrices[l] @ part
            if block.ir.p != (-1) ** l:
                part = part * self.parity
            blocks.append(part.flatten(1))
            start += width
        return torch.cat(blocks, dim=1)

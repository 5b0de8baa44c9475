"""Edges sorted by receiver, and sums over the edges of a node."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Edges:
    """Directed edges j → i, sorted by receiver i, with a row pointer.

    The edges that end at node i are ``row_pointer[i]`` to ``row_pointer[i + 1]``, so that a sum
    over them touches one run of memory and needs no atomics.

    >>> edges = Edges.from_receivers(torch.tensor([1, 2, 0]), torch.tensor([0, 0, 2]), n_nodes=3)
    >>> edges.row_pointer.tolist()
    [0, 2, 2, 3]
    """

    senders: Int[Tensor, " edge"]
    receivers: Int[Tensor, " edge"]
    row_pointer: Int[Tensor, " node_plus_one"]

    @classmethod
    def from_receivers(
        cls, senders: Int[Tensor, " edge"], receivers: Int[Tensor, " edge"], n_nodes: int
    ) -> "Edges":
        """Edges between ``n_nodes`` nodes; the receivers must be sorted.

        Raises ``ValueError`` if they are not, or if an index is outside 0 … n_nodes − 1.
        """
        for name, nodes in (("senders", senders), ("receivers", receivers)):
            if len(nodes) and not 0 <= int(nodes.min()) <= int(nodes.max()) < n_nodes:
                raise ValueError(
                    f"{name} run from {int(nodes.min())} to {int(nodes.max())}, "
                    f"but there are {n_nodes} nodes: give indices from 0 to {n_nodes - 1}"
                )
        if bool((receivers[1:] < receivers[:-1]).any()):
            raise ValueError("edges are not sorted by receiver: sort them first")
        counts = torch.bincount(receivers, minlength=n_nodes)
        row_pointer = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(senders, receivers, row_pointer)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.row_pointer.shape[0] - 1

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return self.senders.shape[0]

    def to(self, device: torch.device | str) -> "Edges":
        """The same edges on another device."""
        return Edges(
            self.senders.to(device), self.receivers.to(device), self.row_pointer.to(device)
        )


def segment_sum(
    values: Float[Tensor, "item *rest"], segments: Int[Tensor, " item"], n_segments: int
) -> Float[Tensor, "segment *rest"]:
    """Sum of the values of each segment.

    out[s] = Σ_{i: segments[i] = s} values[i]; a segment without items is zero. Differentiable to
    any order.

    >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 2]), 3)
    tensor([3., 0., 4.])
    """
    return values.new_zeros(n_segments, *values.shape[1:]).index_add(0, segments, values)

"""Convolutions whose weights are a matrix product, a block of edges at a time."""

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.segments import Edges

# Weights that exist at a time: few enough to stay in a processor's cache.
BLOCK = 2**20

Contraction = Callable[[TensorProductPlan, str, Mapping[str, Tensor], Edges], Tensor]


def radial_contraction(
    contraction: Contraction,
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """One slot of F(x, y, h, m, z), the form whose weights are w = h m.

    h has a row for each edge (``hidden``) and m is one matrix (hidden, plan.n_weights), for all
    edges. ``contraction`` computes the slots of the form whose weights are given. The weights of a
    block of edges are formed, used and forgotten, so that memory does not grow with edges ×
    weights.

    >>> from euclidium.ops.reference import contraction
    >>> plan = TensorProductPlan.channelwise("2x0e", "0e", "0e")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> given = {"x": torch.ones(2, 2), "y": torch.ones(1, 1)}
    >>> given |= {"h": torch.ones(1, 3), "m": torch.ones(3, 2)}
    >>> radial_contraction(contraction, plan, "z", given, edges).tolist()
    [[3.0, 3.0], [0.0, 0.0]]
    """
    if slot == "x":
        others, edges = _by_sender(others, edges)
    found = [_block(contraction, plan, slot, others, *part) for part in _parts(plan, slot, edges)]
    if slot == "m":
        total = found[0]
        for term in found[1:]:
            total += term
        return total
    return found[0] if len(found) == 1 else torch.cat(found)


def _block(
    contraction: Contraction,
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Tensor],
    part: slice,
    edges: Edges,
) -> Tensor:
    """The slot for one block of edges."""
    known = {name: others[name] for name in "xz" if name in others}
    known |= {name: others[name][part] for name in "yh" if name in others}
    if slot == "h":
        return contraction(plan, "w", known, edges) @ others["m"].mT
    h = known.pop("h")
    if slot == "m":
        return h.mT @ contraction(plan, "w", known, edges)
    return contraction(plan, slot, {**known, "w": h @ others["m"]}, edges)


def _parts(plan: TensorProductPlan, slot: str, edges: Edges) -> Iterator[tuple[slice, Edges]]:
    """Blocks of edges; for the slots of nodes, all edges of some nodes."""
    size = max(1, BLOCK // max(1, plan.n_weights))
    if slot in "xz":
        pointer = edges.row_pointer
        wanted = torch.arange(size, max(edges.n_edges, size), size, device=pointer.device)
        middle = torch.searchsorted(pointer, wanted).unique().tolist()
        nodes = [0, *(n for n in middle if 0 < n < edges.n_nodes), edges.n_nodes]
        cuts = pointer[nodes].tolist()
    else:
        cuts = [*range(0, edges.n_edges, size), edges.n_edges] if edges.n_edges else [0, 0]
        nodes = [0] * len(cuts)
    for n in range(len(cuts) - 1):
        part = slice(cuts[n], cuts[n + 1])
        senders, receivers, pointer = edges.senders[part], edges.receivers[part], edges.row_pointer
        if slot in "xz":
            pointer = pointer[nodes[n] : nodes[n + 1] + 1] - cuts[n]
        if slot == "z":
            receivers = receivers - nodes[n]
        if slot == "x":
            senders = senders - nodes[n]
        yield part, Edges(senders, receivers, pointer)


def _by_sender(others: Mapping[str, Tensor], edges: Edges) -> tuple[Mapping[str, Tensor], Edges]:
    """The same form with the edges in the order of their senders."""
    senders, order = torch.sort(edges.senders, stable=True)
    counts = torch.bincount(senders, minlength=edges.n_nodes)
    pointer = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    moved = {name: values[order] if name in "yh" else values for name, values in others.items()}
    return moved, Edges(senders, edges.receivers[order], pointer)

"""Channelwise convolutions on the CPU: fused kernels, compiled for the plan and the processor."""

from collections.abc import Mapping
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops import machine
from euclidium.ops.channelwise import Channelwise
from euclidium.ops.kernels import convolution_kernel
from euclidium.ops.memory import room
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.reference import is_channelwise
from euclidium.ops.segments import Edges
from euclidium.ops.sorting import grouping_kernel

SCALARS = {torch.float32: "float", torch.float64: "double"}
DTYPES = tuple(SCALARS)


def unavailable() -> str | None:
    """Why this backend cannot run here; ``None`` if it can."""
    return machine.unavailable()


def description() -> str:
    """What runs, in a few words."""
    here = machine.processor()
    return f"kernels for {here.name}, vectors of {8 * here.vector_bytes} bits"


def contraction(
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """One slot of F(x, y, w, z); see ``euclidium.ops.contraction``.

    No tensor of edges × irreps is formed: a node's sums stay in registers while its edges pass.
    Every sum has a fixed order, whatever the number of threads.

    Raises ``ValueError`` for plans that are not channelwise, ``TypeError`` for types other than
    float32 and float64.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e", "0e")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> x, y, w = torch.ones(2, 2), torch.ones(1, 1), torch.full((1, 2), 3.0)
    >>> contraction(plan, "z", {"x": x, "y": y, "w": w}, edges).tolist()
    [[3.0, 3.0], [0.0, 0.0]]
    """
    like = next(iter(others.values()))
    if like.dtype not in SCALARS:
        raise TypeError(f"the cpu backend computes in float32 or float64, got {like.dtype}")
    work = _work(plan)
    n_rows = edges.n_nodes if slot in "xz" else edges.n_edges
    result = room(like, (n_rows, work.widths[slot]))
    if not edges.n_edges or not result.numel() or not work.units:
        return result.zero_()
    tensors = {name: values.contiguous() for name, values in others.items()} | {slot: result}
    scalar = SCALARS[like.dtype]
    lanes = machine.processor().lanes(scalar)
    pointer, order = _by_sender(edges) if slot == "x" else (edges.row_pointer, edges.senders)
    items = n_rows if slot in "xz" else -(-edges.n_edges // lanes)
    threads = machine.threads_for(edges.n_edges * work.operations, items)
    grain = max(1, min(8, items // (8 * threads)))
    indices = [i.long().contiguous() for i in (edges.senders, edges.receivers, pointer, order)]
    addresses = [t.data_ptr() for t in (*(tensors[name] for name in "xywz"), *indices)]
    _kernel(plan, slot, scalar)([items, grain, edges.n_edges, *addresses], threads)
    return result


@cache
def _work(plan: TensorProductPlan) -> Channelwise:
    if not is_channelwise(plan):
        raise ValueError(
            "the cpu backend executes channelwise plans with one channel of harmonics, got\n"
            f"{plan}\nuse backend='reference' for this one"
        )
    return Channelwise(plan)


@cache
def _kernel(plan: TensorProductPlan, slot: str, scalar: str) -> machine.Kernel:
    lanes, registers = machine.processor().lanes(scalar), machine.processor().registers
    return machine.kernel(
        lambda: convolution_kernel(plan, slot, scalar, lanes, registers), plan, slot, scalar
    )


def _by_sender(edges: Edges) -> tuple[Tensor, Tensor]:
    """A pointer to the edges of each sender, and the edges in the order of their senders."""
    senders, n_nodes, n_edges = edges.senders.long().contiguous(), edges.n_nodes, edges.n_edges
    pointer, order = senders.new_empty(n_nodes + 3), torch.empty_like(senders)
    no_counters = 0
    places = [senders.data_ptr(), no_counters, pointer.data_ptr(), order.data_ptr()]
    sorter()([1, 1, n_edges, n_nodes, no_counters, *places], threads=1)
    return pointer, order


@cache
def sorter() -> machine.Kernel:
    """The kernel of ``grouping_kernel``."""
    return machine.kernel(grouping_kernel, "grouping")

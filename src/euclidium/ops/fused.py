"""Fused kernels as operators of torch, differentiable to any order."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops import cpu, gpu
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.segments import Edges
from euclidium.ops.tracing import traced_as_constant

SLOTS = "xywz"


def contract(
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """One slot of F(x, y, w, z) by the kernels of the tensors' device.

    See ``euclidium.ops.contraction``. The derivative with respect to any of the other three is
    again one of the four, so that derivatives of every order, forward and reverse, use kernels.
    ``torch.func`` and ``torch.compile`` take it as one operation.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e", "0e")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> z = contract(plan, "z", {"x": x, "y": torch.ones(1, 1), "w": torch.ones(1, 2)}, edges)
    >>> torch.autograd.grad(z.sum(), x)[0].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    if torch.compiler.is_compiling():
        _allow()
    return _contract(
        _name(plan),
        slot,
        *(others[name] for name in _others(slot)),
        edges.senders,
        edges.receivers,
        edges.row_pointer,
    )


# -- names of plans, which operators can take as arguments -----------------------------------------

_PLANS: dict[str, TensorProductPlan] = {}


@traced_as_constant
def _name(plan: TensorProductPlan) -> str:
    return _registered(plan)


@cache
def _registered(plan: TensorProductPlan) -> str:
    name = f"{len(_PLANS)}: {str(plan).partition(chr(10))[0]}"
    _PLANS[name] = plan
    return name


@traced_as_constant
def _others(slot: str) -> tuple[str, ...]:
    return tuple(SLOTS.replace(slot, ""))


@traced_as_constant
def _width(plan: str, slot: str) -> int:
    found = _PLANS[plan]
    widths = {"x": found.x.dim, "y": found.y.dim, "w": found.n_weights, "z": found.out.dim}
    return widths[slot]


# -- the operator ----------------------------------------------------------------------------------

_LIBRARY = torch.library.Library("euclidium", "DEF")
_LIBRARY.define(
    "contract(str plan, str slot, Tensor a, Tensor b, Tensor c, "
    "Tensor senders, Tensor receivers, Tensor row_pointer) -> Tensor"
)


def _executed(backend: Any) -> Any:
    """The operator by the kernels of a backend."""

    def execute(
        plan: str, slot: str, a: Tensor, b: Tensor, c: Tensor, *edges: Tensor
    ) -> Tensor:
        others = dict(zip(_others(slot), (a, b, c), strict=True))
        return backend.contraction(_PLANS[plan], slot, others, Edges(*edges))

    return execute


_LIBRARY.impl("contract", _executed(cpu), "CPU")
_LIBRARY.impl("contract", _executed(gpu), "CUDA")


@torch.library.register_fake("euclidium::contract", lib=_LIBRARY)
def _fake(
    plan: str,
    slot: str,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    senders: Tensor,
    receivers: Tensor,
    row_pointer: Tensor,
) -> Tensor:
    rows = row_pointer.shape[0] - 1 if slot in "xz" else senders.shape[0]
    return a.new_empty(rows, _width(plan, slot))


class _Contract(torch.autograd.Function):
    """The operator with its derivatives."""

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        return torch.ops.euclidium.contract.default(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.plan, ctx.slot = inputs[:2]
        ctx.save_for_backward(*inputs[2:])
        ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        values, edges = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        known = {**dict(zip(_others(ctx.slot), values, strict=True)), ctx.slot: cotangent}
        gradients = [
            _contract(ctx.plan, name, *(known[n] for n in _others(name)), *edges)
            if ctx.needs_input_grad[2 + n]
            else None
            for n, name in enumerate(_others(ctx.slot))
        ]
        return None, None, *gradients, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        values, edges = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        terms = [
            _contract(ctx.plan, ctx.slot, *values[:n], tangent, *values[n + 1 :], *edges)
            for n, tangent in enumerate(tangents[2:5])
            if tangent is not None
        ]
        return sum(terms[1:], terms[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[Tensor, int]:
        rows = [
            _contract(
                *(
                    argument if dim is None else argument.select(dim, n)
                    for argument, dim in zip(arguments, in_dims, strict=True)
                )
            )
            for n in range(info.batch_size)
        ]
        return torch.stack(rows), 0


def _contract(*arguments: Any) -> Tensor:
    return _Contract.apply(*arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operation as it stands, derivatives and all."""
    torch.compiler.allow_in_graph(_contract)

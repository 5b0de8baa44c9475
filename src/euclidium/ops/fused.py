"""Fused kernels as operators of torch, differentiable to any order."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops import cpu, gpu
from euclidium.ops.blocks import radial_contraction
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.recording import applied, is_recorded, is_wanted
from euclidium.ops.segments import Edges
from euclidium.ops.tracing import once, signed, traced_as_constant

# The slots of the two forms: with weights on the edges, and with weights that are a product of
# hidden values on the edges and a matrix.
FORMS = ("xywz", "xyhmz")


def contract(
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """One slot of F(x, y, w, z), or of F(x, y, h, m, z), by the kernels of the tensors' device.

    See ``euclidium.ops.contraction`` and ``radial_contraction``. The derivative with respect to any
    of the others is again a slot of the same form, so that derivatives of every order, forward and
    reverse, use kernels. ``torch.func`` and ``torch.compile`` take it as one operation.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e", "0e")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> z = contract(plan, "z", {"x": x, "y": torch.ones(1, 1), "w": torch.ones(1, 2)}, edges)
    >>> torch.autograd.grad(z.sum(), x)[0].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    if torch.compiler.is_compiling():
        _allow()
    form = FORMS[len(others) - 3]
    values = (others[name] for name in _others(form, slot))
    indices = (edges.senders, edges.receivers, edges.row_pointer)
    return _contract(_name(plan), form, slot, *values, *indices)


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
def _others(form: str, slot: str) -> tuple[str, ...]:
    return tuple(form.replace(slot, ""))


def _shape(plan: str, slot: str, others: Mapping[str, Tensor], edges: Edges) -> tuple:
    """Rows and columns of a slot."""
    found = _PLANS[plan]
    if slot == "h":
        return edges.n_edges, others["m"].shape[0]
    if slot == "m":
        return others["h"].shape[1], found.n_weights
    widths = {"x": found.x.dim, "y": found.y.dim, "w": found.n_weights, "z": found.out.dim}
    return edges.n_nodes if slot in "xz" else edges.n_edges, widths[slot]


# -- the operator ----------------------------------------------------------------------------------

# Tensors one by one and not in lists, which batched gradients could not take apart.
_LIBRARY = torch.library.Library("euclidium", "DEF")
_EDGES = "Tensor senders, Tensor receivers, Tensor row_pointer"
_LIBRARY.define(f"contract(str plan, str slot, Tensor a, Tensor b, Tensor c, {_EDGES}) -> Tensor")
_LIBRARY.define(
    f"contract_radial(str plan, str slot, Tensor a, Tensor b, Tensor c, Tensor d, {_EDGES})"
    " -> Tensor"
)
_NAMES = dict(zip(FORMS, ("contract", "contract_radial"), strict=True))


def _taken_apart(
    form: str, slot: str, tensors: Sequence[Tensor]
) -> tuple[dict[str, Tensor], Edges]:
    """The values of the other slots, and the edges."""
    return dict(zip(_others(form, slot), tensors, strict=False)), Edges(*tensors[-3:])


def _register(form: str) -> None:
    """The operator of a form: by kernels, and by shapes alone."""

    def executed(backend: ModuleType) -> Callable[..., Tensor]:
        def execute(plan: str, slot: str, *tensors: Tensor) -> Tensor:
            arguments = _PLANS[plan], slot, *_taken_apart(form, slot, tensors)
            if form == FORMS[0]:
                return backend.contraction(*arguments)
            return radial_contraction(backend.contraction, *arguments)

        return execute

    def fake(plan: str, slot: str, *tensors: Tensor) -> Tensor:
        return tensors[0].new_empty(_shape(plan, slot, *_taken_apart(form, slot, tensors)))

    _LIBRARY.impl(_NAMES[form], executed(cpu), "CPU")
    _LIBRARY.impl(_NAMES[form], executed(gpu), "CUDA")
    torch.library.register_fake(f"euclidium::{_NAMES[form]}", fake, lib=_LIBRARY)


for _form in FORMS:
    _register(_form)
_OPERATORS = {form: getattr(torch.ops.euclidium, _NAMES[form]).default for form in FORMS}


class _Contract(torch.autograd.Function):
    """The operator with its derivatives.

    Its arguments are plan, form and slot, the values of the other slots, and three tensors of the
    edges.
    """

    @staticmethod
    @signed
    def forward(plan: str, form: str, slot: str, *tensors: Tensor) -> Tensor:
        return _OPERATORS[form](plan, slot, *tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.what, tensors = inputs[:3], inputs[3:]
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (plan, form, slot), edges = ctx.what, ctx.saved_tensors[-3:]
        names = _others(form, slot)
        known = dict(zip(names, ctx.saved_tensors, strict=False)) | {slot: cotangent}
        gradients = [
            _contract(plan, form, name, *(known[n] for n in _others(form, name)), *edges)
            if is_wanted(ctx, 3 + n, n)
            else None
            for n, name in enumerate(names)
        ]
        return None, None, None, *gradients, None, None, None

    @staticmethod
    @once
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        tensors = ctx.saved_tensors
        terms = [
            _contract(*ctx.what, *tensors[:n], tangent, *tensors[n + 1 :])
            for n, tangent in enumerate(tangents[3:-3])
            if tangent is not None
        ]
        return sum(terms[1:], terms[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[Tensor, int]:
        def row(n: int) -> Tensor:
            pairs = zip(arguments, in_dims, strict=True)
            return _contract(*(a if dim is None else a.select(dim, n) for a, dim in pairs))

        return torch.stack([row(n) for n in range(info.batch_size)]), 0


def _contract(*arguments: Any) -> Tensor:
    """The operator, with its derivatives where somebody may ask for them."""
    if is_recorded(arguments[3:]):
        return applied(_Contract, *arguments)
    return _Contract.forward(*arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operation as it stands, derivatives and all."""
    torch.compiler.allow_in_graph(_contract)

"""The one door to the backends: plans go in, the backend that was chosen executes them."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.irreps import Irreps
from euclidium.ops import cpu, gpu, reference
from euclidium.ops.fused import contract
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.segments import Edges
from euclidium.ops.tracing import traced_as_constant


@runtime_checkable
class Backend(Protocol):
    """What a backend must offer."""

    def unavailable(self) -> str | None:
        """Why it cannot run here; ``None`` if it can."""
        ...

    def unsupported(
        self, operation: str, plan: TensorProductPlan, like: Float[Tensor, "..."]
    ) -> str | None:
        """Why it does not execute an operation on tensors like this; ``None`` if it does."""
        ...

    def tensor_product(
        self,
        plan: TensorProductPlan,
        operands: Sequence[Float[Tensor, "..."]],
        weights: Float[Tensor, "..."] | None,
    ) -> Float[Tensor, "..."]:
        """Execute a plan on tensors with equal leading dimensions."""
        ...

    def convolution(
        self,
        plan: TensorProductPlan,
        x: Float[Tensor, "node x"],
        y: Float[Tensor, "edge y"],
        weights: Float[Tensor, "edge w"],
        edges: Edges,
    ) -> Float[Tensor, "node z"]:
        """Gather, product, weight and sum over the neighbours of each node."""
        ...


class _Reference:
    """Plain torch."""

    tensor_product = staticmethod(reference.tensor_product)
    convolution = staticmethod(reference.convolution)

    def unavailable(self) -> str | None:
        return None

    def unsupported(
        self, operation: str, plan: TensorProductPlan, like: Float[Tensor, "..."]
    ) -> str | None:
        return None

    def __str__(self) -> str:
        return "plain torch, on every device"


@dataclass(frozen=True)
class _Fused:
    """The kernels of ``cpu`` or ``gpu``."""

    device: str
    kernels: ModuleType

    def unavailable(self) -> str | None:
        return self.kernels.unavailable()

    def unsupported(
        self, operation: str, plan: TensorProductPlan, like: Float[Tensor, "..."]
    ) -> str | None:
        if operation != "convolution" or not reference.is_channelwise(plan):
            return "it executes convolutions of channelwise plans, use 'reference'"
        if like.device.type != self.device:
            return f"the tensors are on {like.device.type}, it needs {self.device}"
        if like.dtype not in self.kernels.DTYPES:
            return f"it does not compute in {like.dtype}"
        return None

    def tensor_product(
        self,
        plan: TensorProductPlan,
        operands: Sequence[Float[Tensor, "..."]],
        weights: Float[Tensor, "..."] | None,
    ) -> Float[Tensor, "..."]:
        raise NotImplementedError("refused by unsupported()")

    def convolution(
        self,
        plan: TensorProductPlan,
        x: Float[Tensor, "node x"],
        y: Float[Tensor, "edge y"],
        weights: Float[Tensor, "edge w"],
        edges: Edges,
    ) -> Float[Tensor, "node z"]:
        return contract(plan, "z", {"x": x, "y": y, "w": weights}, edges)

    def __str__(self) -> str:
        return self.kernels.description()


BACKENDS: dict[str, Backend] = {
    "reference": _Reference(),
    "cpu": _Fused("cpu", cpu),
    "gpu": _Fused("cuda", gpu),
}
"""Every backend by name.

``reference`` is plain torch and defines what is right. ``cpu`` and ``gpu`` are fused kernels for
convolutions of channelwise plans, compiled for the processor by LLVM or by Triton.
"""


@dataclass(frozen=True)
class BackendStatus:
    """Whether a backend can run here, and if not, why."""

    name: str
    available: bool
    reason: str


def available_backends() -> list[BackendStatus]:
    """What can run here.

    >>> available_backends()[0]
    BackendStatus(name='reference', available=True, reason='plain torch, on every device')
    """
    found = []
    for name, backend in BACKENDS.items():
        reason = backend.unavailable()
        found.append(BackendStatus(name, reason is None, reason or str(backend)))
    return found


@traced_as_constant
def choose_backend(device: torch.device | str) -> str:
    """The backend for convolutions of tensors on a device.

    ``EUCLIDIUM_BACKEND`` if it is set; else ``cpu`` on processors, where it is available; else
    ``reference``. An operation that the chosen one does not execute (see ``BACKENDS``) is done by
    ``reference``; an operation that is told ``backend=`` raises instead. ``gpu`` is never chosen by
    itself: its kernels are tested in Triton's interpreter only.

    Raises ``ValueError`` if ``EUCLIDIUM_BACKEND`` names no backend, or one that cannot run here.

    >>> choose_backend("meta")
    'reference'
    """
    if chosen := os.environ.get("EUCLIDIUM_BACKEND"):
        check_backend(chosen, "EUCLIDIUM_BACKEND")
        return chosen
    return _fastest(torch.device(device).type)


@cache
def _fastest(device: str) -> str:
    return "cpu" if device == "cpu" and BACKENDS["cpu"].unavailable() is None else "reference"


def tensor_product(
    plan: TensorProductPlan,
    *operands: Float[Tensor, "..."],
    weights: Float[Tensor, "..."] | None = None,
    backend: str | None = None,
) -> Float[Tensor, "..."]:
    """Execute a plan: z = Σ_paths coefficient · C W x y ….

    Operands have shape (…, irreps.dim) and may broadcast; ``weights`` has shape (…, n_weights), one
    set for all or one for each item, and is left out for plans without weights. ``backend`` is a
    name in ``BACKENDS``; without one ``choose_backend`` decides.

    Raises ``ValueError`` for a last dimension that does not fit the plan, ``TypeError`` for tensors
    of different types. Under autocast the widest of the types is used.

    >>> plan = TensorProductPlan.full("1o", "1o", keep="0e")
    >>> x = torch.tensor([1.0, 2.0, 2.0])
    >>> tensor_product(plan, x, x) * 3**0.5
    tensor([9.0000])
    """
    if len(operands) != len(plan.operands):
        raise ValueError(f"the plan has {len(plan.operands)} operands, got {len(operands)}")
    for n, (operand, irreps) in enumerate(zip(operands, plan.operands, strict=True)):
        _check_width(f"operand {n}", operand, irreps.dim, irreps)
    _check_weights(plan, weights)
    chosen = _backend(backend, "tensor product", plan, operands[0])
    if torch.is_autocast_enabled(operands[0].device.type):
        dtype = _common_type(operands if weights is None else [*operands, weights])
        operands = tuple(operand.to(dtype) for operand in operands)
        weights = None if weights is None else weights.to(dtype)
        with torch.autocast(operands[0].device.type, enabled=False):
            return chosen.tensor_product(plan, operands, weights)
    _check_types(operands if weights is None else [*operands, weights])
    return chosen.tensor_product(plan, operands, weights)


def convolution(
    plan: TensorProductPlan,
    x: Float[Tensor, "node x"],
    harmonics: Float[Tensor, "edge y"],
    weights: Float[Tensor, "edge w"],
    edges: Edges,
    backend: str | None = None,
) -> Float[Tensor, "node z"]:
    """Sum of weighted messages over neighbours, as one operation.

    z_i = Σ_{j → i} plan(x_j, Y_ij; w_ij)

    with the sender's features x (node, plan.x.dim), the edge's harmonics Y (edge, plan.y.dim) and
    weights w (edge, plan.n_weights). Differentiable in x, Y and w to any order. A node without
    neighbours gets zero.

    Raises ``ValueError`` for shapes that do not fit the plan or the edges, ``TypeError`` for
    tensors of different types.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e + 1o")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> convolution(plan, torch.ones(2, 2), torch.ones(1, 4), torch.ones(1, 4), edges).shape
    torch.Size([2, 8])
    """
    _check_convolution(plan, x, harmonics, weights, edges)
    if weights.shape[0] != edges.n_edges:
        raise ValueError(f"weights have {weights.shape[0]} edges, expected {edges.n_edges}")
    chosen = _backend(backend, "convolution", plan, x)
    if torch.is_autocast_enabled(x.device.type):
        dtype = _common_type([x, harmonics, weights])
        with torch.autocast(x.device.type, enabled=False):
            return chosen.convolution(
                plan, x.to(dtype), harmonics.to(dtype), weights.to(dtype), edges
            )
    _check_types([x, harmonics, weights])
    return chosen.convolution(plan, x, harmonics, weights, edges)


def radial_convolution(
    plan: TensorProductPlan,
    x: Float[Tensor, "node x"],
    harmonics: Float[Tensor, "edge y"],
    hidden: Float[Tensor, "edge hidden"],
    matrix: Float[Tensor, "hidden w"],
    edges: Edges,
    backend: str | None = None,
) -> Float[Tensor, "node z"]:
    """The convolution with weights w = hidden · matrix, without keeping the weights.

    z_i = Σ_{j → i} plan(x_j, Y_ij; h_ij m)

    Equal to ``convolution(plan, x, harmonics, hidden @ matrix, edges)``; with the fused backends
    the weights exist for one block of edges at a time, so that memory grows with edges × hidden and
    not with edges × weights. The weights are formed anew for each derivative: less memory for more
    arithmetic. Raises as ``convolution`` does.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e + 1o")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> h, m = torch.ones(1, 5), torch.ones(5, 4)
    >>> radial_convolution(plan, torch.ones(2, 2), torch.ones(1, 4), h, m, edges).shape
    torch.Size([2, 8])
    """
    if hidden.shape[-1:] != matrix.shape[:1] or hidden.shape[0] != edges.n_edges:
        raise ValueError(
            f"hidden values {tuple(hidden.shape)} and matrix {tuple(matrix.shape)} do not fit: "
            f"give ({edges.n_edges}, n) and (n, {plan.n_weights})"
        )
    chosen = _backend(backend, "convolution", plan, x)
    if not isinstance(chosen, _Fused) or torch.is_autocast_enabled(x.device.type):
        return convolution(plan, x, harmonics, hidden @ matrix, edges, backend)
    _check_convolution(plan, x, harmonics, matrix, edges)
    _check_types([x, harmonics, hidden, matrix])
    others = {"x": x, "y": harmonics, "h": hidden, "m": matrix}
    return contract(plan, "z", others, edges)


def _check_convolution(
    plan: TensorProductPlan, x: Tensor, harmonics: Tensor, weights: Tensor, edges: Edges
) -> None:
    """Widths and rows; of the weights, or what they are a product with, only the width."""
    if len(plan.operands) != 2:
        raise ValueError(f"a convolution needs a plan of two operands, got {len(plan.operands)}")
    _check_width("x", x, plan.x.dim, plan.x)
    _check_width("harmonics", harmonics, plan.y.dim, plan.y)
    _check_weights(plan, weights)
    if x.shape[0] != edges.n_nodes:
        raise ValueError(f"x has {x.shape[0]} nodes, the edges have {edges.n_nodes}")
    if harmonics.shape[0] != edges.n_edges:
        raise ValueError(f"harmonics have {harmonics.shape[0]} edges, expected {edges.n_edges}")


def _backend(name: str | None, operation: str, plan: TensorProductPlan, like: Tensor) -> Backend:
    """The backend that is asked for, or the one that is chosen."""
    if name is None:
        chosen = BACKENDS[choose_backend(like.device)]
        return BACKENDS["reference"] if chosen.unsupported(operation, plan, like) else chosen
    check_backend(name, "backend")
    if reason := BACKENDS[name].unsupported(operation, plan, like):
        raise ValueError(f"the backend {name!r} cannot do this: {reason}")
    return BACKENDS[name]


@traced_as_constant
def check_backend(name: str, setting: str) -> None:
    """Refuse a backend that is not known, or not available; ``setting`` says who named it."""
    if name not in BACKENDS:
        raise ValueError(f"{setting} is {name!r}: choose one of {', '.join(BACKENDS)}")
    if reason := BACKENDS[name].unavailable():
        raise ValueError(f"{setting} is {name!r}, which cannot run here: {reason}")


def _check_width(name: str, values: Tensor, width: int, irreps: Irreps | None = None) -> None:
    if values.shape[-1:] != (width,):
        described = name if irreps is None else f"{name} ({irreps})"
        raise ValueError(
            f"{described} needs a last dimension of {width}, "
            f"got a tensor of shape {tuple(values.shape)}"
        )


def _check_weights(plan: TensorProductPlan, weights: Tensor | None) -> None:
    if weights is not None:
        _check_width("weights", weights, plan.n_weights)
    elif plan.n_weights:
        raise ValueError(f"the plan needs {plan.n_weights} weights, got none: pass weights=…")


def _common_type(tensors: Sequence[Tensor]) -> torch.dtype:
    # sums over neighbours lose too much in bfloat16, so a product under autocast takes the widest
    return functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors))


def _check_types(tensors: Sequence[Tensor]) -> None:
    types = {tensor.dtype for tensor in tensors}
    if len(types) > 1:
        names = ", ".join(sorted(str(t).removeprefix("torch.") for t in types))
        raise TypeError(f"tensors of different types met ({names}): convert them to one first")

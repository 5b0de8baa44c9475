"""Gated nonlinearities as one operation on the CPU, differentiable to any order."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.irreps import Irreps
from euclidium.ops import machine
from euclidium.ops.cpu import SCALARS
from euclidium.ops.dispatch import choose_backend
from euclidium.ops.gate_kernels import FUNCTIONS, Run, gate_kernel
from euclidium.ops.recording import applied, is_recorded
from euclidium.ops.tracing import signed, traced_as_constant

# Operations for each number that is read or written, about.
OPERATIONS = 10

TORCH = {
    "abs": torch.abs,
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
}


def gate_name(
    scalars: Irreps, gates: Irreps, gated: Irreps, pieces: Sequence[int], functions: Sequence[str]
) -> str:
    """The name of a gate, which operators can take as an argument.

    The functions are those of even and odd scalars, of even and odd gates. ``pieces`` are the
    channels of the blocks of the result into which the gated blocks are cut.

    >>> gate_name(Irreps("2x0e"), Irreps("1x0e"), Irreps("1x1o"), [1], ["silu"] * 4)
    '2x0e|1x0e|1x1o|1|silu silu silu silu'
    """
    return f"{scalars}|{gates}|{gated}|{' '.join(map(str, pieces))}|{' '.join(functions)}"


def gate(
    name: str, factors: Sequence[float], x: Float[Tensor, "*batch source"]
) -> Float[Tensor, "*batch target"]:
    """φ(s), γ(g) x of a row of scalars s, gates g and gated channels x, by one kernel.

    The functions are multiplied by factors. Values, first and second derivatives are kernels;
    derivatives beyond are operations of torch.

    >>> name = gate_name(Irreps("1x0e"), Irreps("1x0e"), Irreps("1x1o"), [1], ["silu"] * 4)
    >>> gate(name, [1.0] * 4, torch.tensor([0.0, 1.0, 1.0, 0.0, 2.0]))
    tensor([0.0000, 0.7311, 0.0000, 1.4621])
    """
    if torch.compiler.is_compiling():
        _allow()
        return _differentiable(name, "values", *factors, x)[0]
    return _results(name, "values", *factors, x)[0]


def has_kernel(name: str, x: Float[Tensor, "..."]) -> bool:
    """Whether the kernels compute a gate: float32 or float64 on a processor, known functions.

    Not under autocast, and not with ``EUCLIDIUM_BACKEND=reference``.

    >>> has_kernel("2x0e||||silu softplus silu silu", torch.zeros(2))
    False
    """
    return (
        x.device.type == "cpu"
        and x.dtype in SCALARS
        and _is_known(name)
        and not torch.is_autocast_enabled("cpu")
        and choose_backend(x.device) == "cpu"
    )


@traced_as_constant
def _is_known(name: str) -> bool:
    return _cached_is_known(name)


@cache
def _cached_is_known(name: str) -> bool:
    return set(name.split("|")[4].split()) <= FUNCTIONS.keys() and bool(_layout(name))


# -- what stands where -----------------------------------------------------------------------------


@cache
def _layout(name: str) -> tuple[Run, ...]:
    """The runs of channels with one function and one place, in the order of their arguments."""
    scalars, gates, gated = (Irreps(part) for part in name.split("|")[:3])
    functions = name.split("|")[4].split()
    layout, position = [], 0
    for n, block in enumerate((*scalars, *gates)):
        kind = (block.ir.p != 1) + 2 * (n >= len(scalars))
        if n < len(scalars):
            layout.append(Run(functions[kind], kind, block.mul, position, position))
        else:
            first = position - scalars.dim
            for channel, stop, places in _gated(name, gated, scalars.dim, gates.dim):
                low, high = max(first, channel), min(first + block.mul, stop)
                if low < high:
                    components, z, z_step, y, y_step = places
                    further = low - channel
                    start = scalars.dim + low
                    moved = (y + further, components, z + further, z_step, y_step)
                    layout.append(Run(functions[kind], kind, high - low, start, *moved))
        position += block.mul
    return tuple(run for run in layout if run.channels)


def _gated(name: str, gated: Irreps, scalars: int, gates: int) -> list[tuple]:
    """The pieces of the gated blocks: their channels, and where they stand on both sides."""
    pieces = [int(mul) for mul in name.split("|")[3].split()]
    cuts = [sum(pieces[:n]) for n in range(len(pieces) + 1)]
    ends = [sum(block.mul for block in gated[:n]) for n in range(len(gated) + 1)]
    found, y = [], scalars
    for channel, stop in pairwise(cuts):
        number = next(n for n, end in enumerate(ends[1:]) if channel < end)
        block = gated[number]
        z = scalars + gates + gated.slices()[number].start + channel - ends[number]
        found.append((channel, stop, (block.ir.dim, z, block.mul, y, stop - channel)))
        y += (stop - channel) * block.ir.dim
    return found


@cache
def _widths(name: str) -> tuple[int, int]:
    """Numbers in a row of the input and of the result."""
    scalars, gates, gated = (Irreps(part).dim for part in name.split("|")[:3])
    return scalars + gates + gated, scalars + gated


def _formula(name: str, factors: Sequence[float], x: Tensor) -> Tensor:
    """The gate by operations of torch."""
    layout, (_, width) = _layout(name), _widths(name)
    activated = torch.cat(
        [
            TORCH[run.function](x[..., run.x : run.x + run.channels]) * factors[run.factor]
            for run in layout
        ],
        dim=-1,
    )
    argument, other = [0] * width, [0] * width
    for run in layout:
        for m in range(max(run.components, 1)):
            for n in range(run.channels):
                place = run.y + m * run.y_step + n
                argument[place] = run.x + n
                other[place] = 1 + run.z + m * run.z_step + n if run.components else 0
    extended = torch.cat([torch.ones_like(x[..., :1]), x], dim=-1)
    return activated[..., argument] * extended[..., other]


def _bend_formula(name: str, factors: Sequence[float], *values: Tensor) -> tuple[Tensor, ...]:
    """The kernel ``bend`` by operations of torch, differentiable to any order."""
    x, g, c = values

    def pulled(x: Tensor) -> Tensor:
        return torch.func.vjp(lambda x: _formula(name, factors, x), x)[1](g)[0]

    return torch.func.vjp(pulled, x)[1](c)


# -- the kernels -----------------------------------------------------------------------------------


def _run(name: str, what: str, factors: Sequence[float], values: Sequence[Tensor]) -> list[Tensor]:
    """The results of a kernel, of x and what it reads beside."""
    given = [tensor.contiguous() for tensor in values]
    x, batch = given[0], given[0].shape[:-1]
    results = _empty(name, what, x)
    rows = batch.numel()
    if not rows:
        return results
    work = rows * (len(given) + len(results)) * x.shape[-1] * OPERATIONS
    threads = machine.threads_for(work, rows)
    grain = rows if threads == 1 else max(1, rows // (8 * threads))
    addresses = [tensor.data_ptr() for tensor in (*given, *results)]
    _kernel(name, what, x.dtype)([rows, grain, *map(machine.bits, factors), *addresses], threads)
    return results


def _empty(name: str, what: str, x: Tensor) -> list[Tensor]:
    source, target = _widths(name)
    widths = {"values": (target,), "push": (target,), "both": (target, source)}
    return [x.new_empty(*x.shape[:-1], width) for width in widths.get(what, (source,))]


@cache
def _kernel(name: str, what: str, dtype: torch.dtype) -> machine.Kernel:
    scalar = SCALARS[dtype]
    lanes, layout = machine.processor().lanes(scalar), _layout(name)

    def write() -> str:
        return gate_kernel(layout, _widths(name), 4, what, scalar, lanes)

    return machine.kernel(write, "gate", layout, _widths(name), what, scalar)


# -- the operator ----------------------------------------------------------------------------------

_LIBRARY = torch.library.Library("euclidium", "FRAGMENT")
_LIBRARY.define("gate(str name, str what, float[] factors, Tensor[] values) -> Tensor[]")
_LIBRARY.impl("gate", _run, "CPU")
_OPERATOR = torch.ops.euclidium.gate.default


@torch.library.register_fake("euclidium::gate", lib=_LIBRARY)
def _fake(name: str, what: str, factors: Sequence[float], values: Sequence[Tensor]) -> list[Tensor]:
    return _empty(name, what, values[0])


class _Gate(torch.autograd.Function):
    """The operator with its derivatives.

    Its arguments are the name of the gate, which kernel, four factors, x, and g or c.
    """

    @staticmethod
    @signed
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        return tuple(_OPERATOR(*arguments[:2], arguments[2:6], arguments[6:]))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.name, ctx.what, *ctx.factors = inputs[:6]
        ctx.save_for_backward(*inputs[6:])
        ctx.save_for_forward(*inputs[6:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        values, none = ctx.saved_tensors, (None,) * 6

        def found(what: str, *values: Tensor) -> tuple[Tensor, ...]:
            return _results(ctx.name, what, *ctx.factors, *values)

        if ctx.what == "values":
            return *none, *found("pull", values[0], cotangent)
        (x, other), (of_x, of_other) = values, ctx.needs_input_grad[6:]
        g, c = (other, cotangent) if ctx.what == "pull" else (cotangent, other)
        if ctx.what == "pull" and of_x and of_other and not is_recorded([x, g, c]):
            push, bend = found("both", x, g, c)
            return *none, bend, push
        of_rows = found("bend", x, g, c) if of_x else (None,)
        if not of_other:
            return *none, *of_rows, None
        return (
            *none,
            *of_rows,
            *(found("push", x, c) if ctx.what == "pull" else found("pull", x, g)),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        along, *others = tangents[6:]
        terms = [
            _results(ctx.name, ctx.what, *ctx.factors, ctx.saved_tensors[0], other)[0]
            for other in others
            if other is not None
        ]
        if along is not None:
            terms.append(_along(ctx.name, ctx.what, ctx.factors, ctx.saved_tensors, along))
        return (sum(terms[1:], terms[0]),)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[tuple[Tensor, ...], Any]:
        values = (
            value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(arguments[6:], in_dims[6:], strict=True)
        )
        results = _results(*arguments[:6], *values)
        return results, (0,) * len(results)


def _along(
    name: str, what: str, factors: Sequence[float], values: Sequence[Tensor], c: Tensor
) -> Tensor:
    """The derivative of a kernel's result by x, along a direction."""
    x, *others = values
    if what == "values":
        return _results(name, "push", *factors, x, c)[0]
    if what == "pull":
        return _results(name, "bend", *factors, x, *others, c)[0]

    def pushed(x: Tensor) -> Tensor:
        return torch.func.jvp(lambda x: _formula(name, factors, x), (x,), (others[0],))[1]

    return torch.func.jvp(pushed, (x,), (c,))[1]


def _results(name: str, what: str, *arguments: Any) -> tuple[Tensor, ...]:
    """Results, by the shortest way that keeps their derivatives."""
    factors, values = arguments[:4], arguments[4:]
    if is_recorded(values):
        if what == "bend":
            return tuple(_bend_formula(name, factors, *values))
        return _differentiable(name, what, *arguments)
    return tuple(_OPERATOR(name, what, factors, values))


def _differentiable(*arguments: Any) -> tuple[Tensor, ...]:
    return applied(_Gate, *arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operation as it stands, derivatives and all."""
    torch.compiler.allow_in_graph(_differentiable)

"""Spherical harmonics on the CPU: fused kernels for values and derivatives, as one operator."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.harmonics import recurrence
from euclidium.ops import machine
from euclidium.ops.cpu import SCALARS
from euclidium.ops.expression import Graph, Number
from euclidium.ops.formula import Formula
from euclidium.ops.recording import applied, is_recorded
from euclidium.ops.rows import rows_kernel
from euclidium.ops.tracing import signed, traced_as_constant

# Shorter vectors have no direction: they count as the zero vector.
SHORTEST = 1e-12

# Kernels of higher degrees are long: they take seconds to compile.
LARGEST_DEGREE = 10

# Derivatives of higher orders are computed by operations of torch.
LARGEST_ORDER = 2

# Operations for each number that is read or written, about; they grow with each derivative.
OPERATIONS = 4


def solid_harmonics(
    degrees: Sequence[int],
    vectors: Float[Tensor, "*batch 3"],
    normalize: bool,
    normalization: str,
) -> Float[Tensor, "*batch components"]:
    """Real spherical harmonics by the kernels of the processor; see ``spherical_harmonics``.

    Values, first and second derivatives are one kernel each; derivatives beyond are computed from
    the same expressions by torch. ``torch.func`` and ``torch.compile`` take it as one operation.

    >>> solid_harmonics([0, 1], torch.tensor([0.0, 0.0, 2.0]), True, "norm").tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    name = _name(tuple(degrees), normalize, normalization)
    if torch.compiler.is_compiling():
        _allow()
        return _differentiable(name, "", vectors)[0]
    return _results(name, "", vectors)[0]


def unsupported(degrees: Sequence[int], like: Tensor) -> str | None:
    """Why the kernels do not compute harmonics of tensors like this; ``None`` if they do.

    >>> unsupported([0, 40], torch.zeros(3))
    'its harmonics have degrees up to 10, got 40'
    """
    if like.device.type != "cpu":
        return f"the tensors are on {like.device.type}, it needs cpu"
    if like.dtype not in SCALARS:
        return f"it does not compute in {like.dtype}"
    if not degrees:
        return "no degree is asked for"
    if max(degrees) > LARGEST_DEGREE:
        return f"its harmonics have degrees up to {LARGEST_DEGREE}, got {max(degrees)}"
    return None


def harmonics_formula(degrees: Sequence[int], normalize: bool, normalization: str) -> Formula:
    """Harmonics as expressions of x, y, z, by the recurrence of ``euclidium.o3.recurrence``.

    >>> harmonics_formula([1], False, "norm")([torch.tensor([[1.0, 2.0, 3.0]])])
    [tensor([[1., 2., 3.]])]
    """
    graph, table = Graph(), recurrence(max(degrees), normalization)
    x, y, z = graph.inputs(0, 3)
    if normalize:
        inverse = graph.inverse_length((x, y, z), SHORTEST, 1.0)
        x, y, z = x * inverse, y * inverse, z * inverse
    square = x * x + y * y + z * z
    found: dict[tuple[int, int], Number] = {}
    # (z + ix)^m, the azimuth about the polar axis y
    cosine, sine = graph.number(1.0), graph.number(0.0)
    diagonal = table.n00
    for m in range(table.lmax + 1):
        if m > 0:
            cosine, sine = z * cosine - x * sine, x * cosine + z * sine
            diagonal *= float(table.d[m])
        below, polar = graph.number(0.0), graph.number(diagonal)
        for l in range(m, table.lmax + 1):
            if l > m:
                a, b = float(table.a[l, m]), float(table.b[l, m])
                below, polar = polar, (a * y) * polar + (b * square) * below
            found[l, -m], found[l, m] = polar * sine, polar * cosine
    return Formula((3,), (tuple(found[l, m] for l in degrees for m in range(-l, l + 1)),))


# -- names of formulas, which operators can take as arguments --------------------------------------

# A formula is named by its harmonics, and by the derivatives taken of them, one after the other.
PULLED, PUSHED = "<", ">"


@traced_as_constant
def _name(degrees: tuple[int, ...], normalize: bool, normalization: str) -> str:
    return _written(degrees, normalize, normalization)


@cache
def _written(degrees: tuple[int, ...], normalize: bool, normalization: str) -> str:
    recurrence(0, normalization)  # refuses a normalization that does not exist
    kind = "unit" if normalize else "any"
    return f"{normalization} {kind} {','.join(map(str, degrees))}"


def _degrees(name: str) -> list[int]:
    return [int(l) for l in name.split()[2].split(",")]


@cache
def _formula(name: str, derivatives: str) -> Formula:
    if not derivatives:
        normalization, kind, _ = name.split()
        return harmonics_formula(_degrees(name), kind == "unit", normalization)
    before = _formula(name, derivatives[:-1])
    return before.pulled() if derivatives[-1] == PULLED else before.pushed()


@cache
def _widths(name: str, derivatives: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Columns of the inputs and of the results; the formula itself need not be known for it."""
    inputs: tuple[int, ...] = (3,)
    results: tuple[int, ...] = (sum(2 * l + 1 for l in _degrees(name)),)
    for derivative in derivatives:
        if derivative == PULLED:
            inputs, results = inputs + results, inputs
        else:
            inputs = inputs + inputs
    return inputs, results


# -- running ---------------------------------------------------------------------------------------


def _run(name: str, derivatives: str, blocks: Sequence[Tensor]) -> list[Tensor]:
    """The results by a kernel."""
    inputs, widths = _widths(name, derivatives)
    batch = blocks[0].shape[:-1]
    n_rows = batch.numel()
    scalar = SCALARS[blocks[0].dtype]
    lanes = machine.processor().lanes(scalar)
    results = [blocks[0].new_empty(*batch, width) for width in widths]
    if n_rows == 0:
        return results
    if n_rows < lanes:
        padded = _run(name, derivatives, [_padded(block, lanes) for block in blocks])
        for result, rows in zip(results, padded, strict=True):
            result.view(n_rows, -1).copy_(rows[:n_rows])
        return results
    tiles = -(-n_rows // lanes)
    work = n_rows * (sum(inputs) + sum(widths)) * OPERATIONS
    threads = machine.threads_for(work, tiles)
    grain = max(1, min(64, tiles // (4 * threads)))
    given = [block.contiguous() for block in blocks]
    addresses = [tensor.data_ptr() for tensor in (*given, *results)]
    _kernel(name, derivatives, scalar)([tiles, grain, n_rows, *addresses], threads)
    return results


def _padded(block: Tensor, n_rows: int) -> Tensor:
    """Fewer rows than the processor takes at once, with rows of zero behind them."""
    flat = block.reshape(-1, block.shape[-1])
    return torch.cat([flat, flat.new_zeros(n_rows - len(flat), flat.shape[-1])])


@cache
def _kernel(name: str, derivatives: str, scalar: str) -> machine.Kernel:
    lanes = machine.processor().lanes(scalar)

    def write() -> str:
        formula = _formula(name, derivatives)
        return rows_kernel(formula.inputs, formula.results, scalar, lanes)

    return machine.kernel(write, "harmonics", name, derivatives, scalar)


# -- the operator ----------------------------------------------------------------------------------

_LIBRARY = torch.library.Library("euclidium", "FRAGMENT")


def _operator(n_inputs: int, n_results: int) -> Callable[..., Any]:
    """The operator of formulas with so many inputs and results.

    Single tensors, not lists of them: loops over batches take operators of no other kind.
    """
    name = f"harmonics_{n_inputs}_to_{n_results}"
    blocks = ", ".join(f"Tensor block_{n}" for n in range(n_inputs))
    results = ", ".join(["Tensor"] * n_results)
    _LIBRARY.define(f"{name}(str name, str derivatives, {blocks}) -> ({results})")

    def one_or_all(found: list[Tensor]) -> Any:
        return found[0] if n_results == 1 else tuple(found)

    def run(name: str, derivatives: str, *blocks: Tensor) -> Any:
        return one_or_all(_run(name, derivatives, blocks))

    def fake(name: str, derivatives: str, *blocks: Tensor) -> Any:
        batch, (_, widths) = blocks[0].shape[:-1], _widths(name, derivatives)
        return one_or_all([blocks[0].new_empty(*batch, width) for width in widths])

    _LIBRARY.impl(name, run, "CPU")
    torch.library.register_fake(f"euclidium::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.euclidium, name).default


# by the number of inputs; as many as formulas have to the second derivative
_OPERATORS = {n: _operator(n, 2 if n == 3 else 1) for n in range(1, 5)}


def _executed(name: str, derivatives: str, *blocks: Tensor) -> tuple[Tensor, ...]:
    """The results by a kernel, as one operation of torch."""
    results = _OPERATORS[len(blocks)](name, derivatives, *blocks)
    return results if isinstance(results, tuple) else (results,)


class _Harmonics(torch.autograd.Function):
    """The operator with its derivatives.

    Its arguments are the name of the harmonics, the derivatives taken of them, and the inputs.
    """

    @staticmethod
    @signed
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        return _executed(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.name, ctx.derivatives = inputs[:2]
        ctx.save_for_backward(*inputs[2:])
        ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple:
        derivatives = ctx.derivatives + PULLED
        return None, None, *_results(ctx.name, derivatives, *ctx.saved_tensors, *cotangents)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        blocks = ctx.saved_tensors
        along = (
            torch.zeros_like(block) if tangent is None else tangent
            for block, tangent in zip(blocks, tangents[2:], strict=True)
        )
        return _results(ctx.name, ctx.derivatives + PUSHED, *blocks, *along)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[tuple[Tensor, ...], Any]:
        blocks = (
            block.expand(info.batch_size, *block.shape) if dim is None else block.movedim(dim, 0)
            for block, dim in zip(arguments[2:], in_dims[2:], strict=True)
        )
        results = _results(*arguments[:2], *blocks)
        return results, (0,) * len(results)


def _results(name: str, derivatives: str, *blocks: Tensor) -> tuple[Tensor, ...]:
    """The results, by the shortest way that keeps their derivatives."""
    if len(derivatives) > LARGEST_ORDER:
        return tuple(_formula(name, derivatives)(blocks))
    if is_recorded(blocks):
        return _differentiable(name, derivatives, *blocks)
    return _executed(name, derivatives, *blocks)


def _differentiable(*arguments: Any) -> tuple[Tensor, ...]:
    return applied(_Harmonics, *arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operation as it stands, derivatives and all."""
    torch.compiler.allow_in_graph(_differentiable)

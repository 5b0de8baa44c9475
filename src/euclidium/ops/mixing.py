"""Mixing of the channels of each irrep as one operation, differentiable to any order."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from euclidium.o3.irreps import Irreps
from euclidium.ops import machine
from euclidium.ops.cpu import SCALARS, sorter
from euclidium.ops.dispatch import choose_backend
from euclidium.ops.mixing_kernels import (
    BLOCK,
    TILE,
    Mixing,
    mixing_kernel,
    sections,
)
from euclidium.ops.recording import applied, are_wanted, is_recorded
from euclidium.ops.reference import split_blocks
from euclidium.ops.tracing import once, signed, traced_as_constant

# Columns of a matrix, above which torch's product of matrices is the faster one.
WIDEST = 512


def mix(
    source: str,
    target: str,
    x: Float[Tensor, "*batch source"],
    matrices: Sequence[Float[Tensor, "..."]],
    species: Int[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch target"]:
    """Mix the channels of each irrep of x by its matrix.

    y[m, w] = Σ_u W[u, w] x[m, u] / √(number of u)

    ``source`` and ``target`` are irreps. There is one matrix for each irrep on both sides, in the
    order of the target, over all blocks of that irrep; or one for each species, (species, u, w).
    Irreps that the source lacks are zero.

    On processors it is one kernel, and so are its derivatives of every order: with a cotangent y
    it is a trilinear form in x, W and y, whose derivatives are its other slots. Matrices of more
    than ``WIDEST`` columns or rows, autocast, other types and devices, and
    ``EUCLIDIUM_BACKEND=reference`` take operations of torch.

    Raises ``IndexError`` for species that have no matrix.

    >>> mix("2x0e", "1x0e+1x1o", torch.ones(1, 2), [torch.ones(2, 1)])
    tensor([[1.4142, 0.0000, 0.0000, 0.0000]])
    """
    if not _has_kernel(source, target, x, matrices):
        return mix_reference(source, target, x, matrices, species)
    groups = 0 if species is None else matrices[0].shape[0]
    if torch.compiler.is_compiling():
        _allow()
        return _differentiable(source, target, "y", groups, species, x, *matrices)[0]
    return _slot(source, target, "y", groups, species, x, *matrices)[0]


def _has_kernel(source: str, target: str, x: Tensor, matrices: Sequence[Tensor]) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype in SCALARS
        and [matrix.dtype for matrix in matrices] == [x.dtype] * len(matrices)
        and _is_narrow(source, target)
        and not torch.is_autocast_enabled("cpu")
        and choose_backend(x.device) == "cpu"
    )


@traced_as_constant
def _is_narrow(source: str, target: str) -> bool:
    return _cached_is_narrow(source, target)


@cache
def _cached_is_narrow(source: str, target: str) -> bool:
    """Whether there are matrices, none of them too wide."""
    widths = [max(sector.shape) for sector in _mixing(source, target).sectors]
    return 0 < max(widths, default=0) <= WIDEST


@cache
def _mixing(source: str, target: str) -> Mixing:
    return Mixing(Irreps(source), Irreps(target))


# -- plain torch -----------------------------------------------------------------------------------


def mix_reference(
    source: str,
    target: str,
    x: Float[Tensor, "*batch source"],
    matrices: Sequence[Float[Tensor, "..."]],
    species: Int[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch target"]:
    """The same by operations of torch, on every device; see ``mix``.

    >>> mix_reference("2x0e", "1x0e+1x1o", torch.ones(1, 2), [torch.ones(2, 1)])
    tensor([[1.4142, 0.0000, 0.0000, 0.0000]])
    """
    blocks = split_blocks(x, _irreps(source))
    pieces: list[Tensor | None] = [None] * _n_blocks(target)
    for (sources, targets, widths), weights in zip(_joins(source, target), matrices, strict=True):
        same = [blocks[n] for n in sources]
        values = same[0] if len(same) == 1 else torch.cat(same, dim=-1)
        weights = weights if species is None else weights[species]
        mixed = values @ weights * weights.shape[-2] ** -0.5
        for n, piece in zip(targets, mixed.split(widths, dim=-1), strict=True):
            pieces[n] = piece.flatten(-2)
    results = [
        x.new_zeros(*x.shape[:-1], dim) if piece is None else piece
        for piece, dim in zip(pieces, _dims(target), strict=True)
    ]
    return torch.cat(results, dim=-1) if results else x.new_zeros(*x.shape[:-1], 0)


@traced_as_constant
def _irreps(irreps: str) -> Irreps:
    return Irreps(irreps)


@traced_as_constant
def _n_blocks(irreps: str) -> int:
    return len(Irreps(irreps))


@traced_as_constant
def _dims(irreps: str) -> list[int]:
    return [block.dim for block in Irreps(irreps)]


@traced_as_constant
def _joins(source: str, target: str) -> list[tuple[list[int], list[int], list[int]]]:
    """For each matrix, the blocks on both sides, and the channels of those of the target."""
    before, after = Irreps(source), Irreps(target)
    joins = []
    for ir in dict.fromkeys(block.ir for block in after if block.mul):
        if before.count(ir):
            sources = [n for n, block in enumerate(before) if block.ir == ir]
            targets = [n for n, block in enumerate(after) if block.ir == ir]
            joins.append((sources, targets, [after[n].mul for n in targets]))
    return joins


# -- the kernels -----------------------------------------------------------------------------------


# How much a thread takes at a time, of the nodes and for so many threads: tiles of nodes, whole
# groups, rows of a matrix.
GRAINS: dict[str, Callable[[int, int], int]] = {
    "rows": lambda nodes, threads: max(1, nodes // (8 * TILE * threads)),
    "turned": lambda nodes, threads: 1,
    "matrices": lambda nodes, threads: BLOCK[0],
}


class _Step(NamedTuple):
    """One kernel: its tensors, how much of it a thread takes, its counters for each group."""

    kernel: machine.Kernel
    tensors: str
    grain: Callable[[int, int], int]
    counters: int


class _Work(NamedTuple):
    """All that a slot takes."""

    given: str
    found: str
    steps: tuple[_Step, ...]
    source: int
    target: int
    shapes: tuple[tuple[int, ...], ...]
    operations: int


# For each slot what is given, what is found, and the kernels that do it one after the other.
# Letters stand for x, y and the matrices m, for the turned matrices t, and for the derivatives by
# x (b, the way back) and by the matrices (s, the sums).
SLOTS = {
    "y": ("xm", "y", ("rows",)),
    "x": ("ym", "b", ("turned", "back")),
    "w": ("xy", "s", ("matrices",)),
    "xw": ("xym", "bs", ("turned", "back", "matrices")),
}
KERNELS = {"rows": "xym", "turned": "yymt", "back": "ybt", "matrices": "xys"}


@cache
def _work(source: str, target: str, slot: str, grouped: bool, dtype: torch.dtype) -> _Work:
    forward, scalar = _mixing(source, target), SCALARS[dtype]
    lanes, registers = machine.processor().lanes(scalar), machine.processor().registers

    def step(name: str) -> _Step:
        mixing, kind = (forward.transposed, "rows") if name == "back" else (forward, name)

        def write() -> str:
            return mixing_kernel(mixing, kind, grouped, scalar, lanes, registers)

        kernel = machine.kernel(write, "mixing", mixing, kind, grouped, scalar)
        return _Step(kernel, KERNELS[name], GRAINS[kind], sections(forward, kind))

    given, found, names = SLOTS[slot]
    steps = tuple(step(name) for name in names)
    shapes = tuple(sector.shape for sector in forward.sectors)
    widths = forward.source.dim, forward.target.dim
    return _Work(given, found, steps, *widths, shapes, forward.operations * len(slot))


def _run(
    source: str,
    target: str,
    slot: str,
    groups: int,
    species: Tensor | None,
    values: Sequence[Tensor],
) -> list[Tensor]:
    """One slot from the others: x and W for y, y and W for x, x and y for W; or x and W at once.

    For these two all three are given.
    """
    given = [tensor.contiguous() for tensor in values]
    first, batch = given[0], given[0].shape[:-1]
    work, nodes = _work(source, target, slot, groups > 0, first.dtype), batch.numel()
    tensors = {
        letter: given[n:] if letter == "m" else given[n : n + 1]
        for n, letter in enumerate(work.given)
    }
    if "y" in slot:
        tensors["y"] = [first.new_empty(*batch, work.target)]
    if "x" in slot:
        tensors["b"] = [first.new_empty(*batch, work.source)]
        tensors["t"] = [torch.empty_like(matrix) for matrix in tensors["m"]]
    if "w" in slot:
        rows = (groups,) if groups else ()
        tensors["s"] = [first.new_zeros(*rows, *shape) for shape in work.shapes]
    if nodes:
        threads = machine.threads_for(nodes * work.operations, nodes)
        counters = groups * sum(step.counters for step in work.steps)
        order = None if species is None else _Order(species, nodes, groups, counters)
        for step in work.steps:
            places = [0, 0, 0] if order is None else order.take(step.counters)
            grain = 2**30 if threads == 1 else step.grain(nodes, threads)
            addresses = [t.data_ptr() for letter in step.tensors for t in tensors[letter]]
            step.kernel([grain, nodes, groups, *places, *addresses, *[0] * step.counters], threads)
    return [tensor for letter in work.found for tensor in tensors[letter]]


class _Order:
    """The nodes sorted by species, and counters for the kernels that go through them."""

    def __init__(self, species: Tensor, nodes: int, groups: int, counters: int) -> None:
        if species.numel() != nodes:
            raise IndexError(f"there are {nodes} items, and the species of {species.numel()}")
        given, self.groups = species.long().contiguous(), groups
        self.memory = given.new_empty(counters + groups + 3 + nodes)
        self.counters = self.memory.data_ptr()
        self.pointer = self.counters + 8 * counters
        self.order = self.pointer + 8 * (groups + 3)
        places = [given.data_ptr(), self.counters, self.pointer, self.order]
        sorter()([1, 1, nodes, groups, counters, *places], threads=1)
        wrong = self.pointer + 8 * (groups + 2)
        if ctypes.c_int64.from_address(wrong).value:
            raise IndexError(
                f"species are indices 0 … {groups - 1}, one for each set of weights, got "
                f"{int(species.min())} … {int(species.max())}"
            )

    def take(self, counters: int) -> list[int]:
        """Addresses of fresh counters for each species, of the pointer and of the order."""
        here = self.counters
        self.counters += 8 * counters * self.groups
        return [here, self.pointer, self.order]


# -- the operator ----------------------------------------------------------------------------------

_LIBRARY = torch.library.Library("euclidium", "FRAGMENT")
_LIBRARY.define(
    "mix(str source, str target, str slot, int groups, Tensor? species, Tensor[] values)"
    " -> Tensor[]"
)
_LIBRARY.impl("mix", _run, "CPU")
_OPERATOR = torch.ops.euclidium.mix.default


@torch.library.register_fake("euclidium::mix", lib=_LIBRARY)
def _fake(
    source: str,
    target: str,
    slot: str,
    groups: int,
    species: Tensor | None,
    values: Sequence[Tensor],
) -> list[Tensor]:
    mixing, first, results = _mixing(source, target), values[0], []
    if slot != "w":
        width = mixing.target.dim if slot == "y" else mixing.source.dim
        results = [first.new_empty(*first.shape[:-1], width)]
    if "w" in slot:
        rows = (groups,) if groups else ()
        results += [first.new_empty(rows + sector.shape) for sector in mixing.sectors]
    return results


class _Mix(torch.autograd.Function):
    """The operator with its derivatives.

    Its arguments are source, target, slot, the number of groups, the species and the other slots.
    """

    @staticmethod
    @signed
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        return tuple(_OPERATOR(*arguments[:5], arguments[5:]))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.what = inputs[:4]
        ctx.save_for_backward(*inputs[4:])
        ctx.save_for_forward(*inputs[4:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple:
        (source, target, slot, groups), (species, *values) = ctx.what, ctx.saved_tensors
        if slot == "w":
            (x, y), matrices = values, cotangents
        elif slot == "y":
            (x, *matrices), (y,) = values, cotangents
        else:
            (y, *matrices), (x,) = values, cotangents

        def found(slot: str, *others: Tensor) -> tuple[Tensor, ...]:
            return _slot(source, target, slot, groups, species, *others)

        of_first, others = ctx.needs_input_grad[5], are_wanted(ctx, 6)
        if slot == "y" and of_first and others and not is_recorded([x, y, *matrices]):
            return None, None, None, None, None, *found("xw", x, y, *matrices)
        first: Any = (None,)
        if of_first:
            first = found("y", x, *matrices) if slot == "x" else found("x", y, *matrices)
        rest: Any = (None,) * (len(values) - 1)
        if others:
            rest = found("y", x, *matrices) if slot == "w" else found("w", x, y)
        return None, None, None, None, None, *first, *rest

    @staticmethod
    @once
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        species, first, *rest = ctx.saved_tensors
        along, *others = tangents[5:]
        terms = []
        if along is not None:
            terms.append(_slot(*ctx.what, species, along, *rest))
        if any(tangent is not None for tangent in others):
            pairs = zip(others, rest, strict=True)
            known = (torch.zeros_like(v) if t is None else t for t, v in pairs)
            terms.append(_slot(*ctx.what, species, first, *known))
        return tuple(sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True))

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[tuple[Tensor, ...], Any]:
        def row(n: int) -> tuple[Tensor, ...]:
            pairs = zip(arguments, in_dims, strict=True)
            return _slot(*(a if dim is None else a.select(dim, n) for a, dim in pairs))

        results = tuple(map(torch.stack, zip(*map(row, range(info.batch_size)), strict=True)))
        return results, (0,) * len(results)


def _slot(*arguments: Any) -> tuple[Tensor, ...]:
    """A slot, by the shortest way that keeps its derivatives."""
    if is_recorded(arguments[4:]):
        return _differentiable(*arguments)
    return tuple(_OPERATOR(*arguments[:5], arguments[5:]))


def _differentiable(*arguments: Any) -> tuple[Tensor, ...]:
    return applied(_Mix, *arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operation as it stands, derivatives and all."""
    torch.compiler.allow_in_graph(_differentiable)

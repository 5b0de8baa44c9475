"""Hermite splines: many functions of one variable, from their derivatives at equal distances."""

import math
import struct
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops import machine
from euclidium.ops.cpu import SCALARS, WORTH_A_THREAD
from euclidium.ops.dispatch import choose_backend
from euclidium.ops.spline_kernels import BLOCK, place_bytes, spline_kernel
from euclidium.ops.tracing import signed, traced_as_constant


def spline_table(
    derivatives: Float[Tensor, "knot derivative column"], spacing: float
) -> Float[Tensor, "block knot+1 derivative+1 lane"]:
    """The table of a spline from values, first, second, … derivatives at knots 0, h, 2h, ….

    The functions must end in zeros: those at the last knot. One more knot of zeros is added, so
    that the spline is zero from there on. Columns come in blocks, in which all that an interval
    needs is one run of memory; the last block is filled up with zeros.

    The rows of a knot are h^d f^(d) / d! for d = 1, 2, …, then the value, then its increase to the
    next knot: rounded by itself, so that slopes do not suffer from the rounding of large values.

    Raises ``ValueError`` if the last knot is not zero.

    >>> spline_table(torch.zeros(9, 3, 100), spacing=0.5).shape
    torch.Size([2, 10, 4, 64])
    """
    if bool((derivatives[-1] != 0).any()):
        raise ValueError(
            "a spline table ends in zeros: the functions are not zero at the last knot"
        )
    n_knots, n_derivatives, n_columns = derivatives.shape
    n_blocks = -(-n_columns // BLOCK)
    scales = [spacing**d / math.factorial(d) for d in range(n_derivatives)]
    table = derivatives.new_zeros(n_knots + 1, n_derivatives + 1, n_blocks * BLOCK)
    scaled = derivatives * derivatives.new_tensor(scales)[:, None]
    table[:-1, :-1, :n_columns] = scaled.roll(-1, dims=1)
    table[:-2, -1, :n_columns] = derivatives[:, 0].diff(dim=0)
    return table.unflatten(-1, (n_blocks, BLOCK)).movedim(2, 0).contiguous()


def hermite_spline(
    points: Float[Tensor, " point"],
    table: Float[Tensor, "block knot row lane"],
    spacing: float,
    n_columns: int,
    order: int = 0,
) -> Float[Tensor, "point column"]:
    """All functions of a table at each point, or one of their derivatives.

    f(x) = Σ_d h^d (f_k^(d) φ_d(t) + f_{k+1}^(d) ψ_d(t)),    t = x / h − k in 0 … 1

    With m derivatives at each knot (the value counts) the polynomials φ and ψ have degree 2m − 1,
    the spline has m − 1 continuous derivatives and an error of order h^2m. Differentiable in the
    points to any order, exactly: the derivative of the spline, not of what it stands for. Points
    are not negative; from the last knot but one on, all functions are zero.

    ``table`` is what ``spline_table`` gives. On processors a kernel reads it once and writes the
    result once, and the derivative of a sum over functions writes one number a point; elsewhere,
    for a table that needs gradients, and with ``EUCLIDIUM_BACKEND=reference`` it is plain torch.

    Raises ``TypeError`` if points and table have different types.

    >>> x = torch.linspace(0, 4, 9, dtype=torch.float64)
    >>> derivatives = torch.stack([(x - 4) ** 3, 3 * (x - 4) ** 2], dim=1)[:, :, None]
    >>> table = spline_table(derivatives, spacing=0.5)
    >>> hermite_spline(torch.tensor([0.3, 5.0]).double(), table, 0.5, n_columns=1)
    tensor([[-50.6530],
            [  0.0000]], dtype=torch.float64)
    """
    if points.dtype != table.dtype:
        raise TypeError(
            f"points are {points.dtype}, the table is {table.dtype}: convert them to one type"
        )
    if _has_kernel(points, table):
        if torch.compiler.is_compiling():
            _allow()
        return _rows(points, table, spacing, n_columns, order)
    return _formula(points, table, spacing, n_columns, order)


def _has_kernel(points: Tensor, table: Tensor) -> bool:
    fits = points.device.type == "cpu" and points.dtype in SCALARS and not table.requires_grad
    return fits and choose_backend(points.device) == "cpu"


@traced_as_constant
def _polynomials(n_derivatives: int, order: int) -> list[list[float]]:
    """Coefficients in t of the factors of the rows of an interval, differentiated in t.

    The rows are f^(d)/d! at t = 0, from d = 1 on, the value there, its increase to t = 1, and the
    derivatives there: one run of a table. The coefficients are whole numbers.
    """
    powers = range(2 * n_derivatives)
    ends = [
        [math.comb(j, d) * float(end) ** (j - d) if j >= d else 0.0 for j in powers]
        for end in (0, 1)
        for d in range(n_derivatives)
    ]
    factors = np.rint(np.linalg.inv(np.array(ends))).T
    first, second = factors[:n_derivatives], factors[n_derivatives:]
    rows = [*first[1:], first[0] + second[0], second[0], *second[1:]]
    return [np.polynomial.polynomial.polyder(row, order).tolist() for row in rows]


# -- plain torch -----------------------------------------------------------------------------------


def _formula(points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int) -> Tensor:
    last = table.shape[1] - 2
    # a tensor, because devices replace the division by a number by a product, which rounds twice
    x = points / torch.full_like(points, spacing)
    x = torch.where(x > last + 1, torch.full_like(x, last + 1), x)
    knots = x.detach().nan_to_num().clamp(0, last).long()
    t = x - knots
    n_rows = table.shape[2]
    result = table.new_zeros(table.shape[0], points.shape[0], BLOCK)
    for row, polynomial in enumerate(_polynomials(n_rows - 1, order)):
        if not any(polynomial):
            continue
        factor = torch.zeros_like(t)
        for coefficient in reversed(polynomial):
            factor = factor * t + coefficient
        end, here = divmod(row, n_rows)
        values = table[:, :, here].index_select(1, knots + end)
        result = result + (factor * spacing**-order)[:, None] * values
    return result.movedim(0, 1).flatten(1)[:, :n_columns]


# -- the kernels -----------------------------------------------------------------------------------


@cache
def _kernel(kind: str, scalar: str, n_derivatives: int, order: int) -> machine.Kernel:
    lanes = machine.processor().lanes(scalar)
    polynomials = tuple(tuple(row) for row in _polynomials(n_derivatives, order))
    return machine.kernel(
        lambda: spline_kernel(kind, scalar, lanes, polynomials), "spline", kind, scalar, polynomials
    )


def _run(kind: str, points: Tensor, table: Tensor, rows: Tensor, spacing: float, order: int) -> Any:
    """Fill the rows of the result, or give their products with the rows."""
    (n_points, n_columns), (_, n_knots, n_rows, _) = rows.shape, table.shape
    n_derivatives = n_rows - 1
    sums = points.new_zeros(n_points)
    if not rows.numel():
        return sums
    if order >= 2 * n_derivatives:
        rows.zero_() if kind == "rows" else None
        return sums
    scalar = SCALARS[points.dtype]
    places = torch.empty(n_points * place_bytes(scalar, n_derivatives), dtype=torch.uint8)
    lanes = machine.processor().lanes(scalar)
    partial = points.new_empty((n_points, lanes) if kind == "sums" else 0)
    enough = rows.numel() * n_derivatives // WORTH_A_THREAD + 1
    threads = min(torch.get_num_threads(), n_points, enough)
    # long runs, because each reads the whole table from memory once
    grain = -(-n_points // (1 if threads == 1 else 2 * threads))
    points, table = points.contiguous(), table.contiguous()
    addresses = [t.data_ptr() for t in (points, table, rows, places, partial, sums)]
    numbers = [_bits(spacing), _bits(spacing**-order)]
    kernel = _kernel(kind, scalar, n_derivatives, order)
    kernel([n_points, grain, n_columns, n_knots, *numbers, *addresses], threads)
    return sums


def _bits(number: float) -> int:
    """A number as the integer of its 64 bits."""
    return struct.unpack("<q", struct.pack("<d", number))[0]


_LIBRARY = torch.library.Library("euclidium", "FRAGMENT")
_LIBRARY.define("spline_rows(Tensor x, Tensor table, float h, int columns, int order) -> Tensor")
_LIBRARY.define("spline_sums(Tensor x, Tensor table, Tensor g, float h, int order) -> Tensor")


def _execute_rows(
    points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int
) -> Tensor:
    result = points.new_empty(len(points), n_columns)
    _run("rows", points, table, result, spacing, order)
    return result


def _execute_sums(
    points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
) -> Tensor:
    return _run("sums", points, table, weights.contiguous(), spacing, order)


_LIBRARY.impl("spline_rows", _execute_rows, "CPU")
_LIBRARY.impl("spline_sums", _execute_sums, "CPU")


@torch.library.register_fake("euclidium::spline_rows", lib=_LIBRARY)
def _fake_rows(points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int) -> Tensor:
    return points.new_empty(points.shape[0], n_columns)


@torch.library.register_fake("euclidium::spline_sums", lib=_LIBRARY)
def _fake_sums(
    points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
) -> Tensor:
    return torch.empty_like(points)


class _Rows(torch.autograd.Function):
    """The derivative of some order of all functions, at each point."""

    @staticmethod
    @signed
    def forward(
        points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int
    ) -> Tensor:
        return torch.ops.euclidium.spline_rows.default(points, table, spacing, n_columns, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        points, table, *ctx.what = inputs
        ctx.save_for_backward(points, table)
        ctx.save_for_forward(points, table)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (points, table), (spacing, _, order) = ctx.saved_tensors, ctx.what
        return _sums(points, table, cotangent, spacing, order + 1), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        (points, table), (spacing, n_columns, order) = ctx.saved_tensors, ctx.what
        return tangent[:, None] * _rows(points, table, spacing, n_columns, order + 1)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, points: Tensor, table: Tensor, *what: Any) -> tuple:
        many = points.movedim(in_dims[0], 0)
        return _rows(many.flatten(), table, *what).unflatten(0, many.shape), 0


class _Sums(torch.autograd.Function):
    """Σ_n g_n f_n^(order) at each point, with the weights g of the point."""

    @staticmethod
    @signed
    def forward(
        points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
    ) -> Tensor:
        return torch.ops.euclidium.spline_sums.default(points, table, weights, spacing, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        points, table, weights, *ctx.what = inputs
        ctx.save_for_backward(points, table, weights)
        ctx.save_for_forward(points, table, weights)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (points, table, weights), (spacing, order) = ctx.saved_tensors, ctx.what
        of_points = of_weights = None
        if ctx.needs_input_grad[0]:
            of_points = cotangent * _sums(points, table, weights, spacing, order + 1)
        if ctx.needs_input_grad[2]:
            rows = _rows(points, table, spacing, weights.shape[1], order)
            of_weights = cotangent[:, None] * rows
        return of_points, None, of_weights, None, None

    @staticmethod
    def jvp(ctx: Any, of_points: Any, _: Any, of_weights: Any, *__: Any) -> Tensor:
        (points, table, weights), (spacing, order) = ctx.saved_tensors, ctx.what
        terms = []
        if of_points is not None:
            terms.append(of_points * _sums(points, table, weights, spacing, order + 1))
        if of_weights is not None:
            terms.append(_sums(points, table, of_weights, spacing, order))
        return sum(terms[1:], terms[0])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, points: Tensor, table: Tensor, weights: Tensor, *what: Any
    ) -> tuple:
        def many(values: Tensor, dim: int | None) -> Tensor:
            if dim is None:
                return values.expand(info.batch_size, *values.shape)
            return values.movedim(dim, 0)

        points, weights = many(points, in_dims[0]), many(weights, in_dims[2])
        sums = _sums(points.flatten(), table, weights.flatten(0, 1), *what)
        return sums.unflatten(0, points.shape), 0


def _rows(*arguments: Any) -> Tensor:
    return _Rows.apply(*arguments)


def _sums(*arguments: Any) -> Tensor:
    return _Sums.apply(*arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operations as they stand, derivatives and all."""
    torch.compiler.allow_in_graph(_rows)
    torch.compiler.allow_in_graph(_sums)

"""Hermite splines: many functions of one variable, from their derivatives at equal distances."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops import machine
from euclidium.ops.cpu import SCALARS
from euclidium.ops.dispatch import choose_backend
from euclidium.ops.memory import room
from euclidium.ops.recording import applied, is_recorded, is_wanted
from euclidium.ops.spline_kernels import BLOCK, place_bytes, spline_kernel
from euclidium.ops.tracing import once, signed, traced_as_constant


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

    ``table`` is what ``spline_table`` gives. A table with one row a knot has values alone, at −2h,
    −h, 0, h, … and six zeros at its end: the splines are then cubic B-splines with coefficients
    (8 f_k − f_{k−1} − f_{k+1}) / 6, with two continuous derivatives and an error of order h⁴. The
    functions are linear in the table, and differentiable. On processors a kernel reads it once and
    writes the result once, and the derivative of a sum over functions writes one number a point;
    elsewhere, and with ``EUCLIDIUM_BACKEND=reference``, it is plain torch.

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
    fits = points.device.type == "cpu" and points.dtype in SCALARS
    return fits and choose_backend(points.device) == "cpu"


@traced_as_constant
@cache
def _polynomials(n_rows: int, order: int) -> list[list[float]]:
    """Coefficients in t of the factors of the rows of an interval, differentiated in t.

    With one row a knot those of values alone, else those of ``spline_table``.
    """
    rows = _of_values() if n_rows == 1 else _of_derivatives(n_rows - 1)
    return [np.polynomial.polynomial.polyder(row, order).tolist() for row in rows]


def _of_derivatives(n_derivatives: int) -> list[np.ndarray]:
    """Factors of the derivatives at both ends.

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
    return [*first[1:], first[0] + second[0], second[0], *second[1:]]


def _of_values() -> list[np.ndarray]:
    """Factors of the values at six knots, two before t = 0 and two after t = 1.

    The four cubic B-splines of the interval, with c_k = (8 f_k − f_{k−1} − f_{k+1}) / 6.
    """
    basis = np.array([[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]]) / 6
    factors = np.zeros((6, 4))
    for n, row in enumerate(basis):
        factors[n : n + 3] += np.outer([-1, 8, -1], row) / 6
    return list(factors)


def _span(n_rows: int) -> int:
    """Knots that an interval uses."""
    return 6 if n_rows == 1 else 2


# -- plain torch -----------------------------------------------------------------------------------


def _formula(points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int) -> Tensor:
    last = table.shape[1] - _span(table.shape[2])
    # a tensor, because devices replace the division by a number by a product, which rounds twice
    x = points / torch.full_like(points, spacing)
    x = torch.where(x > last + 1, torch.full_like(x, last + 1), x)
    knots = x.detach().nan_to_num().clamp(0, last).long()
    t = x - knots
    n_rows = table.shape[2]
    result = table.new_zeros(table.shape[0], points.shape[0], BLOCK)
    for row, polynomial in enumerate(_polynomials(n_rows, order)):
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
def _kernel(kind: str, scalar: str, n_rows: int, order: int) -> machine.Kernel:
    lanes = machine.processor().lanes(scalar)
    polynomials = tuple(tuple(row) for row in _polynomials(n_rows, order))
    return machine.kernel(
        lambda: spline_kernel(kind, scalar, lanes, polynomials, n_rows),
        "spline",
        kind,
        scalar,
        polynomials,
        n_rows,
    )


def _run(
    kind: str, points: Tensor, table: Tensor, rows: Tensor, spacing: float, order: int
) -> Tensor:
    """Fill the rows, add them to the table, or give their products with it."""
    (n_points, n_columns), (n_blocks, n_knots, n_rows, _) = rows.shape, table.shape
    sums = points.new_zeros(n_points)
    if not rows.numel():
        return sums
    factors = _polynomials(n_rows, order)
    if not any(map(any, factors)):
        rows.zero_() if kind == "rows" else None
        return sums
    scalar = SCALARS[points.dtype]
    lanes = machine.processor().lanes(scalar)
    places = torch.empty(n_points * place_bytes(scalar, len(factors)), dtype=torch.uint8)
    partial = points.new_empty((n_points, lanes) if kind == "sums" else 0)
    points = points.contiguous()
    addresses = [t.data_ptr() for t in (points, table, rows, places, partial, sums)]
    numbers = [n_points, n_columns, n_knots, machine.bits(spacing), machine.bits(spacing**-order)]

    def run(kind: str, items: int, cost: int) -> None:
        threads = machine.threads_for(cost, items)
        # long runs, because each reads the whole table from memory once
        grain = -(-items // (1 if threads == 1 else 2 * threads))
        _kernel(kind, scalar, n_rows, order)([items, grain, *numbers, *addresses], threads)

    cost = rows.numel() * len(factors)
    if kind == "table":
        run("places", n_points, 10 * n_points)
        run(kind, n_blocks, cost)
    else:
        run(kind, n_points, cost)
    return sums


_LIBRARY = torch.library.Library("euclidium", "FRAGMENT")
_LIBRARY.define("spline_rows(Tensor x, Tensor table, float h, int columns, int order) -> Tensor")
_LIBRARY.define("spline_sums(Tensor x, Tensor table, Tensor g, float h, int order) -> Tensor")
_LIBRARY.define("spline_table(Tensor x, Tensor g, float h, int[] shape, int order) -> Tensor")


def _execute_rows(
    points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int
) -> Tensor:
    result = room(points, (len(points), n_columns))
    _run("rows", points, table.contiguous(), result, spacing, order)
    return result


def _execute_sums(
    points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
) -> Tensor:
    return _run("sums", points, table.contiguous(), weights.contiguous(), spacing, order)


def _execute_table(
    points: Tensor, weights: Tensor, spacing: float, shape: Sequence[int], order: int
) -> Tensor:
    result = room(points, shape).zero_()
    _run("table", points, result, weights.contiguous(), spacing, order)
    return result


_LIBRARY.impl("spline_rows", _execute_rows, "CPU")
_LIBRARY.impl("spline_sums", _execute_sums, "CPU")
_LIBRARY.impl("spline_table", _execute_table, "CPU")


@torch.library.register_fake("euclidium::spline_rows", lib=_LIBRARY)
def _fake_rows(points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int) -> Tensor:
    return points.new_empty(points.shape[0], n_columns)


@torch.library.register_fake("euclidium::spline_sums", lib=_LIBRARY)
def _fake_sums(
    points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
) -> Tensor:
    return torch.empty_like(points)


@torch.library.register_fake("euclidium::spline_table", lib=_LIBRARY)
def _fake_table(
    points: Tensor, weights: Tensor, spacing: float, shape: Sequence[int], order: int
) -> Tensor:
    return points.new_empty(shape)


class _Spline(torch.autograd.Function):
    """What the three have in common: tensors first, then what is no tensor."""

    count: int  # of tensors

    @classmethod
    def _setup(cls, ctx: Any, inputs: tuple) -> None:
        ctx.what = inputs[cls.count :]
        ctx.save_for_backward(*inputs[: cls.count])
        ctx.save_for_forward(*inputs[: cls.count])

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple, *arguments: Any) -> tuple[Tensor, int]:
        """One after another: a table may differ from one to the next."""

        def one(n: int) -> Tensor:
            pairs = zip(arguments, in_dims, strict=True)
            return cls.apply(*(a.select(d, n) if isinstance(d, int) else a for a, d in pairs))

        return torch.stack([one(n) for n in range(info.batch_size)]), 0


class _Rows(_Spline):
    """The derivative of some order of all functions, at each point."""

    count = 2

    @staticmethod
    @signed
    def forward(
        points: Tensor, table: Tensor, spacing: float, n_columns: int, order: int
    ) -> Tensor:
        return torch.ops.euclidium.spline_rows.default(points, table, spacing, n_columns, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _Rows._setup(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (points, table), (spacing, _, order) = ctx.saved_tensors, ctx.what
        of_points = of_table = None
        if is_wanted(ctx, 0, 0):
            of_points = _sums(points, table, cotangent, spacing, order + 1)
        if is_wanted(ctx, 1, 1):
            of_table = _table(points, cotangent, spacing, tuple(table.shape), order)
        return of_points, of_table, None, None, None

    @staticmethod
    @once
    def jvp(ctx: Any, of_points: Any, of_table: Any, *_: Any) -> Tensor:
        (points, table), (spacing, n_columns, order) = ctx.saved_tensors, ctx.what
        terms = []
        if of_points is not None:
            rows = _rows(points, table, spacing, n_columns, order + 1)
            terms.append(of_points[:, None] * rows)
        if of_table is not None:
            terms.append(_rows(points, of_table, spacing, n_columns, order))
        return sum(terms[1:], terms[0])


class _Sums(_Spline):
    """Σ_n g_n f_n^(order) at each point, with the weights g of the point."""

    count = 3

    @staticmethod
    @signed
    def forward(
        points: Tensor, table: Tensor, weights: Tensor, spacing: float, order: int
    ) -> Tensor:
        return torch.ops.euclidium.spline_sums.default(points, table, weights, spacing, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _Sums._setup(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (points, table, weights), (spacing, order) = ctx.saved_tensors, ctx.what
        of_points = of_table = of_weights = None
        if is_wanted(ctx, 0, 0):
            of_points = cotangent * _sums(points, table, weights, spacing, order + 1)
        if is_wanted(ctx, 1, 1):
            weighted = cotangent[:, None] * weights
            of_table = _table(points, weighted, spacing, tuple(table.shape), order)
        if is_wanted(ctx, 2, 2):
            rows = _rows(points, table, spacing, weights.shape[1], order)
            of_weights = cotangent[:, None] * rows
        return of_points, of_table, of_weights, None, None

    @staticmethod
    @once
    def jvp(ctx: Any, of_points: Any, of_table: Any, of_weights: Any, *_: Any) -> Tensor:
        (points, table, weights), (spacing, order) = ctx.saved_tensors, ctx.what
        terms = []
        if of_points is not None:
            terms.append(of_points * _sums(points, table, weights, spacing, order + 1))
        if of_table is not None:
            terms.append(_sums(points, of_table, weights, spacing, order))
        if of_weights is not None:
            terms.append(_sums(points, table, of_weights, spacing, order))
        return sum(terms[1:], terms[0])


class _Table(_Spline):
    """The derivative by the table of Σ g_n f_n^(order), summed over the points."""

    count = 2

    @staticmethod
    @signed
    def forward(
        points: Tensor, weights: Tensor, spacing: float, shape: tuple[int, ...], order: int
    ) -> Tensor:
        return torch.ops.euclidium.spline_table.default(points, weights, spacing, shape, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _Table._setup(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple:
        (points, weights), (spacing, _, order) = ctx.saved_tensors, ctx.what
        of_points = of_weights = None
        if is_wanted(ctx, 0, 0):
            of_points = _sums(points, cotangent, weights, spacing, order + 1)
        if is_wanted(ctx, 1, 1):
            of_weights = _rows(points, cotangent, spacing, weights.shape[1], order)
        return of_points, of_weights, None, None, None

    @staticmethod
    @once
    def jvp(ctx: Any, of_points: Any, of_weights: Any, *_: Any) -> Tensor:
        (points, weights), (spacing, shape, order) = ctx.saved_tensors, ctx.what
        terms = []
        if of_points is not None:
            terms.append(_table(points, of_points[:, None] * weights, spacing, shape, order + 1))
        if of_weights is not None:
            terms.append(_table(points, of_weights, spacing, shape, order))
        return sum(terms[1:], terms[0])


def _applied(function: type[_Spline], *arguments: Any) -> Tensor:
    """With derivatives where somebody may ask for them."""
    if is_recorded(arguments[: function.count]):
        return applied(function, *arguments)
    return function.forward(*arguments)


def _rows(*arguments: Any) -> Tensor:
    return _applied(_Rows, *arguments)


def _sums(*arguments: Any) -> Tensor:
    return _applied(_Sums, *arguments)


def _table(*arguments: Any) -> Tensor:
    return _applied(_Table, *arguments)


@traced_as_constant
def _allow() -> None:
    """Let a compiler keep the operations as they stand, derivatives and all."""
    torch.compiler.allow_in_graph(_rows)
    torch.compiler.allow_in_graph(_sums)
    torch.compiler.allow_in_graph(_table)

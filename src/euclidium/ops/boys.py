"""The Boys function, which every Coulomb integral between Gaussians needs, with its derivatives."""

import math
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops.tracing import signed

# The table has a point every 1/16, so a Taylor series of eight terms is good to 1e-16 of F_n(0).
POINTS_PER_UNIT = 16
TERMS = 8


def boys(order: int, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The Boys function of a tensor, differentiable to any order.

    F_n(x) = ∫_0^1 t^(2n) exp(−x t²) dt,   F_n(0) = 1/(2n + 1),   F_n' = −F_(n+1)

    For x ≥ 0 of any size, accurate to a few units of the last digit; x in float32 or float64. Below
    64 + 2n it is a Taylor series about the nearest point of a table, beyond it the asymptotic form
    Γ(n + 1/2) / 2x^(n + 1/2), which is exact to rounding there.

    Raises ``ValueError`` for a negative order.

    Helgaker, Jørgensen and Olsen, Molecular Electronic-Structure Theory (2000), section 9.8,
    https://doi.org/10.1002/9781119019572

    >>> boys(0, torch.tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.7468, 0.0886])
    """
    if order < 0:
        raise ValueError(f"the order of the Boys function is {order}: it must be 0, 1, 2, …")
    return _Boys.apply(x, order)


class _Boys(torch.autograd.Function):
    """F_n, whose derivative is −F_(n+1)."""

    @staticmethod
    @signed
    def forward(x: Tensor, order: int) -> Tensor:
        return _values(order, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return -gradient * _Boys.apply(x, ctx.order + 1), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return -tangent * _Boys.apply(x, ctx.order + 1)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, x: Tensor, *what: int) -> tuple[Tensor, int]:
        """Each number for itself, so any dimension may be the batch."""
        return _Boys.apply(x, *what), in_dims[0]


def _values(order: int, x: Tensor) -> Tensor:
    """F_n(x) by the table and, beyond its end, by the asymptotic form."""
    table = _table_like(order, x.dtype, x.device)
    last = table.shape[1] - 1
    # a number that is not finite has no place in the table, but the result must still be one
    place = (x * POINTS_PER_UNIT).nan_to_num(0.0, last, 0.0).clamp(0, last).round().long()
    step = place.to(x.dtype) / POINTS_PER_UNIT - x
    result = table[TERMS - 1][place]
    for k in range(TERMS - 2, -1, -1):
        result = torch.addcmul(table[k][place], result, step, value=1 / (k + 1))
    far = x > last / POINTS_PER_UNIT
    if bool(far.any()):
        asymptotic = math.gamma(order + 0.5) / 2 * x.clamp(min=1.0).pow(-order - 0.5)
        result = torch.where(far, asymptotic, result)
    return result


@cache
def _table_like(order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """F_n and the next degrees, at the points of the table: shape (TERMS, points)."""
    return _table(order).to(dtype=dtype, device=device)


@cache
def _table(order: int) -> Tensor:
    """The same in float64: a series for the last degree, and from it the recursion downwards.

    F_(n−1) = (2x F_n + exp(−x)) / (2n − 1), a sum of positive numbers.
    """
    end = 64 + 2 * order
    x = torch.arange(end * POINTS_PER_UNIT + 1, dtype=torch.float64) / POINTS_PER_UNIT
    decay, n = torch.exp(-x), order + TERMS - 1
    term = torch.full_like(x, 1 / (2 * n + 1))
    total, i = term.clone(), n
    while bool((term > 1e-17 * total).any()):
        i += 1
        term = term * 2 * x / (2 * i + 1)
        total = total + term
    rows = [decay * total]
    for degree in range(n, order, -1):
        rows.append((2 * x * rows[-1] + decay) / (2 * degree - 1))
    return torch.stack(rows[::-1])

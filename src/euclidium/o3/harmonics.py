"""Real spherical harmonics of any degree: the recurrence, and its evaluation in NumPy."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Real

from euclidium.o3.irreps import Block, Irrep, Irreps

# a degree, an iterable of degrees, irreps or their text
Degrees: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Recurrence:
    """Coefficients of the recurrence for solid harmonics to degree ``lmax``, read-only float64.

    With r² = x² + y² + z² and A_m + i B_m = (z + i x)^m::

        P[0,0] = n00
        P[m,m] = d[m] P[m-1,m-1]
        P[l,m] = a[l,m] y P[l-1,m] + b[l,m] r² P[l-2,m]          for l > m
        Y[l,+m] = P[l,m] A_m      Y[l,-m] = P[l,m] B_m      Y[l,0] = P[l,0]

    ``d`` has shape (lmax+1,), ``a`` and ``b`` (lmax+1, lmax+1). Entries that no step uses are 0.
    P carries its normalisation throughout, so the recurrence neither overflows nor loses digits.

    >>> recurrence(2).d
    array([0.        , 1.73205081, 1.11803399])
    """

    lmax: int
    n00: float
    d: Float[np.ndarray, "l"]
    a: Float[np.ndarray, "l m"]
    b: Float[np.ndarray, "l m"]


@lru_cache(maxsize=128)
def recurrence(lmax: int, normalization: str = "component") -> Recurrence:
    """The recurrence of the spherical harmonics to degree ``lmax``; see ``Recurrence``.

    ``normalization`` on the unit sphere: ``"component"``: Σ_m Y_lm² = 2l + 1; ``"norm"``:
    Σ_m Y_lm² = 1; ``"integral"``: ∫ Y_lm² = 1. Raises ``ValueError`` for another one or for a
    negative ``lmax``. Holmes and Featherstone, J. Geod. 76, 279 (2002),
    https://doi.org/10.1007/s00190-002-0216-2.

    >>> float(recurrence(0, "norm").n00)
    1.0
    """
    if lmax < 0:
        raise ValueError(f"the highest degree lmax is {lmax}: it must be 0, 1, 2, ...")
    scale = _scale(lmax, normalization)  # from "component" to the one wanted
    d, a, b = np.zeros(lmax + 1), np.zeros((lmax + 1, lmax + 1)), np.zeros((lmax + 1, lmax + 1))
    for m in range(lmax + 1):
        if m > 0:
            d[m] = math.sqrt(3.0 if m == 1 else (2 * m + 1) / (2 * m)) * scale[m] / scale[m - 1]
        for l in range(m + 1, lmax + 1):
            a[l, m] = math.sqrt((4 * l * l - 1) / (l * l - m * m)) * scale[l] / scale[l - 1]
        for l in range(m + 2, lmax + 1):
            ratio = (2 * l + 1) * ((l - 1) ** 2 - m * m) / ((2 * l - 3) * (l * l - m * m))
            b[l, m] = -math.sqrt(ratio) * scale[l] / scale[l - 2]
    for table in (d, a, b):
        table.flags.writeable = False
    return Recurrence(lmax, float(scale[0]), d, a, b)


def spherical_harmonics(
    l: Degrees,
    x: Real[np.ndarray, "*batch xyz"],
    normalize: bool = True,
    normalization: str = "component",
) -> Float[np.ndarray, "*batch component"]:
    """Real spherical harmonics Y^l(x) of vectors, one or several degrees side by side.

    Y^l(R x) = D^l(R) Y^l(x), homogeneous of degree l; with ``normalize`` taken of x/|x|, where
    the zero vector gives 0 for l > 0. The polar axis is y; Y^1 is (x, y, z) times a constant.

    ``l`` is a degree, a list of degrees, or irreps (channel-last; odd degrees all odd, or all
    even for an axial vector x). ``x`` has shape (..., 3), the result (..., Σ (2l+1)).
    ``normalization`` as in ``recurrence``. Signs are those of e3nn 0.6; any degree.
    Raises ``ValueError`` for a last dimension other than 3, or for irreps of wrong parity.

    >>> spherical_harmonics([0, 1], np.array([0.0, 3.0, 4.0]), normalization="norm")
    array([1. , 0. , 0.6, 0.8])
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0 or x.shape[-1] != 3:
        raise ValueError(f"vectors have 3 components on the last axis, but the shape is {x.shape}")
    blocks = harmonic_blocks(l)
    if normalize:
        x = _directions(x)
    lmax = max((block.ir.l for block in blocks), default=0)
    by_degree = _evaluate(recurrence(lmax, normalization), x)
    parts = [np.repeat(by_degree[block.ir.l], block.mul, axis=-1) for block in blocks]
    return np.concatenate([np.zeros((*x.shape[:-1], 0)), *parts], axis=-1)


def harmonic_blocks(l: Degrees) -> tuple[Block, ...]:
    """The blocks that ``l``, the first argument of ``spherical_harmonics``, asks for.

    Raises ``ValueError`` if irreps have parities that no vector gives.

    >>> harmonic_blocks([0, 2]), harmonic_blocks("0e+1o")
    ((1x0e, 1x2e), (1x0e, 1x1o))
    """
    if isinstance(l, (str, Irrep, Irreps)):
        blocks = tuple(Irreps(l))
        axial = any(ir.l % 2 == 1 and ir.p == 1 for _, ir in blocks)
        if any(ir.p != (1 if axial else (-1) ** ir.l) for _, ir in blocks):
            raise ValueError(
                f"{Irreps(l)} are not spherical harmonics: of a vector they have parity (-1)^l, "
                "of an axial vector all are even"
            )
        return blocks
    degrees = l if isinstance(l, Iterable) else [l]
    return tuple(Block(1, Irrep(degree, -1 if degree % 2 else 1)) for degree in degrees)


def _evaluate(table: Recurrence, x: np.ndarray) -> list[np.ndarray]:
    """Y^0, ..., Y^lmax at x by the recurrence, each (..., 2l+1)."""
    y, r2 = x[..., 1], (x * x).sum(-1)
    out = [np.empty((*x.shape[:-1], 2 * l + 1)) for l in range(table.lmax + 1)]
    azimuth = np.ones(x.shape[:-1], dtype=np.complex128)
    diagonal = np.full(x.shape[:-1], table.n00)
    for m in range(table.lmax + 1):
        if m > 0:
            azimuth = azimuth * (x[..., 2] + 1j * x[..., 0])
            diagonal = table.d[m] * diagonal
        below, P = np.zeros_like(diagonal), diagonal
        for l in range(m, table.lmax + 1):
            if l > m:
                below, P = P, table.a[l, m] * y * P + table.b[l, m] * r2 * below
            out[l][..., l - m] = P * azimuth.imag
            out[l][..., l + m] = P * azimuth.real
    return out


def _directions(x: np.ndarray) -> np.ndarray:
    """Unit vectors, zero for zero; scaled first so that no square over- or underflows."""
    largest = np.abs(x).max(axis=-1, keepdims=True)
    x = x / np.where(largest == 0, 1.0, largest)
    return x / np.where(largest == 0, 1.0, np.linalg.norm(x, axis=-1, keepdims=True))


def _scale(lmax: int, normalization: str) -> np.ndarray:
    """Factor of each degree from "component" to another normalisation."""
    l = np.arange(lmax + 1)
    if normalization == "component":
        return np.ones(lmax + 1)
    if normalization == "norm":
        return 1 / np.sqrt(2 * l + 1)
    if normalization == "integral":
        return np.full(lmax + 1, 1 / math.sqrt(4 * math.pi))
    raise ValueError(
        f"normalization is {normalization!r}: choose 'component', 'norm' or 'integral'"
    )

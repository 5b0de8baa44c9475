"""Real spherical harmonics of tensors, differentiable to any order and everywhere."""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.harmonics import recurrence
from euclidium.o3.irreps import Irreps
from euclidium.ops.dispatch import check_backend, choose_backend
from euclidium.ops.solid import SHORTEST, solid_harmonics, unsupported
from euclidium.ops.tracing import traced_as_constant


def spherical_harmonics(
    degrees: int | list[int] | Irreps | str,
    vectors: Float[Tensor, "*batch 3"],
    normalize: bool = True,
    normalization: str = "component",
    backend: str | None = None,
) -> Float[Tensor, "*batch components"]:
    """Real spherical harmonics Y_lm of each vector, degree after degree.

    With ``normalize`` the vectors are first brought to unit length; without, Y_lm is the
    homogeneous polynomial |r|^l Y_lm(r/|r|). ``normalization`` fixes Σ_m Y_lm² on the unit sphere:
    2l + 1 (``component``), 1 (``norm``) or (2l + 1) / 4π (``integral``). The degree l = 1 is (x, y,
    z).

    Values and derivatives of every order are finite everywhere. The zero vector has no direction:
    there Y_lm = 0 for l > 0, and the first derivative is that of the polynomial.

    ``backend`` is a name in ``BACKENDS``; without one ``choose_backend`` decides. For degrees up to
    10 ``cpu`` has a kernel for the values, one for the first derivatives and one for the second;
    each is compiled when it is first used, and kept. Higher degrees, derivatives beyond the second
    and other devices take the operations of torch.

    Raises ``ValueError`` for vectors that do not have three components, for irreps with a
    multiplicity or a parity that harmonics do not have, or for a backend that cannot do it,
    ``TypeError`` for half precision.

    The polynomials follow from the recurrence of ``euclidium.o3.recurrence``:
    Bigi et al., J. Chem. Phys. 159, 064802 (2023), https://doi.org/10.1063/5.0156307

    >>> spherical_harmonics([0, 1], torch.tensor([0.0, 0.0, 2.0]), normalization="norm")
    tensor([1., 0., 0., 1.])
    """
    if vectors.shape[-1:] != (3,):
        raise ValueError(
            f"vectors have three components, got a tensor of shape {tuple(vectors.shape)}: "
            "give x, y, z in the last dimension"
        )
    if vectors.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"spherical harmonics need float32 or float64, got {vectors.dtype}: convert the vectors"
        )
    ls = _degrees(degrees)
    if _has_kernels(backend, ls, vectors):
        return solid_harmonics(ls, vectors, normalize, normalization)
    if normalize:
        vectors = unit_vectors(vectors)
    components = _solid_harmonics(vectors, max(ls, default=0), normalization)
    if not ls:
        return vectors[..., :0]
    return torch.stack([c for l in ls for c in components[l]], dim=-1)


def _has_kernels(backend: str | None, degrees: list[int], like: Tensor) -> bool:
    """Whether the backend that is asked for or chosen computes the harmonics by kernels."""
    if backend is None:
        return choose_backend(like.device) == "cpu" and unsupported(degrees, like) is None
    check_backend(backend, "backend")
    if backend == "reference":
        return False
    reason = "it has no kernels for spherical harmonics, use 'reference'"
    if refused := unsupported(degrees, like) if backend == "cpu" else reason:
        raise ValueError(f"the backend {backend!r} cannot do this: {refused}")
    return True


def unit_vectors(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Vectors of length one; vectors below 1e-12 are left as they are, with finite derivatives.

    >>> unit_vectors(torch.tensor([[0.0, 3.0, 4.0], [0.0, 0.0, 0.0]])).tolist()
    [[0.0, 0.6000000238418579, 0.800000011920929], [0.0, 0.0, 0.0]]
    """
    square = vectors.square().sum(-1, keepdim=True)
    # the inner where keeps the derivative of the branch not taken finite
    return vectors * torch.where(square > SHORTEST**2, square, torch.ones_like(square)).rsqrt()


def lengths(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    """Length of each vector; zero, with zero derivatives, for vectors below 1e-12.

    >>> lengths(torch.tensor([[0.0, 3.0, 4.0]])).tolist()
    [5.0]
    """
    square = vectors.square().sum(-1)
    has_length = square > SHORTEST**2
    safe = torch.where(has_length, square, torch.ones_like(square)).sqrt()
    return torch.where(has_length, safe, torch.zeros_like(safe))


@traced_as_constant
def _degrees(degrees: int | list[int] | Irreps | str) -> list[int]:
    """The list of degrees l that are asked for."""
    if isinstance(degrees, int):
        degrees = [degrees]
    if isinstance(degrees, list):
        if min(degrees, default=0) < 0:
            raise ValueError(f"degrees of spherical harmonics are 0, 1, 2, …, got {degrees}")
        return degrees
    irreps = Irreps(degrees)
    odd = {block.ir.l % 2: block.ir.p for block in irreps}
    for block in irreps:
        if block.mul != 1 or block.ir.p != odd[block.ir.l % 2] or odd.get(0, 1) != 1:
            raise ValueError(
                f"spherical harmonics have multiplicity 1 and parity (-1)^l (or 1), got {irreps}"
            )
    return irreps.ls


class _Table(NamedTuple):
    """The recurrence as plain numbers."""

    start: float
    diagonal: list[float]
    a: list[list[float]]
    b: list[list[float]]


@traced_as_constant
def _table(lmax: int, normalization: str) -> _Table:
    return _cached_table(lmax, normalization)


@cache
def _cached_table(lmax: int, normalization: str) -> _Table:
    table = recurrence(lmax, normalization)
    return _Table(float(table.n00), table.d.tolist(), table.a.tolist(), table.b.tolist())


def _solid_harmonics(
    vectors: Float[Tensor, "*batch 3"], lmax: int, normalization: str
) -> list[list[Tensor]]:
    """Components m = -l … l of each degree, as polynomials of x, y, z."""
    table = _table(lmax, normalization)
    x, y, z = vectors.unbind(-1)
    square = vectors.square().sum(-1)
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(lmax):
        # (z + ix)^m, the azimuth about the polar axis y
        c, s = cosines[-1], sines[-1]
        cosines.append(z * c - x * s)
        sines.append(x * c + z * s)
    polar = _polar_factors(table, lmax, y, square)
    return [
        [polar[l][-m] * sines[-m] for m in range(-l, 0)]
        + [polar[l][m] * cosines[m] for m in range(l + 1)]
        for l in range(lmax + 1)
    ]


def _polar_factors(table: _Table, lmax: int, y: Tensor, square: Tensor) -> list[list[Tensor]]:
    """P[l][m] of the recurrence, m = 0 … l."""
    factors = [[torch.full_like(y, table.start)]]
    for l in range(1, lmax + 1):
        row = [table.a[l][m] * y * factors[l - 1][m] for m in range(l)]
        for m in range(l - 1):
            row[m] = row[m] + table.b[l][m] * square * factors[l - 2][m]
        row.append(table.diagonal[l] * factors[l - 1][l - 1])
        factors.append(row)
    return factors

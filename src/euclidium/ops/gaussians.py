"""Integrals of atom-centred Gaussians of any degree: overlap, Coulomb, values and potentials.

χ = N r^l exp(−a r²) Y_lm,   ∫χ² = 1

Shells are pairs of a degree and the exponents (1/bohr²) of that degree, the degrees ascending. The
functions of an atom are in channel-last order: degree after degree, in each first the components m,
then the shells. Lengths are in bohr and energies in hartree. Everything is differentiable to any
order, also where two centres coincide.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops.boys import boys
from euclidium.ops.gaunt import gaunt
from euclidium.ops.harmonics import spherical_harmonics
from euclidium.ops.tracing import signed

Shells: TypeAlias = Sequence[tuple[int, Tensor]]


def shells_dim(shells: Shells) -> int:
    """How many functions the shells have.

    >>> shells_dim([(0, torch.ones(3)), (2, torch.ones(1))])
    8
    """
    return sum((2 * l + 1) * len(exponents) for l, exponents in shells)


def overlap_blocks(
    a: Shells, b: Shells, vectors: Float[Tensor, "pair 3"]
) -> Float[Tensor, "pair dim_a dim_b"]:
    """Overlaps of the functions of two atoms, for pairs of atoms.

    S = ∫ χ_a(r) χ_b(r − R) d³r

    ``vectors`` are R in bohr, from the centre of a to that of b. In Fourier space a function is
    (−i)^l k^l exp(−k²/4a) Y_lm, so that S is a sum over degrees L of Gaunt coefficients, harmonics
    of R and a radial integral, which is a Laguerre polynomial times exp(−R²/4γ), γ = 1/4a + 1/4b.

    Raises ``ValueError`` for shells that are not sorted or exponents that are not positive.

    A related scheme, with derivations: Golze et al., J. Chem. Phys. 146, 034105 (2017),
    https://doi.org/10.48550/arXiv.1701.06588

    >>> s = [(0, torch.tensor([1.0]))]
    >>> overlap_blocks(s, s, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])).flatten()
    tensor([1.0000, 0.1353])
    """
    return _blocks(a, b, vectors, coulomb=False)


def coulomb_blocks(
    a: Shells, b: Shells, vectors: Float[Tensor, "pair 3"]
) -> Float[Tensor, "pair dim_a dim_b"]:
    """Coulomb integrals between the functions of two atoms, for pairs of atoms.

    J = ∬ χ_a(r) χ_b(r' − R) / |r − r'| d³r d³r'

    In hartree bohr³ per square of a coefficient (hartree for coefficients in e/bohr^1.5);
    ``vectors``, errors and method are those of ``overlap_blocks``. The term with L = l_a + l_b,
    the only one of long range, has a Boys function.

    >>> s = [(0, torch.tensor([1.0]))]
    >>> q = charges(s).square()
    >>> coulomb_blocks(s, s, torch.tensor([[0.0, 0.0, 20.0]])).flatten() / q
    tensor([0.0500])
    """
    return _blocks(a, b, vectors, coulomb=True)


def values(a: Shells, vectors: Float[Tensor, "point 3"]) -> Float[Tensor, "point dim_a"]:
    """The functions of an atom at points.

    χ = N r^l exp(−a r²) Y_lm

    ``vectors`` go from the atom to the points, in bohr; the values are in bohr^-1.5. Raises as
    ``overlap_blocks`` does.

    >>> values([(0, torch.tensor([0.5]))], torch.zeros(1, 3))
    tensor([[0.4238]])
    """
    a = _checked(a, vectors)
    harmonics, square = _harmonics(_top(a), vectors), _square(vectors)
    parts = [vectors.new_zeros(len(vectors), 0)]
    for l, exponents in a:
        # N = √(2 (2a)^(l + 3/2) / Γ(l + 3/2))
        norms = (2 * exponents).pow(l / 2 + 0.75) * math.sqrt(2 / math.gamma(l + 1.5))
        radial = norms * torch.exp(-exponents * square[:, None])
        parts.append(_outer(_degree(harmonics, l), radial))
    return torch.cat(parts, -1)


def potentials(a: Shells, vectors: Float[Tensor, "point 3"]) -> Float[Tensor, "point dim_a"]:
    """Electrostatic potentials at points, of positive charges distributed as the functions.

    V(r) = ∫ χ_a(r') / |r − r'| d³r'

    ``vectors`` go from the atom to the points, in bohr; V is in hartree bohr^1.5 per charge.
    Finite at the atom itself. Raises as ``overlap_blocks`` does.

    >>> s = [(0, torch.tensor([0.5]))]
    >>> potentials(s, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 10.0]])) / charges(s)
    tensor([[0.7979],
            [0.1000]])
    """
    a = _checked(a, vectors)
    harmonics, square = _harmonics(_top(a), vectors), _square(vectors)
    parts = [vectors.new_zeros(len(vectors), 0)]
    for l, exponents in a:
        size = math.pi * 2 ** (l / 2 + 1.75) * math.sqrt(2 / math.gamma(l + 1.5))
        radial = size * exponents.pow(l / 2 - 0.25) * boys(l, exponents * square[:, None])
        parts.append(_outer(_degree(harmonics, l), radial))
    return torch.cat(parts, -1)


def charges(a: Shells) -> Float[Tensor, " dim_a"]:
    """The integral of each function, bohr^1.5; only those of degree 0 have one.

    >>> charges([(0, torch.tensor([0.5])), (1, torch.tensor([0.5]))])
    tensor([6.6743, 0.0000, 0.0000, 0.0000])
    """
    return multipoles(a, 0)[0]


def multipoles(a: Shells, l: int) -> Float[Tensor, "m dim_a"]:
    """Moments of degree ``l`` of each function about its centre, bohr^(l + 1.5).

    Q_m = ∫ χ_a(r) r^l √(4π/(2l+1)) Y_lm(r) d³r

    For l = 0 that is the charge, for l = 1 the dipole x, y, z. Only functions of the same degree
    have one, and only of the same component. Raises ``ValueError`` for a negative degree or for
    shells that are not sorted.

    >>> multipoles([(0, torch.tensor([0.5])), (1, torch.tensor([0.5]))], 1)[2]
    tensor([0.0000, 0.0000, 0.0000, 9.4389])
    """
    if l < 0:
        raise ValueError(f"the degree of a multipole is {l}: it must be 0, 1, 2, …")
    like = a[0][1] if a else torch.zeros(0)
    parts = [like.new_zeros(2 * l + 1, 0)]
    for degree, exponents in _checked(a, like):
        if degree != l:
            parts.append(exponents.new_zeros(2 * l + 1, (2 * degree + 1) * len(exponents)))
            continue
        # N Γ(l + 3/2) / 2a^(l + 3/2)
        size = 2 ** (l / 2 + 0.75) * math.sqrt(math.gamma(l + 1.5) / 2)
        size *= math.sqrt(4 * math.pi / (2 * l + 1))
        moments = size * exponents.pow(-l / 2 - 0.75)
        parts.append(torch.kron(torch.eye(2 * l + 1).to(moments), moments))
    return torch.cat(parts, -1)


# -- pairs of shells -------------------------------------------------------------------------------


def _blocks(a: Shells, b: Shells, vectors: Tensor, coulomb: bool) -> Tensor:
    """The matrix of each pair of atoms, block after block."""
    a, b = _checked(a, vectors), _checked(b, vectors)
    harmonics, square = _harmonics(_top(a) + _top(b), vectors), _square(vectors)
    rows = [vectors.new_zeros(len(vectors), 0, shells_dim(b))]
    for la, of_a in a:
        row = [vectors.new_zeros(len(vectors), (2 * la + 1) * len(of_a), 0)]
        for lb, of_b in b:
            degrees = range(abs(la - lb), la + lb + 1, 2)
            angular = torch.stack(
                [_degree(harmonics, l) @ _product(la, lb, l).to(vectors) for l in degrees], -1
            )
            radial = torch.stack(_radials(la, of_a, lb, of_b, square, coulomb), 1)
            block = (angular @ radial.flatten(2)).view(
                len(vectors), 2 * la + 1, 2 * lb + 1, len(of_a), len(of_b)
            )
            row.append(block.transpose(2, 3).flatten(3, 4).flatten(1, 2))
        rows.append(torch.cat(row, -1))
    return torch.cat(rows, -2)


def _radials(la: int, a: Tensor, lb: int, b: Tensor, square: Tensor, coulomb: bool) -> list[Tensor]:
    """What multiplies the solid harmonics of each degree L = |la − lb| … la + lb.

    Shape (pair, shell of a, shell of b). The powers of the exponents are kept in ratios, so that
    nothing overflows in float32.
    """
    gamma = 1 / (4 * a[:, None]) + 1 / (4 * b)
    x = square[:, None, None] / (4 * gamma)
    shape = (2 * a[:, None] * gamma).pow(-la / 2 - 0.75) * (2 * b * gamma).pow(-lb / 2 - 0.75)
    size = 2 * math.pi**1.5 / math.sqrt(math.gamma(la + 1.5) * math.gamma(lb + 1.5))
    if coulomb:
        shape, size = shape * gamma, size * 4 * math.pi
    found = []
    for degree in range(abs(la - lb), la + lb + 1, 2):
        n = (la + lb - degree) // 2
        sign = 1 if (la - lb - degree) % 4 == 0 else -1
        factor = shape * gamma.pow(-degree / 2) * (sign * size / 2**degree)
        if not coulomb:
            found.append(factor * _laguerre(n, degree, x))
        elif n > 0:
            found.append(factor * _laguerre(n - 1, degree, x))
        else:
            found.append(2 * factor * boys(degree, x))
    return found


def _laguerre(n: int, degree: int, x: Tensor) -> Tensor:
    """The function n! exp(−x) L_n^(degree + 1/2)(x), a generalised Laguerre polynomial."""
    return _Laguerre.apply(x, n, degree)


class _Laguerre(torch.autograd.Function):
    """The function above, whose derivative is that of the next degree with a minus."""

    @staticmethod
    @signed
    def forward(x: Tensor, n: int, degree: int) -> Tensor:
        x = x.clamp(max=1000.0)  # exp(−1000) is zero, the power before it stays finite
        decay = torch.exp(-x)
        if n == 0:
            return decay
        *rest, last = _coefficients(n, degree)
        polynomial = last * x + rest.pop()
        while rest:
            polynomial = polynomial * x + rest.pop()
        return polynomial.mul_(decay)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
        x, ctx.n, ctx.degree = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return -gradient * _Laguerre.apply(x, ctx.n, ctx.degree + 1), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return -tangent * _Laguerre.apply(x, ctx.n, ctx.degree + 1)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, x: Tensor, *what: int) -> tuple[Tensor, int]:
        """Each number for itself, so any dimension may be the batch."""
        return _Laguerre.apply(x, *what), in_dims[0]


@cache
def _coefficients(n: int, degree: int) -> tuple[float, ...]:
    """Those of n! L_n^(degree + 1/2), from the constant one up."""
    top = math.gamma(n + degree + 1.5)
    return tuple(
        (-1) ** i * math.comb(n, i) * top / math.gamma(degree + i + 1.5) for i in range(n + 1)
    )


@cache
def _product(la: int, lb: int, l: int) -> Tensor:
    """What turns harmonics of degree l into a part of the product of two: (2l+1, pairs of m)."""
    coefficients = torch.tensor(gaunt(la, lb, l))
    return coefficients.flatten(0, 1).T.contiguous()


# -- one centre ------------------------------------------------------------------------------------


def _checked(shells: Shells, like: Tensor) -> list[tuple[int, Tensor]]:
    """The shells with exponents of the type and on the device of a tensor."""
    degrees = [l for l, _ in shells]
    if degrees != sorted(set(degrees)) or min(degrees, default=0) < 0:
        raise ValueError(f"shells are sorted by degree, each degree once, got degrees {degrees}")
    for l, exponents in shells:
        if exponents.ndim != 1 or not bool((exponents > 0).all()):
            raise ValueError(
                f"the exponents of degree {l} must be a list of positive numbers, got "
                f"{exponents.tolist()}"
            )
    return [(l, exponents.to(like)) for l, exponents in shells]


def _top(shells: Shells) -> int:
    """The largest degree."""
    return max((l for l, _ in shells), default=0)


def _harmonics(lmax: int, vectors: Tensor) -> Tensor:
    """Solid harmonics of degrees 0 … lmax, orthonormal on the unit sphere."""
    return spherical_harmonics(
        list(range(lmax + 1)), vectors, False, "integral", backend="reference"
    )


def _degree(harmonics: Tensor, l: int) -> Tensor:
    """The harmonics of one degree."""
    return harmonics[:, l * l : (l + 1) ** 2]


def _square(vectors: Tensor) -> Tensor:
    return vectors.square().sum(-1)


def _outer(harmonics: Tensor, radial: Tensor) -> Tensor:
    """Components times shells: the functions of one degree, channel-last."""
    return (harmonics[:, :, None] * radial[:, None]).flatten(1)

"""Wigner 3j symbols in the real basis: how two irreps couple to a third."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from euclidium.o3.wigner import change_basis_real_to_complex


@lru_cache(maxsize=4096)
def wigner_3j(l1: int, l2: int, l3: int) -> Float[np.ndarray, "m1 m2 m3"]:
    r"""Real Wigner 3j symbols C, the tensor that no rotation changes.

    C_{lmn} = C_{ijk} D^{l1}_{il}(R) D^{l2}_{jm}(R) D^{l3}_{kn}(R),   Σ C_{ijk}² = 1.

    Shape (2 l1+1, 2 l2+1, 2 l3+1), read-only, computed once. Signs are those of e3nn 0.6.
    Racah's formula in integers, each complex coefficient rounded once, so any degree is safe;
    elements that symmetry forbids are exactly zero.

    Raises ``ValueError`` if the degrees break the triangle rule |l1 - l2| <= l3 <= l1 + l2.
    Racah, Phys. Rev. 62, 438 (1942), https://doi.org/10.1103/PhysRev.62.438.

    >>> bool(np.allclose(wigner_3j(1, 1, 0)[..., 0], np.eye(3) / np.sqrt(3)))
    True
    >>> bool(np.isclose(wigner_3j(1, 1, 1)[0, 1, 2], 1 / np.sqrt(6)))  # cross product, x × y = z
    True
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2 or min(l1, l2, l3) < 0:
        raise ValueError(
            f"degrees {l1}, {l2}, {l3} do not couple: choose l3 from |l1 - l2| to l1 + l2"
        )
    symbols = _complex_3j(l1, l2, l3)
    for l in (l1, l2):
        # the first axis goes last, so two turns leave l3 in front
        symbols = np.tensordot(symbols, change_basis_real_to_complex(l), axes=(0, 0))
    symbols = np.tensordot(symbols, change_basis_real_to_complex(l3).conj(), axes=(0, 0))
    real = np.where(_allowed(l1, l2, l3), symbols.real, 0.0)
    real.flags.writeable = False
    return real


def _complex_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """Clebsch-Gordan coefficients with the Condon-Shortley phase, over sqrt(2 l3 + 1)."""
    symbols = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    mirror = (-1) ** (l1 + l2 - l3)
    for m1 in range(l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            value = _racah(l1, m1, l2, m2, l3)
            symbols[l1 + m1, l2 + m2, l3 + m1 + m2] = value
            symbols[l1 - m1, l2 - m2, l3 - m1 - m2] = mirror * value
    return symbols


def _racah(l1: int, m1: int, l2: int, m2: int, l3: int) -> float:
    """One coefficient <l1 m1 l2 m2 | l3 m1+m2> / sqrt(2 l3 + 1)."""
    a, b, c = l1 + l2 - l3, l1 - l2 + l3, l2 + l3 - l1
    total = sum(
        (-1) ** k * math.comb(a, k) * math.comb(b, l1 - m1 - k) * math.comb(c, l2 + m2 - k)
        for k in range(min(a, l1 - m1, l2 + m2) + 1)
    )
    f = math.factorial
    square = total**2
    for l, m in ((l1, m1), (l2, m2), (l3, m1 + m2)):
        square *= f(l + m) * f(l - m)
    size = math.sqrt(square / (f(a) * f(b) * f(c) * f(l1 + l2 + l3 + 1)))
    return size if total > 0 else -size


def _allowed(l1: int, l2: int, l3: int) -> np.ndarray:
    """Where a real 3j symbol may differ from zero."""
    m1, m2, m3 = np.ix_(*(np.arange(-l, l + 1) for l in (l1, l2, l3)))
    one, two, three = abs(m1), abs(m2), abs(m3)
    azimuth = (three == one + two) | (three == abs(one - two))
    # negative components are odd under the mirror x -> -x
    odd = (m1 < 0) ^ (m2 < 0) ^ (m3 < 0)
    return azimuth & (odd == bool((l1 + l2 + l3) % 2))

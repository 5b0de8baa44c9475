"""Gaunt coefficients: integrals of products of three real spherical harmonics."""

import math
from functools import cache

import numpy as np
from jaxtyping import Float

from euclidium.o3.coupling import wigner_3j


@cache
def gaunt(l1: int, l2: int, l3: int) -> Float[np.ndarray, "m1 m2 m3"]:
    """Gaunt coefficients of our real harmonics, orthonormal on the sphere; read-only.

    G_(m1 m2 m3) = ∫ Y_(l1 m1) Y_(l2 m2) Y_(l3 m3) dΩ,   Y_(l1 m1) Y_(l2 m2) = Σ G Y_(l3 m3)

    Shape (2 l1+1, 2 l2+1, 2 l3+1); zero where l1 + l2 + l3 is odd. Invariance leaves one number
    open, which the harmonics along the polar axis fix.

    Raises ``ValueError`` if the degrees break the triangle rule.

    >>> bool(np.allclose(gaunt(1, 1, 0)[..., 0], np.eye(3) / np.sqrt(4 * np.pi)))
    True
    """
    symbols = wigner_3j(l1, l2, l3)
    size = math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1) / (4 * math.pi))
    result = size * symbols[l1, l2, l3] * symbols
    result.flags.writeable = False
    return result

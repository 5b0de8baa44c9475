"""The name of our sign and order conventions, and the border to e3nn's memory layout."""

import numpy as np
from jaxtyping import Int

from euclidium.o3.irreps import Irreps, IrrepsLike

# Signs of the real spherical harmonics, Wigner matrices and 3j symbols, Euler angles Y-X-Y and
# the order of components, as in e3nn 0.6; channel-last layout, first version. Written into every
# model file; a change of any of these is a new name.
CONVENTION = "e3nn-0.6/1"


def to_e3nn_permutation(irreps: IrrepsLike) -> Int[np.ndarray, "component"]:
    """Indices p that bring a feature into e3nn's order: x_e3nn = x[..., p].

    Inside a block ours is (component m, channel u) and e3nn's is (channel u, component m).

    >>> to_e3nn_permutation("2x1o")
    array([0, 2, 4, 1, 3, 5])
    """
    irreps = Irreps(irreps)
    parts = [
        where.start + np.arange(block.dim).reshape(block.ir.dim, block.mul).T.ravel()
        for block, where in zip(irreps, irreps.slices(), strict=True)
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def from_e3nn_permutation(irreps: IrrepsLike) -> Int[np.ndarray, "component"]:
    """Indices p that bring a feature out of e3nn's order: x = x_e3nn[..., p].

    >>> p = from_e3nn_permutation("2x1o")
    >>> bool((to_e3nn_permutation("2x1o")[p] == np.arange(6)).all())
    True
    """
    return np.argsort(to_e3nn_permutation(irreps))

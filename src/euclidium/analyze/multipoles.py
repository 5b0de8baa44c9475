"""Multipole moments of a density with its nuclei, of any degree about any point."""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.integrate import lebedev_rule

from euclidium.analyze.electrostatics import shells_of
from euclidium.atoms.density import Density
from euclidium.atoms.problem import DataError
from euclidium.o3.harmonics import spherical_harmonics
from euclidium.ops.gaussians import multipoles as moments_of_shells
from euclidium.units import BOHR

LARGEST = 20  # degree for which the rules on the sphere are exact


def multipoles(
    density: Density, lmax: int = 2, origin: Float[np.ndarray, "3"] | None = None
) -> list[Float[np.ndarray, " m"]]:
    """Spherical multipole moments of electrons and nuclei, one array for each degree, e·Å^l.

    Q_lm = Σ_A Z_A C_lm(R_A − O) − ∫ ρ(r) C_lm(r − O) d³r,   C_lm = r^l √(4π / (2l+1)) Y_lm

    The components are those of the spherical harmonics of this library: degree 0 is the charge,
    degree 1 the dipole x, y, z. The origin O (Å) is by default the centre of the nuclear charge.
    They are exact: a harmonic polynomial about O is one about each atom, of the same degree and
    lower ones. Only the lowest moment that is not zero does not depend on the origin.

    Stone, The Theory of Intermolecular Forces (2013),
    https://doi.org/10.1093/acprof:oso/9780199672394.001.0001

    Raises ``DataError`` for a periodic structure, ``ValueError`` for a degree beyond 20.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.array([[0.0, 0.0, 2.0]]))
    >>> proton = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.0]))
    >>> [q.round(9).tolist() for q in multipoles(proton, 1, np.zeros(3))]
    [[1.0], [0.0, 0.0, 2.0]]
    """
    structure = density.structure
    if structure.pbc.any():
        raise DataError(f"{structure.origin} is periodic, and has no multipole moments")
    if not 0 <= lmax <= LARGEST:
        raise ValueError(f"degrees of multipoles are 0 to {LARGEST}, got {lmax}")
    nuclei = structure.species.astype(float)
    if origin is None:
        origin = nuclei @ structure.positions / nuclei.sum()
    total = np.zeros((lmax + 1) ** 2)
    for position, own in zip(structure.positions, atomic_multipoles(density), strict=True):
        some = own[: (lmax + 1) ** 2]
        total += translation(lmax, position - origin)[:, : len(some)] @ some
    return [total[l * l : (l + 1) ** 2] for l in range(lmax + 1)]


def atomic_multipoles(density: Density) -> list[Float[np.ndarray, " lm"]]:
    """The moments of the functions on each atom and its nucleus about it, e·Å^l, all degrees.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.1]))
    >>> atomic_multipoles(density)[0].round(4)
    array([0.3326])
    """
    found = []
    for z, c in zip(density.structure.species.tolist(), density.by_atom(), strict=True):
        shells = shells_of(density.basis, z)
        own = [
            -(moments_of_shells(shells, l).numpy() @ c) * BOHR**l for l in range(shells[-1][0] + 1)
        ]
        own[0] = own[0] + z
        found.append(np.concatenate(own))
    return found


def translation(lmax: int, vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "lm lm2"]:
    """The matrix T of C(r + v) = T C(r), for all degrees up to ``lmax``.

    T_LM,lm = (2l+1)/4π ∫ C_LM(r + v) C_lm(r) dΩ on the unit sphere

    >>> translation(1, np.array([0.0, 0.0, 2.0]))[:, 0]
    array([1., 0., 0., 2.])
    """
    directions, weights, own = _sphere(lmax)
    moved = spherical_harmonics(list(range(lmax + 1)), directions + vector, False, "norm")
    degrees = np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)
    found = (moved * weights[:, None]).T @ own * ((2 * degrees + 1) / (4 * np.pi))
    # a polynomial of degree L has no higher ones in it
    found[degrees[:, None] < degrees[None]] = 0.0
    return np.where(np.abs(found) < 1e-14 * np.abs(found).max(), 0.0, found)


@cache
def _sphere(lmax: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A rule on the sphere that is exact for products, and the harmonics there."""
    degree = next(n for n in (*range(3, 33, 2), 35, 41) if n >= 2 * lmax)
    directions, weights = lebedev_rule(degree)
    directions = np.ascontiguousarray(directions.T)
    own = spherical_harmonics(list(range(lmax + 1)), directions, False, "norm")
    return directions, weights, own

"""Gaussians of crystals in waves: their Fourier transforms, and overlap and Coulomb matrices."""

import numpy as np
import torch
from jaxtyping import Complex, Float

from euclidium.atoms.basis import DensityBasis, radial_norm
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.o3.harmonics import spherical_harmonics
from euclidium.ops.lattice import half_of_waves
from euclidium.units import BOHR

NEGLIGIBLE = 1e-14  # of the overlap of two functions, where its Fourier series ends
CHUNK = 4096  # waves at once
MOST = 3_000_000  # waves


def lattice_metric(
    structure: Structure, basis: DensityBasis, coulomb: bool = False
) -> Float[np.ndarray, "function function"]:
    """Overlap or Coulomb matrix of the functions of a crystal, summed over the lattice.

    S = Σ_G χ(G)* χ'(G) / Ω,   J = Σ_(G≠0) 4π/G² χ(G)* χ'(G) / Ω,   χ(G) = ∫ χ exp(−iG·r) d³r

    Positive whatever the basis. Without G = 0, ½ cᵀ J c is the Coulomb energy of a cell, in
    hartree, of a density that adds up to nothing, and of another one with its average taken away.

    Raises ``DataError`` for a structure that is not periodic in three directions, and for functions
    so sharp that they need more than three million waves.

    >>> structure = Structure(np.array([3]), np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool))
    >>> basis = DensityBasis("one", {3: ((0, 0.5), (1, 0.5))})
    >>> lattice_metric(structure, basis).diagonal().round(4)
    array([1., 1., 1., 1.])
    """
    if not structure.pbc.all():
        raise DataError(
            f"{structure.origin} is not periodic in three directions, which a sum of waves needs"
        )
    sharpest = max(a for z in set(structure.species.tolist()) for _, a in basis.of(z))
    longest = np.sqrt(-2 * sharpest * np.log(NEGLIGIBLE))  # 1/bohr
    if structure.volume / BOHR**3 * longest**3 / (6 * np.pi**2) > MOST:
        raise DataError(
            f"{structure.origin}: functions with exponents up to {sharpest:g} need more than "
            f"{MOST:,} waves in this cell: leave out the sharpest, or the cores with them"
        )
    steps = half_of_waves(torch.from_numpy(structure.cell / BOHR), longest).double().numpy()
    waves = waves_of(steps, structure)
    weights = np.full(len(waves), 2.0)  # those of −G are the same
    if coulomb:
        weights *= 4 * np.pi / np.square(waves).sum(axis=1)
    else:
        waves, weights = np.append(waves, np.zeros((1, 3)), axis=0), np.append(weights, 1.0)
    found = np.zeros((basis.offsets(structure.species.tolist())[-1],) * 2)
    for some in np.array_split(np.arange(len(waves)), -(-len(waves) // CHUNK)):
        own = transforms(basis, structure, waves[some]) * np.sqrt(weights[some, None])
        found += own.real.T @ own.real + own.imag.T @ own.imag
    return found / (structure.volume / BOHR**3)


def waves_of(
    steps: Float[np.ndarray, "wave 3"], structure: Structure
) -> Float[np.ndarray, "wave 3"]:
    """Vectors of the reciprocal lattice, 1/bohr, from whole numbers.

    >>> structure = Structure(np.array([3]), np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool))
    >>> waves_of(np.array([[1.0, 0.0, 0.0]]), structure).round(4)
    array([[0.8312, 0.    , 0.    ]])
    """
    return 2 * np.pi * BOHR * steps @ np.linalg.inv(structure.cell).T


def transforms(
    basis: DensityBasis, structure: Structure, waves: Float[np.ndarray, "wave 3"]
) -> Complex[np.ndarray, "wave function"]:
    """The Fourier transform of each function of a structure, ∫ χ(r − R) exp(−iG·r) d³r.

    χ(G) = (−i)^l N (π/a)^(3/2) (G/2a)^l exp(−G²/4a − iG·R) Y_lm(G), waves in 1/bohr.

    >>> structure = Structure(np.array([3]), np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool))
    >>> transforms(DensityBasis("one", {3: ((0, 0.5),)}), structure, np.zeros((1, 3))).real.round(4)
    array([[6.6743]])
    """
    lengths = np.linalg.norm(waves, axis=1)[:, None]
    table = {}
    for z in set(structure.species.tolist()):
        parts = []
        for l, a in basis.exponents(z).items():
            norm = radial_norm(l, a) * (np.pi / a) ** 1.5
            radial = norm * (lengths / (2 * a)) ** l * np.exp(-(lengths**2) / (4 * a))
            angular = spherical_harmonics(l, waves, normalization="integral")
            both = angular[:, :, None] * radial[:, None, :]  # components run slow, shells fast
            parts.append((-1j) ** l * both.reshape(len(waves), -1))
        table[z] = np.concatenate(parts, axis=1)
    shifts = np.exp(-1j * waves @ structure.positions.T / BOHR)
    return np.concatenate(
        [table[z] * shifts[:, [n]] for n, z in enumerate(structure.species.tolist())], axis=1
    )

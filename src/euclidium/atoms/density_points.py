"""Points of space at which densities are compared: a random sample, dense where electrons are."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density_metric import shells_of
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.ops.gaussians import values
from euclidium.units import BOHR

# Chosen for a small variance of ∫|Δρ| of water clusters: 0.7 of the value for a single point.
POWER = -0.25  # of an exponent, how often its Gaussian is drawn from
SHARPEST = 100.0  # 1/bohr²
NUMBER = 1 / 3  # power of the atomic number, how often an atom is drawn


def sample_points(
    structure: Structure, basis: DensityBasis, n: int, seed: int = 0
) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, " point"]]:
    """Random points (Å) and their weights (Å³) with which sums are integrals over all space.

    ∫ f d³r ≈ Σ_i w_i f(r_i),   w = 1/(n p)

    The points are drawn from p, a sum of Gaussians on the atoms with the exponents of the basis.
    The same seed gives the same points.

    Raises ``DataError`` for a structure that is periodic.

    >>> basis = DensityBasis("three", {1: ((0, 2.0), (0, 0.5), (0, 0.2))})
    >>> points, weights = sample_points(Structure(np.array([1]), np.zeros((1, 3))), basis, 4000)
    >>> gaussian = np.exp(-((points / 0.6) ** 2).sum(axis=1)) / (0.6 * np.pi**0.5) ** 3
    >>> round(float(weights @ gaussian), 1)
    1.0
    """
    if structure.pbc.any():
        raise DataError(f"{structure.origin} is periodic: points are drawn around molecules only")
    generator = np.random.default_rng(seed)
    positions = structure.positions / BOHR
    share = structure.species.astype(float) ** NUMBER
    share /= share.sum()
    mixtures = [_mixture(basis, int(z)) for z in structure.species]
    drawn = np.bincount(generator.choice(len(share), n, p=share), minlength=len(share))
    points = []
    for count, center, (exponents, often) in zip(drawn, positions, mixtures, strict=True):
        chosen = generator.choice(exponents, count, p=often)
        points.append(center + generator.normal(size=(count, 3)) / np.sqrt(2 * chosen)[:, None])
    everywhere = np.concatenate(points)
    density = np.zeros(n)
    for own, center, (exponents, often) in zip(share, positions, mixtures, strict=True):
        squares = np.square(everywhere - center).sum(axis=1)
        density += own * (
            np.exp(-squares[:, None] * exponents) @ (often * (exponents / np.pi) ** 1.5)
        )
    return everywhere * BOHR, BOHR**3 / (n * density)


def function_values(
    structure: Structure, basis: DensityBasis, points: Float[np.ndarray, "point 3"]
) -> Float[Tensor, "point function"]:
    """Every function of a structure at points (Å), in 1/bohr^1.5; float64.

    For sums of many functions at many points there is ``analyze.density_at``.

    Raises ``DataError`` for an element that the basis lacks.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> function_values(Structure(np.array([1]), np.zeros((1, 3))), basis, np.zeros((1, 3)))
    tensor([[0.4238]], dtype=torch.float64)
    """
    parts = [
        values(shells_of(basis, int(z)), torch.from_numpy((points - center) / BOHR))
        for z, center in zip(structure.species, structure.positions, strict=True)
    ]
    return torch.cat(parts, dim=1)


def _mixture(basis: DensityBasis, z: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents to draw from around an element, and how often."""
    exponents = np.array(sorted({a for _, a in basis.of(z)}))
    exponents = exponents[exponents <= max(SHARPEST, exponents[0])]
    often = exponents**POWER
    return exponents, often / often.sum()

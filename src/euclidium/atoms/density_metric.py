"""How far two densities are apart: overlap and Coulomb matrices of a structure's Gaussians."""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density_waves import lattice_metric
from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.structure import Structure
from euclidium.ops.gaussians import Shells, coulomb_blocks, overlap_blocks
from euclidium.units import BOHR

NEGLIGIBLE = 1e-10  # of the overlap of two functions of the lattice
PAIRS = 4096  # whose blocks are computed at once

Metric = Literal["overlap", "coulomb"]


def shells_of(basis: DensityBasis, z: int) -> Shells:
    """The shells of an element as :mod:`euclidium.ops` takes them.

    Raises ``DataError`` for an element that the basis lacks.

    >>> shells_of(DensityBasis("two", {1: ((0, 2.0), (1, 0.8))}), 1)
    [(0, tensor([2.], dtype=torch.float64)), (1, tensor([0.8000], dtype=torch.float64))]
    """
    return [(l, torch.from_numpy(a)) for l, a in basis.exponents(z).items()]


def density_metric(
    structure: Structure, basis: DensityBasis, metric: Metric = "coulomb"
) -> Float[Tensor, "function function"]:
    """The matrix M with which cᵀ M c measures a density with the coefficients c; float64.

    overlap: ∫ χ_a χ_b d³r, so that cᵀ M c = ∫ρ² d³r in e²/bohr³; of a crystal the sum over the
    lattice, for a density with its period. coulomb: ∬ χ_a(r) χ_b(r') / |r − r'|, so that ½ cᵀ M c
    is the self-energy in hartree; of a crystal that of a cell, less the average of the density, see
    :func:`~euclidium.atoms.density_waves.lattice_metric`.

    Raises ``DataError`` for an element that the basis lacks, and for the Coulomb matrix as
    ``lattice_metric`` does.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> two = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
    >>> density_metric(two, basis, "overlap").round(decimals=4)
    tensor([[1.0000, 0.6133],
            [0.6133, 1.0000]], dtype=torch.float64)
    """
    if metric == "coulomb" and structure.pbc.any():
        return torch.from_numpy(lattice_metric(structure, basis, coulomb=True))
    first, second, vectors = _pairs(structure, basis)
    blocks = coulomb_blocks if metric == "coulomb" else overlap_blocks
    offsets = torch.tensor(basis.offsets(structure.species.tolist()))
    found = torch.zeros(int(offsets[-1]), int(offsets[-1]), dtype=torch.float64)
    species = torch.from_numpy(structure.species.astype(np.int64))
    for za in np.unique(structure.species).tolist():
        for zb in np.unique(structure.species).tolist():
            a, b = shells_of(basis, za), shells_of(basis, zb)
            own = torch.nonzero((species[first] == za) & (species[second] == zb))[:, 0]
            for some in own.split(PAIRS):
                rows = offsets[first[some], None] + torch.arange(basis.size(za))
                columns = offsets[second[some], None] + torch.arange(basis.size(zb))
                values = blocks(a, b, vectors[some])
                found.index_put_((rows[:, :, None], columns[:, None, :]), values, accumulate=True)
    return found


def _pairs(
    structure: Structure, basis: DensityBasis
) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"], Float[Tensor, "pair 3"]]:
    """Pairs of atoms whose functions meet, each atom with itself, and the vector between, bohr."""
    n = structure.n_atoms
    if not structure.pbc.any():
        first = torch.arange(n).repeat_interleave(n)
        second = torch.arange(n).repeat(n)
        positions = torch.from_numpy(structure.positions / BOHR)
        return first, second, positions[second] - positions[first]
    smallest = min(a for z in np.unique(structure.species) for _, a in basis.of(int(z)))
    reach = math.sqrt(-2 * math.log(NEGLIGIBLE) / smallest) * BOHR
    near = neighbor_list(structure, reach)
    there = structure.positions[near.senders] + near.shifts @ structure.cell
    vectors = np.concatenate([np.zeros((n, 3)), there - structure.positions[near.receivers]])
    first, second = (
        torch.from_numpy(np.concatenate([np.arange(n), ends]).astype(np.int64))
        for ends in (near.receivers, near.senders)
    )
    return first, second, torch.from_numpy(vectors / BOHR)

"""Electrostatics of a density and its nuclei: potential, field, and interaction of molecules."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density
from euclidium.atoms.problem import DataError
from euclidium.ops.gaussians import Shells, charges, coulomb_blocks, potentials
from euclidium.units import BOHR, HARTREE

CHUNK = 20_000  # points at once
NUCLEUS = 1e8  # 1/bohr², the exponent of a Gaussian that stands for a point


def potential_at(
    density: Density, points: Float[np.ndarray, "point 3"], device: str = "cpu"
) -> Float[np.ndarray, " point"]:
    """The electrostatic potential of electrons and nuclei at points, V.

    V(r) = Σ_A Z_A / |r − R_A| − ∫ ρ(r') / |r − r'| d³r'

    ``points`` in Å. It is the energy in eV of a positive unit charge there, infinite at a nucleus,
    and exact for the density: no grid is involved.

    Raises ``DataError`` for a periodic structure.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> proton = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.0]))
    >>> potential_at(proton, np.array([[0.0, 0.0, 1.0]])).round(3)
    array([14.4])
    """
    return _electric(density, points, device, field=False)[0]


def field_at(
    density: Density, points: Float[np.ndarray, "point 3"], device: str = "cpu"
) -> Float[np.ndarray, "point 3"]:
    """The electric field of electrons and nuclei at points, V/Å: E = −∇V.

    ``points`` in Å; no number at a nucleus. Raises as :func:`potential_at` does.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> proton = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.0]))
    >>> field_at(proton, np.array([[0.0, 0.0, 2.0]])).round(2)[0, 2]
    np.float64(3.6)
    """
    return _electric(density, points, device, field=True)[1]


def interaction_energy(one: Density, other: Density) -> float:
    """Electrostatic energy between two molecules with unperturbed densities, eV.

    E = ∬ q(r) q'(r') / |r − r'|,   q = Σ Z δ − ρ

    That of the densities as they are, penetration included. Raises ``DataError`` for a periodic
    structure.

    >>> from euclidium.atoms.structure import Structure
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> protons = [
    ...     Density(Structure(np.array([1]), np.array([[0.0, 0.0, z]])), basis, np.array([0.0]))
    ...     for z in (0.0, 1.0)
    ... ]
    >>> round(interaction_energy(*protons), 3)
    14.4
    """
    check_molecule(one)
    check_molecule(other)
    total = 0.0
    for first, a, c in _atoms(one):
        for second, b, d in _atoms(other):
            vector = torch.from_numpy((second - first) / BOHR)[None]
            total += float(c @ coulomb_blocks(a, b, vector)[0] @ d)
    return total * HARTREE


def fragment(density: Density, atoms: Sequence[int]) -> Density:
    """Some of the atoms with the functions on them.

    >>> from euclidium.atoms.structure import Structure
    >>> pair = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    >>> density = Density(pair, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.5, 0.4]))
    >>> fragment(density, [1]).coefficients
    array([0.4])
    """
    structure = density.structure
    some = replace(
        structure,
        species=structure.species[list(atoms)],
        positions=structure.positions[list(atoms)],
        labels={},
        inputs={},
        occupations=None,
    )
    offsets = density.offsets

    def chosen(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        return np.concatenate([values[offsets[n] : offsets[n + 1]] for n in atoms])

    coefficients = chosen(density.coefficients)
    assert coefficients is not None, "a density has coefficients"
    return Density(some, density.basis, coefficients, chosen(density.spin))


def _atoms(density: Density) -> list[tuple[np.ndarray, Shells, Tensor]]:
    """Of each atom position (Å), shells and charges; the first function is the nucleus."""
    found = []
    for z, position, c in zip(
        density.structure.species.tolist(),
        density.structure.positions,
        density.by_atom(),
        strict=True,
    ):
        shells = shells_of(density.basis, z)
        tight = torch.tensor([NUCLEUS], dtype=torch.float64)
        first = shells[0][1] if shells[0][0] == 0 else torch.zeros(0, dtype=torch.float64)
        rest = shells[1:] if shells[0][0] == 0 else shells
        joined: Shells = [(0, torch.cat([tight, first])), *rest]
        charge = z / charges([(0, tight)])
        found.append((position, joined, torch.cat([charge, -torch.from_numpy(c)])))
    return found


def shells_of(basis: DensityBasis, z: int, device: str = "cpu") -> Shells:
    """The shells of an element as the integrals of :mod:`euclidium.ops.gaussians` take them.

    Raises ``DataError`` for an element that the basis lacks.

    >>> shells_of(DensityBasis("one", {1: ((0, 0.5),)}), 1)
    [(0, tensor([0.5000], dtype=torch.float64))]
    """
    return [(l, torch.from_numpy(a).to(device)) for l, a in basis.exponents(z).items()]


def _electric(
    density: Density, points: np.ndarray, device: str, field: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Potential (V) and, if it is asked for, field (V/Å)."""
    check_molecule(density)
    structure = density.structure
    atoms = [
        (float(z), torch.from_numpy(r / BOHR).to(device), torch.from_numpy(c).to(device))
        for z, r, c in zip(structure.species, structure.positions, density.by_atom(), strict=True)
    ]
    potential, fields = [np.zeros(0)], [np.zeros((0, 3))]
    for first in range(0, len(points), CHUNK):
        some = torch.from_numpy(points[first : first + CHUNK] / BOHR).to(device)
        some.requires_grad_(field)
        total = torch.zeros(len(some), dtype=torch.float64, device=device)
        for z, centre, c in atoms:
            vectors = some - centre
            electrons = potentials(shells_of(density.basis, int(z), device), vectors) @ c
            total = total - electrons
            if z:  # a centre of a bond is no nucleus
                total = total + z / vectors.norm(dim=1)
        potential.append(total.detach().cpu().numpy())
        if field:
            (slope,) = torch.autograd.grad(total.sum(), some)
            fields.append(-slope.cpu().numpy())
    return np.concatenate(potential) * HARTREE, np.concatenate(fields) * (HARTREE / BOHR)


def check_molecule(density: Density) -> None:
    """The density is not periodic. Raises ``DataError`` if it is."""
    if density.structure.pbc.any():
        raise DataError(
            f"{density.structure.origin} is periodic: the electrostatics here is that of "
            "molecules, without a lattice sum"
        )

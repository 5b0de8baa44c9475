"""Charges of atoms in a molecule or crystal, by the densities of isolated atoms."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.fields import contractions, density_at
from euclidium.analyze.images import lattice_images, wrapped
from euclidium.atoms.density import Density
from euclidium.ops.gaussian_sums import reach
from euclidium.units import BOHR

SMALLEST = 1e-12  # e/Å³, below which the isolated atoms share nothing


@dataclass(frozen=True, eq=False)
class AtomicCharges:
    """Charges of the atoms, e, and their dipoles about them, e·Å."""

    charges: Float[np.ndarray, " atom"]
    dipoles: Float[np.ndarray, "atom 3"]


def hirshfeld(density: Density, level: int = 2) -> AtomicCharges:
    """Each point's density, shared among the atoms as the isolated atoms have it there.

    q_A = Z_A − ∫ ρ ρ_A° / Σ_B ρ_B°

    ρ_A° are the spherical atoms of the basis. The integral is over :func:`becke_grid` of ``level``,
    of a crystal over one cell with all images. The charges are those of the nuclei and the density,
    which for a smooth density without cores are not those of the ions. Iterative Hirshfeld charges
    would need isolated ions, which a basis does not have.

    Hirshfeld, Theor. Chim. Acta 44, 129 (1977), https://doi.org/10.1007/BF00549096

    Raises ``DataError`` for an element without an isolated atom in the basis.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.15])})
    >>> pair = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.9]]))
    >>> found = hirshfeld(Density(pair, basis, np.array([0.15, 0.15])))
    >>> found.charges.round(3)
    array([-0.001, -0.001])
    """
    structure = density.structure
    points, weights = becke_grid(structure, level)
    electrons = weights * density_at(density, points)
    atoms = replace(Density.superposition(structure, density.basis), spin=None)
    total = np.maximum(density_at(atoms, points), SMALLEST)
    inside = wrapped(structure, points)
    charges, dipoles = structure.species.astype(float), np.zeros((structure.n_atoms, 3))
    for n in np.flatnonzero(structure.species).tolist():  # a centre of a bond has no share
        for place, values in _alone(atoms, n, inside):
            share = electrons * values / total
            charges[n] -= share.sum()
            dipoles[n] -= share @ (inside - place)
    return AtomicCharges(charges, dipoles)


def _alone(
    atoms: Density, n: int, points: np.ndarray
) -> list[tuple[np.ndarray, Float[np.ndarray, " point"]]]:
    """One isolated atom and its images: where each is, and its density at the points, e/Å³."""
    structure = atoms.structure
    z = structure.species[n : n + 1]
    ((exponents, c), *_) = contractions(atoms.basis, z, atoms.by_atom()[n])[0]
    far = reach([[(exponents, c)]])[0] * BOHR
    reaches = np.zeros(structure.n_atoms)
    reaches[n] = far
    owners, places = lattice_images(structure, points, reaches)
    found = []
    for place in places[owners == n]:
        values = np.zeros(len(points))
        square = ((points - place) ** 2).sum(axis=1)
        near = np.flatnonzero(square < far**2)
        for a, value in zip(exponents, c[:, 0], strict=True):
            values[near] += value * np.exp(-a / BOHR**2 * square[near])
        found.append((place, values / np.sqrt(4 * np.pi) / BOHR**3))
    return found

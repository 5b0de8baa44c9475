"""Charges of atoms in a molecule or crystal, by the densities of isolated atoms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.fields import contractions, density_at
from euclidium.analyze.images import lattice_images, wrapped
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.ops.gaussian_sums import reach
from euclidium.units import BOHR

SMALLEST = 1e-12  # e/Å³, below which the isolated atoms share nothing
CONVERGED = 1e-5  # e
ROUNDS = 300


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
    which for a smooth density without cores are not those of the ions.

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
    points, weights = becke_grid(density.structure, level)
    electrons = weights * density_at(density, points)
    return _shared(Density.superposition(density.structure, density.basis), points, electrons)


def iterative_hirshfeld(
    density: Density, level: int = 2, start: Float[np.ndarray, " atom"] | None = None
) -> AtomicCharges:
    """Hirshfeld's charges with isolated ions that have the charges which are found.

    q_A = Z_A − ∫ ρ ρ_A°(q_A) / Σ_B ρ_B°(q_B),   ρ°(q) = (⌈q⌉ − q) ρ°(⌊q⌋) + (q − ⌊q⌋) ρ°(⌈q⌉)

    The ions ρ°(n) are those of the basis, see :func:`~euclidium.simulate.fit_atoms`. The charges
    are iterated until none changes by more than 1e-5 e, from ``start`` (e, neutral atoms by
    default), on which the result does not depend. Grid as of :func:`hirshfeld`.

    Bultinck, Van Alsenoy, Ayers and Carbó-Dorca, J. Chem. Phys. 126, 144111 (2007),
    https://doi.org/10.1063/1.2715563

    Raises ``DataError`` for an element without isolated ions in the basis, a charge beyond those
    that are there, and charges that do not converge.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> ions = {1: {-1: np.array([0.3]), 1: np.array([0.0])}}
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.15])}, ions=ions)
    >>> pair = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]))
    >>> found = iterative_hirshfeld(Density(pair, basis, np.array([0.2, 0.1])))
    >>> found.charges.round(2)
    array([-0.33,  0.33])
    """
    structure, basis = density.structure, density.basis
    tables = {z: _ions(basis, z) for z in np.unique(structure.species).tolist() if z}
    points, weights = becke_grid(structure, level)
    electrons = weights * density_at(density, points)
    charges = np.zeros(structure.n_atoms) if start is None else start.astype(float)
    for _ in range(ROUNDS):
        promolecule = replace(
            Density.superposition(structure, basis),
            coefficients=_of_charges(density, tables, charges),
        )
        found = _shared(promolecule, points, electrons)
        change, charges = np.abs(found.charges - charges).max(), found.charges
        if change < CONVERGED:
            _check_within(density, tables, charges)
            return found
    raise DataError(
        f"{structure.origin}: the iterative Hirshfeld charges still change by {change:.1g} e after "
        f"{ROUNDS} rounds"
    )


def _ions(basis: DensityBasis, z: int) -> tuple[np.ndarray, np.ndarray]:
    """Charges of the isolated ions of an element, ascending, and the coefficients of each."""
    ions = basis.ions.get(z, {})
    if not ions or z not in basis.atoms:
        raise DataError(
            f"the basis {basis.name} has no isolated ions of {chemical_symbol(z)}, which iterative "
            "Hirshfeld charges need: fit them with simulate.fit_atoms(basis, ..., ions=(-1, 1)) or "
            "`euclidium data make density --ions`"
        )
    known = {0: basis.atoms[z], **ions}
    return np.array(sorted(known)), np.stack([known[charge] for charge in sorted(known)])


def _of_charges(
    density: Density, tables: Mapping[int, tuple[np.ndarray, np.ndarray]], charges: np.ndarray
) -> Float[np.ndarray, " function"]:
    """Coefficients of isolated ions with these charges; the nearest where there is none."""
    found = np.zeros_like(density.coefficients)
    for z, first, charge in zip(
        density.structure.species.tolist(), density.offsets[:-1], charges, strict=True
    ):
        if z:
            known, rows = tables[z]
            own = [np.interp(charge, known, column) for column in rows.T]
            found[first : first + len(own)] = own
    return found


def _check_within(
    density: Density, tables: Mapping[int, tuple[np.ndarray, np.ndarray]], charges: np.ndarray
) -> None:
    """No atom has a charge for which there are no ions."""
    for n, (z, charge) in enumerate(zip(density.structure.species.tolist(), charges, strict=True)):
        if z and not tables[z][0][0] <= charge <= tables[z][0][-1]:
            raise DataError(
                f"{density.structure.origin}: atom {n} has the iterative Hirshfeld charge "
                f"{charge:.2f} e, and the basis {density.basis.name} has isolated ions of "
                f"{chemical_symbol(z)} from {tables[z][0][0]} to {tables[z][0][-1]}: fit more"
            )


def _shared(
    atoms: Density, points: Float[np.ndarray, "point 3"], electrons: Float[np.ndarray, " point"]
) -> AtomicCharges:
    """Charges and dipoles where isolated atoms share the electrons at some points."""
    structure = atoms.structure
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

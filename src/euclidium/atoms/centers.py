"""Centres of functions in the middle of bonds, where electrons are and atoms are not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from euclidium.atoms.basis import BOND_FACTOR, DensityBasis, even_tempered
from euclidium.atoms.elements import covalent_radius
from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import one_hot, site_masses
from euclidium.atoms.structure import Structure

CENTER = 0  # the atomic number of a centre, whose symbol is X
CLOSEST = 0.2  # Å, between centres, and between a centre and an atom


@dataclass(frozen=True, eq=False)
class CenteredStructure(Structure):
    """A structure with centres of functions behind its atoms: sites of the atomic number 0.

    A centre has no nucleus, no mass and no electrons of its own, so that sums over the atoms of a
    density hold as they are, with Z = 0. Models of densities alone know what it is.

    >>> species, positions = np.array([1, 1, 0]), np.array([[0.0, 0, 0], [0, 0, 0.8], [0, 0, 0.4]])
    >>> CenteredStructure(species, positions).composition
    {'H': 2.0}
    """

    LOWEST: ClassVar[int] = CENTER

    @property
    def fractions(self) -> Float[np.ndarray, "atom 119"]:
        """The occupations; a centre is empty."""
        return one_hot(self.species) * (self.species != CENTER)[:, None]

    @property
    def masses(self) -> Float[np.ndarray, " atom"]:
        """The masses in amu, none of the centres."""
        found = np.zeros(self.n_atoms)
        atoms = self.species != CENTER
        found[atoms] = site_masses(self.fractions[atoms])
        return found


def with_bond_centers(structure: Structure, factor: float = BOND_FACTOR) -> Structure:
    """The structure with a centre in the middle of each bond, behind its atoms.

    Atoms are bonded that are nearer than ``factor`` times the sum of their covalent radii; a bond
    across the cell is one bond. Labels and inputs of the centres are zero.

    Raises ``DataError`` for a structure that has centres already or sites that elements share, and
    where centres would be closer than 0.2 Å to each other or to an atom, ``ValueError`` for a
    factor that is not positive.

    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
    >>> with_bond_centers(hydrogen).positions[2]
    array([0.  , 0.  , 0.37])
    """
    if has_centers(structure):
        raise DataError(f"{structure.origin} has centres of bonds already: leave them out")
    if structure.is_mixed:
        raise DataError(f"{structure.origin}: a site is shared by elements, which has no bonds")
    radii = np.array([covalent_radius(int(z)) for z in structure.species])
    near = neighbor_list(structure, 2 * factor * radii.max())
    i, j = near.receivers, near.senders
    vectors = near.vectors(structure)
    bonded = np.linalg.norm(vectors, axis=1) < factor * (radii[i] + radii[j])
    # each bond is there twice, the other time with i and j exchanged and the opposite shift
    once = (i < j) | ((i == j) & (np.sign(near.shifts) @ np.array([4, 2, 1]) > 0))
    places = (structure.positions[i] + vectors / 2)[bonded & once]
    if len(places) == 0:
        return structure
    found = _extended(structure, places)
    if _closest(found) < CLOSEST:
        raise DataError(
            f"{structure.origin}: the middles of bonds of up to {factor:g} times the sum of "
            "covalent radii are at the same place, or at that of an atom: choose a smaller factor"
        )
    return found


def with_bond_functions(
    basis: DensityBasis,
    smallest: float = 0.3,
    ratio: float = 2.5,
    counts: Sequence[int] = (3, 3, 3),
) -> DensityBasis:
    """The basis with functions in the middle of bonds too: a geometric series of exponents.

    As of :func:`~euclidium.atoms.basis.even_tempered`: ``smallest`` in 1/bohr², and the number of
    shells of each degree. Isolated atoms have no electrons there. Raises ``ValueError`` as it does.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> with_bond_functions(basis).irreps(0)
    3x0e+3x1o+3x2e
    """
    shells = {**basis.shells, **even_tempered([CENTER], smallest, ratio, counts).shells}
    found = replace(basis, name=f"{basis.name}+bonds", shells=shells)
    return replace(found, atoms={**basis.atoms, **found.empty}) if basis.atoms else found


def without_bond_centers(structure: Structure) -> Structure:
    """The atoms alone, as they were before :func:`with_bond_centers`.

    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
    >>> without_bond_centers(with_bond_centers(hydrogen))
    Structure(H2)
    """
    if not has_centers(structure):
        return structure
    atoms = structure.species != CENTER
    own = structure.per_atom
    return Structure(
        structure.species[atoms],
        structure.positions[atoms],
        structure.cell,
        structure.pbc,
        {name: v[atoms] if name in own else v for name, v in structure.labels.items()},
        {name: value[atoms] for name, value in structure.inputs.items()},
        structure.info,
        own,
    )


def has_centers(structure: Structure) -> bool:
    """Whether some sites are centres without an atom.

    >>> has_centers(Structure(np.array([1]), np.zeros((1, 3))))
    False
    """
    return bool((structure.species == CENTER).any())


def centered(structure: Structure, basis: DensityBasis) -> Structure:
    """The structure as a basis asks for it: with centres of bonds, or without.

    Centres that the structure has stay where they are if the basis has functions for them. Raises
    as :func:`with_bond_centers` does.

    >>> basis = DensityBasis("both", {0: ((0, 1.0),), 1: ((0, 0.5),)})
    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
    >>> centered(hydrogen, basis).species.tolist()
    [1, 1, 0]
    """
    if CENTER not in basis.shells:
        return without_bond_centers(structure)
    return structure if has_centers(structure) else with_bond_centers(structure, basis.bond_factor)


def _extended(structure: Structure, places: Float[np.ndarray, "center 3"]) -> CenteredStructure:
    """The structure with centres at some places, Å."""

    def longer(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.zeros((len(places), *values.shape[1:]), values.dtype)])

    own = structure.per_atom
    return CenteredStructure(
        longer(structure.species),
        np.concatenate([structure.positions, places]),
        structure.cell,
        structure.pbc,
        {name: longer(v) if name in own else v for name, v in structure.labels.items()},
        {name: longer(value) for name, value in structure.inputs.items()},
        structure.info,
        own,
    )


def _closest(structure: Structure) -> float:
    """The least distance of two sites, Å, or infinity if none is below the limit."""
    try:
        near = neighbor_list(structure, CLOSEST)
    except DataError:  # at the same place
        return 0.0
    return float(np.linalg.norm(near.vectors(structure), axis=1).min(initial=np.inf))

"""Crystals without their description: primitive cell, space group, and whether two are the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import in_cell, space_group

TOLERANCE = 0.01  # Å
NEIGHBORS = 16  # of each kind, whose distances are compared


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal reduced to what does not depend on the cell and the origin that describe it.

    ``structure`` is a primitive cell; ``space_group`` the number of the space group, ``symbol``
    its Hermann–Mauguin symbol. Crystals with different ``key`` are different; with the same key
    they are the same if ``distances`` are. ``nearest`` is the shortest distance of two atoms, Å.
    """

    structure: Structure
    space_group: int
    symbol: str
    key: str
    distances: Float[np.ndarray, "kind kind neighbor"]
    nearest: float

    def is_same(self, other: "Crystal", tolerance: float = TOLERANCE) -> bool:
        """Whether it is the other crystal, to a tolerance of distances in Å.

        >>> from ase.build import bulk
        >>> cells = [bulk("Si", a=5.43), bulk("Si", a=5.43, cubic=True), bulk("Si", a=5.5)]
        >>> first, second, third = (identify(Structure.from_ase(cell)) for cell in cells)
        >>> first.is_same(second), first.is_same(third)
        (True, False)
        """
        return self.key == other.key and same_distances(
            self.distances.ravel(), other.distances.ravel(), tolerance
        )


def same_distances(
    first: Float[np.ndarray, " value"], second: Float[np.ndarray, " value"], tolerance: float
) -> bool:
    """Whether the distances in two crystals with the same key agree, to a tolerance in Å.

    >>> same_distances(np.array([2.35, 3.84]), np.array([2.352, 3.845]), tolerance=0.01)
    True
    """
    return bool((np.abs(first - second) <= tolerance).all())


def identify(structure: Structure, tolerance: float = TOLERANCE) -> Crystal:
    """The primitive cell of a crystal, its space group, and what to compare it by.

    The primitive cell keeps the positions and distances of the given one: nothing is symmetrised.
    ``key`` holds the formula, the space group and the orbits of atoms (element, multiplicity); the
    letters of their Wyckoff positions are not in it, since they depend on the origin. ``distances``
    are the mean distances in Å from the atoms of a kind to their 1st, 2nd, ... 16th neighbour of
    each kind: they do not depend on the cell, and change little when atoms move a little. Atoms
    that are off the symmetry by less than ``tolerance`` (Å) count as symmetric. A crystal and its
    mirror image are the same.

    Raises ``DataError`` for what is not periodic along three axes.

    Distances as invariants: Widdowson and Kurlin, https://arxiv.org/abs/2108.04798; space groups by
    spglib: Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024),
    https://doi.org/10.1080/27660400.2024.2384822

    >>> from ase.build import bulk
    >>> found = identify(Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64, cubic=True)))
    >>> found.structure, found.space_group, found.symbol
    (Structure(ClNa, periodic: abc), 225, 'Fm-3m')
    """
    if not structure.pbc.all():
        raise DataError(f"{structure.origin} is not periodic along three axes: it is no crystal")
    kinds, names = _kinds(structure)
    fractional = structure.positions @ np.linalg.inv(structure.cell)
    found = space_group((structure.cell, fractional, kinds), tolerance)
    if found is None:  # nothing is symmetric then, not even a translation
        lattice, first, orbits = structure.cell, np.arange(structure.n_atoms), np.arange(len(kinds))
        number, symbol = 1, "P1"
    else:
        lattice = np.array(found.primitive_lattice, dtype=np.float64)
        first = np.unique(found.mapping_to_primitive, return_index=True)[1]
        orbits = np.asarray(found.crystallographic_orbits)
        number, symbol = int(found.number), str(found.international)
    primitive = in_cell(structure, lattice, first)
    kinds, orbits = kinds[first], orbits[first]
    distances, nearest = _distances(primitive, kinds, orbits, len(names))
    return Crystal(
        primitive, number, symbol, _key(kinds, orbits, names, number), distances, nearest
    )


def _kinds(structure: Structure) -> tuple[Int[np.ndarray, " atom"], Sequence[str]]:
    """A number for each kind of site, from 0, and the names of the kinds."""
    if structure.occupations is None:
        species, kinds = np.unique(structure.species, return_inverse=True)
        return kinds.ravel(), [chemical_symbol(int(z)) for z in species]
    rows, kinds = np.unique(structure.occupations.round(4), axis=0, return_inverse=True)
    names = [
        "+".join(f"{row[z]:g}{chemical_symbol(int(z))}" for z in np.flatnonzero(row))
        for row in rows
    ]
    return kinds.ravel(), names


def _key(
    kinds: Int[np.ndarray, " atom"],
    orbits: Int[np.ndarray, " atom"],
    names: Sequence[str],
    number: int,
) -> str:
    """Space group and orbits of atoms, such as ``225: 1Cl 1Na``."""
    _, first, counts = np.unique(orbits, return_index=True, return_counts=True)
    found = [(names[kinds[atom]], n) for atom, n in zip(first, counts, strict=True)]
    return f"{number}: " + " ".join(f"{n}{name}" for name, n in sorted(found))


def _distances(
    structure: Structure,
    kinds: Int[np.ndarray, " atom"],
    orbits: Int[np.ndarray, " atom"],
    n_kinds: int,
) -> tuple[Float[np.ndarray, "kind kind neighbor"], float]:
    """Mean distance from the atoms of a kind to their nth neighbour of a kind; the shortest, Å."""
    _, first, counts = np.unique(orbits, return_index=True, return_counts=True)
    result, shortest = np.empty((n_kinds, n_kinds, NEIGHBORS)), np.inf
    for kind in range(n_kinds):
        found = _nearest(structure, structure.positions[first], kinds == kind)
        for center in range(n_kinds):
            chosen = kinds[first] == center
            rows = found[chosen, 1:] if center == kind else found[chosen, :-1]
            result[center, kind] = counts[chosen] @ rows / counts[chosen].sum()
            shortest = min(shortest, float(rows[:, 0].min()))
    return result, shortest


def _nearest(
    structure: Structure, centers: Float[np.ndarray, "center 3"], chosen: Bool[np.ndarray, " atom"]
) -> Float[np.ndarray, "center nearest"]:
    """Distances from some places in the cell to the nearest of the chosen atoms, and their images.

    One more than the number of neighbours: the first may be the place itself.
    """
    n = NEIGHBORS + 1
    atoms, cell = structure.positions[chosen], structure.cell
    # the sphere that holds so many on average, and one more shell
    reach = np.cbrt(3 * n * structure.volume / (4 * np.pi * len(atoms))) + 1.0
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    while True:
        counts = np.floor(reach / heights).astype(int) + 1
        steps = np.stack(np.meshgrid(*(np.arange(-c, c + 1) for c in counts)), axis=-1)
        images = (steps.reshape(-1, 1, 3) @ cell + atoms).reshape(-1, 3)
        found = np.asarray(cKDTree(images).query(centers, n)[0])
        if found.max() <= reach:  # beyond that, images may be missing
            return found
        reach = float(found.max()) + 1e-6 if np.isfinite(found.max()) else 2 * reach

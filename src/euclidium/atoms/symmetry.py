"""Which atoms of a crystal its space group maps onto each other."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import spglib
import torch
from ase.geometry import minkowski_reduce
from jaxtyping import Float, Integer

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.ops.orbits import Orbits

TOLERANCE = 1e-3  # Å


def find_orbits(structure: Structure, tolerance: float = TOLERANCE) -> Orbits:
    """The atoms that the space group makes equivalent, each with the rotation that leads to it.

    Translations count too: atoms of a supercell are images of those of the primitive cell. Sites
    with mixed elements are equivalent if their occupations are equal. Positions may deviate from
    the symmetry by ``tolerance`` (Å). A structure that is not periodic along all axes, or for which
    no symmetry is found, has an orbit for every atom.

    Space groups by spglib: Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4,
    2384822 (2024), https://doi.org/10.1080/27660400.2024.2384822

    >>> from ase.build import bulk
    >>> find_orbits(Structure.from_ase(bulk("NaCl", "rocksalt", 5.64, cubic=True))).n_orbits
    2
    """
    if not structure.pbc.all():
        return Orbits.trivial(structure.n_atoms)
    fractional = structure.positions @ np.linalg.inv(structure.cell)
    kinds = site_kinds(structure)
    found = space_group((structure.cell, fractional, kinds), tolerance)
    if found is None:
        return Orbits.trivial(structure.n_atoms)
    representatives, members = np.unique(found.equivalent_atoms, return_inverse=True)
    rotations = _rotations(
        structure.cell,
        fractional,
        representatives[members],
        found.rotations,
        found.translations,
        tolerance,
    )
    if rotations is None:
        return Orbits.trivial(structure.n_atoms)
    arrays = representatives.astype(np.int64), members.astype(np.int64), rotations
    return Orbits(*(torch.from_numpy(array) for array in arrays))


def space_group(
    crystal: tuple[Any, Any, Any],
    tolerance: float = TOLERANCE,
) -> Any:
    """The description by spglib of a crystal's symmetry, None if it finds none.

    The crystal is given by its cell (rows are vectors, Å), positions in lattice vectors and kinds
    of atoms; atoms may be off by the tolerance (Å).

    >>> space_group((np.eye(3), np.zeros((1, 3)), [84])).international
    'Pm-3m'
    """
    cell, fractional, kinds = crystal
    floats = (np.asarray(values, dtype=np.float64).tobytes() for values in (cell, fractional))
    return _space_group(*floats, np.asarray(kinds, dtype=np.int64).tobytes(), tolerance)


@lru_cache(maxsize=16)  # a crystal is asked for its orbits, its cell and its waves
def _space_group(cell: bytes, fractional: bytes, kinds: bytes, tolerance: float) -> Any:
    """The description by spglib, of arrays as their bytes."""
    vectors, places = (np.frombuffer(values).reshape(-1, 3) for values in (cell, fractional))
    crystal = vectors, places, np.frombuffer(kinds, dtype=np.int64)
    return ask_spglib("get_symmetry_dataset", crystal, symprec=tolerance)


def irreducible_waves(
    crystal: tuple[Any, Any, Any], mesh: Sequence[int], tolerance: float = TOLERANCE
) -> tuple[Float[np.ndarray, "wave 3"], Float[np.ndarray, " wave"]] | None:
    """The waves of a mesh through Γ from which symmetry gives all others, and their shares of all.

    Wave vectors are in reciprocal lattice vectors, Γ is the first; q and −q are one. The crystal is
    given as for :func:`space_group`, tolerance in Å; None if its symmetry is not found.

    >>> waves, shares = irreducible_waves((np.eye(3), np.zeros((1, 3)), [84]), (2, 2, 2))
    >>> waves.tolist()
    [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5]]
    >>> shares.tolist()
    [0.125, 0.375, 0.375, 0.125]
    """
    found = space_group(crystal, tolerance)
    return None if found is None else waves_of_mesh(mesh, found.rotations)


def waves_of_mesh(
    mesh: Sequence[int], rotations: Integer[np.ndarray, "operation 3 3"]
) -> tuple[Float[np.ndarray, "wave 3"], Float[np.ndarray, " wave"]]:
    """The waves of a mesh through Γ that differ by rotations of a crystal, and their shares of all.

    As for :func:`irreducible_waves`; rotations act on positions in lattice vectors. With the
    identity alone, one of each pair q and −q.

    >>> len(waves_of_mesh((4, 4, 4), np.eye(3, dtype=int)[None])[0])
    36
    """
    counts = np.array(mesh)
    # the first axis runs fastest
    points = np.indices(counts[::-1].tolist()).reshape(3, -1)[::-1].T
    turned = (points / counts) @ rotations * counts
    onto = turned.round()
    kept = np.abs(turned - onto).max(axis=(1, 2)) < 1e-6  # others do not map the mesh on itself
    images = onto[kept].astype(np.int64)
    images = np.concatenate([images, -images]) % counts
    place = np.array([1, counts[0], counts[0] * counts[1]])
    chosen, numbers = np.unique((images @ place).min(axis=0), return_counts=True)
    waves = np.where(2 * points > counts, points - counts, points)[chosen] / counts
    return waves, numbers / len(points)


def primitive(structure: Structure, tolerance: float = TOLERANCE) -> Structure:
    """A primitive cell of a crystal, in the same orientation, without labels.

    Sites with mixed elements are equivalent if their occupations are equal; positions may deviate
    by ``tolerance`` (Å), and those of the first of equivalent atoms are kept. A crystal whose
    symmetry is not found stays as it is.

    >>> from ase.build import bulk
    >>> primitive(Structure.from_ase(bulk("NaCl", "rocksalt", 5.64, cubic=True)))
    Structure(ClNa, periodic: abc)
    """
    fractional = structure.positions @ np.linalg.inv(structure.cell)
    found = space_group((structure.cell, fractional, site_kinds(structure)), tolerance)
    if found is None:
        return structure
    first = np.unique(found.mapping_to_primitive, return_index=True)[1]
    if len(first) == structure.n_atoms:
        return structure
    return in_cell(structure, np.array(found.primitive_lattice, dtype=np.float64), first)


def in_cell(
    structure: Structure, lattice: Float[np.ndarray, "3 3"], atoms: Integer[np.ndarray, " part"]
) -> Structure:
    """Some of the atoms, in another cell (rows are vectors, Å), without labels.

    >>> from ase.build import bulk
    >>> salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64, cubic=True))
    >>> in_cell(salt, bulk("NaCl", "rocksalt", 5.64).cell.array, np.array([0, 1]))
    Structure(ClNa, periodic: abc)
    """
    fractional = structure.positions[atoms] @ np.linalg.inv(lattice)
    occupations = structure.occupations
    return replace(
        structure,
        species=structure.species[atoms],
        positions=(fractional % 1.0) @ lattice,
        cell=lattice,
        labels={},
        inputs={},
        per_atom=frozenset({"forces"}),
        occupations=None if occupations is None else occupations[atoms],
    )


def reduced_lengths(cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Lengths of the three shortest vectors that span a lattice, Å, ascending.

    They are the same whatever vectors describe the lattice (rows, Å). Minkowski's reduction, by
    ASE.

    >>> reduced_lengths(np.array([[3.0, 0, 0], [3.0, 4.0, 0], [0, 4.0, 5.0]])).round(6).tolist()
    [3.0, 4.0, 5.0]
    """
    return np.sort(np.linalg.norm(minkowski_reduce(cell)[0], axis=1))


def ask_spglib(function: str, *arguments: Any, **options: Any) -> Any:
    """What a function of spglib answers, None where it finds nothing, as for overlapping atoms.

    Old versions return None, new ones raise errors of their own.

    >>> ask_spglib("get_symmetry_dataset", (np.eye(3), np.zeros((2, 3)), [1, 1])) is None
    True
    """
    with warnings.catch_warnings():  # about how spglib will report what it does not find
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return getattr(spglib, function)(*arguments, **options)
        except Exception as error:
            if not type(error).__module__.startswith("spglib"):
                raise
            return None


def symmetric_graph(structure: Structure, cutoff: float, tolerance: float = TOLERANCE) -> Graph:
    """The graph of a crystal, with edges to one atom of each orbit; cutoff and tolerance in Å.

    Labels stay behind. Raises ``DataError`` as :func:`~euclidium.atoms.neighbor_list` does.

    >>> from ase.build import bulk
    >>> salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64, cubic=True))
    >>> symmetric_graph(salt, cutoff=3.0)
    Graph(1 structure, 8 atoms, 12 edges)
    """
    graph = Graph.from_structures([structure], cutoff, labels=())
    return graph.reduced(find_orbits(structure, tolerance))


def site_kinds(structure: Structure) -> Integer[np.ndarray, " atom"]:
    """A number for each kind of site: of atoms the atomic number, of mixtures which one it is.

    >>> site_kinds(Structure(np.array([18]), np.zeros((1, 3))))
    array([18])
    """
    if structure.occupations is None:
        return np.asarray(structure.species)
    return np.unique(structure.occupations.round(6), axis=0, return_inverse=True)[1].ravel()


def formula_units(structure: Structure) -> int:
    """How many formula units the cell has: the largest number that divides the sites of each kind.

    >>> formula_units(Structure(np.array([8, 8, 12, 12]), np.arange(12.0).reshape(4, 3)))
    2
    """
    return int(np.gcd.reduce(np.unique(site_kinds(structure), return_counts=True)[1]))


def _rotations(
    cell: Float[np.ndarray, "3 3"],
    fractional: Float[np.ndarray, "atom 3"],
    origin: Integer[np.ndarray, " atom"],
    rotations: Integer[np.ndarray, "operation 3 3"],
    translations: Float[np.ndarray, "operation 3"],
    tolerance: float,
) -> Float[np.ndarray, "atom 3 3"] | None:
    """For each atom the Cartesian rotation of a symmetry that takes its ``origin`` there."""
    inverse = np.linalg.inv(cell.T)
    found = np.tile(np.eye(3), (len(fractional), 1, 1))
    missing = np.flatnonzero(origin != np.arange(len(fractional)))
    for rotation, translation in zip(rotations, translations, strict=True):
        if len(missing) == 0:
            break
        away = fractional[origin[missing]] @ rotation.T + translation - fractional[missing]
        distances = np.linalg.norm((away - np.round(away)) @ cell, axis=1)
        there = distances < 5 * tolerance
        found[missing[there]] = _orthogonal(cell.T @ rotation @ inverse)
        missing = missing[~there]
    return None if len(missing) else found


def _orthogonal(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The nearest orthogonal matrix: cells are symmetric only to some digits."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)

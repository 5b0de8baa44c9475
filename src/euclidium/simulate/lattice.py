"""Crystals as phonopy sees them."""

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from jaxtyping import Float, Int

from euclidium.atoms.sites import find_occupations, mixed


def lattice(
    atoms: Atoms,
    supercell: Int[np.ndarray, "3 3"],
    primitive: Float[np.ndarray, "3 3"] | None = None,
    symprec: float = 1e-5,
) -> Any:
    """The object of phonopy for a crystal and its supercell.

    The rows of ``supercell`` are its vectors in unit cells; phonopy's own matrices have vectors in
    columns, and so has ``primitive``, which without one is that of :func:`unit_cell`. Raises
    ``ValueError`` as :func:`check_crystal` does.

    >>> from ase.build import bulk
    >>> silicon = lattice(bulk("Si", cubic=True), np.eye(3, dtype=np.int64))
    >>> len(silicon.supercell), len(silicon.primitive)
    (8, 2)
    """
    from phonopy import Phonopy

    check_crystal(atoms)
    crystal, found = unit_cell(atoms, symprec)
    matrix = found if primitive is None else primitive
    return Phonopy(crystal, supercell.T, primitive_matrix=matrix, symprec=symprec)


def unit_cell(atoms: Atoms, symprec: float = 1e-5) -> tuple[Any, Float[np.ndarray, "3 3"]]:
    """A crystal as phonopy and phono3py take it, and the vectors of its primitive cell in columns.

    Masses and initial magnetic moments are kept. The primitive cell, in unit cells, is found by
    symmetry; where atoms of one element differ in mass or magnetic moment it is the whole cell.

    >>> from ase.build import bulk
    >>> unit_cell(bulk("Si", cubic=True))[1].tolist()
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    """
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import guess_primitive_matrix

    moments = atoms.get_initial_magnetic_moments()
    parts = {
        "symbols": [chemical_symbols[z] for z in atoms.numbers],
        "cell": atoms.cell.array,
        "scaled_positions": atoms.get_scaled_positions(wrap=False),
        "masses": atoms.get_masses(),
    }
    primitive = np.eye(3)
    if all(alike(atoms.numbers, values) for values in (atoms.get_masses(), moments)):
        primitive = guess_primitive_matrix(PhonopyAtoms(**parts), symprec=symprec)
    return PhonopyAtoms(**parts, magnetic_moments=moments if moments.any() else None), primitive


def check_crystal(atoms: Atoms, what: str = "phonons need") -> None:
    """Refuse what is no crystal with one atom on each site, in a right-handed cell.

    Raises ``ValueError`` with a sentence; ``what`` are its first words.

    >>> from ase.build import bulk
    >>> check_crystal(bulk("Cu"))
    """
    if not atoms.pbc.all() or len(atoms) == 0:
        raise ValueError(f"{what} a crystal, periodic along all axes: set its cell and pbc")
    occupations = find_occupations(atoms, "the crystal")
    if occupations is not None and mixed(occupations).any():
        raise ValueError(
            "this crystal has sites that elements share or that are empty in part, and forces need "
            "one atom on each: build an ordered supercell, or take euclidium phonons predict"
        )
    if np.linalg.det(atoms.cell.array) < 0:
        raise ValueError(
            "the cell of this crystal is left-handed: exchange two of its vectors, and the "
            "coordinates of the atoms along them"
        )


def atom_kinds(crystal: Any) -> Int[np.ndarray, " atom"]:
    """A number from 1 on for each kind of atom of a crystal of phonopy.

    Kinds differ in element, mass or magnetic moment.

    >>> from ase.build import bulk
    >>> salt = unit_cell(bulk("NaCl", "rocksalt", 5.64))[0]
    >>> atom_kinds(salt).tolist()
    [1, 2]
    """
    moments = crystal.magnetic_moments
    parts = [crystal.numbers, crystal.masses, *([] if moments is None else [moments])]
    rows = np.concatenate([np.reshape(part, (len(crystal), -1)) for part in parts], axis=1)
    return np.unique(rows.round(6), axis=0, return_inverse=True)[1].ravel() + 1


def mesh_options(phonopy: Any) -> dict[str, bool]:
    """How phonopy shall make meshes of wave vectors: through Γ, as others may break the symmetry.

    The space group leaves out those that follow from others, except where atoms of one element
    differ in mass, which it does not see.

    >>> from ase.build import bulk
    >>> mesh_options(lattice(bulk("Cu"), np.eye(3, dtype=np.int64)))
    {'is_gamma_center': True, 'is_mesh_symmetry': True}
    """
    crystal = phonopy.primitive
    same = alike(np.asarray(crystal.numbers), np.asarray(crystal.masses))
    return {"is_gamma_center": True, "is_mesh_symmetry": same}


def alike(numbers: Int[np.ndarray, " atom"], values: Float[np.ndarray, "atom *more"]) -> bool:
    """Whether all atoms of an element have the same value.

    >>> alike(np.array([14, 14, 8]), np.array([28.0, 29.0, 16.0]))
    False
    """
    return all(np.ptp(values[numbers == z], axis=0).max() < 1e-6 for z in np.unique(numbers))


def ase_atoms(crystal: Any) -> Atoms:
    """A crystal of phonopy as ASE atoms, periodic along all axes.

    >>> from ase.build import bulk
    >>> ase_atoms(lattice(bulk("Si"), 2 * np.eye(3, dtype=np.int64)).supercell)
    Atoms(symbols='Si16', pbc=True, cell=..., masses=...)
    """
    atoms = Atoms(crystal.symbols, crystal.positions, cell=crystal.cell, pbc=True)
    atoms.set_masses(crystal.masses)
    if crystal.magnetic_moments is not None:
        atoms.set_initial_magnetic_moments(crystal.magnetic_moments)
    return atoms

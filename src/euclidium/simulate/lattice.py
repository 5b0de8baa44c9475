"""Crystals as phonopy sees them."""

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from jaxtyping import Float, Int


def lattice(
    atoms: Atoms,
    supercell: Int[np.ndarray, "3 3"],
    primitive: Float[np.ndarray, "3 3"] | None = None,
    symprec: float = 1e-5,
) -> Any:
    """The object of phonopy for a crystal and its supercell.

    The rows of ``supercell`` are its vectors in unit cells; phonopy's own matrices have vectors in
    columns, and so has ``primitive``, which without one is found by symmetry.

    >>> from ase.build import bulk
    >>> silicon = lattice(bulk("Si", cubic=True), np.eye(3, dtype=np.int64))
    >>> len(silicon.supercell), len(silicon.primitive)
    (8, 2)
    """
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import guess_primitive_matrix

    crystal = PhonopyAtoms(
        symbols=[chemical_symbols[z] for z in atoms.numbers],
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(wrap=False),
        masses=atoms.get_masses(),
    )
    if primitive is None:
        primitive = guess_primitive_matrix(crystal, symprec=symprec)
    return Phonopy(crystal, supercell.T, primitive_matrix=primitive, symprec=symprec)


def ase_atoms(crystal: Any) -> Atoms:
    """A crystal of phonopy as ASE atoms, periodic along all axes.

    >>> from ase.build import bulk
    >>> ase_atoms(lattice(bulk("Si"), 2 * np.eye(3, dtype=np.int64)).supercell)
    Atoms(symbols='Si16', pbc=True, cell=..., masses=...)
    """
    atoms = Atoms(crystal.symbols, crystal.positions, cell=crystal.cell, pbc=True)
    atoms.set_masses(crystal.masses)
    return atoms

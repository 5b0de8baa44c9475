"""Phonons that others have computed, as a potential is compared with them."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int

from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.simulate.lattice import ase_atoms, lattice, mesh_options
from euclidium.simulate.phonons import Phonons
from euclidium.simulate.phonopy_files import _files, _phonopy
from euclidium.simulate.supercell import supercell_matrix


@dataclass(frozen=True, eq=False)
class ReferencePhonons:
    """A supercell, the primitive cell in it, and force constants or a mesh of wave vectors."""

    name: str
    structure: Structure  # the supercell
    cell_atoms: Int[np.ndarray, " row"]  # those of one primitive cell
    primitive: Float[np.ndarray, "3 3"]  # Å, rows are vectors
    masses: Float[np.ndarray, " row"]  # amu
    force_constants: Float[np.ndarray, "row atom 3 3"] | None = None  # eV/Å²
    q: Float[np.ndarray, "q 3"] | None = None  # in reciprocal vectors of the primitive cell
    weights: Float[np.ndarray, " q"] | None = None


def read_force_constants(path: str | os.PathLike[str]) -> ReferencePhonons:
    """Force constants from a file, folder or archive of phonopy, or from an archive of ours.

    A name that ends with ``.npz`` is one that ``Phonons.save`` wrote; all else is what
    ``read_phonopy`` reads: ``phonopy*.yaml``, or a folder with ``FORCE_SETS``.
    Raises ``DataError`` for what cannot be read.

    >>> read_force_constants("missing.yaml")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file or folder: missing.yaml
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    if path.suffix == ".npz":
        return _reference(Phonons.load(path)._phonopy, path.stem)
    with _files(path) as files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of phonopy, on its defaults
                return _reference(_phonopy(files, path), path.name)
        except DataError:
            raise
        except Exception as error:  # phonopy raises what a file happens to cause
            what = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{path} cannot be read by phonopy: {what[:300]}") from error


def reference_mesh(
    atoms: Atoms,
    supercell: float | Sequence[int] | np.ndarray = 8.0,
    mesh: float | Sequence[int] = 20.0,
    name: str = "a crystal",
) -> ReferencePhonons:
    """A supercell of a crystal, and the irreducible points of a mesh, for spectra to compare with.

    Both are three numbers, or a length in Å, as for ``phonons``.

    >>> from ase.build import bulk
    >>> found = reference_mesh(bulk("Si", cubic=True), (2, 2, 2), (4, 4, 4))
    >>> found.structure.n_atoms, found.cell_atoms.tolist(), len(found.q)
    (64, [0, 8], 8)
    """
    phonopy = lattice(atoms, supercell_matrix(atoms, supercell))
    n = len(phonopy.primitive)
    # only to be asked for its points
    phonopy.force_constants = np.zeros((n, len(phonopy.supercell), 3, 3))
    points = mesh if isinstance(mesh, int | float) else [int(size) for size in mesh]
    phonopy.init_mesh(points, **mesh_options(phonopy))
    weights = np.asarray(phonopy.mesh.weights, dtype=np.float64)
    return _reference(
        phonopy, name, with_constants=False, q=np.array(phonopy.mesh.qpoints), weights=weights
    )


def _reference(
    phonopy: Any,
    name: str,
    with_constants: bool = True,
    q: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> ReferencePhonons:
    """What an object of phonopy holds."""
    rows = np.array(phonopy.primitive.p2s_map, dtype=np.int64)
    constants = None
    if with_constants:
        constants = np.array(phonopy.force_constants)
        if len(constants) != len(rows):
            constants = constants[rows]
    return ReferencePhonons(
        name=name,
        structure=Structure.from_ase(ase_atoms(phonopy.supercell), keys=None),
        cell_atoms=rows,
        primitive=np.array(phonopy.primitive.cell),
        masses=np.array(phonopy.primitive.masses),
        force_constants=constants,
        q=q,
        weights=weights,
    )

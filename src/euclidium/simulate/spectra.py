"""Records for data sets, of phonons that were computed here."""

import dataclasses

import numpy as np
from ase import Atoms

from euclidium.atoms.phonon_modes import record_of_modes
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import space_group
from euclidium.simulate.dfpt import LinearResponse
from euclidium.simulate.lattice import ase_atoms, lattice, mesh_options
from euclidium.simulate.phonons import Phonons
from euclidium.units import COULOMB, THZ_TO_CM1

MESH = 60.0  # Å, density of the mesh of wave vectors


def phonon_record(
    name: str, found: Phonons | LinearResponse, split: str | None = None, **info: object
) -> PhononRecord:
    """The record of a crystal's phonons: its primitive cell, and densities of states by element.

    Of phonons by displacements all modes on a mesh of wave vectors are taken, and each belongs to
    the elements by the squares of its polarisation vector. The information holds ``method``
    (``displacements`` or ``dfpt``), the space group ``spg``, the lowest and highest frequency
    ``wmin`` and ``wmax`` and those at Γ, ``gamma`` (cm⁻¹, without a field), ``dim`` (supercell, or
    mesh of wave vectors), Born charges ``born`` and dielectric tensor ``eps`` where there are any;
    ``info`` adds to it and takes precedence.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from euclidium.simulate.phonons import phonons
    >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(8, 8, 8))
    >>> record = phonon_record("copper", copper)
    >>> round(record.heat_capacity, 1), record.info["spg"]
    (23.4, 225)
    """
    if isinstance(found, LinearResponse):
        return _of_response(found, name, split, info)
    return _of_displacements(found, name, split, info)


def _of_response(
    found: LinearResponse, name: str, split: str | None, info: dict[str, object]
) -> PhononRecord:
    dos = found.dos
    known = {
        "method": "dfpt",
        "spg": _space_group(found.atoms),
        "wmin": round(min(dos.quantile(1e-4), float(found.gamma.min())), 2),
        "wmax": round(max(dos.quantile(1 - 1e-4), float(found.gamma_along_x.max())), 2),
        "gamma": found.gamma.round(2),
        "gamma_along_x": found.gamma_along_x.round(2),
        "dim": list(found.mesh),
        **_field(found.born_charges, found.dielectric),
    }
    structure = Structure.from_ase(found.atoms, keys=None)
    return PhononRecord.of(name, structure, dos, found.partial, split, {**known, **info})


def _of_displacements(
    found: Phonons, name: str, split: str | None, info: dict[str, object]
) -> PhononRecord:
    crystal = Atoms(found.numbers, scaled_positions=found.positions, cell=found.cell, pbc=True)
    crystal.set_masses(found.masses)
    phonopy = lattice(crystal, found.supercell, found.primitive)
    phonopy.force_constants = found.force_constants
    phonopy.run_qpoints(np.zeros((1, 3)))
    gamma = np.array(phonopy.qpoints.frequencies)[0] * THZ_TO_CM1
    if found.born_charges is not None:
        phonopy.nac_params = {
            "born": found.born_charges,
            "dielectric": found.dielectric,
            "factor": COULOMB,
        }
    phonopy.run_mesh(MESH, with_eigenvectors=True, **mesh_options(phonopy))
    atoms, mesh = ase_atoms(phonopy.primitive), phonopy.mesh
    squares = np.square(np.abs(np.array(mesh.eigenvectors)))  # q, 3 atoms, mode
    shares = squares.reshape(len(squares), len(atoms), 3, -1).sum(axis=2)
    known = {
        "method": "displacements",
        "spg": _space_group(atoms),
        "gamma": gamma.round(2),
        "dim": found.supercell,
        **_field(found.born_charges, found.dielectric),
    }
    record = record_of_modes(
        name,
        Structure.from_ase(atoms, keys=None),
        np.array(mesh.frequencies) * THZ_TO_CM1,
        np.asarray(mesh.weights, dtype=np.float64),
        {s: shares[:, atoms.symbols == s].sum(axis=1) for s in sorted(set(atoms.symbols))},
        split,
        {**known, **info},
    )
    return dataclasses.replace(record, info={k: _rounded(v) for k, v in record.info.items()})


def _rounded(value: object) -> object:
    """Numbers with the digits that mean something."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.round(5)
    return round(value, 5) if isinstance(value, float) else value


def _field(born_charges: np.ndarray | None, dielectric: np.ndarray | None) -> dict[str, object]:
    """How the crystal responds to an electric field, where that is known."""
    if born_charges is None or dielectric is None:
        return {"nac": False}
    return {"nac": True, "born": born_charges.round(4), "eps": dielectric.round(4)}


def _space_group(atoms: Atoms) -> int:
    """The number of the space group."""
    crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = space_group(crystal, 1e-4)
    return 1 if found is None else int(found.number)

"""Files of electron densities: one archive of NumPy arrays that explains itself.

``header`` is JSON: the format, the convention of the coefficients, the units, the bases, and of
each record its name, charge, energy, error of the fit and information. The arrays hold the atoms
and the coefficients of all records one after another; ``atom_offset`` and ``function_offset`` say
where each begins. ``spin`` and ``forces`` have only those records that the header says so of.
"""

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from euclidium.atoms.basis import DENSITY_CONVENTION, DensityBasis
from euclidium.atoms.centers import CenteredStructure
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_orders import from_pyscf
from euclidium.atoms.embedded import embedded_file, embedded_files
from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read
from euclidium.atoms.structure import Structure

FORMAT = "euclidium-densities/1"
UNITS = {
    "positions": "angstrom",
    "cells": "angstrom",
    "coefficients": "e/bohr^1.5",
    "spin": "e/bohr^1.5",
    "exponents": "1/bohr^2",
    "energy": "eV",
    "forces": "eV/angstrom",
    "dipole": "e angstrom",
    "fit_error": "percent of the electrons",
}
ARRAYS = (
    *("species", "positions", "cells", "pbc", "atom_offset", "coefficients", "function_offset"),
    *("spin", "forces", "dipole"),
)
EMBEDDED = ("crystals", "water")
CLUSTERS = "densities.npz"  # coefficients of two parts, whose structures are files of their own
NO_PARTS = (CLUSTERS, "grids.npz", "validation-grids.npz")
JFIT = "def2-universal-jfit"


def write_densities(path: str | os.PathLike[str], records: Iterable[DensityRecord]) -> None:
    """Write densities into one ``.npz`` file, which is readable without pickle.

    Raises ``DataError`` for no records, and for information that JSON does not know.

    >>> write_densities("nothing.npz", [])
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there are no densities to write to nothing.npz
    """
    path, records = Path(path), list(records)
    if not records:
        raise DataError(f"there are no densities to write to {path}")
    arrays = _arrays(records)
    arrays["header"] = np.array(_header(records))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.npz")
    try:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_densities(path: str | os.PathLike[str]) -> list[DensityRecord]:
    """The densities that :func:`write_densities` wrote, in their order.

    Coefficients in e/bohr^1.5, lengths in Å, energies in eV. Raises ``DataError`` for a file that
    is missing, damaged or of another kind.

    >>> read_densities("nowhere.npz")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there is no file nowhere.npz
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no archive of NumPy arrays, or cut off: {error}") from error
    header = _read_header(path, arrays)
    try:
        bases = [DensityBasis.from_json(basis) for basis in header["bases"]]
        return _records(path, header["records"], bases, arrays)
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}") from error


def embedded_density_parts(root: Path | None = None) -> dict[str, tuple[str, ...]]:
    """The embedded data sets of electron densities, and the parts of each.

    >>> embedded_density_parts()["crystals"]
    ('test', 'train', 'validation')
    """
    found = {}
    for name in EMBEDDED:
        files = embedded_files(name, root)
        parts = {file.removesuffix(".npz") for file in files if file.endswith(".npz")}
        parts -= {file.removesuffix(".npz") for file in NO_PARTS}
        if CLUSTERS in files:
            parts |= {"train", "test"}
        if parts:
            found[name] = tuple(sorted(parts))
    return found


def embedded_density_file(name: str, part: str, root: Path | None = None) -> Path:
    """The path of the file that holds the densities of a part of an embedded data set.

    Raises ``DataError`` as :func:`embedded_densities` does.

    >>> embedded_density_file("crystals", "test").name, embedded_density_file("water", "test").name
    ('test.npz', 'densities.npz')
    """
    files = embedded_files(name, root)
    inside = part in ("train", "test") and CLUSTERS in files
    return embedded_file(name, CLUSTERS if inside else f"{part}.npz", root)


def embedded_densities(
    name: str, part: str = "train", root: Path | None = None
) -> list[DensityRecord]:
    """The electron densities of a part of an embedded data set: ``water``, ``train`` or ``test``.

    Parts of water are ``train`` (one to four molecules), ``test`` (five and six) and larger
    clusters; those of ``crystals`` are ``train``, ``validation`` and ``test``, of valence
    electrons, smooth at the nuclei. :func:`embedded_density_parts` lists them all. Energies in eV,
    forces in eV/Å, dipoles in e·Å, the error of the fit in percent.

    Raises ``DataError`` for a set or a part that has no densities, or a file that was altered.

    >>> records = embedded_densities("water", "test")
    >>> len(records), records[0].density.structure.formula
    (16, 'H10O5')
    """
    curves = embedded_density_file(name, part, root)
    if curves.name != CLUSTERS:
        return read_densities(curves)
    found = read(embedded_file(name, f"{part}.extxyz.xz", root), labels={"dipole": "dipole"})
    structures = list(found)
    with np.load(curves, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    basis = _embedded_basis(arrays)
    names = [str(one) for one in arrays[f"{part}_id"]]
    if len(names) != len(structures):
        raise DataError(f"the densities of {name}, {part} are not those of its structures")
    offsets = arrays[f"{part}_offsets"]
    return [
        _embedded_record(
            structure,
            names[i],
            basis,
            arrays[f"{part}_coefficients"][offsets[i] : offsets[i + 1]],
            float(arrays[f"{part}_fit_error_percent"][i]),
        )
        for i, structure in enumerate(structures)
    ]


def _embedded_basis(arrays: Mapping[str, np.ndarray]) -> DensityBasis:
    """The basis and the isolated atoms of the embedded clusters."""
    shells, atoms = {}, {}
    for symbol, z in (("H", 1), ("O", 8)):
        degrees, exponents = arrays[f"{symbol}_l"], arrays[f"{symbol}_exponents"]
        shells[z] = tuple((int(l), float(a)) for l, a in zip(degrees, exponents, strict=True))
        atoms[z] = arrays[f"{symbol}_atom_coefficients"][: int((degrees == 0).sum())]
    return DensityBasis(JFIT, shells, atoms)


def _embedded_record(
    structure: Structure,
    name: str,
    basis: DensityBasis,
    coefficients: np.ndarray,
    fit_error: float,
) -> DensityRecord:
    """A record of the embedded clusters, whose coefficients are in PySCF's order."""
    labels = structure.labels
    converted = from_pyscf(coefficients, basis, structure.species)
    return DensityRecord(
        name,
        Density(structure, basis, converted),
        energy=float(labels["energy"]),
        forces=labels["forces"],
        dipole=np.asarray(labels["dipole"], dtype=float),
        fit_error=fit_error,
        info={"method": "PBE0/def2-SVP", "metric": "coulomb"},
    )


def _header(records: Sequence[DensityRecord]) -> str:
    """What is no array, as JSON."""
    bases: list[DensityBasis] = []
    entries = []
    for record in records:
        density = record.density
        if density.basis not in bases:
            bases.append(density.basis)
        entries.append(
            {
                "name": record.name,
                "basis": bases.index(density.basis),
                "charge": record.charge,
                "energy": record.energy,
                "fit_error": record.fit_error,
                "spin": density.spin is not None,
                "forces": record.forces is not None,
                "dipole": record.dipole is not None,
                "info": dict(record.info),
            }
        )
    header = {
        "format": FORMAT,
        "convention": DENSITY_CONVENTION,
        "units": UNITS,
        "bases": [basis.to_json() for basis in bases],
        "records": entries,
    }
    try:
        return json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"information of a density is no plain value: {error}") from error


def _arrays(records: Sequence[DensityRecord]) -> dict[str, np.ndarray]:
    """The arrays of all records, one record after another."""
    structures = [record.density.structure for record in records]
    mixed = next((s for s in structures if s.is_mixed), None)
    if mixed is not None:
        raise DataError(f"{mixed.origin}: a site is shared by elements, which no density can be of")
    spins = [r.density.spin for r in records if r.density.spin is not None]
    forces = [r.forces for r in records if r.forces is not None]
    dipoles = [r.dipole for r in records if r.dipole is not None]
    sizes = [len(record.density.coefficients) for record in records]
    return {
        "species": np.concatenate([s.species for s in structures]),
        "positions": np.concatenate([s.positions for s in structures]),
        "cells": np.stack([s.cell for s in structures]),
        "pbc": np.stack([s.pbc for s in structures]),
        "atom_offset": np.cumsum([0, *(s.n_atoms for s in structures)]),
        "coefficients": np.concatenate([r.density.coefficients for r in records]),
        "function_offset": np.cumsum([0, *sizes]),
        "spin": np.concatenate([np.zeros(0), *spins]),
        "forces": np.concatenate([np.zeros((0, 3)), *forces]),
        "dipole": np.array(dipoles).reshape(-1, 3),
    }


def _read_header(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The header, if the file is of this kind."""
    advice = "files of other programs are brought in with `euclidium data import`"
    missing = [name for name in ARRAYS if name not in arrays]
    if "header" not in arrays:
        raise DataError(f"{path} holds no densities in the format {FORMAT}: {advice}")
    try:
        header = json.loads(str(arrays["header"][()]))
        found = header.get("format")
    except (ValueError, AttributeError) as error:
        raise DataError(f"the header of {path} is damaged: {error}") from error
    if found != FORMAT:
        raise DataError(f"{path} has the format {found!r}, this version reads {FORMAT}: {advice}")
    if missing:
        raise DataError(f"{path} is damaged: it lacks {', '.join(missing)}")
    return header


def _records(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    bases: Sequence[DensityBasis],
    arrays: Mapping[str, np.ndarray],
) -> list[DensityRecord]:
    """The records, each with its part of the arrays."""
    rows = dict.fromkeys(("spin", "forces", "dipole"), 0)

    def take(name: str, count: int, wanted: bool) -> np.ndarray | None:
        if not wanted:
            return None
        first = rows[name]
        rows[name] += count
        return np.asarray(arrays[name][first : first + count], dtype=np.float64)

    records = []
    for i, entry in enumerate(entries):
        atoms = slice(*arrays["atom_offset"][i : i + 2].tolist())
        functions = slice(*arrays["function_offset"][i : i + 2].tolist())
        species = arrays["species"][atoms].astype(np.int64)
        kind = Structure if species.all() else CenteredStructure
        structure = kind(
            species,
            arrays["positions"][atoms].astype(np.float64),
            arrays["cells"][i].astype(np.float64),
            arrays["pbc"][i].astype(bool),
            info={"file": str(path), "frame": i, "name": entry["name"]},
        )
        coefficients = arrays["coefficients"][functions].astype(np.float64)
        spin = take("spin", len(coefficients), entry["spin"])
        dipole = take("dipole", 1, entry["dipole"])
        records.append(
            DensityRecord(
                str(entry["name"]),
                Density(structure, bases[entry["basis"]], coefficients, spin),
                int(entry["charge"]),
                entry["energy"],
                take("forces", structure.n_atoms, entry["forces"]),
                None if dipole is None else dipole[0],
                entry["fit_error"],
                entry["info"],
            )
        )
    return records

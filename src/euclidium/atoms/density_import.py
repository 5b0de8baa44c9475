"""Densities that others have computed, brought into our convention."""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.basis_file import match_atom, read_atom, read_basis
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_orders import from_pyscf, from_standard
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.plain_pickle import read_plain_pickle
from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read
from euclidium.atoms.structure import Structure
from euclidium.units import BOHR, HARTREE, HARTREE_PER_BOHR

# what goes wrong in a damaged archive
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
KEYS = ("type", "pos", "coefficients", "exponents", "norms", "rs_max")
SAMPLE = ("meta", "atom_ptr", "coef_ptr", "Z", "pos", "coef")
KNOWN = (
    "a pickle of the equivariant electron densities of Rackers (.pkl), an archive of coefficients "
    "with `meta` (.npz), or a folder with one .xyz, one basis and coefficients ALL_C/mol_0.dat, ..."
)


def import_densities(path: str | os.PathLike[str]) -> list[DensityRecord]:
    """Densities in a file or folder of another program, converted.

    Known are: **pickles** of https://github.com/JoshRackers/equivariant_electron_density (water,
    Psi4; tensors only, nothing in them is run), with exponents from the ``.gbs`` and isolated atoms
    from the ``*_s_only_*.out`` beside them; **archives** ``.npz`` of coefficients about the z axis,
    described by JSON in ``meta``; **folders** as in https://github.com/lcmd-epfl/ml-density, with
    coefficients in PySCF's order for the molecules of an ``.xyz``, a basis (``.d2k`` or ``.gbs``)
    and total charges in ``charges.dat``.

    Raises ``DataError`` for anything else, what is damaged, and electrons that do not fit.

    >>> import_densities("nowhere.pkl")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there is no file or folder nowhere.pkl
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.is_dir():
        records = _folder(path)
    elif path.suffix in (".pkl", ".pickle"):
        records = _pickle(path)
    elif path.suffix == ".npz":
        records = _archive(path)
    else:
        raise DataError(f"{path} is of no kind that is known: expected {KNOWN}")
    for record in records:
        _check_electrons(path, record)
    return records


def _check_electrons(path: Path, record: DensityRecord) -> None:
    """A wrong order, sign or basis shows in the number of electrons."""
    wanted = int(record.density.structure.species.sum()) - record.charge
    if abs(record.density.electrons - wanted) > 1e-3 * wanted:
        raise DataError(
            f"{path}: {record.name} has {record.density.electrons:.4f} electrons, expected "
            f"{wanted}: its basis, its charge or the order of its coefficients is another"
        )


# ---------------------------------------------------------------------------------- pickles


def _pickle(path: Path) -> list[DensityRecord]:
    """Rackers' pickles: coefficients of Psi4, padded, m = -l ... l, with signed norms."""
    entries = read_plain_pickle(path)
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
        raise DataError(f"{path} holds no list of dictionaries: expected {KNOWN}")
    missing = [key for key in KEYS if any(key not in entry for entry in entries)]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: expected {KNOWN}")
    try:
        basis = _basis_beside(path, entries)
        return [_entry(f"{path.stem}-{i:03d}", entry, basis) for i, entry in enumerate(entries)]
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error!r}") from error


def _slots(rs_max: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Degree and beginning of each shell among the padded coefficients."""
    slots, start = [], 0
    for count, l in rs_max:
        for _ in range(int(count)):
            slots.append((int(l), start))
            start += 2 * int(l) + 1
    return slots


def _shells_of(entry: Mapping[str, Any], atom: int) -> list[tuple[int, float, int]]:
    """Degree, exponent and beginning of the shells that an atom has."""
    exponents, norms = entry["exponents"][atom], entry["norms"][atom]
    return [
        (l, float(exponents[start]), start)
        for l, start in _slots(entry["rs_max"])
        if norms[start] != 0
    ]


def _basis_beside(path: Path, entries: Sequence[Mapping[str, Any]]) -> DensityBasis:
    """The basis of a pickle: exponents to all digits and isolated atoms, where files have them."""
    own: dict[int, tuple[tuple[int, float], ...]] = {}
    for entry in entries:
        for atom, z in enumerate(entry["type"].astype(int).tolist()):
            if z not in own:
                shells = [(l, a) for l, a, _ in _shells_of(entry, atom)]
                own[z] = tuple(sorted(shells, key=lambda shell: (shell[0], -shell[1])))
    name = "exponents of single precision"
    for found in _bases_beside(path):
        if all(z in found.shells and _same(found.of(z), shells) for z, shells in own.items()):
            name, own = found.name, {z: found.of(z) for z in own}
            break
    basis = DensityBasis(name, own)
    atoms = {
        z: match_atom(read_atom(file), basis.exponents(z)[0])
        for z, file in _atoms_beside(path, name, own).items()
    }
    return DensityBasis(name, own, atoms)


def _bases_beside(path: Path) -> Iterator[DensityBasis]:
    """The bases in files beside a pickle; one that cannot be read is another matter."""
    for file in sorted(path.parent.glob("*.gbs")):
        with contextlib.suppress(DataError):
            yield read_basis(file)


def _same(one: Sequence[tuple[int, float]], other: Sequence[tuple[int, float]]) -> bool:
    """Whether shells agree to single precision."""
    return len(one) == len(other) and all(
        l == m and abs(a - b) <= 1e-6 * b for (l, a), (m, b) in zip(one, other, strict=True)
    )


def _atoms_beside(path: Path, basis: str, elements: Mapping[int, object]) -> dict[int, Path]:
    """Files of isolated atoms, of the set if its name has theirs, else of the basis."""
    files: dict[str, dict[int, Path]] = {}
    for z in elements:
        start = f"{chemical_symbol(z).lower()}_s_only_"
        for file in path.parent.glob(f"{start}*_density.out"):
            tag = file.name.removeprefix(start).removesuffix("_density.out")
            files.setdefault(tag, {})[z] = file
    named = [tag for tag in files if tag in path.stem]
    chosen = max(named, key=len) if named else basis
    return files.get(chosen, {})


def _entry(name: str, entry: Mapping[str, Any], basis: DensityBasis) -> DensityRecord:
    """One molecule of a pickle."""
    species = entry["type"].astype(np.int64)
    parts = []
    for atom in range(len(species)):
        shells = sorted(_shells_of(entry, atom), key=lambda shell: (shell[0], -shell[1]))
        for l, _, start in shells:
            where = slice(start, start + 2 * l + 1)
            sign = np.sign(entry["norms"][atom][where])
            parts.append(sign * entry["coefficients"][atom][where].astype(np.float64))
    coefficients = from_standard(np.concatenate(parts), basis, species)
    structure = Structure(species, entry["pos"].astype(np.float64), info={"name": name})
    energy, gradient = entry.get("energy"), entry.get("forces")
    return DensityRecord(
        name,
        Density(structure, basis, coefficients),
        energy=None if energy is None else float(energy) * HARTREE,
        # what is called forces there is the gradient
        forces=None if gradient is None else -gradient.astype(np.float64) * HARTREE_PER_BOHR,
        info={"origin": "JoshRackers/equivariant_electron_density", "metric": "coulomb"},
    )


# ---------------------------------------------------------------------------------- archives


def _archive(path: Path) -> list[DensityRecord]:
    """Coefficients about the z axis, m = -l ... l, described by JSON."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        missing = [name for name in SAMPLE if name not in arrays]
        if missing:
            raise DataError(f"{path} lacks {', '.join(missing)}: expected {KNOWN}")
        meta = json.loads(str(arrays["meta"][()]))
        shells = {
            int(z): tuple((int(l), float(exponents[0])) for l, exponents, _ in own)
            for z, own in meta["basis_aux"].items()
        }
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged: {error}") from error
    basis = DensityBasis(str(meta["aux"]), shells)
    return [_row(path, arrays, i, basis, meta) for i in range(len(arrays["atom_ptr"]) - 1)]


def _row(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    i: int,
    basis: DensityBasis,
    meta: Mapping[str, object],
) -> DensityRecord:
    """One molecule of an archive."""
    atoms = slice(*arrays["atom_ptr"][i : i + 2].tolist())
    functions = slice(*arrays["coef_ptr"][i : i + 2].tolist())
    name = f"{path.stem}-{i:03d}"
    structure = Structure(
        arrays["Z"][atoms].astype(np.int64), arrays["pos"][atoms], info={"name": name}
    )

    def value(key: str, scale: float, where: int | slice = i) -> Any:
        return arrays[key][where].astype(np.float64) * scale if key in arrays else None

    energy, error = value("energy", HARTREE), value("fit_eps", 1.0)
    coefficients = from_standard(arrays["coef"][functions], basis, structure.species)
    return DensityRecord(
        name,
        Density(structure, basis, coefficients),
        energy=None if energy is None else float(energy),
        forces=value("forces", HARTREE_PER_BOHR, atoms),
        dipole=value("dipole", BOHR),
        fit_error=None if error is None else float(error),
        info={"method": f"{meta.get('xc')}/{meta.get('basis')}", "metric": str(meta.get("metric"))},
    )


# ---------------------------------------------------------------------------------- folders


def _folder(path: Path) -> list[DensityRecord]:
    """Coefficients in PySCF's order, a file a molecule."""
    frames = _only(path, lambda file: file.suffix == ".xyz", "an .xyz file")
    basis_file = _only(path, lambda file: file.suffix in (".d2k", ".gbs"), "a basis .d2k or .gbs")
    basis = read_basis(basis_file)
    structures = list(read(frames))
    charges = [0] * len(structures)
    if (path / "charges.dat").is_file():
        charges = [int(float(word)) for word in (path / "charges.dat").read_text().split()]
    if len(charges) != len(structures):
        raise DataError(f"{path} has {len(structures)} molecules but {len(charges)} charges")
    records = []
    for i, (structure, charge) in enumerate(zip(structures, charges, strict=True)):
        file = path / "ALL_C" / f"mol_{i}.dat"
        if not file.is_file():
            raise DataError(f"{path} has no coefficients {file.relative_to(path)}")
        coefficients = np.loadtxt(file, ndmin=1)
        converted = from_pyscf(coefficients, basis, structure.species)
        density = Density(structure, basis, converted)
        records.append(DensityRecord(f"{path.name}-{i:03d}", density, charge))
    return records


def _only(path: Path, wanted: Callable[[Path], bool], words: str) -> Path:
    """The one file of a kind in a folder."""
    found = [file for file in sorted(path.iterdir()) if wanted(file)]
    if len(found) != 1:
        raise DataError(f"{path} holds {len(found)} of {words}, expected one; known is {KNOWN}")
    return found[0]

"""Phonons from the files of phonopy, as people keep them and as the phonon database has them.

A file ``phonopy*.yaml`` (also ``.xz``, ``.gz``) may hold everything. A folder, or an archive of
one, holds such a file or ``POSCAR-unitcell`` with ``phonopy.conf``, and beside it ``FORCE_SETS`` or
``FORCE_CONSTANTS``, and ``BORN``. The crystals of Togo's database at Kyoto have this layout
(``phonon.yaml``, ``phonopy.conf``, ``POSCAR-unitcell``, ``FORCE_SETS``, ``BORN``), one
``.tar.lzma`` each; where it moved to, each is a zip with ``phonopy_params.yaml.xz``.
Togo and Tanaka, Scr. Mater. 108, 1 (2015), https://doi.org/10.1016/j.scriptamat.2015.07.021.
"""

import re
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from euclidium.atoms.phonon_modes import record_of_modes
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.problem import DataError
from euclidium.atoms.spectra import BROKEN, is_phonopy
from euclidium.atoms.structure import Structure
from euclidium.simulate.lattice import ase_atoms, lattice, mesh_options
from euclidium.units import COULOMB, THZ_TO_CM1

PACKED = ("", ".xz", ".gz")
YAML = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml", "phonon.yaml")
CELLS = ("POSCAR-unitcell", "POSCAR")
FILES = (*YAML, *CELLS, "phonopy.conf", "FORCE_SETS", "FORCE_CONSTANTS", "BORN")
ARCHIVES = (".tar.lzma", ".tar.xz", ".tar.gz", ".tar", ".zip")
LARGEST = 2**31  # bytes of a file in an archive
CENTRINGS = frozenset("PFIACR")


@dataclass(frozen=True)
class Cells:
    """A unit cell (of phonopy), its supercell (vectors in columns), and what else a file held."""

    unitcell: Any
    supercell: np.ndarray
    primitive: np.ndarray | None = None
    dataset: Any = None
    force_constants: Any = None
    nac: Any = None


def read_phonopy(
    path: str | Path, mesh: float | Sequence[int] = 60.0, name: str | None = None
) -> PhononRecord:
    """The phonons of a crystal from a file, folder or archive of phonopy, as a record.

    Force constants are made of the forces, and symmetrised. All modes on a ``mesh`` of wave
    vectors, three numbers or a length in Å, give the record; Born charges take part where they are
    known. The structure is the primitive cell. ``info`` has the space group ``spg``, the supercell
    ``dim``, ``mesh``, ``nac``, ``born`` (e), ``eps``, frequencies at Γ ``gamma`` (cm⁻¹, without a
    field), and what :func:`~euclidium.atoms.phonon_modes.record_of_modes` adds. Lengths in Å and
    forces in eV/Å, as of VASP, are assumed; forces of calculators with other units are refused.
    Raises ``DataError`` for files that are missing or that phonopy cannot read.

    >>> read_phonopy("missing")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file or folder: missing
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    if not is_phonopy(path):
        raise DataError(f"{path} holds no phonopy*.yaml, FORCE_SETS or FORCE_CONSTANTS")
    with _files(path) as files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of phonopy, on its defaults
                phonopy = _phonopy(files, path)
                return phonopy_record(phonopy, name or _name(path), mesh)
        except DataError:
            raise
        except Exception as error:  # phonopy raises what a file happens to cause
            what = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{path} cannot be read by phonopy: {what[:300]}") from error


def phonopy_record(
    phonopy: Any, name: str, mesh: float | Sequence[int] = 60.0, split: str | None = None
) -> PhononRecord:
    """The record of an object of phonopy that has force constants; see :func:`read_phonopy`.

    >>> from ase.build import bulk
    >>> crystal = lattice(bulk("Cu"), np.eye(3, dtype=np.int64))
    >>> crystal.force_constants = np.zeros((1, 1, 3, 3))
    >>> phonopy_record(crystal, "copper", (2, 2, 2)).mean_frequency
    0.0
    """
    phonopy.run_qpoints(np.zeros((1, 3)))
    gamma = np.array(phonopy.qpoints.frequencies)[0] * THZ_TO_CM1
    points = mesh if isinstance(mesh, float | int) else [int(n) for n in mesh]
    phonopy.run_mesh(points, with_eigenvectors=True, **mesh_options(phonopy))
    atoms, found = ase_atoms(phonopy.primitive), phonopy.mesh
    squares = np.square(np.abs(np.array(found.eigenvectors)))  # q, 3 atoms, mode
    shares = squares.reshape(len(squares), len(atoms), 3, -1).sum(axis=2)
    nac = phonopy.nac_params
    info = {
        "spg": int(phonopy.symmetry.dataset.number),
        "dim": np.array(phonopy.supercell_matrix).tolist(),
        "mesh": [int(n) for n in np.array(found.mesh_numbers)],
        "nac": nac is not None,
        "eps": None if nac is None else np.array(nac["dielectric"]),
        "born": None if nac is None else np.array(nac["born"]),
        "gamma": gamma,
    }
    return record_of_modes(
        name,
        Structure.from_ase(atoms, keys=None, info={"name": name}),
        np.array(found.frequencies) * THZ_TO_CM1,
        np.asarray(found.weights, dtype=np.float64),
        {s: shares[:, atoms.symbols == s].sum(axis=1) for s in sorted(set(atoms.symbols))},
        split,
        info,
    )


def _can_be_looked_into(path: Path) -> bool:
    """Whether a path is no broken archive."""
    try:
        is_phonopy(path)
    except DataError:
        return False
    return True


def phonopy_crystals(path: str | Path) -> Iterator[Path]:
    """The paths for :func:`read_phonopy` in a path: itself, or the entries of a folder or archive.

    Of an archive of archives, as the phonon database comes, each is unpacked for as long as it is
    looked at. Nothing is found in what holds no files of phonopy.

    >>> list(phonopy_crystals("no such folder"))
    []
    """
    path = Path(path)
    if not _can_be_looked_into(path):
        yield path  # for a reader to say what is the matter
    elif is_phonopy(path) and not (several := _several(path)):
        yield path
    elif is_phonopy(path):
        yield from several
    elif path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.is_dir() or entry.name.endswith(ARCHIVES):
                yield from phonopy_crystals(entry)
            elif not _can_be_looked_into(entry) or is_phonopy(entry):
                yield entry
    elif path.is_file() and not zipfile.is_zipfile(path) and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar, tempfile.TemporaryDirectory() as name:
            for member in tar:
                bare = PurePosixPath(member.name).name
                if bare.endswith(ARCHIVES) and (file := tar.extractfile(member)):
                    inner = Path(name, bare)
                    with inner.open("wb") as to:
                        shutil.copyfileobj(file, to)
                    if not _can_be_looked_into(inner) or is_phonopy(inner):
                        yield inner
                    inner.unlink()


def _several(path: Path) -> list[Path]:
    """The files of a folder that each hold a crystal of their own, if it has more than one."""
    if not path.is_dir() or any(_find(path, name) for name in ("FORCE_SETS", *CELLS)):
        return []
    found = [entry for entry in sorted(path.iterdir()) if entry.is_file() and is_phonopy(entry)]
    return found if len(found) > 1 else []


def _phonopy(files: Path, path: Path) -> Any:
    """The object of phonopy for a folder of files, with force constants and charges."""
    from phonopy.file_IO import parse_BORN, parse_FORCE_CONSTANTS, parse_FORCE_SETS

    cells = _cells(files, path)
    phonopy = lattice(ase_atoms(cells.unitcell), cells.supercell.T, cells.primitive)
    forces, constants = _find(files, "FORCE_SETS"), _find(files, "FORCE_CONSTANTS")
    dataset = parse_FORCE_SETS(forces) if forces else cells.dataset
    if constants or (not _has_forces(dataset) and cells.force_constants is not None):
        phonopy.force_constants = (
            parse_FORCE_CONSTANTS(constants) if constants else cells.force_constants
        )
    elif not _has_forces(dataset):
        raise DataError(f"{path} has displacements, but neither FORCE_SETS nor FORCE_CONSTANTS")
    else:
        phonopy.dataset = dataset
        phonopy.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    phonopy.symmetrize_force_constants(show_drift=False)
    born = _find(files, "BORN")
    nac = parse_BORN(phonopy.primitive, filename=born) if born else cells.nac
    if nac is not None:
        phonopy.nac_params = {**nac, "factor": nac.get("factor") or COULOMB}
    return phonopy


def _has_forces(dataset: Any) -> bool:
    if not dataset:
        return False
    return "forces" in dataset or any("forces" in one for one in dataset.get("first_atoms", ()))


def _cells(files: Path, path: Path) -> Cells:
    """The cells, from a phonopy*.yaml, or from POSCAR-unitcell and what says the supercell."""
    from phonopy.interface.phonopy_yaml import PhonopyYaml
    from phonopy.interface.vasp import read_vasp

    found = next((found for name in YAML if (found := _find(files, name))), None)
    if found is not None:
        held = PhonopyYaml()
        held.read(found)
        calculator = held.calculator or "vasp"
        if calculator != "vasp":
            raise DataError(
                f"{path} is of {calculator}, whose units may be others: convert it to eV and Å"
            )
        if held.unitcell is None or held.supercell_matrix is None:
            raise DataError(f"{found.name} of {path} has no unit cell and supercell matrix")
        matrix = held.primitive_matrix
        return Cells(
            held.unitcell,
            np.array(held.supercell_matrix),
            None if matrix is None else np.array(matrix, dtype=np.float64),
            held.dataset,
            held.force_constants,
            held.nac_params,
        )
    poscar = next((found for name in CELLS if (found := _find(files, name))), None)
    if poscar is None:
        raise DataError(f"{path} has no structure: expected phonopy*.yaml or POSCAR-unitcell")
    unitcell = read_vasp(poscar)
    settings = _settings(_find(files, "phonopy.conf"))
    if "DIM" in settings:
        return Cells(unitcell, _matrix(settings["DIM"]).round().astype(int), _primitive(settings))
    return Cells(unitcell, _supercell(_find(files, "FORCE_SETS"), len(unitcell), path))


def _settings(path: Path | None) -> dict[str, str]:
    """The tags of a phonopy.conf."""
    if path is None:
        return {}
    lines = (line.partition("#")[0].partition("=") for line in path.read_text().splitlines())
    return {key.strip().upper(): value.strip() for key, sign, value in lines if sign}


def _matrix(words: str) -> np.ndarray:
    """Three numbers, of a diagonal, or nine, also fractions."""
    parts = [word.partition("/") for word in words.split()]
    numbers = np.array([float(above) / float(below or 1) for above, _, below in parts])
    if len(numbers) not in (3, 9):
        raise DataError(f"a matrix has three or nine numbers, got {words!r}")
    return np.diag(numbers) if len(numbers) == 3 else numbers.reshape(3, 3)


def _primitive(settings: dict[str, str]) -> np.ndarray | None:
    """The primitive vectors, in columns; none where they are to be found by symmetry."""
    from phonopy.structure.cells import get_primitive_matrix

    words = next((settings[k] for k in settings if re.fullmatch(r"PRIMITIVE_AX[IE]S", k)), "AUTO")
    if words.upper() == "AUTO":
        return None
    if words.upper() in CENTRINGS:
        letter: Any = words.upper()
        return np.array(get_primitive_matrix(letter), dtype=np.float64)
    return _matrix(words)


def _supercell(forces: Path | None, n_unitcell: int, path: Path) -> np.ndarray:
    """The repetitions along three axes, equal, where the number of atoms says so."""
    if forces is not None:
        first = forces.read_text().split(maxsplit=1)[0]
        n_atoms = int(first) if first.isdigit() else 0
        repeats = round((n_atoms / n_unitcell) ** (1 / 3))
        if repeats**3 * n_unitcell == n_atoms > 0:
            return repeats * np.eye(3, dtype=int)
    raise DataError(f"{path} does not say which supercell: add phonopy_disp.yaml or phonopy.conf")


def _find(files: Path, name: str) -> Path | None:
    """A file of the folder with a name, or the only one whose name ends with it; packed or not."""
    for packed in PACKED if name.endswith(".yaml") else ("",):
        if (files / f"{name}{packed}").is_file():
            return files / f"{name}{packed}"
    found = [entry for entry in sorted(files.iterdir()) if re.fullmatch(_pattern(name), entry.name)]
    return found[0] if len(found) == 1 else None


def _pattern(name: str) -> str:
    """The names that stand for one: ``NaCl-FORCE_SETS``, ``phonopy_params_NaCl.yaml.xz``."""
    stem, dot, _ = name.partition(".yaml")
    if not dot:
        return rf".*[-_.]{re.escape(name)}" if name not in CELLS else re.escape(name)
    return rf"(.*[-_.])?{re.escape(stem)}([-_.].*)?\.yaml(\.xz|\.gz)?"


@contextmanager
def _files(path: Path) -> Iterator[Path]:
    """A folder that holds the files; of an archive only those that are needed are unpacked."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            _unpack(path, folder)
        except BROKEN as error:
            raise DataError(f"{path} cannot be unpacked: {error}") from error
        yield folder


def _unpack(path: Path, folder: Path) -> None:
    """The files of phonopy in an archive, or the file itself."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for item in packed.infolist():
                if to := _place(folder, item.filename, item.file_size):
                    to.write_bytes(packed.read(item))
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                to = _place(folder, member.name, member.size)
                if to and (file := tar.extractfile(member)):
                    to.write_bytes(file.read())
    elif to := _place(folder, path.name, path.stat().st_size):
        to.write_bytes(path.read_bytes())


def _place(folder: Path, name: str, size: int) -> Path | None:
    """Where a file of an archive goes, by its bare name; none for others than phonopy's."""
    bare = PurePosixPath(name).name
    if not any(bare == file or re.fullmatch(_pattern(file), bare) for file in FILES):
        return None
    if (folder / bare).exists():
        raise DataError(
            f"the archive holds {bare} twice: unpack it, and read one crystal at a time"
        )
    if size > LARGEST:
        raise DataError(f"{bare} has {size} bytes, which is no file of phonopy")
    return folder / bare


def _name(path: Path) -> str:
    """What a crystal is called: the file or folder without what all have."""
    name = re.sub(r"(\.(tar|lzma|xz|gz|bz2|zip|yaml))+$", "", path.name)
    name = re.sub(r"^phonopy(_params|_disp)?[-_]?|-20180417$", "", name)
    return name or path.resolve().parent.name

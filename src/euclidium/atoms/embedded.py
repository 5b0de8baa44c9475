"""Small data sets that come with the package."""

import hashlib
from importlib.resources import files
from pathlib import Path

from euclidium.atoms.phonon_folder import read_phonon_folder
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.problem import DataError, nearest
from euclidium.atoms.reader import read
from euclidium.atoms.spectra import read_phonons
from euclidium.atoms.structure import Structure

SUMS = "SHA256SUMS"
STRUCTURES = "train.extxyz.xz"
PHONONS = "phonons"
CURVES = ("structures.jsonl.xz", "dos.npz")  # of a set of phonons, which has no parts to train on


def embedded_names(root: Path | None = None) -> list[str]:
    """Names of the data sets of structures in the package, or in another folder ``root``.

    Sets without structures to train a potential on are not among them: see
    :func:`embedded_phonons` and :func:`~euclidium.atoms.density_file.embedded_densities`.

    >>> embedded_names(Path("no such folder"))
    []
    """
    return [name for name in _all_names(root) if STRUCTURES in _sums(_root(root) / name / SUMS)]


def embedded(name: str, split: str = "train", root: Path | None = None) -> list[Structure]:
    """The structures of one part of an embedded data set, such as ``silicon``, ``train``.

    Labels as their README says; eV, Å. Raises ``DataError`` for a name or a part that does not
    exist, and for a file that does not have the checksum it came with.

    >>> embedded("silicium", root=Path("no such folder"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no embedded data set 'silicium': there is none
    """
    return list(read(embedded_file(name, f"{split}.extxyz.xz", root)))


def embedded_file(name: str, file: str, root: Path | None = None) -> Path:
    """The path of a file of an embedded data set, its checksum verified.

    Raises ``DataError`` as :func:`embedded` does.

    >>> embedded_file("silicon", "README.md", root=Path("no such folder"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no embedded data set 'silicon': there is none
    """
    names = _all_names(root)
    if name not in names:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise DataError(f"no embedded data set {name!r}: {there}{nearest(name, names)}")
    folder = _root(root) / name
    sums = _sums(folder / SUMS)
    if file not in sums:
        raise DataError(
            f"embedded data set {name!r} has no file {file!r}: it has {', '.join(sums)}"
        )
    path = folder / file
    if not path.exists():
        raise DataError(f"{path} is missing: install the package again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sums[file]:
        raise DataError(f"{path} was altered or cut off: install the package again")
    return path


def embedded_files(name: str, root: Path | None = None) -> list[str]:
    """Names of the files of an embedded data set; none if there is no such set.

    >>> "train.extxyz.xz" in embedded_files("silicon")
    True
    """
    return list(_sums(_root(root) / name / SUMS)) if name in _all_names(root) else []


def embedded_phonons(method: str | None = None, root: Path | None = None) -> list[PhononRecord]:
    """The phonon densities of states in the package, of one ``method`` or all.

    ``dfpt`` are semiconductors and ionic crystals by density-functional perturbation theory;
    ``emt`` are metals and ordered alloys of a toy potential, not those of nature.
    Records have a ``split`` (train, val or test, by composition). Frequencies in cm⁻¹.

    Raises ``DataError`` for another method, and as :func:`embedded_file` does.

    >>> embedded_phonons("pencil")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no embedded phonons by 'pencil': there are dfpt, emt
    """
    structures, _ = (embedded_file(PHONONS, file, root) for file in CURVES)
    records = read_phonon_folder(structures.parent)
    methods = sorted({str(record.info.get("method")) for record in records})
    if method is None:
        return records
    if method not in methods:
        there = ", ".join(methods)
        raise DataError(
            f"no embedded phonons by {method!r}: there are {there}{nearest(method, methods)}"
        )
    return [record for record in records if record.info.get("method") == method]


def named_phonons(name: str) -> list[PhononRecord]:
    """The spectra of a file or folder, or the embedded set ``phonons`` if nothing is called so.

    Raises ``DataError`` as :func:`~euclidium.atoms.spectra.read_phonons` does.

    >>> len(named_phonons("phonons")) == len(embedded_phonons())
    True
    """
    if name == PHONONS and not Path(name).exists():
        return embedded_phonons()
    return read_phonons(name)


def _all_names(root: Path | None) -> list[str]:
    """Names of all folders with checksums."""
    root = _root(root)
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / SUMS).exists())


def _root(root: Path | None) -> Path:
    return Path(str(files("euclidium"))) / "data" if root is None else root


def _sums(path: Path) -> dict[str, str]:
    """Checksums by file, from lines ``<sha256>  <file>``."""
    lines = (line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}

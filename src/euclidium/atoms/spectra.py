"""Phonon densities of states of many crystals, read from files of several kinds."""

import bz2
import gzip
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from euclidium.atoms.phonon_documents import read_documents
from euclidium.atoms.phonon_folder import is_phonon_folder, read_phonon_folder, write_phonon_folder
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.phonon_table import is_phonon_table, read_phonon_table
from euclidium.atoms.problem import DataError, nearest

JSON = (".json", ".json.gz", ".json.xz", ".json.bz2")
PHONOPY = ("FORCE_SETS", "FORCE_CONSTANTS", "phonopy.yaml", "phonopy_params.yaml", "phonon.yaml")
UNPACK = {".gz": gzip.decompress, ".xz": lzma.decompress, ".bz2": bz2.decompress}
BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile)


def read_phonons(path: str | Path) -> list[PhononRecord]:
    """The records of a data set, whose format is detected from its contents.

    * a folder with ``structures.jsonl.xz`` and ``dos.npz``, as :func:`write_phonons` makes them;
    * JSON of JARVIS, of Petretto et al., or of pymatgen: a file, also compressed, or a folder, a
      zip or a tar of such files (:mod:`~euclidium.atoms.phonon_documents` says what is assumed);
    * the CSV of the tutorial of Chen et al. (:mod:`~euclidium.atoms.phonon_table`), or its folder.

    Frequencies in cm⁻¹, three modes for each atom. Force sets of phonopy are read by
    ``euclidium.simulate.read_phonopy``, which computes the phonons. Raises ``DataError`` for a path
    that is missing or of another format, and for data that cannot be read.

    >>> read_phonons("missing")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file or folder: missing
    """
    path = Path(path)
    if not path.exists():
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"no such file or folder: {path}{nearest(path.name, names)}")
    if is_phonon_folder(path):
        return read_phonon_folder(path)
    tables = [path] if path.is_file() else sorted(path.glob("*.csv"))
    records = [r for table in tables if is_phonon_table(table) for r in read_phonon_table(table)]
    if records:
        return records
    if is_phonopy(path):
        raise DataError(
            f"{path} holds forces for phonopy, not a density of states: read it with "
            "euclidium.simulate.read_phonopy, or convert it with euclidium data convert"
        )
    for name, content in _json_files(path):
        try:
            document = json.loads(content)
        except ValueError as error:
            raise DataError(f"{name} of {path} is not JSON: {error}") from error
        records += read_documents(document, name)
    if not records:
        raise DataError(
            f"{path} is not phonon data of a known format: expected a folder with "
            "structures.jsonl.xz and dos.npz, JSON of JARVIS, Petretto or pymatgen, or the CSV of "
            "the tutorial"
        )
    return records


def write_phonons(folder: str | Path, records: Iterable[PhononRecord]) -> Path:
    """Write records as a folder that :func:`read_phonons` reads, and return its path.

    Densities are kept on a grid of 5 cm⁻¹ with four digits; see
    :func:`~euclidium.atoms.phonon_folder.write_phonon_folder`.

    >>> write_phonons("nowhere", [])
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there are no records to write to nowhere
    """
    return write_phonon_folder(Path(folder), records)


def is_phonopy(path: str | Path) -> bool:
    """Whether a file, a folder or an archive holds what phonopy needs.

    >>> is_phonopy("no such folder")
    False
    """
    path = Path(path)
    if path.is_dir():
        names = [entry.name for entry in path.iterdir()]
    elif path.is_file() and _is_archive(path):
        names = list(_archive_names(path))
    elif path.is_file():
        names = [path.name]
    else:
        return False
    bare = {Path(name).name.removesuffix(".xz").removesuffix(".gz") for name in names}
    return any(
        name.endswith(PHONOPY) or (name.startswith("phonopy") and name.endswith(".yaml"))
        for name in bare
    )


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except BROKEN:
        return False


def _archive_names(path: Path) -> Iterator[str]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from packed.namelist()
        else:
            with tarfile.open(path) as tar:
                yield from (member.name for member in tar if member.isfile())
    except BROKEN as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from error


def _json_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the JSON files that a path is, or holds."""
    try:
        if path.is_dir():
            for entry in sorted(path.rglob("*")):
                if entry.is_file():
                    yield from _json_files(entry)
        elif path.name.endswith(JSON):
            yield path.name, _unpacked(path.name, path.read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    if name.endswith(JSON):
                        yield Path(name).name, _unpacked(name, packed.read(name))
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.name.endswith(JSON) and (file := tar.extractfile(member)):
                        yield Path(member.name).name, _unpacked(member.name, file.read())
    except BROKEN as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from error


def _unpacked(name: str, content: bytes) -> bytes:
    return UNPACK.get(Path(name).suffix, bytes)(content)

"""Phonon densities of states of many crystals, read from files of several kinds."""

from collections.abc import Iterable
from pathlib import Path

from euclidium.atoms.phonon_folder import is_phonon_folder, read_phonon_folder, write_phonon_folder
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.problem import DataError


def read_phonons(path: str | Path) -> list[PhononRecord]:
    """The records of a data set, whose format is detected from its contents.

    Frequencies in cm⁻¹, three modes for each atom. Raises ``DataError`` for a path that is missing
    or of another format, and for data that cannot be read.

    >>> read_phonons("missing")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file or folder: missing
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    if is_phonon_folder(path):
        return read_phonon_folder(path)
    raise DataError(f"{path} is not phonon data of a known format")


def write_phonons(folder: str | Path, records: Iterable[PhononRecord]) -> Path:
    """Write records as a folder that :func:`read_phonons` reads, and return its path.

    Densities are kept on a grid of 5 cm⁻¹ with four digits; see
    :func:`~euclidium.atoms.phonon_folder.write_phonon_folder`.

    >>> write_phonons("nowhere", [])
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there are no records to write to nowhere
    """
    return write_phonon_folder(Path(folder), records)

"""Databases of crystals, read one crystal at a time, from any place in them."""

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from lzma import LZMAError
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from ase.io.formats import open_with_compression

from euclidium.atoms.phonon_folder import structures_file
from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import (
    COMPRESSED,
    XYZ,
    check_file,
    parse_xyz,
    read_structures,
    xyz_frames,
)
from euclidium.atoms.sites import fractions, majority, mixed
from euclidium.atoms.structure import Structure

CRYSTALS = frozenset({".cif", ".vasp", ".poscar", ".contcar"})  # files of a folder, by their ends
POSCARS = ("POSCAR", "CONTCAR")  # and by the beginnings of their names
NAMES = ("mp_id", "material_id", "jid", "id", "name")  # where the name of a crystal may stand
READ = 1 << 20  # bytes at a time


@dataclass(frozen=True)
class Entry:
    """One crystal of a database, not read yet: where it stands, and what reads it.

    ``read()`` gives the structure, or raises ``DataError``.
    """

    place: str
    read: Callable[[], Structure]


class Database(ABC):
    """Crystals in a fixed order, in ``files`` that have names; see :func:`open_database`."""

    def __init__(self, files: Sequence[tuple[str, Path]]) -> None:
        self.files = files

    def checksum(self) -> str:
        """The SHA-256 of the names and contents of all files."""
        digest = hashlib.sha256()
        for name, path in self.files:
            digest.update(f"{name} {path.stat().st_size}\n".encode())
            with path.open("rb") as stream:
                while part := stream.read(READ):
                    digest.update(part)
        return digest.hexdigest()

    @abstractmethod
    def __len__(self) -> int:
        """How many entries there are; a stream is counted without being interpreted."""

    @abstractmethod
    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The entries from one number up to another, which is left out."""


def open_database(path: str | Path) -> Database:
    r"""A folder of crystals or a file of many, to be read in parts.

    A folder holds CIF and POSCAR files, also in folders below it; one with a file
    ``structures.jsonl.xz``, as folders of phonon densities of states have, is that file alone. A
    file is JSON lines (.jsonl; an object a line: ``lattice``, ``frac``, ``symbols``, or a pymatgen
    or JARVIS dictionary, which may stand under ``structure`` or ``atoms``), extended XYZ, an ASE
    database (.db), or what ASE reads. Text may be compressed (.gz, .xz, .bz2). Streams are never
    held in memory. Lengths in Å.

    Raises ``DataError`` for what is missing, empty, or holds no crystal.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "two.xyz")
    ...     _ = path.write_text("1\n\nAr 0 0 0\n1\n\nXx 0 0 0\n")
    ...     database = open_database(path)
    ...     len(database), [entry.place for entry in database.entries(1)]
    (2, ['frame 1 of two.xyz'])
    """
    path = Path(path)
    if path.is_dir():
        listed = structures_file(path)
        if listed is None:
            return Folder(path)
        path = listed
    check_file(path)
    suffixes = [suffix for suffix in path.suffixes if suffix not in COMPRESSED]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".jsonl", ".ndjson"):
        return Stream(path, _lines)
    if suffix in XYZ:
        return Stream(path, _frames)
    if suffix == ".db":
        return Rows(path)
    if suffix == ".json":
        return Listed(path)
    return Stream(path, _read)


class Folder(Database):
    """CIF and POSCAR files in and below a folder, in the order of their paths."""

    def __init__(self, path: Path) -> None:
        found = sorted(file for file in path.rglob("*") if _is_crystal(file))
        super().__init__([(_readable(file.relative_to(path).as_posix()), file) for file in found])
        if not found:
            raise DataError(f"the folder {path} holds no CIF or POSCAR files")

    def __len__(self) -> int:
        """How many files there are."""
        return len(self.files)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The files from one number up to another."""
        for name, file in self.files[start:stop]:
            yield Entry(name, partial(_read_file, file, name))


class Stream(Database):
    """What can only be read from its beginning; going forward does not begin anew."""

    def __init__(self, path: Path, begin: Callable[[Path], Iterator[Entry]]) -> None:
        super().__init__([(path.name, path)])
        self._begin = begin = partial(begin, path)
        self._stream, self._place = begin(), 0

    def __len__(self) -> int:
        """How many entries there are: all are passed once."""
        return self._length

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in self._begin())

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The entries from one number up to another."""
        if start < self._place:
            self._stream, self._place = self._begin(), 0
        for _ in islice(self._stream, start - self._place):
            self._place += 1
        while stop is None or self._place < stop:
            entry = next(self._stream, None)
            if entry is None:
                return
            self._place += 1
            yield entry


class Rows(Database):
    """The rows of an ASE database, in the order of their numbers."""

    def __init__(self, path: Path) -> None:
        from ase.db import connect

        super().__init__([(path.name, path)])
        self._path, self._rows = path, connect(path)

    def __len__(self) -> int:
        """How many rows there are."""
        return self._count

    @cached_property
    def _count(self) -> int:
        try:
            return int(self._rows.count())
        except Exception as error:  # of SQLite or of ASE
            raise DataError(f"{self._path} is not an ASE database: {error}") from error

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The rows from one number up to another."""
        limit = (len(self) if stop is None else min(stop, len(self))) - start
        if limit > 0:
            for row in self._rows.select(offset=start, limit=limit, include_data=False):
                place = f"row {row.id} of {self._path.name}"
                yield Entry(place, partial(_read_row, row, place, self._path.name))


class Listed(Database):
    """A JSON file with a list of crystals, or one; unlike the others it is held in memory."""

    def __init__(self, path: Path) -> None:
        super().__init__([(path.name, path)])
        self._name = path.name
        with open_with_compression(str(path)) as file:
            try:
                content = json.load(file)
            except (EOFError, LZMAError, OSError, ValueError) as error:
                raise DataError(f"{path} cannot be read as JSON: {error}") from error
        self._objects = content if isinstance(content, list) else [content]
        if not self._objects:
            raise DataError(f"{path} is an empty list, expected at least one crystal")

    def __len__(self) -> int:
        """How many crystals there are."""
        return len(self._objects)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The crystals from one number up to another."""
        last = len(self) if stop is None else min(stop, len(self))
        for n in range(start, last):
            place = f"entry {n} of {self._name}"
            info = {"file": self._name, "frame": n}
            yield Entry(place, partial(structure_of, self._objects[n], place, info))


def structure_of(
    value: object, place: str = "the crystal", info: Mapping[str, object] | None = None
) -> Structure:
    """The crystal in a JSON object of one of several kinds.

    ``lattice`` (rows, Å), ``frac`` and ``symbols``, of alloys also ``occupations`` (for each site
    the fractions by symbol); or what pymatgen writes (``lattice.matrix``,
    ``sites`` with ``species`` and ``abc``), with fractions of mixed sites; or JARVIS
    (``lattice_mat``, ``coords``, ``elements``, ``cartesian``); as such, or under ``structure`` or
    ``atoms``. A name (``mp_id``, ``material_id``, ``jid``, ``id``, ``name``) becomes
    ``info["name"]``. Raises ``DataError``, whose sentence begins with ``place``.

    >>> structure_of({"lattice": 5 * np.eye(3), "frac": [[0, 0, 0]], "symbols": ["Ar"], "id": 7})
    Structure(Ar, periodic: abc)
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{place} is {str(value)[:40]!r}, expected a JSON object with a crystal")
    inner = next((v for k in ("structure", "atoms") if isinstance(v := value.get(k), Mapping)), {})
    named = {**inner, **value}
    name = next((str(named[key]) for key in NAMES if named.get(key) is not None), None)
    words = {**(info or {}), **({} if name is None else {"name": name})}
    crystal = inner or value
    try:
        if "sites" in crystal:
            return _pymatgen(crystal, place, words)
        if "lattice_mat" in crystal:
            lattice = np.array(crystal["lattice_mat"], dtype=np.float64)
            places = np.array(crystal["coords"], dtype=np.float64)
            positions = places if crystal.get("cartesian") else places @ lattice
            return _crystal(crystal["elements"], positions, lattice, place, words)
        lattice = np.array(crystal["lattice"], dtype=np.float64)
        positions = np.array(crystal["frac"], dtype=np.float64) @ lattice
        mixed_sites = crystal.get("occupations")
        rows = None if mixed_sites is None else fractions((s.items() for s in mixed_sites), place)
        return _crystal(crystal["symbols"], positions, lattice, place, words, rows)
    except KeyError as error:
        raise DataError(
            f"{place} has no {error.args[0]!r}: a crystal has lattice, frac and symbols, "
            "or is a pymatgen or JARVIS dictionary"
        ) from None
    except DataError:
        raise
    except (TypeError, ValueError) as error:  # lists that are not arrays of numbers
        raise DataError(f"{place} cannot be read: {error}") from error


def _crystal(
    symbols: list[str],
    positions: np.ndarray,
    lattice: np.ndarray,
    place: str,
    info: Mapping[str, object],
    occupations: np.ndarray | None = None,
) -> Structure:
    if occupations is None:
        species = np.array([_number(str(symbol), place) for symbol in symbols], dtype=np.int64)
    else:
        species = majority(occupations)
    if positions.shape != (len(species), 3) or lattice.shape != (3, 3):
        raise DataError(
            f"{place} has {len(species)} elements, positions of the shape {positions.shape} and a "
            f"lattice of the shape {lattice.shape}: expected ({len(species)}, 3) and (3, 3)"
        )
    return Structure(
        species, positions, lattice, np.ones(3, dtype=bool), info=info, occupations=occupations
    )


def _pymatgen(crystal: Mapping[str, Any], place: str, info: Mapping[str, object]) -> Structure:
    """What pymatgen's ``Structure.as_dict`` gives."""
    sites, lattice = crystal["sites"], np.array(crystal["lattice"]["matrix"], dtype=np.float64)
    positions = np.array([site["abc"] for site in sites], dtype=np.float64) @ lattice
    parts = ([(part["element"], part.get("occu", 1)) for part in s["species"]] for s in sites)
    rows = fractions(parts, place)
    if not len(rows) or (not mixed(rows).any() and (rows.max(axis=1) <= 1).all()):
        symbols = [site["species"][0]["element"] for site in sites]
        return _crystal(symbols, positions, lattice, place, info)
    return _crystal([], positions, lattice, place, info, rows)


def _number(symbol: str, place: str) -> int:
    if symbol not in atomic_numbers or symbol == "X":
        raise DataError(
            f"{place} has an unknown element {symbol!r}: use chemical symbols such as 'Si' or 'O'"
        )
    return int(atomic_numbers[symbol])


def _readable(name: str) -> str:
    r"""The name of a file with escapes for bytes that are no UTF-8.

    >>> _readable("caf\udce9.cif")
    'caf\\xe9.cif'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_crystal(file: Path) -> bool:
    ends = file.suffix.lower() in CRYSTALS or file.name.startswith(POSCARS)
    return ends and not file.name.startswith(".") and file.is_file()


def _lines(path: Path) -> Iterator[Entry]:
    """The lines of a file of JSON lines; empty ones are nothing."""
    number = 0
    try:
        with open_with_compression(str(path)) as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    place = f"line {number} of {path.name}"
                    info = {"file": path.name, "frame": number - 1}
                    yield Entry(place, partial(_parse_line, text, place, info))
    except (EOFError, LZMAError, OSError, UnicodeDecodeError) as error:
        yield _broken(f"what follows line {number} of {path.name}", error)


def _parse_line(text: str, place: str, info: Mapping[str, object]) -> Structure:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{place} is not JSON: {error}") from error
    return structure_of(value, place, info)


def _frames(path: Path) -> Iterator[Entry]:
    """The frames of an extended XYZ file."""
    number = 0
    try:
        for number, text in enumerate(xyz_frames(path), 1):
            place = f"frame {number - 1} of {path.name}"
            yield Entry(place, partial(_parse_frame, text, number - 1, path.name))
    except DataError as error:
        yield _broken(f"frame {number} of {path.name}, and what follows it", error)


def _parse_frame(text: str, number: int, name: str) -> Structure:
    atoms = parse_xyz(text, number, name)
    words = {key: value for key, value in atoms.info.items() if isinstance(value, str)}
    found = next((words[key] for key in NAMES if key in words), None)
    info = {"file": name, "frame": number, **({} if found is None else {"name": found})}
    return Structure.from_ase(atoms, None, info)


def _read(path: Path) -> Iterator[Entry]:
    """The structures of any other file that ASE reads."""
    try:
        for number, structure in enumerate(read_structures(path, keys=None)):
            yield Entry(f"frame {number} of {path.name}", lambda found=structure: found)  # type: ignore[misc]
    except DataError as error:
        yield _broken(f"what is left of {path.name}", error)


def _read_file(path: Path, name: str) -> Structure:
    """The last structure of a file."""
    found = next(read_structures(path, -1, keys=None))
    return Structure(
        found.species,
        found.positions,
        found.cell,
        found.pbc,
        info={"file": name, "frame": 0, "name": name},
        occupations=found.occupations,
    )


def _read_row(row: Any, place: str, name: str) -> Structure:
    try:
        atoms, words = row.toatoms(), row.key_value_pairs
    except Exception as error:  # of what is stored in a wrong way
        raise DataError(f"{place} cannot be read: {error}") from error
    found = next((str(words[key]) for key in NAMES if key in words), f"row {row.id}")
    return Structure.from_ase(atoms, None, {"file": name, "frame": row.id, "name": found})


def _broken(place: str, error: Exception) -> Entry:
    """An entry that cannot be read, and is therefore not passed over in silence."""
    text = " ".join(str(error).split()) or type(error).__name__
    sentence = text if isinstance(error, DataError) else f"{place} cannot be read: {text}"
    return Entry(place, partial(_raise, sentence))


def _raise(sentence: str) -> Structure:
    raise DataError(sentence)

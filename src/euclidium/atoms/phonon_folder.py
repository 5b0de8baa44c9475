"""A folder of phonon densities of states: ``structures.jsonl.xz`` and ``dos.npz``.

One JSON object a crystal, one row of arrays a crystal, in the same order. The objects hold
``mp_id`` (the name), ``symbols``, ``lattice`` (Å), ``frac``, ``occupations`` (of an alloy, the
fractions on each site by symbol), ``species`` (sorted symbols), ``dos_shape``, ``split``, and of
the modes ``wavg`` (mean frequency, cm⁻¹), ``imag_frac`` and
``cv_kB``, ``S_kB`` (for the cell, in k_B, at the temperatures ``T`` of the archive); whatever else
they hold is kept as information. In the archive, ``fine`` has the curves one after another, rows
of total and elements, in 1e-4 per cm⁻¹ at points that begin at ``fine_start_cm1`` with the pitch
``fine_pitch_cm1``, the total integrating to one; ``fine_offset`` says where each crystal begins.
``dos51`` has the same rows on 0, 20, ... 1000 cm⁻¹, with ``dos51_offset``.
"""

import io
import json
import lzma
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from euclidium.atoms.dos import SHARPEST, PhononDOS, smoothing
from euclidium.atoms.phonon_record import (
    GRID51,
    PITCH,
    ROOM,
    TEMPERATURES,
    WIDTH,
    WIDTH51,
    PhononRecord,
    last_maximum,
)
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import fractions
from euclidium.atoms.structure import Structure
from euclidium.units import GAS_CONSTANT

STRUCTURES = "structures.jsonl.xz"
CURVES = "dos.npz"
START = -300.0  # cm⁻¹, where the fine curves begin
UNIT = 1e-4  # per cm⁻¹
# what a record says itself, and the bookkeeping of rows
OWN = frozenset(
    {"mp_id", "symbols", "lattice", "frac", "nat", "species", "split"}
    | {"occupations", "dos_shape", "row", "imag_frac", "wavg"}
)


def is_phonon_folder(path: Path) -> bool:
    """Whether a folder has the two files.

    >>> is_phonon_folder(Path("no such folder"))
    False
    """
    return (path / CURVES).is_file() and structures_file(path) is not None


def structures_file(folder: Path) -> Path | None:
    """The file of a folder's crystals, compressed or not, or None.

    >>> structures_file(Path("no such folder"))
    """
    names = (STRUCTURES, STRUCTURES.removesuffix(".xz"))
    return next((path for name in names if (path := folder / name).is_file()), None)


def read_phonon_folder(folder: Path) -> list[PhononRecord]:
    """All records of a folder of phonon densities of states.

    Total and elements are scaled by one factor, so that the total has three modes for each atom.
    Raises ``DataError`` for a file that is missing, cut off, or does not fit the other.

    >>> read_phonon_folder(Path("no such folder"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such folder has no structures.jsonl.xz and dos.npz
    """
    crystals = structures_file(folder)
    if crystals is None or not is_phonon_folder(folder):
        raise DataError(f"{folder} has no {STRUCTURES} and {CURVES}")
    arrays = _arrays(folder / CURVES)
    offsets, offsets51 = arrays["fine_offset"], arrays["dos51_offset"]
    start, pitch = float(arrays["fine_start_cm1"]), float(arrays["fine_pitch_cm1"])
    width = float(arrays["fine_sigma_cm1"])
    longest = int(np.diff(offsets).max(initial=0))
    edges = start + pitch * (np.arange(longest + 1) - 0.5)  # one array, of which all have a part
    records: list[PhononRecord] = []
    rows = _rows(crystals)
    for k, row in enumerate(rows):
        try:
            fine = arrays["fine"][offsets[k] : offsets[k + 1]]
            curves = fine.reshape(row["dos_shape"]).astype(np.float64)
            dos51 = arrays["dos51"][offsets51[k]].astype(np.float64)
            records.append(_record(row, curves, edges, dos51, arrays["T"], width))
        except (DataError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"crystal {k} of {folder} cannot be read: {error}") from error
    if not len(records) == len(offsets) - 1 == len(offsets51) - 1:
        raise DataError(
            f"{folder} has {len(records)} structures, but curves of {len(offsets) - 1}: "
            "the two files do not belong together"
        )
    return records


def write_phonon_folder(folder: Path, records: Iterable[PhononRecord]) -> Path:
    """Write records as a folder that :func:`read_phonon_folder` reads; the folder may be new.

    A density of Gaussians of 6 cm⁻¹ on intervals of 5 cm⁻¹ around multiples of 5 cm⁻¹ is stored as
    it is, any other is smoothed to this width, to four digits. Raises ``DataError`` if there are no
    records.

    >>> from tempfile import TemporaryDirectory
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS(np.array([0.0, 30.0, 60.0]), np.array([1.0, 2.0]))
    >>> with TemporaryDirectory() as name:
    ...     folder = write_phonon_folder(Path(name), [PhononRecord.of("argon", argon, dos)])
    ...     [record.name for record in read_phonon_folder(folder)]
    ['argon']
    """
    records = list(records)
    if not records:
        raise DataError(f"there are no records to write to {folder}")
    lowest = min(float(r.dos.edges[0]) - (0 if _on_grid(r.dos) else 3 * WIDTH) for r in records)
    start = min(START, PITCH * np.floor(lowest / PITCH + 0.5))
    fine: list[np.ndarray] = []
    coarse: list[np.ndarray] = []
    lines = []
    for k, record in enumerate(records):
        curves = _curves(record, start)
        fine.append((curves / 3 / UNIT).astype(np.float16))
        coarse.append(_curves51(record).astype(np.float32))
        lines.append(json.dumps(_row(record, k, curves.shape), default=_plain, allow_nan=False))
    offsets = np.cumsum([0] + [curves.size for curves in fine])
    offsets51 = np.cumsum([0] + [len(curves) for curves in coarse])
    arrays = {
        "fine": np.concatenate([curves.ravel() for curves in fine]),
        "fine_offset": offsets.astype(np.int64),
        "fine_start_cm1": np.array(start),
        "fine_pitch_cm1": np.array(PITCH),
        "fine_sigma_cm1": np.array(WIDTH),
        "dos51": np.concatenate(coarse),
        "dos51_offset": offsets51.astype(np.int32),
        "grid51_cm1": GRID51,
        "dos51_sigma_cm1": np.array(WIDTH51),
        "unit": np.array("1e-4 per cm-1, total integrates to 1; row 0 the total, then species"),
        "T": TEMPERATURES,
    }
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    _write(folder / CURVES, buffer.getvalue())
    _write(folder / STRUCTURES, lzma.compress("".join(f"{line}\n" for line in lines).encode()))
    return folder


def _arrays(path: Path) -> dict[str, np.ndarray]:
    needed = ("fine", "fine_offset", "fine_start_cm1", "fine_pitch_cm1", "fine_sigma_cm1")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in (*needed, "dos51", "dos51_offset", "T")}
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of the JSON lines, also compressed."""
    number = 0
    try:
        with cast(TextIO, lzma.open(path, "rt") if path.suffix == ".xz" else path.open()) as file:
            for line in file:
                number += 1
                yield json.loads(line)
    except (lzma.LZMAError, EOFError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read after line {number}: {error}") from error


def _record(
    row: Mapping[str, Any],
    curves: np.ndarray,
    edges: np.ndarray,
    dos51: np.ndarray,
    temperatures: np.ndarray,
    broadening: float,
) -> PhononRecord:
    symbols, lattice = row["symbols"], np.array(row["lattice"], dtype=np.float64)
    sites = row.get("occupations")
    structure = Structure(
        species=np.array([atomic_numbers[symbol] for symbol in symbols]),
        positions=np.array(row["frac"], dtype=np.float64) @ lattice,
        cell=lattice,
        pbc=np.ones(3, dtype=bool),
        info={"name": row["mp_id"]},
        occupations=None if sites is None else fractions((s.items() for s in sites), row["mp_id"]),
    )
    total = curves[0]
    if not total.sum() > 0:
        raise DataError(f"the density of states of {row['mp_id']} is zero everywhere")
    own = edges[: len(total) + 1]
    modes = curves * (3 / total.sum())
    room = int(np.flatnonzero(temperatures == ROOM)[0])
    return PhononRecord(
        name=row["mp_id"],
        structure=structure,
        dos=PhononDOS.of(structure, own, modes[0], broadening),
        partial=dict(zip(row["species"], modes[1:], strict=True)) if len(modes) > 1 else None,
        heat_capacity=float(row["cv_kB"][room]) * GAS_CONSTANT / len(symbols),
        mean_frequency=float(row["wavg"]),
        last_peak=last_maximum((own[1:] + own[:-1]) / 2, total),
        imaginary=float(row["imag_frac"]),
        dos51=dos51,
        split=row.get("split"),
        info={key: _array(value) for key, value in row.items() if key not in OWN},
    )


def _symbols(occupations: np.ndarray) -> list[dict[str, float]]:
    """Fractions by symbol, of each site."""
    return [{chemical_symbols[z]: row[z] for z in np.flatnonzero(row)} for row in occupations]


def _array(value: object) -> object:
    """Lists of numbers as arrays, which take less memory."""
    if not isinstance(value, list) or not value:
        return value
    array = np.array(value)
    return array if array.dtype.kind in "if" else value


def _on_grid(dos: PhononDOS) -> bool:
    """Whether a curve is as the file has it: its width, and intervals around multiples."""
    if abs(dos.broadening - WIDTH) > 1e-6:
        return False
    first = dos.centers[0]
    same = np.allclose(np.diff(dos.edges), PITCH, atol=1e-6)
    return bool(same and abs(first - PITCH * round(first / PITCH)) < 1e-6)


def _curves(record: PhononRecord, start: float) -> np.ndarray:
    """Densities (modes for each atom and cm⁻¹) at the points of the file: total, elements."""
    dos = record.dos
    partial = [record.partial[symbol] for symbol in sorted(record.partial or {})]  # type: ignore[index]
    all_modes = np.stack([dos.modes, *partial])
    if _on_grid(dos):
        before = round((float(dos.centers[0]) - start) / PITCH)
        return np.pad(all_modes / PITCH, ((0, 0), (before, 0)))
    count = int(np.ceil((dos.edges[-1] + 4 * WIDTH - start) / PITCH)) + 1
    points = start + PITCH * np.arange(count)
    missing = max(WIDTH**2 - dos.broadening**2, SHARPEST**2) ** 0.5
    return np.asarray(all_modes @ smoothing(dos.edges, points, missing).T)


def _curves51(record: PhononRecord) -> np.ndarray:
    """The coarse curves: the record's own total, elements on its scale."""
    if not record.partial:
        return record.dos51[None]
    matrix = smoothing(record.dos.edges, GRID51, WIDTH51)
    parts = [matrix @ record.partial[symbol] for symbol in sorted(record.partial)]
    reference = (matrix @ record.dos.modes).max()
    scale = record.dos51.max() / reference if reference > 0 else 1.0
    return np.stack([record.dos51, *(scale * part for part in parts)])


def _row(record: PhononRecord, k: int, shape: Sequence[int]) -> dict[str, Any]:
    structure, dos = record.structure, record.dos
    symbols = [chemical_symbols[z] for z in structure.species]
    heat = dos.heat_capacity(TEMPERATURES.astype(np.float64))
    heat[TEMPERATURES == ROOM] = record.heat_capacity
    per_cell = structure.n_atoms / GAS_CONSTANT
    computed = {
        "cv_kB": (heat * per_cell).round(5),
        "S_kB": (dos.entropy(TEMPERATURES.astype(np.float64)) * per_cell).round(5),
    }
    mixed = structure.occupations
    return {
        "mp_id": record.name,
        "symbols": symbols,
        **({} if mixed is None else {"occupations": _symbols(mixed)}),
        "lattice": structure.cell,
        "frac": structure.positions @ np.linalg.inv(structure.cell),
        "nat": structure.n_atoms,
        **computed,
        **record.info,
        "wavg": record.mean_frequency,
        "imag_frac": record.imaginary,
        "species": sorted(structure.composition if record.partial is None else record.partial),
        "row": k,
        "dos_shape": list(shape),
        "split": record.split,
    }


def _plain(value: object) -> object:
    """What JSON can hold, of NumPy's types."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: leave it out of info")


def _write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name first."""
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

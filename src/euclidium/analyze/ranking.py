"""Crystals in the order of an expression: the table that a screening ends in."""

import csv
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from euclidium.analyze.duplicates import same_distances
from euclidium.analyze.expression import Expression
from euclidium.analyze.screen import chunk_files, open_plan
from euclidium.analyze.screen_chunk import COLUMNS, DEVIATIONS, Chunk, Duplicate, Found, Refused

UNCERTAINTIES = {
    "cv300": "cv_300K_uncertainty_J_per_K_mol",
    "mean_frequency": "omega_mean_uncertainty_cm1",
    "last_peak": "last_peak_uncertainty_cm1",
}


@dataclass(frozen=True)
class Ranked:
    """A crystal in a ranking.

    ``rank`` from 1, None for what a condition excludes or what has no value; ``value`` of the
    expression with its standard deviation ``uncertainty`` (nan: not known); ``columns`` are the
    numbers of the table by their names, which hold the units.
    """

    rank: int | None
    value: float
    uncertainty: float
    crystal: Found
    columns: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Ranking:
    """All crystals of a screening in their order, and what became of the other entries.

    ``filtered`` counts what the filters left out, by their names; ``folder`` is that of the
    screening.

    >>> Ranking([], [], [], {"without": 3}, entries=3, folder=Path("found")).n_ranked
    0
    """

    crystals: Sequence[Ranked]
    duplicates: Sequence[Duplicate]
    refused: Sequence[Refused]
    filtered: Mapping[str, int]
    entries: int
    folder: Path

    @property
    def n_ranked(self) -> int:
        """How many crystals have a rank."""
        return sum(crystal.rank is not None for crystal in self.crystals)

    def spectra(
        self, n: int
    ) -> list[tuple[Float[np.ndarray, " edge"], Float[np.ndarray, " interval"]]]:
        """Edges (cm⁻¹) and modes for each atom of the first ``n`` crystals, from the folder."""
        plan = open_plan(self.folder)
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        numbers = {ranked.crystal.number for ranked in self.crystals[:n]}
        for index in sorted({number // plan.chunk for number in numbers}):
            chunk = Chunk.load(chunk_files(self.folder)[index])
            found |= {
                crystal.number: (chunk.edges, chunk.modes[row])
                for row, crystal in enumerate(chunk.found)
                if crystal.number in numbers
            }
        return [found[ranked.crystal.number] for ranked in self.crystals[:n]]


def rank(
    folder: Path, by: Expression, where: Sequence[Expression] = (), lowest: bool = False
) -> Ranking:
    """Order the crystals of a complete screening by an expression, the highest value first.

    Crystals for which a condition of ``where`` does not hold, or that have no value, stay in the
    table without a rank. Crystals that are the same, of different pieces of the screening, are
    joined: the first of the database is kept.

    Raises ``ValueError`` for a condition in the place of a number and the other way round, for
    a folder without a screening, and for a screening that is not complete.

    >>> rank(Path("nowhere"), Expression("unstable < 0.2"))
    Traceback (most recent call last):
    ValueError: 'unstable < 0.2' is a condition: rank by a number, such as cv_kg(300)
    """
    if by.is_condition:
        raise ValueError(f"{by.text!r} is a condition: rank by a number, such as cv_kg(300)")
    for condition in where:
        if not condition.is_condition:
            raise ValueError(
                f"{condition.text!r} is a number: compare it, as in {condition.text} < 1"
            )
    plan, files = open_plan(folder), chunk_files(folder)
    if len(files) != plan.n_chunks:
        raise ValueError(
            f"the screening in {folder} is not complete: {len(files)} of {plan.n_chunks} pieces "
            "are there; run it again, or wait for its other shards"
        )
    leaders: dict[str, list[tuple[int, np.ndarray]]] = {}
    rows: list[Ranked] = []
    duplicates: list[Duplicate] = []
    refused: list[Refused] = []
    filtered: dict[str, int] = {}
    for file in files:
        chunk = Chunk.load(file)
        joined = {} if plan.duplicates else _join(chunk, leaders, plan.tolerance)
        kept = [n for n, crystal in enumerate(chunk.found) if crystal.number not in joined]
        rows += [_row(chunk, n, by, where) for n in kept]
        duplicates += _duplicates(chunk, joined)
        refused += chunk.refused
        for reason, count in chunk.filtered.items():
            filtered[reason] = filtered.get(reason, 0) + count
    return Ranking(_ordered(rows, lowest), duplicates, refused, filtered, plan.entries, folder)


def write_table(ranking: Ranking, folder: Path) -> Path:
    """Write all crystals to ``results.parquet``, or to ``results.csv`` where pyarrow is missing.

    What is not known of a crystal is empty. The units stand in the names of the columns. Returns
    the file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_table(Ranking([], [], [], {}, 0, Path(folder)), Path(folder)).stem
    'results'
    """
    rows = [_flat(ranked) for ranked in ranking.crystals]
    names = list(rows[0]) if rows else ["rank", "value", "uncertainty", "number"]
    if find_spec("pyarrow") is None:
        return write_csv(folder / "results.csv", names, ([row[n] for n in names] for row in rows))
    from pyarrow import Table, parquet

    columns = {name: [row[name] for row in rows] for name in names}
    with _replacing(folder / "results.parquet") as temporary:
        parquet.write_table(Table.from_pydict(columns), temporary)
    return folder / "results.parquet"


def write_csv(path: Path, names: Sequence[str], rows: Iterator[Sequence[object]]) -> Path:
    r"""Write a table as comma-separated values, under a temporary name first; return its path.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_csv(Path(folder, "t.csv"), ["name", "gap"], iter([["Si", None]])).read_text()
    'name,gap\nSi,\n'
    """
    with (
        _replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return path


def write_lists(ranking: Ranking, folder: Path) -> tuple[Path, Path]:
    """Write ``duplicates.csv`` and ``refused.csv``: the entries that are not in the table, and why.

    Entries are numbered from 0, in the order of the database.
    """
    paths = []
    kinds: tuple[tuple[str, type, Sequence[Any]], ...] = (
        ("duplicates.csv", Duplicate, ranking.duplicates),
        ("refused.csv", Refused, ranking.refused),
    )
    for name, kind, items in kinds:
        header = [field.name for field in fields(kind)]
        rows = (list(asdict(item).values()) for item in items)
        paths.append(write_csv(folder / name, header, rows))
    return paths[0], paths[1]


def _join(
    chunk: Chunk, leaders: dict[str, list[tuple[int, np.ndarray]]], tolerance: float
) -> dict[int, int]:
    """Crystals of a chunk that are the same as an earlier one, and the number of that."""
    joined: dict[int, int] = {}
    for crystal, distances in zip(chunk.found, chunk.distances, strict=True):
        known = leaders.setdefault(crystal.key, [])
        for number, other in known:
            if same_distances(distances, other, tolerance):
                joined[crystal.number] = number
                break
        else:
            known.append((crystal.number, distances))
    return joined


def _duplicates(chunk: Chunk, joined: Mapping[int, int]) -> list[Duplicate]:
    """The duplicates of a chunk, those that were found only now among them."""
    names = {crystal.number: crystal for crystal in chunk.found}
    late = [
        Duplicate(number, names[number].name, names[number].place, same)
        for number, same in joined.items()
    ]
    early = [
        Duplicate(d.number, d.name, d.place, joined.get(d.same_as, d.same_as))
        for d in chunk.duplicates
    ]
    return sorted([*early, *late], key=lambda duplicate: duplicate.number)


def _row(chunk: Chunk, n: int, by: Expression, where: Sequence[Expression]) -> Ranked:
    """One crystal, with rank 0 if it is to have one."""
    known = chunk.properties(n)
    value = by.value(known)
    wanted = np.isfinite(value) and all(condition.holds(known) for condition in where)
    columns = dict(zip(COLUMNS, chunk.columns[n].tolist(), strict=True))
    sigmas = dict(zip(DEVIATIONS, chunk.deviations[n].tolist(), strict=True))
    columns |= {UNCERTAINTIES[name]: sigma for name, sigma in sigmas.items()}
    return Ranked(0 if wanted else None, value, by.uncertainty(known), chunk.found[n], columns)


def _ordered(rows: Sequence[Ranked], lowest: bool) -> list[Ranked]:
    """The rows in their order, with ranks; equal values stay in the order of the database."""
    sign = 1 if lowest else -1
    chosen = sorted((r for r in rows if r.rank is not None), key=lambda r: sign * r.value)
    numbered = [
        Ranked(n, r.value, r.uncertainty, r.crystal, r.columns) for n, r in enumerate(chosen, 1)
    ]
    return [*numbered, *(r for r in rows if r.rank is None)]


def _flat(ranked: Ranked) -> dict[str, object]:
    """A row of the table: what is not a number is missing."""
    crystal = ranked.crystal
    row: dict[str, object] = {
        "rank": ranked.rank,
        "value": ranked.value,
        "uncertainty": ranked.uncertainty,
        "number": crystal.number,
        "name": crystal.name,
        "place": crystal.place,
        "formula": crystal.formula,
        "space_group": crystal.space_group,
        "symbol": crystal.symbol,
        "n_atoms": crystal.n_atoms,
        **ranked.columns,
    }
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside the path, which becomes the path when all went well."""
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

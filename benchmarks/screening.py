"""Known winners: whether a screening finds the crystals that DFT puts first.

    python benchmarks/screening.py phonon-dos ../shared/data/phonons --output runs/screening

Screens the crystals of a folder of phonon data by their heat capacity at 300 K per kilogram, as
``euclidium screen`` does, and compares the order with that of the harmonic phonons of DFT: the
first 20 with their reference values; rank correlations of all crystals, of those whose composition
no shipped model has seen, and of the law of Dulong and Petit, which knows the masses alone; the
share of DFT's first 20 and 100 among the model's; and crystals per second from start to end.
``--ids`` takes a list of the Materials Project, as of Chen et al., Adv. Sci. 8, 2004214 (2021), and
screens those of them that the data have.
"""

import argparse
import csv
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from euclidium.analyze.expression import Expression
from euclidium.analyze.ranking import Ranking, rank
from euclidium.analyze.scores import spearman
from euclidium.analyze.screen import screen
from euclidium.analyze.screen_chunk import CrystalFilter
from euclidium.atoms import PhononRecord, composition_split, read_phonons
from euclidium.cli.files import replacing
from euclidium.cli.model import find_model
from euclidium.units import GAS_CONSTANT
from harness import write_json

SHOWN = 20
LARGE = 100
KILOGRAM = 1000.0  # g
IMAGINARY = 0.01  # share of modes above which a crystal is unstable


@dataclass(frozen=True)
class Winner:
    """A crystal in the order of the model: C_v in J/(K kg), and its place in the order of DFT."""

    place: int
    name: str
    formula: str
    predicted: float
    deviation: float | None
    reference: float
    place_of_reference: int
    part: str
    classical: float  # 3R for each atom, which knows the masses alone


@dataclass(frozen=True)
class Agreement:
    """How well two orders agree: Spearman's correlation, and shared crystals among the first."""

    crystals: int
    correlation: float | None
    mean_error: float | None  # J/(K kg)
    shared: dict[int, float]


def main() -> None:
    """Screen, compare, print, write."""
    arguments = parsed()
    arguments.output.mkdir(parents=True, exist_ok=True)
    records = {record.name: record for record in read_phonons(arguments.data)}
    ids = wanted_ids(arguments.ids) if arguments.ids else records.keys()
    database = arguments.output / "crystals.jsonl"
    chosen = [record for name, record in records.items() if name in ids]
    write_database(database, chosen)
    begin = time.perf_counter()
    progress = screen(
        find_model(arguments.model),
        database,
        arguments.output / "screening",
        CrystalFilter(max_atoms=arguments.max_atoms),
        workers=arguments.workers,
        device=arguments.device,
    )
    ranking = rank(arguments.output / "screening", Expression("cv_kg(300)"))
    seconds = time.perf_counter() - begin
    parts = {chosen[n].name: p for p, own in composition_split(chosen).items() for n in own}
    known = {
        name: records[name] for name in parts if records[name].imaginary <= arguments.imaginary
    }
    winners = in_order(ranking, known, parts)
    unseen = [winner for winner in winners if winner.part == "test"]
    found = {
        "all": agreement(winners),
        "compositions not seen": agreement(unseen),
        "3R an atom instead of the model": agreement(
            [replace(winner, predicted=winner.classical) for winner in winners]
        ),
    }
    print(written(winners[:SHOWN], found))
    if progress.entries:
        rate = progress.entries / seconds
        print(f"\n{progress.entries} crystals in {seconds:.0f} s: {rate:.0f} a second")
    write_json(
        arguments.output / "screening.json",
        {
            "winners": [asdict(winner) for winner in winners],
            "agreement": {name: asdict(value) for name, value in found.items()},
            "entries": progress.entries,
            "duplicates": len(ranking.duplicates),
            "refused": [asdict(refused) for refused in ranking.refused],
            "seconds": seconds,
            "workers": arguments.workers,
        },
    )


def wanted_ids(path: Path) -> set[str]:
    """The first column of a table, such as mp-149."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0].strip() for row in csv.reader(file) if row}


def write_database(path: Path, records: Sequence[PhononRecord]) -> None:
    """The crystals as JSON lines, which is what a screening reads."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for record in records:
            atoms = record.structure.to_ase()
            line = {
                "id": record.name,
                "lattice": atoms.cell.tolist(),
                "frac": atoms.get_scaled_positions().tolist(),
                "symbols": atoms.get_chemical_symbols(),
            }
            file.write(json.dumps(line) + "\n")


def in_order(
    ranking: Ranking, records: dict[str, PhononRecord], parts: dict[str, str]
) -> list[Winner]:
    """The crystals in the order of the model, each with its reference."""
    chosen = [ranked for ranked in ranking.crystals if ranked.crystal.name in records]
    references = np.array([reference(records[ranked.crystal.name]) for ranked in chosen])
    places = np.empty(len(chosen), dtype=int)
    places[np.argsort(-references, kind="stable")] = np.arange(1, len(chosen) + 1)
    return [
        Winner(
            n,
            ranked.crystal.name,
            ranked.crystal.formula,
            ranked.value,
            ranked.uncertainty if np.isfinite(ranked.uncertainty) else None,
            float(references[n - 1]),
            int(places[n - 1]),
            parts[ranked.crystal.name],
            3 * GAS_CONSTANT * KILOGRAM / mean_mass(records[ranked.crystal.name]),
        )
        for n, ranked in enumerate(chosen, 1)
    ]


def reference(record: PhononRecord) -> float:
    """C_v at 300 K of DFT's phonons, J/(K kg)."""
    return record.heat_capacity * KILOGRAM / mean_mass(record)


def mean_mass(record: PhononRecord) -> float:
    """Of an atom, amu."""
    return float(record.structure.masses.mean())


def agreement(winners: Sequence[Winner]) -> Agreement:
    """Compare the order of the model with that of the references."""
    predicted = np.array([winner.predicted for winner in winners])
    references = np.array([winner.reference for winner in winners])
    first = {
        n: len(set(np.argsort(-predicted)[:n]) & set(np.argsort(-references)[:n])) / n
        for n in (SHOWN, LARGE)
        if len(winners) >= 2 * n
    }
    error = float(np.abs(predicted - references).mean()) if len(winners) else None
    return Agreement(len(winners), spearman(predicted, references), error, first)


def written(winners: Sequence[Winner], found: dict[str, Agreement]) -> str:
    """What people read."""
    lines = ["     crystal                  C_v(300 K), J/(K kg)     DFT   its place  part"]
    for w in winners:
        sigma = "–" if w.deviation is None else f"{w.deviation:.0f}"
        lines.append(
            f"{w.place:4d} {w.formula[:14]:14s} {w.name[:10]:10s} {w.predicted:7.0f} ± {sigma:>4s}"
            f"        {w.reference:7.0f}   {w.place_of_reference:9d}  {w.part}"
        )
    for name, value in found.items():
        correlation = "–" if value.correlation is None else f"{value.correlation:.4f}"
        shared = ", ".join(f"{share:.0%} of the first {n}" for n, share in value.shared.items())
        error = "–" if value.mean_error is None else f"{value.mean_error:.1f}"
        lines.append(
            f"{name}: {value.crystals} crystals, rank correlation {correlation}, mean error "
            f"{error} J/(K kg){', ' if shared else ''}{shared}"
        )
    return "\n".join(lines)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model file of phonon spectra, or a shipped model")
    parser.add_argument("data", type=Path, help="a folder that read_phonons reads")
    parser.add_argument("--ids", type=Path, help="a table of ids: only these")
    parser.add_argument("--max-atoms", type=int, help="largest primitive cell")
    parser.add_argument(
        "--imaginary",
        type=float,
        default=IMAGINARY,
        help="compare crystals with at most this share of imaginary modes in DFT",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/screening"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()

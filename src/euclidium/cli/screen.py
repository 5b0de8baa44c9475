"""``euclidium screen``: rank the crystals of a database by a property of their vibrations."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.files import replacing
from euclidium.cli.model import find_device, find_model
from euclidium.cli.options import Device, DeviceOption, Model
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table, to_json

if TYPE_CHECKING:
    from euclidium.analyze.expression import Expression
    from euclidium.analyze.ranking import Ranked, Ranking
    from euclidium.analyze.screen import ScreeningProgress

SHOWN = 10  # rows for people in the terminal
MOST_WORKERS = 16  # unless told otherwise: each has a model of its own in memory
DATABASE = (
    "A folder of CIF or POSCAR files or of phonon densities of states, or a file: JSON lines "
    "(.jsonl), extended XYZ, an ASE database (.db), also compressed."
)
RANK = "What to rank by, the highest first: an expression such as 'cv_kg(300) / mass'."
# headings of the page beside the value, and the columns of the table that they show
HEADINGS = {
    "C_v(300 K) (J/(K mol))": "cv_300K_J_per_K_mol",
    "mean frequency (cm⁻¹)": "omega_mean_cm1",
    "last peak (cm⁻¹)": "last_peak_cm1",
    "density (g/cm³)": "density_g_per_cm3",
}
UNCERTAINTY = (
    "The number after ± is one standard deviation: propagated to first order from the model's own "
    "of the heat capacity at 300 K, the mean frequency and the last peak, as if all frequencies of "
    "a crystal were wrong by one factor, or, if that is larger, 1.5 times what the networks of the "
    "model disagree by. It says nothing of crystals unlike those that the model was trained on."
)
UNSTABLE = (
    "P(unstable) is the probability that more than a hundredth of the modes is imaginary: the heat "
    "capacity of such a crystal means little."
)

Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder for all results.", metavar="FOLDER")
]
Where = Annotated[
    list[str] | None,
    typer.Option(help="Rank only crystals for which this holds, such as 'unstable < 0.2'."),
]
Lowest = Annotated[bool, typer.Option("--lowest", help="The lowest value first.")]
Top = Annotated[int, typer.Option(min=1, help="How many crystals the page shows.")]
Elements = Annotated[
    str | None, typer.Option(metavar="SYMBOLS", help="Only crystals of these elements: Li,O,F.")
]
Containing = Annotated[
    str | None, typer.Option(metavar="SYMBOLS", help="Only crystals with all of these elements.")
]
Without = Annotated[
    str | None, typer.Option(metavar="SYMBOLS", help="No crystals with one of these elements.")
]
MaxAtoms = Annotated[
    int | None, typer.Option(min=1, help="Largest number of atoms in the primitive cell.")
]
Tolerance = Annotated[
    float, typer.Option(help="How far atoms may be off, for symmetry and for duplicates, Å.")
]
Duplicates = Annotated[
    bool, typer.Option("--duplicates", help="Keep crystals that are there more than once.")
]
Shard = Annotated[
    str, typer.Option(metavar="I/N", help="Do the Ith of N parts, on one of N machines.")
]
Chunk = Annotated[
    int, typer.Option(min=1, help="Entries that are finished at once: what a crash costs at most.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; by default one a core, one for a GPU.")
]
Anew = Annotated[
    bool, typer.Option("--force", help="Begin anew in a folder that holds another screening.")
]


def screen(
    model: Model,
    database: Annotated[Path, typer.Argument(help=DATABASE, metavar="DATABASE")],
    output: Output,
    rank: Annotated[str, typer.Option("--rank", help=RANK)] = "cv_kg(300)",
    where: Where = None,
    lowest: Lowest = False,
    top: Top = 50,
    elements: Elements = None,
    containing: Containing = None,
    without: Without = None,
    max_atoms: MaxAtoms = None,
    tolerance: Tolerance = 0.01,
    duplicates: Duplicates = False,
    shard: Shard = "1/1",
    chunk: Chunk = 128,
    workers: Workers = None,
    device: DeviceOption = Device.auto,
    force: Anew = False,
) -> Report:
    """Rank the crystals of a database by a property of their vibrations.

    Predicts the phonon density of states of each crystal that is not there twice, writes a table
    of all, a page with the first ones, and lists of duplicates and of entries that cannot be read.
    What is finished is kept: run the command again to go on after an interruption, or to rank by
    another expression without predicting again. Names in expressions: cv(T), cv_formula(T),
    cv_kg(T), cv_m3(T), entropy(T), free_energy(T), omega_mean, omega_max, last_peak, debye, zpe,
    unstable, mass, volume, density, n_atoms.

    Example: [bold]euclidium screen phonon-dos mp.jsonl -o mp --rank "cv_kg(300)" --top 50[/bold]
    """
    from euclidium.analyze.expression import Expression
    from euclidium.analyze.ranking import rank as make_ranking
    from euclidium.analyze.screen import screen as run
    from euclidium.analyze.screen_chunk import CrystalFilter

    by, conditions = Expression(rank), [Expression(text) for text in where or []]
    _check_kinds(by, conditions)
    if tolerance <= 0:
        raise ValueError(f"--tolerance is a distance above zero in Å, got {tolerance:g}")
    part, where_to = _shard(shard), find_device(device)
    wanted = CrystalFilter(_symbols(elements), _symbols(containing), _symbols(without), max_atoms)
    path = find_model(model)
    if output.exists() and not output.is_dir():
        raise ValueError(f"cannot write to {output}: it is a file, give the name of a folder")
    if force and part[1] > 1:
        raise ValueError(
            f"--force with --shard would remove what other shards do: remove {output} instead"
        )
    with bar("screening") as shown:
        progress = run(
            path,
            database,
            output,
            wanted,
            tolerance,
            duplicates,
            part,
            workers or _workers(where_to),
            chunk,
            device=where_to,
            anew=force,
            observe=lambda done, total: shown.set(done, f"{done} of {total} entries"),
        )
    if not progress.complete:
        return _part_of(progress, shard, output)
    return _finish(make_ranking(output, by, conditions, lowest), by, conditions, progress, top)


def _check_kinds(by: "Expression", conditions: "list[Expression]") -> None:
    """Numbers and conditions where they belong, before anything is computed."""
    if by.is_condition:
        raise ValueError(f"--rank {by.text!r} is a condition: rank by a number, or use --where")
    for condition in conditions:
        if not condition.is_condition:
            raise ValueError(
                f"--where {condition.text!r} is a number: compare it, as in {condition.text} < 1"
            )


def _shard(text: str) -> tuple[int, int]:
    """``3/16`` as numbers."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise ValueError(f"--shard is written as 3/16, the third of sixteen parts, got {text!r}")
    return int(match[1]), int(match[2])


def _symbols(text: str | None) -> tuple[str, ...]:
    """Chemical symbols, between commas or spaces."""
    from euclidium.atoms.elements import atomic_number

    symbols = tuple(re.split(r"[,\s]+", text.strip(", "))) if text else ()
    for symbol in symbols:
        atomic_number(symbol)  # raises for what is none
    return symbols


def _workers(device: str) -> int:
    """One process for each core that is ours; one for a GPU, which they would only share."""
    if device != "cpu":
        return 1
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(mine or 1, MOST_WORKERS)


def _part_of(progress: "ScreeningProgress", shard: str, output: Path) -> Report:
    """What to say while other shards are at work."""
    plan = progress.plan
    document = {
        "output": output,
        "complete": False,
        "shard": shard,
        "entries": plan.entries,
        "pieces": plan.n_chunks,
        "pieces_finished": progress.finished,
        "entries_now": progress.entries,
        "seconds": progress.seconds,
    }
    words = (
        f"shard {shard} is done: {progress.finished} of {plan.n_chunks} pieces are finished in "
        f"{output}; the shard that finishes last ranks all, or run this again without --shard"
    )
    return Report(document, (words,))


def _finish(
    ranking: "Ranking",
    by: "Expression",
    conditions: "list[Expression]",
    progress: "ScreeningProgress",
    top: int,
) -> Report:
    """Write the table, the lists, the page and the summary."""
    from euclidium.analyze.ranking import write_lists, write_table
    from euclidium.plot.page import write_report

    output = ranking.folder
    best = [ranked for ranked in ranking.crystals[:top] if ranked.rank is not None]
    results = write_table(ranking, output)
    duplicates, refused = write_lists(ranking, output)
    page = write_report(output / "ranking.html", _page(ranking, best, by, conditions))
    document = {
        "output": output,
        "complete": True,
        "model_sha256": progress.plan.model,
        "database": progress.plan.database,
        "rank": by.text,
        "unit": by.unit,
        "where": [condition.text for condition in conditions],
        "entries": ranking.entries,
        "crystals": len(ranking.crystals),
        "ranked": ranking.n_ranked,
        "duplicates": len(ranking.duplicates),
        "refused": len(ranking.refused),
        "filtered": ranking.filtered,
        "entries_now": progress.entries,
        "seconds": progress.seconds,
        "entries_per_second": progress.entries / progress.seconds if progress.entries else None,
        "files": {
            "results": results,
            "page": page,
            "duplicates": duplicates,
            "refused": refused,
        },
        "uncertainty": UNCERTAINTY,
        "top": [_document(ranked) for ranked in best],
    }
    with replacing(output / "summary.json") as temporary:
        temporary.write_text(to_json(document), encoding="utf-8")
    return Report(document, _view(document, best, ranking))


def _document(ranked: "Ranked") -> dict[str, Any]:
    """A crystal in the summary."""
    crystal = ranked.crystal
    return {
        "rank": ranked.rank,
        "name": crystal.name,
        "formula": crystal.formula,
        "space_group": crystal.space_group,
        "symbol": crystal.symbol,
        "value": ranked.value,
        "uncertainty": ranked.uncertainty,
        **ranked.columns,
    }


def _page(
    ranking: "Ranking",
    best: "list[Ranked]",
    by: "Expression",
    conditions: "list[Expression]",
) -> str:
    """The page with the first crystals."""
    from euclidium.plot.ranking import RankedCrystal, ranking_page

    rows = [
        RankedCrystal(
            ranked.rank or 0,
            ranked.crystal.name,
            ranked.crystal.formula,
            f"{ranked.crystal.symbol} ({ranked.crystal.space_group})",
            ranked.value,
            ranked.uncertainty,
            ranked.columns["unstable"],
            edges,
            modes,
            [ranked.columns[name] for name in HEADINGS.values()],
            ranked.crystal.place,
        )
        for ranked, (edges, modes) in zip(best, ranking.spectra(len(best)), strict=True)
    ]
    only = f" for which {' and '.join(c.text for c in conditions)}" if conditions else ""
    words = [f"The first {len(rows)} of {ranking.n_ranked} crystals{only}. {_account(ranking)}"]
    unit = f" ({by.unit})" if by.unit else ""
    paragraphs = [*words, UNCERTAINTY, UNSTABLE]
    return ranking_page(
        f"Crystals by {by.text}", rows, f"{by.text}{unit}", list(HEADINGS), paragraphs
    )


def _account(ranking: "Ranking") -> str:
    """What became of all entries, in a sentence."""
    filtered = sum(ranking.filtered.values())
    return (
        f"Of {ranking.entries} entries {filtered} were filtered out, {len(ranking.refused)} could "
        f"not be used (refused.csv says why), {len(ranking.duplicates)} were duplicates of others "
        f"(duplicates.csv), and {len(ranking.crystals)} were predicted."
    )


def _view(document: dict[str, Any], best: "list[Ranked]", ranking: "Ranking") -> tuple[Any, ...]:
    """For people: the first crystals, and where everything is."""
    rows = [
        (
            ranked.rank,
            ranked.crystal.formula,
            ranked.crystal.name,
            ranked.crystal.symbol,
            ranked.value,
            ranked.uncertainty,
            ranked.columns["unstable"],
        )
        for ranked in best[:SHOWN]
    ]
    unit = f" ({document['unit']})" if document["unit"] else ""
    header = ("", "crystal", "name", "space group", f"{document['rank']}{unit}", "±", "P(unstable)")
    files = document["files"]
    words = [_account(ranking)]
    if document["entries_per_second"]:
        words.append(
            f"{document['entries_now']} entries in {document['seconds']:.0f} s, "
            f"{document['entries_per_second']:.0f} a second"
        )
    words.append(f"page: {files['page']}; table: {files['results']}")
    if files["results"].suffix == ".csv":
        words.append(
            "the table is a CSV file: for Parquet, python -m pip install 'euclidium[screen]'"
        )
    return (table("Ranking", header, rows), *words)

"""``euclidium tour``: the main job on embedded data, from training to one HTML report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.chapter import Chapter, Tour, timed
from euclidium.cli.files import check_new
from euclidium.cli.info import versions
from euclidium.cli.options import Force
from euclidium.cli.progress import note
from euclidium.cli.report import Report, number, table
from euclidium.cli.tour_density import density
from euclidium.cli.tour_dynamics import dynamics
from euclidium.cli.tour_phonons import phonons
from euclidium.cli.tour_potential import potential
from euclidium.cli.tour_spectra import spectra

if TYPE_CHECKING:
    from euclidium.plot.page import Fact, Section

CHAPTERS: tuple[tuple[str, Callable[[Tour], Chapter]], ...] = (
    ("training a potential on silicon", potential),
    ("molecular dynamics with it", dynamics),
    ("phonons, beside the first-principles ones", phonons),
    ("spectra of crystals, straight from their atoms", spectra),
    ("electron densities of water", density),
)

TITLE = "Crystals and molecules, learned and set in motion"
SUMMARY = """
In {minutes}, on one core of this computer, `euclidium tour` trained a neural network on
first-principles calculations of silicon, tested it, let a crystal move with it, computed how the
crystal vibrates and takes up heat, predicted the spectra of others straight from their atoms, and
learned where the electrons of water are. Everything below was made by that one command.
"""
QUICK = """
This was the quick tour, with a fraction of the data and of the steps: its numbers show that
everything works, not how well.
"""
NEXT = """
The potential is in the file `{model}` beside this page. To train one on your own data, three lines
are enough; `euclidium config` shows what else can be set.
"""
COMMANDS = (
    ("`euclidium evaluate {model} silicon --plot parity.png`", "repeats the test"),
    ("`euclidium md {model} crystal.cif --supercell 3 3 3`", "moves a crystal of your own"),
    ("`euclidium phonons {model} crystal.cif`", "computes its phonons"),
    ("`euclidium phonons predict crystal.cif`", "predicts its spectrum in a second"),
    (
        "`euclidium density predict water-density water.xyz -o rho.cube`",
        "predicts the electrons of molecules of water",
    ),
    ("`euclidium info {model}`", "says how the potential was made"),
    ("`euclidium train settings.yaml`", "trains on your own data"),
)


def tour(
    output: Annotated[Path, typer.Option("--output", "-o", help="The report to write.")] = Path(
        "tour.html"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Do less of everything, to see that it works.")
    ] = False,
    force: Force = False,
) -> Report:
    """Train, simulate and see a crystal vibrate: the whole of euclidium on data it comes with.

    Takes about two minutes on one core, and writes one HTML page with figures, tables and
    explanations, and beside it the trained potential.

    Example: [bold]euclidium tour -o tour.html[/bold]
    """
    model = output.with_suffix(".euclidium")
    for path in (output, model):
        check_new(path, force)
    with one_thread():
        chapters = list(_write(Tour(model, quick)))
    return _finish(chapters, output, model, quick)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: a second gains little on small crystals, and loses much on a busy computer."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _write(plan: Tour) -> Iterator[Chapter]:
    """The chapters, one after the other, with a line about each on stderr."""
    for n, (words, write) in enumerate(CHAPTERS, 1):
        note(f"{n} of {len(CHAPTERS)}  {words}")
        chapter = timed(write, plan)
        for finding in chapter.findings:
            against = (
                "" if finding.reference is None else f" (reference {number(finding.reference)})"
            )
            note(f"        {finding.what}: {number(finding.value)} {finding.unit}{against}")
        note(f"        {chapter.seconds:.0f} s")
        yield chapter


def _finish(chapters: Sequence[Chapter], output: Path, model: Path, quick: bool) -> Report:
    """Write the report, and collect the numbers."""
    from euclidium.plot.page import report, write_report

    seconds = sum(chapter.seconds for chapter in chapters)
    facts: list[Fact] = [fact for chapter in chapters for fact in chapter.facts]
    sections = [*(chapter.section for chapter in chapters), _last_section(chapters, model)]
    summary = SUMMARY.format(minutes=_duration(seconds))
    if quick:
        summary += QUICK
    write_report(output, report(TITLE, sections, summary, facts))
    document = {
        "report": output,
        "model": model,
        "quick": quick,
        "seconds": seconds,
        **{
            chapter.name: {
                **chapter.numbers,
                "seconds": chapter.seconds,
                "cpu_seconds": chapter.cpu_seconds,
            }
            for chapter in chapters
        },
    }
    rows = [
        (finding.what, finding.value, finding.reference, finding.unit)
        for chapter in chapters
        for finding in chapter.findings
    ]
    made = table("The tour found", ("", "value", "reference", "unit"), rows)
    words = f"{_duration(seconds)}; report: {output}; potential: {model}"
    return Report(document, (made, words))


def _last_section(chapters: Sequence[Chapter], model: Path) -> "Section":
    """How long everything took, on what, and where to go from here."""
    from euclidium.plot.page import Section, Table

    rows = [(c.section.title, f"{c.seconds:.1f}", f"{c.cpu_seconds:.1f}") for c in chapters]
    times = Table(("part", "seconds", "of a core"), rows, "How long each part took.")
    used = [(name, found) for name, found in versions().items() if found is not None]
    packages = Table(("package", "version"), used, "What it was made with.")
    words = [(command.format(model=model.name), what) for command, what in COMMANDS]
    commands = Table(("command", "what it does"), words)
    text = NEXT.format(model=model.name)
    return Section("Where to go from here", text, (), (), [commands, times, packages])


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(42), _duration(95)
    ('42 seconds', '1 min 35 s')
    """
    whole = round(seconds)
    return f"{whole} seconds" if whole < 60 else f"{whole // 60} min {whole % 60} s"

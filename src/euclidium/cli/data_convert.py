"""``euclidium data convert``: phonon data of all known kinds into one folder."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.options import Force
from euclidium.cli.progress import bar, note
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    from euclidium.atoms.phonon_record import PhononRecord

SHOWN = 10  # crystals for people in the terminal

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Files, archives or folders: JSON of JARVIS, Petretto or pymatgen, the tutorial's "
        "CSV, phonopy*.yaml, FORCE_SETS with POSCAR-unitcell, archives of the phonon database, or "
        "a folder or archive of those.",
        metavar="SOURCE...",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to write.", metavar="FOLDER")
]
Mesh = Annotated[
    float,
    typer.Option(min=1.0, help="Forces: density of the mesh of wave vectors, as a length in Å."),
]


def convert(sources: Sources, output: Output, mesh: Mesh = 60.0, force: Force = False) -> Report:
    """Read phonon data of any known kind, and write it as one folder that all other verbs read.

    Of forces the phonons are computed, with phonopy. A crystal that cannot be read is reported, and
    the others go on.

    Example: [bold]euclidium data convert petretto phonopy_params.yaml.xz -o phonons[/bold]
    """
    from euclidium.atoms.phonon_folder import is_phonon_folder
    from euclidium.atoms.spectra import write_phonons

    if output.exists() and not output.is_dir():
        raise ValueError(f"cannot write to {output}: it is a file, give the name of a folder")
    if is_phonon_folder(output) and not force:
        raise ValueError(
            f"{output} holds phonon data: replace it with --force, or choose another folder"
        )
    records: list[PhononRecord] = []
    failed: dict[str, str] = {}
    with bar("crystals") as shown:
        for source in sources:
            for name, found in _read(source, mesh):
                shown.set(len(records), f"{name}, {len(records)} crystals")
                if isinstance(found, str):
                    failed[name] = found
                else:
                    records += found
    if not records:
        name = next(iter(failed), str(sources[0]))
        raise ValueError(f"no crystal could be read; {name}: {failed.get(name, 'it is empty')}")
    for name, sentence in failed.items():
        note(f"{name}: {sentence}")
    write_phonons(output, records)
    return _report(output, records, failed)


def _read(source: Path, mesh: float) -> "Iterator[tuple[str, list[PhononRecord] | str]]":
    """Names with records, or with what is the matter, of all that a source holds."""
    from euclidium.atoms.spectra import read_phonons
    from euclidium.simulate.phonopy_files import phonopy_crystals, read_phonopy

    crystals = phonopy_crystals(source) if source.exists() else iter(())
    first = next(crystals, None)
    if first is None:  # it is of another kind
        try:
            yield source.name, read_phonons(source)
        except ValueError as error:
            yield str(source), str(error)
        return
    for path in chain([first], crystals):
        try:
            yield path.name, [read_phonopy(path, mesh)]
        except ValueError as error:
            yield path.name, str(error)


def _report(output: Path, records: "Sequence[PhononRecord]", failed: dict[str, str]) -> Report:
    """How many crystals there are, and the first of them."""
    rows = [
        (r.name, r.structure.formula, r.heat_capacity, r.mean_frequency, r.last_peak, r.imaginary)
        for r in records
    ]
    columns = ("name", "formula", "C_v 300 K, J/(K mol)", "mean, cm⁻¹", "last peak", "imaginary")
    more = f"\nand {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    words = f"{output}: {len(records)} crystals" + (f", {len(failed)} failed" if failed else "")
    document = {
        "output": output,
        "crystals": len(records),
        "elements": sorted({e for r in records for e in r.structure.composition}),
        "failed": failed,
    }
    return Report(document, (table("Phonons", columns, rows[:SHOWN]), f"{words}{more}"))

"""``euclidium data make``: data sets of one's own structures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.data_density import make_density
from euclidium.cli.files import replacing
from euclidium.cli.model import find_device, find_model, open_potential
from euclidium.cli.options import Device, DeviceOption
from euclidium.cli.progress import bar, note
from euclidium.cli.report import Report, table, to_json, verb

if TYPE_CHECKING:
    from euclidium.simulate.collection import Displacement, Job, Response

SHOWN = 10  # crystals for people in the terminal
PARTS, FAILED = "parts", "failed.json"
ABINIT, TOY = "abinit", "emt"

make = typer.Typer(name="make", help="Make data sets of your own structures.")

Structures = Annotated[
    Path,
    typer.Argument(
        help="A file with crystals (extended XYZ, CIF, POSCAR, JSON lines, an ASE database), or a "
        "folder of CIF and POSCAR files.",
        metavar="STRUCTURES",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to write.", metavar="FOLDER")
]
Method = Annotated[
    str,
    typer.Option(
        help="A model file: displace atoms with its forces. abinit: density-functional "
        "perturbation theory with ABINIT. emt: a toy potential for Al, Ni, Cu, Pd, Ag, Pt, Au.",
        metavar="MODEL|abinit|emt",
    ),
]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        help="abinit: a folder of pseudopotentials, called Si.psp8 or 14si.4.hgh; may be repeated, "
        "the first that has an element counts. By default those of Debian's abinit-data.",
        metavar="FOLDER",
    ),
]


Supercell = Annotated[float, typer.Option(help="Displacements: least width of the supercell, Å.")]
Distance = Annotated[float, typer.Option(help="Displacements: how far atoms are displaced, Å.")]
Cutoff = Annotated[float, typer.Option(help="abinit: cutoff of plane waves, eV.")]
Kpoints = Annotated[
    float, typer.Option(help="abinit: the k points are those of a supercell this long, Å.")
]
Qpoints = Annotated[
    tuple[int, int, int], typer.Option(help="abinit: mesh of wave vectors.", metavar="A B C")
]
Smearing = Annotated[float, typer.Option(help="abinit: smearing of the occupation for metals, eV.")]
Relax = Annotated[bool, typer.Option("--relax/--no-relax", help="Relax atoms and cells first.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes at the same time.")]


def make_phonons(
    structures: Structures,
    output: Output,
    method: Method,
    supercell: Supercell = 11.0,
    displacement: Distance = 0.01,
    cutoff: Cutoff = 1100.0,
    kpoints: Kpoints = 16.0,
    qpoints: Qpoints = (2, 2, 2),
    smearing: Smearing = 0.0,
    pseudos: Folders = None,
    relax: Relax = True,
    workers: Workers = 1,
    device: DeviceOption = Device.cpu,
) -> Report:
    """Compute the phonon densities of states of many crystals, as data to train and test with.

    The folder is one that [bold]euclidium train[/bold] and all verbs about phonons read. Every
    crystal is kept as soon as it is done: run the command again to go on after an interruption. A
    crystal that fails is reported, and listed in failed.json, and the others go on.

    Example: [bold]euclidium data make phonons mine.xyz -o mine --method si.euclidium[/bold]
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"cannot write to {output}: it is a file, give the name of a folder")
    how = (
        _response(cutoff, kpoints, smearing, qpoints, relax, pseudos or [])
        if method == ABINIT
        else _displacement(method, supercell, displacement, relax, device)
    )
    jobs, failed = _jobs(structures, how)

    from euclidium.atoms.spectra import write_phonons
    from euclidium.simulate.collection import collect

    with bar("phonons", total=len(jobs)) as shown:

        def tell(name: str, sentence: str | None) -> None:
            shown.advance()
            if sentence is not None:
                note(f"{name}: {sentence}")

        found = collect(jobs, output / PARTS, workers, tell)
    failed |= found.failed
    if not found.records:
        name = next(iter(failed))
        raise ValueError(
            f"none of {len(failed)} crystals could be computed; {name}: {failed[name]}"
        )
    write_phonons(output, found.records)
    _note_failures(output / FAILED, failed)
    return _report(output, method, found.records, failed)


def _note_failures(path: Path, failed: dict[str, str]) -> None:
    """Write what went wrong with each crystal, or no file where nothing did."""
    if not failed:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary:
        temporary.write_text(to_json(failed) + "\n", encoding="utf-8")


def _response(
    cutoff: float,
    kpoints: float,
    smearing: float,
    qpoints: tuple[int, int, int],
    relax: bool,
    folders: Sequence[Path],
) -> "Response":
    """Linear response, if the programs are there."""
    from euclidium.simulate.abinit import find_programs
    from euclidium.simulate.collection import Response

    find_programs()
    if min(cutoff, kpoints, *qpoints) <= 0 or smearing < 0:
        raise ValueError("--cutoff, --kpoints and --qpoints are above zero, --smearing not below")
    return Response(cutoff, kpoints, smearing, qpoints, relax, folders=tuple(map(str, folders)))


def _displacement(
    method: str, supercell: float, displacement: float, relax: bool, device: Device
) -> "Displacement":
    """Displacements with a model, or with the toy."""
    from euclidium.simulate.collection import Displacement

    if min(supercell, displacement) <= 0:
        raise ValueError("--supercell and --displacement are lengths in Å above zero")
    model = TOY if method == TOY else str(find_model(method))
    if model != TOY:
        open_potential(method)  # now rather than for each crystal
    return Displacement(model, supercell, displacement, relax, find_device(device))


def _jobs(path: Path, method: "Displacement | Response") -> "tuple[list[Job], dict[str, str]]":
    """A job for each crystal that can be read, and what is wrong with the others."""
    from euclidium.atoms.database import open_database
    from euclidium.atoms.problem import DataError
    from euclidium.simulate.collection import Job

    jobs: dict[str, Job] = {}
    failed: dict[str, str] = {}
    for entry in open_database(path).entries():
        try:
            structure = entry.read()
            if structure.occupations is not None:
                raise DataError("sites are shared by several elements: build ordered cells first")
        except DataError as error:
            failed[entry.place] = str(error)
            continue
        name = str(structure.info.get("name", entry.place))
        if name in jobs or name in failed:
            name = entry.place
        jobs[name] = Job(name, structure.to_ase(), method)
    return list(jobs.values()), failed


def _report(output: Path, method: str, records: Sequence[Any], failed: dict[str, str]) -> Report:
    """How many crystals there are, what the first ones are like, and what failed."""
    rows = [
        (
            record.name,
            record.structure.formula,
            record.structure.n_atoms,
            record.mean_frequency,
            record.info["wmax"],
            record.heat_capacity,
            record.imaginary,
        )
        for record in records
    ]
    heads = ("name", "formula", "atoms", "mean/cm⁻¹", "highest/cm⁻¹", "C_v(300 K)", "imaginary")
    document = {
        "folder": output,
        "method": method,
        "crystals": [dict(zip(KEYS, row, strict=True)) for row in rows],
        "failed": failed,
    }
    title = f"Phonons of {len(rows)} crystals" + (f", first {SHOWN}" if len(rows) > SHOWN else "")
    words = [f"folder: {output}"]
    if failed:
        words.append(f"{len(failed)} failed, see {output / FAILED}")
    return Report(document, (table(title, heads, rows[:SHOWN]), *words))


KEYS = (
    "name",
    "formula",
    "n_atoms",
    "mean_frequency_cm1",
    "highest_cm1",
    "cv_300K_J_per_K_mol_atom",
    "imaginary_fraction",
)
make.command("phonons")(verb(make_phonons))
make.command("density")(verb(make_density))

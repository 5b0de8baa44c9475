"""``euclidium phonons animate``: a vibration as a moving picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.bands import (
    DisplacementOption,
    LengthOption,
    Method,
    MethodOption,
    RelaxOption,
    SupercellOption,
)
from euclidium.cli.files import check_new
from euclidium.cli.model import open_calculator
from euclidium.cli.options import Device, DeviceOption, Force, Frame, Precision
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table
from euclidium.cli.structures import open_structure

if TYPE_CHECKING:
    from euclidium.simulate.animation import Mode


ModelOrArchive = Annotated[
    str,
    typer.Argument(
        help="A model file, the folder of a training run, or an .npz file that "
        "[bold]euclidium phonons[/bold] wrote.",
        metavar="MODEL",
    ),
]
NoStructure = Annotated[
    Path | None,
    typer.Argument(help="A file with a crystal; none with an .npz.", metavar="[STRUCTURE]"),
]
Wave = Annotated[
    tuple[float, float, float],
    typer.Option("--q", help="Wave vector, in reciprocal vectors of the primitive cell."),
]
Repeat = Annotated[
    tuple[int, int, int],
    typer.Option(help="How often to repeat the cell of one wave.", metavar="A B C"),
]
AnimationFile = Annotated[
    Path,
    typer.Option("--output", "-o", help="A file .extxyz, .xyz, .xsf (VESTA) or .traj (ASE)."),
]


def animate(
    model: ModelOrArchive,
    structure: NoStructure = None,
    q: Wave = (0.0, 0.0, 0.0),
    band: Annotated[int, typer.Option(help="Which band, from 0; -1 is the highest.")] = -1,
    repeat: Repeat = (1, 1, 1),
    amplitude: Annotated[float, typer.Option(help="Largest displacement, Å.")] = 0.3,
    frames: Annotated[int, typer.Option(help="Pictures in one period.")] = 24,
    supercell: SupercellOption = None,
    length: LengthOption = 10.0,
    method: MethodOption = Method.displacement,
    displacement: DisplacementOption = 0.01,
    relax: RelaxOption = True,
    output: AnimationFile = Path("mode.extxyz"),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Write one vibration of a crystal as an animation, in a cell that holds whole waves.

    Example: [bold]euclidium phonons animate phonons.npz --q 0.5 0.5 0 --band 0[/bold]
    """
    check_new(output, force)

    from euclidium.simulate.animation import FORMATS, mode
    from euclidium.simulate.phonons import Phonons, phonons

    if output.suffix not in FORMATS:
        raise ValueError(f"an animation ends with {', '.join(FORMATS)}, got {output.name}")
    if is_archive(model, structure):
        found = Phonons.load(model)
    else:
        assert structure is not None
        crystal = open_structure(structure, frame)
        with bar("phonons") as shown:
            found = phonons(
                crystal,
                open_calculator(model, device, Precision.float64),
                supercell or length,
                method=method.value,
                displacement=displacement,
                mesh=(2, 2, 2),
                temperatures=[],
                relax=relax,
                observe=lambda n, total: shown.set(n / total, f"{n} of {total} displacements"),
            )
    seen = mode(found, q, band, repeat=repeat)
    seen.save(output, frames, amplitude)
    return _report(seen, {"file": output, "frames": frames, "amplitude_A": amplitude})


def is_archive(model: str, structure: Path | None) -> bool:
    """Whether the phonons are there already, in an .npz file with its crystal.

    Raises ``ValueError`` if there is a structure with it, and if there is none with a model.

    >>> is_archive("phonons.npz", None), is_archive("si.euclidium", Path("si.cif"))
    (True, False)
    """
    found = Path(model).suffix == ".npz"
    if found and structure is not None:
        raise ValueError(f"{model} has its crystal in it: leave {structure} away")
    if not found and structure is None:
        raise ValueError("give a model and a structure, or an .npz that euclidium phonons wrote")
    return found


def _report(seen: "Mode", files: dict[str, Any]) -> Report:
    """Which mode it is."""
    document = {
        **files,
        "q": seen.q,
        "band": seen.band,
        "frequency_THz": seen.frequency,
        "n_atoms": len(seen.numbers),
    }
    rows = [
        ("frequency", seen.frequency, "THz"),
        ("band", seen.band, ""),
        ("atoms", len(seen.numbers), ""),
        ("frames", files["frames"], ""),
    ]
    title = "Mode at q = ({:g}, {:g}, {:g})".format(*seen.q)
    words = f"animation: {files['file']}"
    return Report(document, (table(title, ("", "value", "unit"), rows), words))

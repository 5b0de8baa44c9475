"""Arguments and options that several verbs share."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Device(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(str, Enum):
    """Type of the network's numbers."""

    model = "model"
    float32 = "float32"
    float64 = "float64"


Model = Annotated[
    str,
    typer.Argument(
        help="A model file, the folder of a training run, or the name of a model of the package.",
        metavar="MODEL",
    ),
]
StructureFile = Annotated[
    Path,
    typer.Argument(
        help="A file with a crystal or a molecule: anything that ASE reads.", metavar="STRUCTURE"
    ),
]
Frame = Annotated[int, typer.Option(help="Which structure of the file; -1 is the last.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where to compute; auto takes a GPU where there is one.")
]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="Type of the network's numbers; model: as it was trained."),
]
RadialTolerance = Annotated[
    float | None,
    typer.Option(
        help="Run faster, with tables of the radial functions that are right to this share of the "
        "largest of them, for example 1e-5."
    ),
]
Supercell = Annotated[
    tuple[int, int, int],
    typer.Option(help="How often to repeat the cell along each of its vectors.", metavar="A B C"),
]

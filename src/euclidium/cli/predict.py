"""``euclidium predict``: energies, forces and stresses of structures."""

from pathlib import Path
from typing import Annotated

import typer

from euclidium.cli.files import check_new, replacing
from euclidium.cli.model import find_device, find_model, open_potential
from euclidium.cli.options import Device, DeviceOption, Force, Model, Precision, PrecisionOption
from euclidium.cli.predictions import predictions
from euclidium.cli.progress import bar
from euclidium.cli.report import Report


def predict(
    model: Model,
    structures: Annotated[
        Path,
        typer.Argument(help="A file of structures: anything that ASE reads.", metavar="STRUCTURES"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The extended XYZ file to write.")],
    force: Force = False,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.model,
) -> Report:
    """Predict energies, forces and, for crystals, stresses.

    The structures are read and written one batch at a time, so there may be any number of them.

    Example: [bold]euclidium predict si.euclidium new.xyz -o predicted.extxyz[/bold]
    """
    from euclidium.atoms.reader import read

    if output.suffix not in (".extxyz", ".xyz"):
        raise ValueError(
            f"predictions are written as extended XYZ: call the file {output.stem}.extxyz, "
            f"not {output.name}"
        )
    check_new(output, force)
    potential = open_potential(model, device, precision)
    n_structures = n_atoms = 0
    with replacing(output) as temporary, bar("predicting") as shown:
        for _, predicted in predictions(potential, read(structures)):
            predicted.to_ase().write(temporary, format="extxyz", append=True)
            n_structures, n_atoms = n_structures + 1, n_atoms + predicted.n_atoms
            shown.set(n_structures, f"{n_structures} structures predicted")
        if not n_structures:
            raise ValueError(f"{structures} has no structures")
    document = {
        "model": find_model(model),
        "structures": structures,
        "output": output,
        "n": n_structures,
        "n_atoms": n_atoms,
        "device": find_device(device),
    }
    words = f"{n_structures} structures with {n_atoms} atoms predicted"
    return Report(document, (f"{words}: {output}",))

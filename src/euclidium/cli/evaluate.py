"""``euclidium evaluate``: the errors of a model on labelled structures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from euclidium.cli.errors import error_table
from euclidium.cli.files import check_new, replacing
from euclidium.cli.model import find_model, open_model
from euclidium.cli.options import Device, DeviceOption, Force, Model, Precision, PrecisionOption
from euclidium.cli.predictions import predictions
from euclidium.cli.progress import bar
from euclidium.cli.report import Report
from euclidium.cli.structures import open_data

if TYPE_CHECKING:
    from euclidium.atoms.structure import Structure
    from euclidium.models.potential import Potential

Array = NDArray[np.float64]
# What a parity plot shows: its name, unit, and the unit of the errors.
QUANTITIES = {
    "energy": ("energy", "eV/atom", ("meV/atom", 1000.0)),
    "forces": ("force", "eV/Å", ("meV/Å", 1000.0)),
    "stress": ("stress", "eV/Å³", ("meV/Å³", 1000.0)),
}
Key = Annotated[str | None, typer.Option(help="Its name in the file, where there are several.")]


def evaluate(
    model: Model,
    data: Annotated[
        str,
        typer.Argument(
            help="A file of labelled structures, or an embedded data set.", metavar="DATA"
        ),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw predictions against labels: a .png, .pdf or .svg."),
    ] = None,
    energy_key: Key = None,
    forces_key: Key = None,
    stress_key: Key = None,
    force: Force = False,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.model,
) -> Report:
    """Measure the errors of a model: of energies, forces and stresses, and for each element.

    Of an embedded data set its test structures are taken.

    Example: [bold]euclidium evaluate si.euclidium test.xyz --plot parity.png[/bold]
    """
    from euclidium.atoms.labels import LabelKeys
    from euclidium.train.potential import evaluate as measure

    if plot is not None:
        check_new(plot, force)
    potential = open_model(model, device, precision)
    structures = list(open_data(data, LabelKeys(energy_key, forces_key, stress_key)))
    with bar(f"evaluating {len(structures)} structures"):
        metrics = measure(potential, structures)
    document = {
        "model": find_model(model),
        "data": data,
        "n": len(structures),
        **metrics.as_dict(),
    }
    view = [error_table(f"Errors on {len(structures)} structures of {data}", metrics)]
    if plot is not None:
        with replacing(plot) as temporary:
            parity_figure(potential, structures).savefig(temporary, dpi=160, facecolor="white")
        document["plot"] = plot
        view.append(f"parity: {plot}")
    return Report(document, tuple(view))


def parity_figure(model: "Potential", structures: "Sequence[Structure]", width: float = 4.2) -> Any:
    """A figure of what a model predicts against what the structures are labelled with.

    Energies are shown per atom and relative to their mean. ``width`` is that of a panel in inches.
    """
    from euclidium.plot.canvas import canvas
    from euclidium.plot.curves import parity

    pairs = list(predictions(model, structures))
    shown = [name for name in QUANTITIES if any(name in s.labels for s in structures)]
    axes = canvas(columns=len(shown), size=(width * len(shown), 0.95 * width))
    for name, axis in zip(shown, axes, strict=True):
        label, unit, error_unit = QUANTITIES[name]
        reference, predicted = _pair(name, pairs)
        parity(reference, predicted, label, unit, error_unit, axes=axis)
    return axes[0].figure


def _pair(name: str, pairs: "Sequence[tuple[Structure, Structure]]") -> "tuple[Array, Array]":
    """All labels of a kind and their predictions, as two lists of numbers."""
    columns: tuple[list[Array], list[Array]] = ([], [])
    for pair in pairs:
        if all(name in structure.labels for structure in pair):
            share = pair[0].n_atoms if name == "energy" else 1
            for column, structure in zip(columns, pair, strict=True):
                column.append(structure.labels[name].ravel() / share)
    labels, predicted = (np.concatenate(column) for column in columns)
    zero = labels.mean() if name == "energy" else 0.0
    return labels - zero, predicted - zero

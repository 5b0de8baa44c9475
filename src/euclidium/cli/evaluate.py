"""``euclidium evaluate``: the errors of a model on labelled structures, spectra or densities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from euclidium.cli.errors import error_table
from euclidium.cli.evaluate_density import of_densities
from euclidium.cli.files import check_new, replacing
from euclidium.cli.model import find_model, open_model
from euclidium.cli.options import Device, DeviceOption, Force, Model, Precision, PrecisionOption
from euclidium.cli.predictions import predictions
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table
from euclidium.cli.structures import open_data

if TYPE_CHECKING:
    from euclidium.analyze.spectra import Prediction
    from euclidium.atoms.labels import LabelKeys
    from euclidium.atoms.phonon_record import PhononRecord
    from euclidium.atoms.structure import Structure
    from euclidium.models.potential import Potential
    from euclidium.models.spectrum import Spectrum

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
            help="A file of labelled structures, a folder of phonon spectra, a file of electron "
            "densities, or the name of an embedded data set.",
            metavar="DATA",
        ),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Also draw predictions against labels: a .png, .pdf or .svg; for phonon spectra "
            "also an .html page with all figures."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of phonon spectra, only this part: train, val, or test, whose compositions no "
            "other part has.",
        ),
    ] = None,
    energy_key: Key = None,
    forces_key: Key = None,
    stress_key: Key = None,
    force: Force = False,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.model,
) -> Report:
    """Measure the errors of a model against labels.

    Of a potential: of energies, forces and stresses, and for each element; of an embedded data set
    its test structures are taken. Of a model of phonon spectra: of the curves, heat capacities,
    mean frequencies and last peaks, of the stability, and how honest the uncertainties are. Of a
    model of electron densities: ε = ∫|Δρ|/N, also of each degree, of electrons and dipoles.

    Example: [bold]euclidium evaluate si.euclidium test.xyz --plot parity.png[/bold]

    Example: [bold]euclidium evaluate phonon-dos spectra/ --plot errors.html[/bold]

    Example: [bold]euclidium evaluate water-density water --json[/bold]
    """
    from euclidium.atoms.labels import LabelKeys
    from euclidium.models.density import DensityModel
    from euclidium.models.potential import Potential

    if plot is not None:
        check_new(plot, force)
    keys = LabelKeys(energy_key, forces_key, stress_key)
    opened = open_model(model, device, precision)
    request = Request(str(find_model(model)), data, plot)
    if isinstance(opened, Potential):
        if split is not None:
            raise ValueError(f"--split chooses among phonon spectra, but {model} is a potential")
        return _of_potential(opened, request, keys)
    what = "densities" if isinstance(opened, DensityModel) else "phonon spectra"
    if keys != LabelKeys():
        raise ValueError(f"{model} predicts {what}, which have one name: leave out the keys")
    if isinstance(opened, DensityModel):
        if split is not None or plot is not None:
            raise ValueError(f"{model} predicts {what}: leave out --split and --plot")
        return of_densities(opened, model, request.model, data)
    return _of_spectra(opened, request, split)


@dataclass(frozen=True)
class Request:
    """What is measured on what, and where it is drawn."""

    model: str
    data: str
    plot: Path | None


def _of_potential(model: "Potential", request: Request, keys: "LabelKeys") -> Report:
    """Errors of energies, forces and stresses."""
    from euclidium.train.potential import evaluate as measure

    structures = list(open_data(request.data, keys))
    with bar(f"evaluating {len(structures)} structures"):
        metrics = measure(model, structures)
    document = {
        "model": request.model,
        "data": request.data,
        "n": len(structures),
        **metrics.as_dict(),
    }
    view = [error_table(f"Errors on {len(structures)} structures of {request.data}", metrics)]
    if request.plot is not None:
        with replacing(request.plot) as temporary:
            parity_figure(model, structures).savefig(temporary, dpi=160, facecolor="white")
        document["plot"] = request.plot
        view.append(f"parity: {request.plot}")
    return Report(document, tuple(view))


def _of_spectra(model: "Spectrum", request: Request, split: str | None) -> Report:
    """Errors of phonon spectra."""
    from euclidium.analyze.spectra import evaluate_spectra
    from euclidium.atoms.embedded import named_phonons
    from euclidium.cli.spectra_page import error_rows, write

    records = _part(named_phonons(request.data), split, request.data)
    with bar(f"evaluating {len(records)} crystals", total=len(records)) as shown:

        def watched() -> "Iterator[Prediction]":
            for result in model.predict(record.structure for record in records):
                shown.advance()
                yield result

        errors = evaluate_spectra(watched(), records)
    document = {"model": request.model, "data": request.data, **errors.as_dict()}
    title = f"Errors on {errors.n} crystals of {request.data}"
    columns = ("error", "all", "stable", "unit")
    view = [table(title, columns, error_rows(errors)), *errors.notes]
    if request.plot is not None:
        with replacing(request.plot) as temporary:
            write(errors, temporary, request.model, request.data)
        document["plot"] = request.plot
        view.append(f"figures: {request.plot}")
    return Report(document, tuple(view))


def _part(records: "list[PhononRecord]", split: str | None, data: str) -> "list[PhononRecord]":
    """The records of a part; raises ``ValueError`` for a part that is not there, or empty."""
    if split is None:
        return records
    from euclidium.atoms.spectra_split import composition_split

    parts = composition_split(records)
    if split not in parts or not len(parts[split]):
        sizes = ", ".join(f"{name} ({len(indices)})" for name, indices in parts.items())
        raise ValueError(f"{data} has no part {split!r}: it has {sizes}")
    return [records[n] for n in parts[split]]


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

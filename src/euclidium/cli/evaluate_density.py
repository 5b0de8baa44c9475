"""``euclidium density evaluate``, and ``euclidium evaluate`` of a model of electron densities."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.model import find_model, open_model
from euclidium.cli.options import Device, DeviceOption, Model, Precision, PrecisionOption
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    from euclidium.analyze.densities import DensityErrors
    from euclidium.atoms.density import Density, DensityRecord
    from euclidium.models.density import DensityModel


def density_evaluate(
    model: Model,
    data: Annotated[
        str,
        typer.Argument(
            help="A file of densities, ours or of a program that `data import` knows, or embedded "
            "ones: 'water' or 'crystals' for their tests, or a part such as 'water/large'.",
            metavar="DATA",
        ),
    ],
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.model,
) -> Report:
    """Measure the errors of predicted densities against labels.

    ε = 100 ∫|Δρ| / N on a Becke grid, also of each degree alone and beside the floor of the labels;
    electrons; dipoles.

    Example: [bold]euclidium density evaluate water-density water[/bold]
    """
    from euclidium.models.density import DensityModel

    opened = open_model(model, device, precision)
    if not isinstance(opened, DensityModel):
        raise ValueError(f"{model} predicts no electron densities: this command needs such a model")
    return of_densities(opened, model, str(find_model(model)), data)


def of_densities(model: "DensityModel", name: str, path: str, data: str) -> Report:
    """The errors of a model on the densities of a file, or on the embedded ones."""
    from euclidium.analyze.densities import evaluate_densities

    records = open_densities(data)
    model, used = at_the_level(model, name, path, records)
    with bar(f"evaluating {len(records)} densities", total=len(records)) as shown:

        def watched() -> "Iterator[Density]":
            for density in model.predict(record.structure for record in records):
                shown.advance()
                yield density

        errors = evaluate_densities(watched(), records)
    document = {"model": used, "data": data, **errors.as_dict()}
    title = f"Errors on {errors.n} densities of {data}"
    return Report(document, (table(title, ("error", "value", "unit"), rows(errors)),))


def open_densities(data: str) -> "list[DensityRecord]":
    """The densities of a file of ours or of another program, or of a part of an embedded set.

    Raises as the readers do.
    """
    from euclidium.atoms.density_file import (
        embedded_densities,
        embedded_density_parts,
        read_densities,
    )
    from euclidium.atoms.density_import import import_densities
    from euclidium.atoms.problem import DataError

    name, _, part = data.partition("/")
    if name in embedded_density_parts() and not Path(data).exists():
        return embedded_densities(name, part or "test")
    try:
        return read_densities(data)
    except DataError:
        try:
            return import_densities(data)
        except DataError:
            if Path(data).suffix != ".npz":
                raise
        raise  # what is wrong with it as a file of ours


def at_the_level(
    model: "DensityModel", name: str, path: str, records: "list[DensityRecord]"
) -> "tuple[DensityModel, str]":
    """Of a shipped model that exists for several levels of theory, the one of the labels."""
    from euclidium.analyze.densities import nearest_level
    from euclidium.models.shipped import shipped, shipped_names
    from euclidium.models.storage import load

    if name not in shipped_names() or str(shipped(name)) != path:
        return model, path
    names = [name, *(other for other in shipped_names() if other.startswith(f"{name}-"))]
    models = {other: model if other == name else load(shipped(other)) for other in names}
    found = nearest_level(
        records[0].density.basis, {other: own.basis for other, own in models.items()}
    )
    return models[found], str(shipped(found))


def rows(errors: "DensityErrors") -> list[tuple[str, ...]]:
    """The table of errors."""
    found: list[tuple[str, ...]]
    found = [("ε against the fitted labels", f"{errors.eps_fit:.3f}", "% of electrons")]
    if errors.eps_floor is not None:
        found.append(("ε of the labels themselves", f"{errors.eps_floor:.3f}", "% of electrons"))
    if errors.eps_superposition is not None:
        found.append(("ε of isolated atoms", f"{errors.eps_superposition:.2f}", "% of electrons"))
    for l, value in enumerate(errors.eps_by_degree):
        found.append((f"ε of degree {l} alone", f"{value:.3f}", "% of electrons"))
    found.append(("electrons, largest", f"{errors.electrons_error:.1e}", "e"))
    if errors.dipole_rel_mae is not None:
        found.append(("dipole", f"{100 * errors.dipole_rel_mae:.2f}", "% of the mean dipole"))
    return found

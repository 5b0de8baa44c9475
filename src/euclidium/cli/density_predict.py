"""``euclidium density predict``: the electron density of a structure, as a file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from euclidium.cli.files import check_new
from euclidium.cli.model import find_device, find_model, open_model
from euclidium.cli.options import Device, DeviceOption, Force, Frame, Model, StructureFile
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    from euclidium.atoms.density import Density
    from euclidium.atoms.structure import Structure
    from euclidium.models.density import DensityModel

Spacing = Annotated[float, typer.Option(help="Distance of the points of a grid, at most, Å.")]
Charge = Annotated[int, typer.Option(help="Charge of the whole, e.")]
Unpaired = Annotated[int, typer.Option(help="Number of unpaired electrons.")]
Margin = Annotated[float, typer.Option(help="How far the grid of a molecule extends, Å.")]
COEFFICIENTS = ".npz"


def density_predict(
    model: Model,
    structure: StructureFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="rho.cube, rho.xsf, CHGCAR, or rho.npz for the coefficients."
        ),
    ] = Path("density.npz"),
    charge: Charge = 0,
    spin: Unpaired = 0,
    spacing: Spacing = 0.1,
    margin: Margin = 3.0,
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.cpu,
) -> Report:
    """Predict the electron density of a structure, and write it to a file.

    An .npz file keeps the coefficients of the basis: the density itself, exact, from which all
    else follows. The other files hold it on a grid, for other programs; nothing is scaled, and the
    electrons on the grid are reported beside their exact number.

    Example: [bold]euclidium density predict water-density cluster.xyz -o rho.cube[/bold]
    """
    from euclidium.atoms.volumetric import volume_format

    if output.suffix != COEFFICIENTS and volume_format(output) is None:
        raise ValueError(f"{output.name} is no density: end it with .cube, .xsf or .npz, or CHGCAR")
    check_new(output, force)
    found = predicted(model, structure, frame, device, charge, spin)
    document: dict[str, Any] = {
        "formula": found.structure.formula,
        "n_atoms": int(np.count_nonzero(found.structure.species)),
        "electrons": found.electrons,
        "charge": found.charge,
        "output": output,
    }
    rows: list[tuple[str, Any, str]] = [
        ("electrons, exact", found.electrons, ""),
        ("charge", round(found.charge, 9), "e"),
    ]
    if not found.structure.pbc.any():
        document["dipole_e_angstrom"] = found.dipole
        rows.append(("dipole", float((found.dipole**2).sum() ** 0.5), "e·Å"))
    if output.suffix == COEFFICIENTS:
        _write_coefficients(output, found)
    else:
        grid = _write_grid(output, found, spacing, margin, find_device(device))
        document |= grid
        points = " × ".join(map(str, grid["grid"]))
        rows.append((f"electrons on the grid of {points}", grid["grid_electrons"], ""))
    made = table(found.structure.formula, ("", "value", "unit"), rows)
    return Report(document, (made, f"density: {output}"))


def predicted(
    name: str, path: Path, frame: int, device: Device, charge: int = 0, spin: int = 0
) -> "Density":
    """The density that a model predicts for a structure of a file.

    Raises ``ValueError`` for a model of another kind.
    """
    from euclidium.atoms.density import Density
    from euclidium.atoms.reader import read_structures
    from euclidium.models.density import DensityModel

    model: Any = open_model(str(find_model(name)), device)
    if not hasattr(model, "predict"):
        raise ValueError(_other(name))
    labels = {"charge": np.array(float(charge)), "spin": np.array(float(spin))}
    structure = replace(next(read_structures(path, frame, keys=None)), labels=labels)
    if isinstance(model, DensityModel):
        _check_electrons(name, model, structure, charge, spin)
    found = next(iter(model.predict([structure])))
    if not isinstance(found, Density):
        raise ValueError(_other(name))
    return found


def _check_electrons(
    name: str, model: "DensityModel", structure: "Structure", charge: int, spin: int
) -> None:
    """Refuse a charge or a spin that the model does not know of, or that cannot be."""
    config = model.config
    if spin and not config.spin:
        raise ValueError(f"{name} knows no density of spin: leave out --spin")
    if charge and config.electrons == "free" and not config.charge:
        raise ValueError(f"{name} does not know of charges: leave out --charge")
    electrons = int(structure.species.sum()) - charge
    if config.spin and (electrons - spin) % 2:
        raise ValueError(
            f"{structure.formula} with the charge {charge} has {electrons} electrons, of which "
            f"{spin} cannot be unpaired: change --charge or --spin"
        )


def _other(name: str) -> str:
    return f"{name} predicts no electron densities: this command needs a model of them"


def _write_coefficients(path: Path, density: "Density") -> None:
    from euclidium.atoms.density import DensityRecord
    from euclidium.atoms.density_file import write_densities

    charge = round(density.charge)
    name = density.structure.formula
    write_densities(path, [DensityRecord(name, density, charge=charge)])


def _write_grid(
    path: Path, density: "Density", spacing: float, margin: float, device: str
) -> dict[str, Any]:
    from euclidium.analyze.grids import grid_of
    from euclidium.atoms.volumetric import write_volume

    volume = grid_of(density, spacing, margin, device)
    write_volume(path, volume, density.electrons)
    return {"grid": list(volume.values.shape), "grid_electrons": volume.electrons}

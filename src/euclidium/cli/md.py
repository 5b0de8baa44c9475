"""``euclidium md``: molecular dynamics with a potential."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.files import check_new
from euclidium.cli.model import find_model, open_calculator
from euclidium.cli.options import (
    Device,
    DeviceOption,
    Force,
    Frame,
    Model,
    Precision,
    PrecisionOption,
    RadialTolerance,
    StructureFile,
    Supercell,
)
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table
from euclidium.cli.structures import open_structure

if TYPE_CHECKING:
    from euclidium.simulate.md import MDFrame, MDResult


class Ensemble(str, Enum):
    """What stays constant."""

    nve = "nve"
    langevin = "langevin"
    nvt = "nvt"
    npt = "npt"


def md(
    model: Model,
    structure: StructureFile,
    ensemble: Annotated[
        Ensemble,
        typer.Option(
            help="nve keeps the energy; langevin and nvt (Nosé-Hoover chain) the temperature; "
            "npt the pressure, too."
        ),
    ] = Ensemble.nve,
    temperature: Annotated[
        float, typer.Option(help="Temperature of the start and the bath, K.")
    ] = 300,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = 1000,
    timestep: Annotated[float, typer.Option(help="Length of a step, fs.")] = 1.0,
    supercell: Supercell = (1, 1, 1),
    friction: Annotated[float, typer.Option(help="Friction of langevin, 1/fs.")] = 0.01,
    pressure: Annotated[float, typer.Option(help="Pressure of npt, GPa.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the velocities and of langevin.")] = 0,
    interval: Annotated[int, typer.Option(help="Steps from one kept frame to the next.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the frames to this .extxyz or .traj file."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Write time, temperature and energies to this .csv file.")
    ] = None,
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.float64,
    radial_tolerance: RadialTolerance = None,
) -> Report:
    """Run molecular dynamics.

    An nve run tests a potential: its energy must stay where it is.

    Example: [bold]euclidium md si.euclidium si.cif --supercell 2 2 2 -o si.extxyz[/bold]
    """
    path = find_model(model)
    for file in filter(None, (output, log)):
        check_new(file, force)
    start = open_structure(structure, frame, supercell)

    from euclidium.simulate.md import md as run

    with bar("molecular dynamics", total=steps) as shown:
        result = run(
            start,
            open_calculator(model, device, precision, radial_tolerance),
            ensemble.value,
            temperature,
            timestep,
            steps,
            friction=friction,
            pressure=pressure,
            seed=seed,
            interval=interval,
            trajectory=output,
            observe=lambda now: shown.set(now.step, _words(now)),
        )
    if log is not None:
        result.write_csv(log)
    files = {"trajectory": output, "log": log}
    return _report(result, {"model": path, "structure": structure, **files})


def _words(now: "MDFrame") -> str:
    """Where a run stands."""
    return f"{now.time / 1000:.2f} ps, {now.temperature:.0f} K"


def summary(result: "MDResult") -> dict[str, Any]:
    """The numbers that say what a run was like."""
    half = len(result.time) // 2
    return {
        "ensemble": result.ensemble,
        "n_atoms": len(result.atoms),
        "frames": len(result.time),
        "time_fs": float(result.time[-1]),
        "temperature_K": float(result.temperature[half:].mean()),
        "drift_meV_per_atom": result.drift,
        "drift_rate_meV_per_atom_per_ps": result.drift_rate,
        "fluctuation_meV_per_atom": result.fluctuation,
        "potential_eV_per_atom": float(result.potential[half:].mean()) / len(result.atoms),
        "volume_A3": float(result.volume[half:].mean()),
        "pressure_GPa": float(result.pressure[half:].mean()),
    }


def _report(result: "MDResult", files: dict[str, Any]) -> Report:
    """What a run was like, as a table."""
    found = summary(result)
    rows = [
        ("atoms", found["n_atoms"], ""),
        ("length", found["time_fs"] / 1000, "ps"),
        ("temperature, mean of the second half", found["temperature_K"], "K"),
        ("drift of the conserved energy", found["drift_meV_per_atom"], "meV/atom"),
        ("its slope", found["drift_rate_meV_per_atom_per_ps"], "meV/atom/ps"),
        ("its fluctuation", found["fluctuation_meV_per_atom"], "meV/atom"),
    ]
    if result.ensemble == "npt":
        rows.append(("pressure, mean of the second half", found["pressure_GPa"], "GPa"))
        rows.append(("volume, mean of the second half", found["volume_A3"], "Å³"))
    title = f"Molecular dynamics of {result.atoms.get_chemical_formula()}, {result.ensemble}"
    written = tuple(f"{name}: {path}" for name, path in files.items() if path is not None)
    return Report({**files, **found}, (table(title, ("", "value", "unit"), rows), *written[2:]))

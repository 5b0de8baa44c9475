"""``euclidium phonons expansion``: thermal expansion in the quasi-harmonic approximation."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.bands import (
    ROOM,
    DisplacementOption,
    LengthOption,
    MeshOption,
    Method,
    MethodOption,
    PictureOption,
    RelaxOption,
    SupercellOption,
    check_picture,
)
from euclidium.cli.files import replacing
from euclidium.cli.model import find_model, open_calculator
from euclidium.cli.options import (
    Device,
    DeviceOption,
    Force,
    Frame,
    Model,
    Precision,
    StructureFile,
)
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table
from euclidium.cli.structures import open_structure

if TYPE_CHECKING:
    from euclidium.simulate.qha import QuasiHarmonic

STEP = 10.0  # K


class State(str, Enum):
    """Equations of state."""

    vinet = "vinet"
    birch = "birch-murnaghan"
    murnaghan = "murnaghan"


def expansion(
    model: Model,
    structure: StructureFile,
    strains: Annotated[
        str, typer.Option(help="Strains of lengths, five or more.", metavar="E,E,...")
    ] = "-0.02,-0.01,0,0.01,0.02,0.03",
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    equation: Annotated[State, typer.Option(help="Equation of state.")] = State.vinet,
    highest: Annotated[float, typer.Option(help="Highest temperature, K.", min=STEP)] = 1000.0,
    supercell: SupercellOption = None,
    length: LengthOption = 10.0,
    method: MethodOption = Method.displacement,
    displacement: DisplacementOption = 0.01,
    mesh: MeshOption = 60.0,
    relax: RelaxOption = True,
    output: PictureOption = Path("expansion.png"),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Compute thermal expansion, bulk modulus, C_P and Gibbs energy from phonons at some volumes.

    The quasi-harmonic approximation: good up to about two thirds of the melting point.

    Example: [bold]euclidium phonons expansion si.euclidium si.cif --highest 800[/bold]
    """
    path = find_model(model)
    arrays = check_picture(output, force)
    lengths = read_numbers(strains, "--strains")
    crystal = open_structure(structure, frame)

    import numpy as np

    from euclidium.simulate.qha import quasi_harmonic

    with bar("phonons at some volumes") as shown:
        found = quasi_harmonic(
            crystal,
            open_calculator(model, device, Precision.float64),
            supercell or length,
            strains=lengths,
            pressure=pressure,
            equation=equation.value,
            temperatures=np.arange(0.0, highest + STEP / 2, STEP),
            method=method.value,
            displacement=displacement,
            mesh=mesh,
            relax=relax,
            observe=lambda n, total: shown.set(n / total, f"volume {n} of {total}"),
        )
    with replacing(output) as temporary:
        _figure(found).savefig(temporary, dpi=160, facecolor="white")
    found.save(arrays)
    files = {"model": path, "structure": structure, "picture": output, "arrays": arrays}
    return _report(found, files)


def read_numbers(text: str, option: str) -> list[float]:
    """The numbers in a list with commas. Raises ``ValueError`` for anything else.

    >>> read_numbers("-0.01, 0,0.01", "--strains")
    [-0.01, 0.0, 0.01]
    """
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{option} are numbers with commas between them, got {text!r}") from error


def _figure(found: "QuasiHarmonic") -> Any:
    """Free energies with their minima, expansion and bulk moduli."""
    from euclidium.plot.canvas import canvas
    from euclidium.plot.expansion import bulk_modulus, free_energies, thermal_expansion

    axes = canvas(columns=3, size=(13, 4))
    free_energies(
        found.volumes, found.free_energies, found.temperatures, found.volume, axes=axes[0]
    )
    thermal_expansion(found.temperatures, found.expansion, axes=axes[1])
    moduli = {"isothermal": found.bulk_modulus, "adiabatic": found.adiabatic_modulus}
    bulk_modulus(found.temperatures, moduli, axes=axes[2])
    return axes[0].figure


def _report(found: "QuasiHarmonic", files: dict[str, Any]) -> Report:
    """Properties at room temperature, and all curves in the JSON."""
    import numpy as np

    T = found.temperatures
    at = int(np.argmin(np.abs(T - ROOM)))
    room = {
        "temperature_K": float(T[at]),
        "lengths_A": found.lengths[at],
        "expansion_per_K": float(found.expansion[at]),
        "bulk_modulus_GPa": float(found.bulk_modulus[at]),
        "adiabatic_bulk_modulus_GPa": float(found.adiabatic_modulus[at]),
        "cp_J_per_K_mol": float(found.heat_capacity[at]),
        "cv_J_per_K_mol": float(found.heat_capacity_v[at]),
        "gibbs_eV": float(found.gibbs[at]),
        "gruneisen": float(found.gruneisen[at]),
    }
    document = {
        **files,
        "n_atoms": found.n_atoms,
        "pressure_GPa": found.pressure,
        "equation": found.equation,
        "room": room,
        "volumes_A3": found.volumes,
        "temperatures_K": T,
        "volume_A3": found.volume,
        "lengths_A": found.lengths,
        "expansion_per_K": found.expansion,
        "bulk_modulus_GPa": found.bulk_modulus,
        "cp_J_per_K_mol": found.heat_capacity,
        "gibbs_eV": found.gibbs,
    }
    rows = [
        *((f"length of {name}", float(x), "Å") for name, x in zip("abc", room["lengths_A"])),  # noqa: B905
        ("thermal expansion of the volume", 1e6 * room["expansion_per_K"], "10⁻⁶/K"),
        ("bulk modulus", room["bulk_modulus_GPa"], "GPa"),
        ("adiabatic bulk modulus", room["adiabatic_bulk_modulus_GPa"], "GPa"),
        ("C_P", room["cp_J_per_K_mol"], "J/(K mol)"),
        ("C_V", room["cv_J_per_K_mol"], "J/(K mol)"),
        ("Grüneisen parameter", room["gruneisen"], ""),
    ]
    title = f"At {T[at]:.0f} K and {found.pressure:g} GPa, for {found.n_atoms} atoms"
    lost = T[~np.isfinite(found.volume)]
    warning = (
        (f"from {lost[0]:.0f} K on the crystal is larger or smaller than with any of the strains",)
        if len(lost)
        else ()
    )
    words = tuple(f"{name}: {files[name]}" for name in ("picture", "arrays"))
    return Report(document, (table(title, ("", "value", "unit"), rows), *warning, *words))

"""``euclidium phonons bands``: bands, density of states and heat capacity of a crystal."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.files import check_new, replacing
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
    from euclidium.simulate.band_irreps import PointIrreps
    from euclidium.simulate.phonons import Phonons

ROOM = 300.0  # K
MOST_SETS = 24  # of modes in a table
PICTURES = (".png", ".pdf", ".svg")


class Method(str, Enum):
    """Where force constants come from."""

    displacement = "displacement"
    hessian = "hessian"


class Unit(str, Enum):
    """Unit of frequency."""

    THz = "THz"
    cm1 = "cm-1"
    meV = "meV"


SupercellOption = Annotated[
    tuple[int, int, int] | None,
    typer.Option(
        "--supercell",
        help="How often to repeat the cell; without it, to --length.",
        metavar="A B C",
    ),
]
LengthOption = Annotated[float, typer.Option("--length", help="Least width of the supercell, Å.")]
MethodOption = Annotated[
    Method,
    typer.Option("--method", help="Force constants from displaced atoms, or as exact derivatives."),
]
DisplacementOption = Annotated[
    float, typer.Option("--displacement", help="How far atoms are displaced, Å.")
]
MeshOption = Annotated[float, typer.Option("--mesh", help="Density of the mesh of q points, Å.")]
RelaxOption = Annotated[
    bool, typer.Option("--relax/--no-relax", help="Relax atoms and cell first.")
]
PictureOption = Annotated[
    Path, typer.Option("--output", "-o", help="The picture; the numbers go to an .npz beside it.")
]


def bands(
    model: Model,
    structure: StructureFile,
    supercell: SupercellOption = None,
    length: LengthOption = 10.0,
    method: MethodOption = Method.displacement,
    displacement: DisplacementOption = 0.01,
    mesh: MeshOption = 60.0,
    relax: RelaxOption = True,
    unit: Annotated[Unit, typer.Option(help="Unit of frequency in the picture.")] = Unit.THz,
    output: PictureOption = Path("phonons.png"),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Compute the phonons of a crystal from a potential.

    Draws bands, density of states and heat capacity, and writes all numbers to an .npz file.
    Frequencies of unstable modes are imaginary, and given as negative numbers.

    Example: [bold]euclidium phonons si.euclidium si.cif --supercell 4 4 4[/bold]
    """
    path = find_model(model)
    arrays = check_picture(output, force)
    crystal = open_structure(structure, frame)

    from euclidium.simulate.phonons import phonons

    with bar("phonons") as shown:
        found = phonons(
            crystal,
            open_calculator(model, device, Precision.float64),
            supercell or length,
            method=method.value,
            displacement=displacement,
            mesh=mesh,
            relax=relax,
            observe=lambda n, total: shown.set(n / total, f"{n} of {total} displacements"),
        )
    with replacing(output) as temporary:
        figure = phonon_figure(found, unit)
        figure.savefig(temporary, dpi=160, facecolor="white")
    found.save(arrays)
    return _report(
        found, {"model": path, "structure": structure, "picture": output, "arrays": arrays}
    )


def check_picture(output: Path, force: bool) -> Path:
    """The file of numbers beside a picture, if both may be written.

    Raises ``ValueError`` if not, and for a name that is not that of a picture.

    >>> check_picture(Path("phonons.txt"), force=False)
    Traceback (most recent call last):
    ValueError: a picture ends with .png, .pdf, .svg, got phonons.txt
    """
    if output.suffix not in PICTURES:
        raise ValueError(f"a picture ends with {', '.join(PICTURES)}, got {output.name}")
    arrays = output.with_suffix(".npz")
    for file in (output, arrays):
        check_new(file, force)
    return arrays


def phonon_figure(found: "Phonons", unit: Unit = Unit.THz) -> Any:
    """Bands, density of states beside them, and heat capacity."""
    from euclidium.plot.canvas import canvas
    from euclidium.plot.curves import bands as draw_bands
    from euclidium.plot.curves import dos, heat_capacity

    written: Any = "cm⁻¹" if unit is Unit.cm1 else unit.value
    axes = canvas(columns=3, widths=(3, 1, 2), size=(11, 4))
    path, density = found.bands, found.dos
    draw_bands(
        path.distances,
        path.frequencies,
        path.ticks.tolist(),
        path.labels,
        path.breaks,
        unit=written,
        axes=axes[0],
    )
    dos(density.frequencies, density.density, unit=written, sideways=True, axes=axes[1])
    axes[1].set_ylim(axes[0].get_ylim())
    axes[1].set_yticklabels([])
    thermal = found.thermal
    heat_capacity(thermal.temperatures, thermal.heat_capacity, n_atoms=found.n_atoms, axes=axes[2])
    return axes[0].figure


def summary(found: "Phonons") -> dict[str, Any]:
    """The numbers that say what the phonons are like; per mole of primitive cells."""
    room = found.thermal_at([ROOM])
    return {
        "n_atoms": found.n_atoms,
        "supercell": found.supercell,
        "lowest_THz": found.lowest,
        "highest_THz": float(found.mesh_frequencies.max()),
        "imaginary_fraction": found.imaginary,
        "stable": found.is_stable,
        "zero_point_energy_eV": found.zero_point_energy,
        "cv_300K_J_per_K_mol": float(room.heat_capacity[0]),
        "cv_300K_J_per_K_mol_atom": float(room.heat_capacity[0]) / found.n_atoms,
        "entropy_300K_J_per_K_mol": float(room.entropy[0]),
        "free_energy_300K_kJ_per_mol": float(room.free_energy[0]),
    }


def _report(found: "Phonons", files: dict[str, Any]) -> Report:
    """What the phonons are like, as a table; the JSON has all curves."""
    short = summary(found)
    document = {**files, **short}
    document["bands"] = {
        "q": found.bands.q,
        "distances": found.bands.distances,
        "frequencies_THz": found.bands.frequencies,
        "ticks": found.bands.ticks,
        "labels": found.bands.labels,
        "breaks": found.bands.breaks,
    }
    document["dos"] = {
        "frequencies_THz": found.dos.frequencies,
        "density_per_THz": found.dos.density,
    }
    document["thermal"] = {
        "temperatures_K": found.thermal.temperatures,
        "heat_capacity_J_per_K_mol": found.thermal.heat_capacity,
        "entropy_J_per_K_mol": found.thermal.entropy,
        "free_energy_kJ_per_mol": found.thermal.free_energy,
    }
    from euclidium.simulate.band_irreps import path_irreps

    irreps = path_irreps(found)
    document["irreps"] = irreps
    rows = [
        ("atoms of the primitive cell", short["n_atoms"], ""),
        ("lowest frequency", short["lowest_THz"], "THz"),
        ("highest frequency", short["highest_THz"], "THz"),
        ("zero-point energy", short["zero_point_energy_eV"], "eV"),
        ("heat capacity at 300 K", short["cv_300K_J_per_K_mol"], "J/(K mol)"),
        ("the same for each atom", short["cv_300K_J_per_K_mol_atom"], "J/(K mol)"),
        ("entropy at 300 K", short["entropy_300K_J_per_K_mol"], "J/(K mol)"),
    ]
    warning = (
        ()
        if found.is_stable
        else (
            f"{found.imaginary:.1%} of the modes are imaginary: this crystal is not at a minimum "
            "of the potential's energy",
        )
    )
    words = tuple(f"{name}: {files[name]}" for name in ("picture", "arrays"))
    tables = [table("Phonons", ("", "value", "unit"), rows), *_modes(irreps.get("GAMMA"))]
    return Report(document, (*tables, *warning, *words))


def _modes(center: "PointIrreps | None") -> list[Any]:
    """A table of the modes at Γ, if there are not too many."""
    if center is None or len(center.sets) > MOST_SETS:
        return []
    yes = {True: "yes", False: "", None: ""}
    rows = [
        (one.label or "–", len(one.bands), one.frequency, yes[one.infrared], yes[one.raman])
        for one in center.sets
    ]
    columns = ("irrep", "modes", "THz", "infrared", "Raman")
    return [table(f"Modes at Γ, {center.group}", columns, rows)]

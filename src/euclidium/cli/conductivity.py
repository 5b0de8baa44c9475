"""``euclidium phonons conductivity``: how well the lattice of a crystal conducts heat."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.bands import (
    LengthOption,
    PictureOption,
    RelaxOption,
    SupercellOption,
    check_picture,
)
from euclidium.cli.expansion import read_numbers
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
    from euclidium.simulate.conductivity import Conductivity


class Equation(str, Enum):
    """How the Boltzmann equation is solved."""

    rta = "rta"
    lbte = "lbte"


def conductivity(
    model: Model,
    structure: StructureFile,
    temperatures: Annotated[
        str, typer.Option(help="Temperatures, K.", metavar="T,T,...")
    ] = "100,200,300,400,600,800",
    mesh: Annotated[
        tuple[int, int, int], typer.Option(help="Mesh of q points.", metavar="A B C")
    ] = (11, 11, 11),
    equation: Annotated[
        Equation, typer.Option(help="Relaxation times, or the linearised Boltzmann equation.")
    ] = Equation.rta,
    isotopes: Annotated[
        bool, typer.Option("--isotopes/--no-isotopes", help="Scattering by natural isotopes.")
    ] = True,
    supercell: SupercellOption = None,
    length: LengthOption = 8.0,
    large: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Larger supercell for harmonic force constants.", metavar="A B C"),
    ] = None,
    displacement: Annotated[float, typer.Option(help="How far atoms are displaced, Å.")] = 0.03,
    cutoff: Annotated[
        float | None, typer.Option(help="Leave out pairs of atoms farther apart than this, Å.")
    ] = None,
    relax: RelaxOption = True,
    output: PictureOption = Path("conductivity.png"),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Compute the thermal conductivity of a crystal's lattice, with phono3py.

    Example: [bold]euclidium phonons conductivity si.euclidium si.cif --mesh 15 15 15[/bold]
    """
    path = find_model(model)
    arrays = check_picture(output, force)
    values = read_numbers(temperatures, "--temperatures")
    crystal = open_structure(structure, frame)

    from euclidium.simulate.conductivity import conductivity as compute

    with bar("displaced supercells") as shown:
        found = compute(
            crystal,
            open_calculator(model, device, Precision.float64),
            supercell or length,
            large=large,
            mesh=mesh,
            temperatures=values,
            method=equation.value,
            isotopes=isotopes,
            displacement=displacement,
            cutoff=cutoff,
            relax=relax,
            observe=lambda n, total: shown.set(n / total, f"supercell {n} of {total}"),
        )
    with replacing(output) as temporary:
        _figure(found).savefig(temporary, dpi=160, facecolor="white")
    found.save(arrays)
    files = {"model": path, "structure": structure, "picture": output, "arrays": arrays}
    return _report(found, files)


def _figure(found: "Conductivity") -> Any:
    """Conductivity against temperature."""
    from euclidium.plot.expansion import heat_conduction

    return heat_conduction(found.temperatures, found.kappa).figure


def _report(found: "Conductivity", files: dict[str, Any]) -> Report:
    """The tensor at each temperature."""
    document = {
        **files,
        "method": found.method,
        "isotopes": found.isotopes,
        "mesh": found.mesh,
        "temperatures_K": found.temperatures,
        "kappa_W_per_m_K": found.kappa,
        "isotropic_W_per_m_K": found.isotropic,
    }
    rows = [
        (float(T), *(float(kappa[i, i]) for i in range(3)), float(mean))
        for T, kappa, mean in zip(found.temperatures, found.kappa, found.isotropic, strict=True)
    ]
    title = f"Thermal conductivity, W/(m K), {found.method.upper()}"
    words = tuple(f"{name}: {files[name]}" for name in ("picture", "arrays"))
    return Report(document, (table(title, ("K", "xx", "yy", "zz", "mean"), rows), *words))

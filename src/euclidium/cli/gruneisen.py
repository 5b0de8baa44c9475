"""``euclidium phonons gruneisen``: how the frequencies of a crystal follow its volume."""

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
    from euclidium.simulate.gruneisen import Gruneisen


def gruneisen(
    model: Model,
    structure: StructureFile,
    strain: Annotated[float, typer.Option(help="Strain of lengths, in both directions.")] = 0.005,
    supercell: SupercellOption = None,
    length: LengthOption = 10.0,
    method: MethodOption = Method.displacement,
    displacement: DisplacementOption = 0.01,
    mesh: MeshOption = 60.0,
    relax: RelaxOption = True,
    output: PictureOption = Path("gruneisen.png"),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Compute mode Grüneisen parameters of a crystal, on bands and on a mesh, and their mean.

    They say how frequencies fall when the crystal expands: γ = −∂ ln ω/∂ ln V.

    Example: [bold]euclidium phonons gruneisen si.euclidium si.cif --supercell 3 3 3[/bold]
    """
    path = find_model(model)
    arrays = check_picture(output, force)
    crystal = open_structure(structure, frame)

    from euclidium.simulate.gruneisen import gruneisen as compute

    with bar("phonons at three volumes") as shown:
        found = compute(
            crystal,
            open_calculator(model, device, Precision.float64),
            supercell or length,
            strain=strain,
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


def _figure(found: "Gruneisen") -> Any:
    """Parameters on the path, and those on the mesh against frequency."""
    from euclidium.plot.canvas import canvas
    from euclidium.plot.expansion import gruneisen_bands, gruneisen_points

    axes = canvas(columns=2, widths=(3, 2), size=(10, 4))
    bands = found.bands
    gruneisen_bands(
        bands.distances, found.bands_gruneisen, bands.ticks.tolist(), bands.labels, axes=axes[0]
    )
    mean = float(found.mean_at([ROOM])[0])
    gruneisen_points(found.mesh_frequencies, found.mesh_gruneisen, mean, axes=axes[1])
    return axes[0].figure


def _report(found: "Gruneisen", files: dict[str, Any]) -> Report:
    """The mean, the extremes, and all curves in the JSON."""
    import numpy as np

    mean = float(found.mean_at([ROOM])[0])
    low, high = (float(f(found.mesh_gruneisen)) for f in (np.nanmin, np.nanmax))
    document = {
        **files,
        "n_atoms": found.n_atoms,
        "volume_A3": found.volume,
        "strain": found.strain,
        "mean_300K": mean,
        "lowest": low,
        "highest": high,
        "mean": {"temperatures_K": found.temperatures, "gruneisen": found.mean},
        "bands": {
            "distances": found.bands.distances,
            "ticks": found.bands.ticks,
            "labels": found.bands.labels,
            "gruneisen": found.bands_gruneisen,
            "frequencies_THz": found.bands.frequencies,
        },
    }
    rows = [
        ("mean at 300 K", mean),
        ("lowest of a mode", low),
        ("highest of a mode", high),
    ]
    words = tuple(f"{name}: {files[name]}" for name in ("picture", "arrays"))
    return Report(document, (table("Grüneisen parameters", ("", "value"), rows), *words))

"""``euclidium density fields``: charges, multipoles and electrostatics of a density."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.bands import PICTURES
from euclidium.cli.density_predict import COEFFICIENTS, Charge, Unpaired, predicted
from euclidium.cli.files import check_new, replacing
from euclidium.cli.options import Device, DeviceOption, Force, Frame
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    import numpy as np

    from euclidium.analyze.charges import AtomicCharges
    from euclidium.analyze.surfaces import Surface
    from euclidium.atoms.density import Density

POINTS = 141  # along each side of the slice
MARGIN = 1.6  # Å of the slice beyond the atoms
NEAR = 0.8  # Å, in front of and behind the slice: atoms that are drawn


def density_fields(
    source: Annotated[
        str,
        typer.Argument(help="A file of densities (.npz), or a model of them.", metavar="DENSITY"),
    ],
    structure: Annotated[
        Path | None,
        typer.Argument(help="With a model: a file with the atoms.", metavar="[STRUCTURE]"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture.")] = Path(
        "density.png"
    ),
    degree: Annotated[int, typer.Option("--degree", help="Multipoles up to this degree.")] = 2,
    surface: Annotated[
        float, typer.Option(help="Value of the density on the surface, e/bohr³.")
    ] = 0.002,
    spacing: Annotated[float, typer.Option(help="Of the grid of the surface, Å.")] = 0.2,
    iterative: Annotated[
        bool,
        typer.Option(
            "--iterative", help="Iterative Hirshfeld charges too, if the basis has isolated ions."
        ),
    ] = False,
    charge: Charge = 0,
    spin: Unpaired = 0,
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.cpu,
) -> Report:
    """Charges, multipoles and the electrostatic potential of a molecule, from its density.

    Draws the potential on the surface of the molecule and, beside it, how the electrons have moved
    from where those of isolated atoms would be. Of a crystal there are charges alone.

    Example: [bold]euclidium density fields water-density cluster.xyz -o cluster.png[/bold]
    """
    if output.suffix not in PICTURES:
        raise ValueError(f"a picture ends with {', '.join(PICTURES)}, got {output.name}")
    check_new(output, force)
    density = _density(source, structure, frame, device, charge, spin)
    document: dict[str, Any] = {"formula": density.structure.formula, "charge": density.charge}
    view: list[Any] = []
    for name, charges in _charges(density, iterative).items():
        document[name.lower().replace(" ", "_")] = {
            "charges_e": charges.charges,
            "dipoles_e_angstrom": charges.dipoles,
        }
        view.append(_charge_table(density, name, charges))
    found = None
    if not density.structure.pbc.any():
        from euclidium.analyze.multipoles import multipoles
        from euclidium.analyze.surfaces import surface_of

        moments = multipoles(density, degree)
        document["multipoles_e_angstrom_l"] = moments
        document["dipole_e_angstrom"] = density.dipole
        found = surface_of(density, surface, spacing)
        document["surface"] = {"density_e_per_bohr3": surface, **found.statistics()}
        view += [_moment_table(moments), _surface_table(found, surface)]
    with replacing(output) as temporary:
        fields_figure(density, found).savefig(temporary, dpi=160, facecolor="white")
    document["picture"] = output
    return Report(document, (*view, f"picture: {output}"))


def _density(
    source: str, structure: Path | None, frame: int, device: Device, charge: int, spin: int
) -> "Density":
    """A density of a file, or one that a model predicts."""
    if not source.endswith(COEFFICIENTS):
        if structure is None:
            raise ValueError(f"give a structure for the model {source}, or a file of densities")
        return predicted(source, structure, frame, device, charge, spin)
    if structure is not None:
        raise ValueError(f"{source} holds densities with their atoms: leave {structure} out")
    from euclidium.atoms.density_file import read_densities

    records = read_densities(source)
    if not -len(records) <= frame < len(records):
        raise ValueError(f"{source} holds {len(records)} densities, and no number {frame}")
    return records[frame].density


def _charges(density: "Density", iterative: bool) -> "dict[str, AtomicCharges]":
    """Hirshfeld charges, where the basis has the isolated atoms, and iterative ones if wanted."""
    from euclidium.analyze.charges import hirshfeld, iterative_hirshfeld

    known = all(int(z) in density.basis.atoms for z in density.structure.species)
    found = {"Hirshfeld": hirshfeld(density)} if known else {}
    if iterative:
        found["Iterative Hirshfeld"] = iterative_hirshfeld(density)
    return found


def fields_figure(density: "Density", surface: "Surface | None") -> Any:
    """The potential on the surface, and a slice of what the atoms have become."""
    from euclidium.plot.density import density_panel
    from euclidium.plot.spectra import formula

    x, y, values, atoms, symbols, frame = _slice(density)
    parts = None
    if surface is not None:
        parts = (surface.vertices, surface.triangles, surface.potential)
    return density_panel(
        x,
        y,
        values,
        atoms,
        symbols,
        parts,
        frame,
        "ρ − ρ of the atoms (e/Å³)",
        formula(density.structure.formula),
    )


def _slice(density: "Density") -> "tuple[Any, ...]":
    """The plane through most atoms: coordinates, change of the density, atoms, axes."""
    import numpy as np

    from euclidium.analyze.fields import density_at
    from euclidium.atoms.centers import without_bond_centers
    from euclidium.atoms.density import Density
    from euclidium.atoms.elements import chemical_symbol

    structure = without_bond_centers(density.structure)
    middle = structure.positions.mean(axis=0)
    away = structure.positions - middle
    frame = _right_handed(np.linalg.svd(np.concatenate([away, np.zeros((3, 3))]))[2])
    flat = away @ frame.T
    low, high = flat[:, :2].min(axis=0) - MARGIN, flat[:, :2].max(axis=0) + MARGIN
    x, y = (np.linspace(low[n], high[n], POINTS) for n in range(2))
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2) @ frame[:2] + middle
    values = density_at(density, grid)
    if all(int(z) in density.basis.atoms for z in structure.species):
        values = values - density_at(Density.superposition(structure, density.basis), grid)
    near = np.abs(flat[:, 2]) < NEAR
    symbols = [chemical_symbol(int(z)) for z in structure.species[near]]
    return x, y, values.reshape(POINTS, POINTS), flat[near, :2], symbols, frame


def _right_handed(frame: "np.ndarray") -> "np.ndarray":
    """Three axes whose last is the cross product of the others."""
    import numpy as np

    return np.stack([frame[0], frame[1], np.cross(frame[0], frame[1])])


def _charge_table(density: "Density", name: str, charges: "AtomicCharges") -> Any:
    from euclidium.atoms.elements import chemical_symbol

    rows = [
        (n, chemical_symbol(int(z)), float(q), float((d**2).sum() ** 0.5))
        for n, (z, q, d) in enumerate(
            zip(density.structure.species, charges.charges, charges.dipoles, strict=True)
        )
        if z  # of atoms, not of bonds
    ]
    title = f"{density.structure.formula}: {name} charges"
    return table(title, ("atom", "element", "charge (e)", "dipole (e·Å)"), rows)


def _moment_table(moments: "list[np.ndarray]") -> Any:
    rows = [
        (l, float((q**2).sum() ** 0.5), " ".join(f"{value:.4f}" for value in q))
        for l, q in enumerate(moments)
    ]
    return table("Multipoles, e·Å^l", ("degree", "length", "components m = −l … l"), rows)


def _surface_table(surface: "Surface", value: float) -> Any:
    units = {"area": "Å²", "positive_variance": "V²", "negative_variance": "V²", "balance": ""}
    rows = [
        (name.replace("_", " "), number, units.get(name, "V"))
        for name, number in surface.statistics().items()
    ]
    return table(f"Potential on the surface of {value:g} e/bohr³", ("", "value", "unit"), rows)

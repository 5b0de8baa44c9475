"""``euclidium data make density``: electron densities of one's own molecules."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.data_import import check_densities, report_densities
from euclidium.cli.options import Force
from euclidium.cli.progress import bar, note
from euclidium.cli.report import Report

if TYPE_CHECKING:
    from euclidium.atoms.basis import DensityBasis

IONS = (-1, 1)  # charges, e

Structures = Annotated[
    Path, typer.Argument(help="Molecules in any file that ASE reads.", metavar="STRUCTURES")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write, .npz.")]
Method = Annotated[str, typer.Option(help="Functional of PySCF, such as PBE0, PBE, B3LYP or HF.")]
Orbitals = Annotated[str, typer.Option(help="Basis of the orbitals.")]
Basis = Annotated[
    str,
    typer.Option(
        help="Basis of the density: a name of the Basis Set Exchange, which is decontracted, or a "
        "file .gbs or .d2k."
    ),
]
BondCenters = Annotated[
    bool,
    typer.Option(
        "--bond-centers",
        help="Put functions in the middle of bonds too: those of X in the file of a basis, or "
        "three shells each of s, p and d.",
    ),
]
Ions = Annotated[
    bool,
    typer.Option(
        "--ions",
        help="Compute isolated ions of the charges -1 and 1 too, for iterative Hirshfeld charges.",
    ),
]
Charge = Annotated[
    int, typer.Option(help="Charge of each molecule; one in the file, charge=1, goes first.")
]
Spin = Annotated[
    int, typer.Option(help="Unpaired electrons of each; one in the file, spin=1, goes first.")
]
Metric = Annotated[
    str, typer.Option(help="Metric of the fit: coulomb or overlap.", metavar="coulomb|overlap")
]
Forces = Annotated[bool, typer.Option("--forces/--no-forces", help="Compute forces too.")]
Processes = Annotated[int, typer.Option(min=1, help="Molecules at the same time.")]
Work = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps each molecule; beside the output by default."),
]


def make_density(
    structures: Structures,
    output: Output,
    method: Method = "PBE0",
    orbital_basis: Orbitals = "def2-TZVP",
    basis: Basis = "def2-universal-jfit",
    bond_centers: BondCenters = False,
    ions: Ions = False,
    charge: Charge = 0,
    spin: Spin = 0,
    metric: Metric = "coulomb",
    forces: Forces = True,
    processes: Processes = 1,
    work: Work = None,
    force: Force = False,
) -> Report:
    """Compute the electron densities of many molecules, as data to train and test with.

    PySCF computes the density, and Gaussians on the atoms are fitted to it with exactly the right
    number of electrons. The error of the fit is recorded: no model of these data is better than
    that. Every molecule is kept as soon as it is done: run the command again to go on after an
    interruption. A molecule that fails is reported, and the others go on.

    Example: [bold]euclidium data make density mine.xyz -o mine.npz --processes 4[/bold]
    """
    check_densities(output, force)
    from euclidium.atoms.density_file import write_densities
    from euclidium.simulate.density_collection import Labelling, density_jobs, label_all
    from euclidium.simulate.quantum import fit_atoms

    jobs = density_jobs(structures, charge, spin)
    numbers = sorted({int(z) for job in jobs for z in job.structure.species})
    found = _basis(basis, numbers, bond_centers)
    atoms = fit_atoms(found, method, orbital_basis, IONS if ions else ())
    how = Labelling(atoms, method, orbital_basis, metric, forces)
    folder = output.with_name(f"{output.stem}-work") if work is None else work
    with bar("densities", total=len(jobs)) as shown:

        def tell(name: str, sentence: str | None) -> None:
            shown.advance()
            if sentence is not None:
                note(f"{name}: {sentence}")

        made = label_all(jobs, how, folder, processes, tell)
    if not made.records:
        name = next(iter(made.failed))
        raise ValueError(
            f"none of {len(made.failed)} molecules could be computed; {name}: {made.failed[name]}"
        )
    write_densities(output, made.records)
    return report_densities(output, made.records, {"work": folder, "failed": made.failed})


def _basis(name: str, numbers: list[int], bond_centers: bool) -> "DensityBasis":
    """The functions of some elements, and those in the middle of bonds if they are wanted."""
    from euclidium.atoms.basis import DensityBasis, exchange_basis
    from euclidium.atoms.basis_file import read_basis
    from euclidium.atoms.centers import CENTER, with_bond_functions
    from euclidium.atoms.elements import chemical_symbol

    if Path(name).is_file():
        found = read_basis(name)
    else:
        found = exchange_basis(name, tuple(chemical_symbol(z) for z in numbers))
    own = DensityBasis(found.name, {z: found.of(z) for z in numbers})
    if not bond_centers:
        return own
    if CENTER not in found.shells:
        return with_bond_functions(own)
    return DensityBasis(own.name, {CENTER: found.of(CENTER), **own.shells})

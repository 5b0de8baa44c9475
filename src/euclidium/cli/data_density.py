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

    every = density_jobs(structures, charge, spin)
    numbers = sorted({int(z) for job in every for z in job.structure.species})
    found, problems = _basis(basis, numbers, method, orbital_basis, IONS if ions else ())
    found = _with_bonds(found, basis) if bond_centers else found
    how = Labelling(found, method, orbital_basis, metric, forces)
    failed = {
        job.name: problems[z] for job in every for z in problems if z in job.structure.species
    }
    jobs = [job for job in every if job.name not in failed]
    folder = output.with_name(f"{output.stem}-work") if work is None else work
    with bar("densities", total=len(jobs)) as shown:

        def tell(name: str, sentence: str | None) -> None:
            shown.advance()
            if sentence is not None:
                note(f"{name}: {sentence}")

        for name, sentence in failed.items():
            note(f"{name}: {sentence}")
        made = label_all(jobs, how, folder, processes, tell)
    failed |= made.failed
    if not made.records:
        name = next(iter(failed))
        raise ValueError(
            f"none of {len(failed)} molecules could be computed; {name}: {failed[name]}"
        )
    write_densities(output, made.records)
    return report_densities(output, made.records, {"work": folder, "failed": failed})


def _basis(
    name: str, numbers: list[int], method: str, orbital_basis: str, ions: tuple[int, ...]
) -> "tuple[DensityBasis, dict[int, str]]":
    """The functions of some elements with isolated atoms, and a sentence for those without.

    Raises ``DataError`` if there is no element with.
    """
    from euclidium.atoms.basis import DensityBasis, exchange_basis
    from euclidium.atoms.basis_file import read_basis
    from euclidium.atoms.elements import chemical_symbol
    from euclidium.atoms.problem import DataError
    from euclidium.simulate.quantum import fit_atoms

    kept = read_basis(name) if Path(name).is_file() else None
    made: list[DensityBasis] = []
    problems: dict[int, str] = {}
    for z in numbers:
        try:
            found = exchange_basis(name, (chemical_symbol(z),)) if kept is None else kept
            own = DensityBasis(found.name, {z: found.of(z)})
            made.append(fit_atoms(own, method, orbital_basis, ions))
        except DataError as error:
            problems[z] = str(error)
    if not made:
        raise DataError(next(iter(problems.values())))
    whole = DensityBasis(
        made[0].name,
        {z: shells for own in made for z, shells in own.shells.items()},
        {z: atom for own in made for z, atom in own.atoms.items()},
        ions={z: charged for own in made for z, charged in own.ions.items()},
    )
    return whole, problems


def _with_bonds(basis: "DensityBasis", name: str) -> "DensityBasis":
    """The basis with functions in the middle of bonds: those of its file, or the usual ones."""
    from dataclasses import replace

    from euclidium.atoms.basis_file import read_basis
    from euclidium.atoms.centers import CENTER, with_bond_functions

    kept = read_basis(name) if Path(name).is_file() else None
    if kept is None or CENTER not in kept.shells:
        found = with_bond_functions(basis)
    else:
        found = replace(basis, shells={CENTER: kept.of(CENTER), **basis.shells})
    return replace(found, atoms={**basis.atoms, **found.empty})

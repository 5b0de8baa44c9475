"""``euclidium data import``: electron densities of other programs into one file of ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.files import check_new
from euclidium.cli.options import Force
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    from euclidium.atoms.density import DensityRecord

SHOWN = 10  # molecules for people in the terminal

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Pickles of Rackers' equivariant electron densities (.pkl), archives of coefficients "
        "(.npz), or folders with molecules (.xyz), a basis (.d2k, .gbs) and ALL_C/mol_0.dat, ...",
        metavar="SOURCE...",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write, .npz.")]


def import_data(sources: Sources, output: Output, force: Force = False) -> Report:
    """Read electron densities of other programs, and write one file that all other verbs read.

    Orders, signs and units become ours, and the electrons are counted. Of pickles only tensors,
    lists and numbers are read, and nothing in them is run.

    Example: [bold]euclidium data import w3_train.pkl -o trimers.npz[/bold]
    """
    check_densities(output, force)
    from euclidium.atoms.density_file import write_densities
    from euclidium.atoms.density_import import import_densities

    records = [record for source in sources for record in import_densities(source)]
    write_densities(output, records)
    return report_densities(output, records, {"failed": {}})


def check_densities(output: Path, force: bool) -> None:
    """Whether a file of densities may be written there.

    Raises ``ValueError`` if not, and for a name that does not end in ``.npz``.

    >>> check_densities(Path("rho.pkl"), force=False)
    Traceback (most recent call last):
    ValueError: cannot write rho.pkl: densities are kept in a file that ends in .npz
    """
    if output.suffix != ".npz":
        raise ValueError(f"cannot write {output}: densities are kept in a file that ends in .npz")
    check_new(output, force)


def report_densities(
    output: Path, records: "Sequence[DensityRecord]", more: dict[str, object]
) -> Report:
    """How many densities there are, and the first of them."""
    rows = [
        (
            record.name,
            record.density.structure.formula,
            record.charge,
            record.density.electrons,
            record.fit_error,
        )
        for record in records
    ]
    wanted = [r.density.structure.species.sum() - r.charge for r in records]
    off = [abs(row[3] - n) / n for row, n in zip(rows, wanted, strict=True)]
    errors = [row[4] for row in rows if row[4] is not None]
    document = {
        "output": output,
        "densities": len(records),
        "basis": sorted({record.density.basis.name for record in records}),
        "isolated_atoms": all(record.density.basis.atoms for record in records),
        "electrons_error": max(off),
        "fit_error": sum(errors) / len(errors) if errors else None,
        **more,
    }
    names = ", ".join(sorted({record.density.basis.name for record in records}))
    words = [f"{output}: {len(records)} densities, basis {names}, electrons to {max(off):.1e}"]
    if len(rows) > SHOWN:
        words.append(f"and {len(rows) - SHOWN} more")
    columns = ("name", "formula", "charge", "electrons", "fit error, %")
    return Report(document, (table("Electron densities", columns, rows[:SHOWN]), *words))

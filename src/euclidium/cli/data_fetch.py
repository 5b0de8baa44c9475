"""``euclidium data fetch``: public data sets from the network."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.progress import Bar, bar
from euclidium.cli.report import Report, table

if TYPE_CHECKING:
    from euclidium.atoms.fetch import PublicSet

MEGABYTE = 10**6

Name = Annotated[
    str | None, typer.Argument(help="Name of a public data set; --list shows them.", metavar="NAME")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The folder to download to; by default NAME.", metavar="FOLDER"
    ),
]
Listing = Annotated[bool, typer.Option("--list", help="Show the sets, and download nothing.")]


def fetch_data(name: Name = None, output: Output = None, listing: Listing = False) -> Report:
    """Download a public data set of phonons, where the network allows it.

    What is there already is not downloaded again, and what was interrupted goes on: run the command
    once more. Files are compared with the checksums of their publishers, or, where there are none,
    with SHA256SUMS, which keeps those of the first download.

    Example: [bold]euclidium data fetch petretto[/bold], then
    [bold]euclidium data convert petretto -o phonons[/bold]
    """
    from euclidium.atoms.fetch import REGISTRY, SUMS, fetch

    if listing:
        return _list(list(REGISTRY.values()))
    if name is None:
        raise ValueError(f"say which data set: {', '.join(REGISTRY)}; --list tells what they are")
    folder = Path(name) if output is None else output
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"cannot write to {folder}: it is a file, give the name of a folder")
    with bar("download", total=1.0) as shown:
        paths = fetch(name, folder, _Watch(shown))
    found = REGISTRY[name]
    sizes = {path.name: path.stat().st_size for path in paths}
    rows = [(file, size / MEGABYTE) for file, size in sizes.items()]
    words = f"licence  {found.licence}\ncite     {found.citation}\nsums     {folder / SUMS}\n" + (
        f"note     {found.note}\n" if found.note else ""
    )
    document = {"name": name, "output": folder, "files": sizes, **_words(found)}
    return Report(document, (table(f"{name}: {found.title}", ("file", "MB"), rows), words))


class _Watch:
    """Shows how far the download of each file is."""

    def __init__(self, shown: Bar) -> None:
        self._shown = shown

    def __call__(self, name: str, done: int, total: int | None) -> None:
        size = f"{done / MEGABYTE:.1f}" + ("" if total is None else f" of {total / MEGABYTE:.1f}")
        self._shown.set(done / total if total else 0.0, f"{name}: {size} MB")


def _list(sets: "list[PublicSet]") -> Report:
    words = [
        f"{found.name}: {found.title}\n  licence  {found.licence}\n  cite     {found.citation}\n"
        + (f"  note     {found.note}\n" if found.note else "")
        for found in sets
    ]
    document = [{"name": found.name, **_words(found), "files": _files(found)} for found in sets]
    return Report({"sets": document}, tuple(words))


def _words(found: "PublicSet") -> dict[str, str]:
    return {
        "title": found.title,
        "licence": found.licence,
        "citation": found.citation,
        "note": found.note,
    }


def _files(found: "PublicSet") -> list[dict[str, object]]:
    return [asdict(file) for file in found.files]

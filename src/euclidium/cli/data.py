"""``euclidium data``: the data sets that come with the package, and the verbs for others."""

import lzma
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from euclidium.cli.data_convert import convert
from euclidium.cli.data_fetch import fetch_data
from euclidium.cli.data_import import import_data
from euclidium.cli.data_make import make
from euclidium.cli.files import check_new, replacing
from euclidium.cli.options import Force
from euclidium.cli.report import Report, table, verb

PARTS = ("train", "test")

data = typer.Typer(name="data", help="Data sets: those of the package, public ones, and your own.")


def list_data() -> Report:
    """List the embedded data sets: what they hold, how it was computed, and whether it is intact.

    The name of a set stands for a file in a configuration, and in [bold]euclidium evaluate[/bold].
    """
    from euclidium.atoms.density_file import embedded_density_parts
    from euclidium.atoms.embedded import embedded_names

    names = dict.fromkeys([*embedded_names(), *embedded_density_parts()])
    sets = [*(describe(name) for name in names), describe_phonons()]
    rows = [
        (found["name"], part, count, found["atoms"][part])
        for found in sets
        for part, count in found["structures"].items()
    ]
    made = table("Embedded data sets", ("name", "part", "structures", "atoms"), rows)
    words = [
        f"{found['name']}: {found['title']}\n  method   {found['method']}\n"
        f"  licence  {found['licence']}\n  size     {found['bytes'] / 1024:.0f} KiB, "
        f"checksums of {len(found['files'])} files verified\n"
        for found in sets
    ]
    return Report({"data": sets}, (made, *words))


def export(
    name: Annotated[str, typer.Argument(help="Name of an embedded data set.", metavar="NAME")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The extended XYZ file to write.")],
    part: Annotated[str, typer.Option(help="Which part: train or test.")] = "train",
    force: Force = False,
) -> Report:
    """Write a part of an embedded data set to a file.

    Example: [bold]euclidium data export silicon --part test -o test.xyz[/bold]
    """
    from euclidium.atoms.embedded import embedded_file

    source = embedded_file(name, f"{part}.extxyz.xz")
    check_new(output, force)
    with replacing(output) as temporary, lzma.open(source) as packed, temporary.open("wb") as file:
        shutil.copyfileobj(packed, file)
    document = {"name": name, "part": part, "output": output}
    return Report(document, (f"{name}, {part}: {output}",))


def describe(name: str) -> dict[str, Any]:
    """What an embedded data set holds, and what its README says of it.

    Raises ``DataError`` if a file is missing or does not have its checksum.
    """
    from euclidium.atoms.density_file import embedded_densities, embedded_density_parts
    from euclidium.atoms.embedded import embedded, embedded_file, embedded_files, embedded_names

    own = PARTS if name in embedded_names() else ()
    structures = {part: embedded(name, part) for part in own}
    labels = {label for found in structures.values() for s in found for label in s.labels}
    for part in embedded_density_parts().get(name, ()):
        labels.add("density")
        if part not in structures:
            structures[part] = [record.structure for record in embedded_densities(name, part)]
    folder = embedded_file(name, embedded_files(name)[0]).parent
    return _described(name, folder, structures, sorted(labels))


def describe_phonons() -> dict[str, Any]:
    """What the embedded set of phonons holds, by the method that made it.

    Raises ``DataError`` as :func:`describe` does.
    """
    from euclidium.atoms.embedded import CURVES, PHONONS, embedded_file, embedded_phonons

    parts: dict[str, list[Any]] = {}
    for record in embedded_phonons():
        parts.setdefault(str(record.info["method"]), []).append(record.structure)
    folder = embedded_file(PHONONS, CURVES[0]).parent
    return _described(PHONONS, folder, parts, ["phonon density of states"])


def _described(
    name: str, folder: Path, structures: Mapping[str, Sequence[Any]], labels: list[str]
) -> dict[str, Any]:
    """How many structures and atoms each part has, and that the files are intact."""
    from euclidium.atoms.embedded import SUMS, embedded_file

    names = [line.split()[1].lstrip("*") for line in (folder / SUMS).read_text().splitlines()]
    files = [embedded_file(name, file) for file in names]
    return {
        "name": name,
        **_words((folder / "README.md").read_text(encoding="utf-8")),
        "structures": {part: len(found) for part, found in structures.items()},
        "atoms": {part: sum(s.n_atoms for s in found) for part, found in structures.items()},
        "labels": labels,
        "files": names,
        "bytes": sum(path.stat().st_size for path in files),
        "checksums": "verified",
    }


def _words(readme: str) -> dict[str, str | None]:
    r"""Title, method and licence, as the README of a data set gives them.

    >>> _words("# Argon: two atoms\n\n## Method\n\n* Pencil 1.0, paper. More.\n\nLicence: MIT.")
    {'title': 'Argon: two atoms', 'method': 'Pencil 1.0, paper', 'licence': 'MIT'}
    """
    patterns = {
        "title": r"^# (.+)$",
        "method": r"^## Method\s+\*? ?(.+?)\.(?=\s)",
        "licence": r"^Licen[cs]e[^:\n]*: *([\w.-]*\w)",
    }
    found = {
        key: re.search(p, readme, re.MULTILINE | re.DOTALL if key == "method" else re.MULTILINE)
        for key, p in patterns.items()
    }
    return {key: " ".join(match[1].split()) if match else None for key, match in found.items()}


data.command("list")(verb(list_data))
data.command("export")(verb(export))
data.add_typer(make)
data.command("fetch")(verb(fetch_data))
data.command("convert")(verb(convert))
data.command("import")(verb(import_data))

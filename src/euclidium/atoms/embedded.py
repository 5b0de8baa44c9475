"""Small data sets that come with the package."""

import hashlib
from importlib.resources import files
from pathlib import Path

from euclidium.atoms.problem import DataError, nearest
from euclidium.atoms.reader import read
from euclidium.atoms.structure import Structure

SUMS = "SHA256SUMS"


def embedded_names(root: Path | None = None) -> list[str]:
    """Names of the data sets in the package, or in another folder ``root``.

    >>> embedded_names(Path("no such folder"))
    []
    """
    root = _root(root)
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / SUMS).exists())


def embedded(name: str, split: str = "train", root: Path | None = None) -> list[Structure]:
    """The structures of one part of an embedded data set, such as ``silicon``, ``train``.

    Labels as their README says; eV, Å. Raises ``DataError`` for a name or a part that does not
    exist, and for a file that does not have the checksum it came with.

    >>> embedded("silicium", root=Path("no such folder"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no embedded data set 'silicium': there is none
    """
    return list(read(embedded_file(name, f"{split}.extxyz.xz", root)))


def embedded_file(name: str, file: str, root: Path | None = None) -> Path:
    """The path of a file of an embedded data set, its checksum verified.

    Raises ``DataError`` as :func:`embedded` does.

    >>> embedded_file("silicon", "README.md", root=Path("no such folder"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no embedded data set 'silicon': there is none
    """
    names = embedded_names(root)
    if name not in names:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise DataError(f"no embedded data set {name!r}: {there}{nearest(name, names)}")
    folder = _root(root) / name
    sums = _sums(folder / SUMS)
    if file not in sums:
        raise DataError(
            f"embedded data set {name!r} has no file {file!r}: it has {', '.join(sums)}"
        )
    path = folder / file
    if not path.exists():
        raise DataError(f"{path} is missing: install the package again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sums[file]:
        raise DataError(f"{path} was altered or cut off: install the package again")
    return path


def _root(root: Path | None) -> Path:
    return Path(str(files("euclidium"))) / "data" if root is None else root


def _sums(path: Path) -> dict[str, str]:
    """Checksums by file, from lines ``<sha256>  <file>``."""
    lines = (line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}

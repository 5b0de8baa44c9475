"""Models that come with the package."""

import difflib
from importlib.resources import files
from pathlib import Path

SUFFIX = ".euclidium"


def shipped_names(root: Path | None = None) -> list[str]:
    """Names of the models in the package, or in another folder.

    >>> shipped_names(Path("no such folder"))
    []
    """
    folder = _root(root)
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def shipped(name: str, root: Path | None = None) -> Path:
    """The file of a model in the package, such as ``phonon-dos``; its card stands beside it.

    Raises ``FileNotFoundError`` for another name, with the nearest that exists.

    >>> shipped("phonon", root=Path("no such folder"))
    Traceback (most recent call last):
    FileNotFoundError: no model 'phonon' comes with the package: there is none
    """
    names = shipped_names(root)
    if name not in names:
        there = f"there are {', '.join(names)}" if names else "there is none"
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(f"no model {name!r} comes with the package: {there}{hint}")
    return _root(root) / f"{name}{SUFFIX}"


def _root(root: Path | None) -> Path:
    return Path(str(files("euclidium"))) / "data" / "models" if root is None else root

"""The structures that a command names: in a file, or in an embedded data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euclidium.atoms.labels import LabelKeys
    from euclidium.atoms.structure import Structure


def open_structure(path: Path, frame: int = -1, supercell: tuple[int, int, int] = (1, 1, 1)) -> Any:
    """One structure of a file as ASE atoms, its cell repeated, for a simulation.

    Raises ``ValueError`` for repetitions that are not counts, or along an axis without a lattice
    vector, and ``DataError`` for what cannot be read.
    """
    from euclidium.atoms.reader import read_structures

    if min(supercell) < 1:
        raise ValueError(f"--supercell repeats the cell once or more, got {supercell}")
    structure = next(read_structures(path, frame, keys=None))
    for axis, times, periodic in zip("abc", supercell, structure.pbc, strict=True):
        if times > 1 and not periodic:
            raise ValueError(f"{path} is not periodic along {axis}: --supercell cannot repeat it")
    return structure.to_ase().repeat(supercell)


def open_data(name: str, keys: "LabelKeys | None" = None) -> "Iterator[Structure]":
    """Labelled structures of a file, or the test part of an embedded data set.

    ``silicon:train`` is another part of an embedded set. ``keys`` says under which names a file
    stores the labels.
    """
    from euclidium.atoms.embedded import embedded, embedded_names
    from euclidium.atoms.labels import LabelKeys
    from euclidium.atoms.reader import read_structures

    base, _, part = name.partition(":")
    if not Path(name).exists() and base in embedded_names():
        yield from embedded(base, part or "test")
    else:
        yield from read_structures(name, keys=keys or LabelKeys())

"""The table of phonon densities of states that comes with the tutorial of Chen et al.

A CSV with the columns ``structure`` (the dictionary of an ASE ``Atoms``), ``phfreq`` (cm⁻¹),
``phdos`` (its largest value one) and, in most, ``mp_id``, ``pdos`` (curves by element),
``formula`` and ``species``. In the published table the points are 0, 20, ... 1000 cm⁻¹ and the
curves are smoothed by a Savitzky–Golay filter: modes above are missing, and so the heat capacity
and the mean frequency are those of the modes below.
Chen et al., Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214.
"""

import ast
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_documents import partial_modes
from euclidium.atoms.phonon_record import GRID51, PhononRecord
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

COLUMNS = ("structure", "phfreq", "phdos")
LONGEST = 2**24  # characters of a field


def is_phonon_table(path: Path) -> bool:
    """Whether the first line of a file names the columns of the table.

    >>> is_phonon_table(Path("no such file"))
    False
    """
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        names = file.readline(4096).strip().split(",")
    return set(COLUMNS) <= set(names)


def read_phonon_table(path: Path) -> list[PhononRecord]:
    """The records of the tutorial's table; rows without a structure are left out.

    Nothing in the file is executed. The partial densities are kept where they sum to the total.
    Raises ``DataError`` for a row that cannot be read.

    >>> read_phonon_table(Path("no such file"))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file is not a table with structure, phfreq, phdos
    """
    if not is_phonon_table(path):
        raise DataError(f"{path} is not a table with {', '.join(COLUMNS)}")
    records = []
    for number, row in _rows(path):
        try:
            record = _record(row, number)
        except DataError as error:
            raise DataError(f"row {number} of {path}: {error}") from error
        except (ValueError, SyntaxError, TypeError, KeyError, IndexError) as error:
            raise DataError(f"row {number} of {path} cannot be read: {error}") from error
        records += [] if record is None else [record]
    if not records:
        raise DataError(f"{path} has no row with a structure")
    return records


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    before = csv.field_size_limit(LONGEST)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from enumerate(csv.DictReader(file), 1)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    finally:
        csv.field_size_limit(before)


def _record(row: Mapping[str, str], number: int) -> PhononRecord | None:
    held = literal(row["structure"])
    if not held:
        return None
    name = row.get("mp_id") or f"row-{number}"
    structure = Structure.from_ase(_atoms(held), keys=None, info={"name": name})
    points = np.array(literal(row["phfreq"]), dtype=np.float64)
    density = np.array(literal(row["phdos"]), dtype=np.float64)
    if len(points) != len(density):
        raise ValueError(f"{len(density)} values of phdos at {len(points)} frequencies")
    dos = PhononDOS.from_curve(points, density, structure)
    found = literal(row.get("pdos") or "{}")
    curves = {symbol: np.array(curve, dtype=np.float64) for symbol, curve in found.items()}
    partial = partial_modes(dos, curves, structure) if curves else None
    info: dict[str, object] = {"source": "Chen 2021"}
    if curves and partial is None:
        info["pdos"] = curves
    record = PhononRecord.of(name, structure, dos, partial, info=info)
    if points.shape == GRID51.shape and np.allclose(points, GRID51):
        # the curve of the table, not smoothed once more
        record = PhononRecord(**{**vars(record), "dos51": density})
    return record


def _atoms(held: Mapping[str, Any]) -> Atoms:
    known = {key: held[key] for key in ("numbers", "positions", "cell", "pbc") if key in held}
    if "numbers" not in known and "symbols" in held:
        known["numbers"] = [atomic_numbers[symbol] for symbol in held["symbols"]]
    if not {"numbers", "positions", "cell"} <= known.keys():
        raise ValueError(f"a structure has numbers, positions and cell, got {', '.join(held)}")
    return Atoms(**{"pbc": True, **known})


def literal(text: str) -> Any:
    """The value of a Python literal, without executing anything; arrays become lists.

    Raises ``ValueError`` or ``SyntaxError`` for what is not a literal.

    >>> literal("{'pbc': array([True, False]), 'cell': [1.5, nan]}")
    {'pbc': [True, False], 'cell': [1.5, nan]}
    """
    return ast.literal_eval(_Plain().visit(ast.parse(text.strip() or "None", mode="eval")))


class _Plain(ast.NodeTransformer):
    """``array([1, 2], dtype=...)`` becomes ``[1, 2]``, ``nan`` and ``inf`` become numbers."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """An array, which is replaced by its argument."""
        if isinstance(node.func, ast.Name) and node.func.id == "array" and len(node.args) == 1:
            return self.visit(node.args[0])
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A number that has no literal."""
        if node.id in ("nan", "inf"):
            return ast.copy_location(ast.Constant(float(node.id)), node)
        return node

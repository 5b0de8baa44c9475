"""Files of basis sets for the density: Gaussian94 (``.gbs``) and deMon (``.d2k``)."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from euclidium.atoms.basis import DensityBasis, Shell
from euclidium.atoms.elements import site_number
from euclidium.atoms.problem import DataError

LETTERS = "SPDFGHIK"
SHARED = {"L": "SP"}  # another name of shells that share their exponents
NUMBER = r"[-+]?\d*\.?\d+(?:[EeDd][-+]?\d+)?"


def read_basis(path: str | os.PathLike[str]) -> DensityBasis:
    r"""The basis in a file in the format of Gaussian94 or deMon, every exponent a shell of its own.

    Exponents in 1/bohr². The name is that of the file. Raises ``DataError`` for a file that is
    missing, that is neither, or whose functions are contracted.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "small.gbs"
    ...     _ = path.write_text("****\nH 0\nS 1 1.00\n 15.6 0.02\nP 1 1.00\n 2.0 1.0\n****\n")
    ...     read_basis(path).shells
    {1: ((0, 15.6), (1, 2.0))}
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no basis {path}")
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line.split("!")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    shells: dict[int, list[Shell]] = {}
    for z, l, exponents in _demon(lines) if path.suffix == ".d2k" else _gaussian(lines):
        if len(exponents) != 1:
            raise DataError(
                f"{path} has a shell of {len(exponents)} exponents: contracted functions are not "
                "known here, uncontract them first"
            )
        shells.setdefault(z, []).append((l, exponents[0]))
    if not shells:
        raise DataError(f"{path} is no basis in the format of Gaussian94 (.gbs) or deMon (.d2k)")
    ordered = {
        z: tuple(sorted(own, key=lambda shell: (shell[0], -shell[1]))) for z, own in shells.items()
    }
    return DensityBasis(path.name.split(".")[0], ordered)


def read_atom(path: str | os.PathLike[str]) -> dict[float, float]:
    r"""Coefficients of an isolated atom by exponent, from a table of Psi4's functions.

    Rows of degree, coefficient, exponent and the signed norm, behind lines of text; other degrees
    than 0 are left out. In our convention, e/bohr^1.5. Raises ``DataError`` for a file without
    such rows.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "h.out"
    ...     _ = path.write_text("Atom number: 0\n0 0.25 15.6 -5.6\n")
    ...     read_atom(path)
    {15.6: -0.25}
    """
    rows = re.findall(
        rf"^\s*0\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*$", Path(path).read_text(), re.MULTILINE
    )
    if not rows:
        raise DataError(f"{path} has no rows of degree, coefficient, exponent and norm")
    return {float(a): float(c) * float(np.sign(float(norm))) for c, a, norm in rows}


def match_atom(
    found: dict[float, float], exponents: Float[np.ndarray, " shell"]
) -> Float[np.ndarray, " shell"]:
    """The coefficients of an atom for these exponents, which may differ in the sixth digit.

    Raises ``DataError`` for an exponent that is not there.

    >>> match_atom({15.6: 0.25, 3.6: 0.5}, np.array([3.6]))
    array([0.5])
    """
    made = []
    for exponent in exponents:
        near = min(found, key=lambda a: abs(a - exponent))
        if abs(near - exponent) > 1e-6 * exponent:
            raise DataError(f"the isolated atom has no function with the exponent {exponent:g}")
        made.append(found[near])
    return np.array(made, dtype=float)


def _gaussian(lines: Sequence[str]) -> Iterator[tuple[int, int, list[float]]]:
    """Atomic number, degree and exponents of each shell of a Gaussian94 file."""
    z, i = -1, 0
    while i < len(lines):
        words = lines[i].split()
        i += 1
        if re.fullmatch(r"-?[A-Za-z]{1,2}\s+0", lines[i - 1]):
            z = site_number(words[0].lstrip("-").capitalize())
        elif z >= 0 and len(words) >= 2 and words[0].isalpha() and words[1].isdigit():
            n = int(words[1])
            exponents = _first_numbers(lines[i : i + n])
            for letter in SHARED.get(words[0].upper(), words[0].upper()):
                if letter not in LETTERS:
                    raise DataError(
                        f"a shell is called {words[0]!r}, expected letters of {LETTERS}"
                    )
                yield z, LETTERS.index(letter), exponents
            i += n


def _demon(lines: Sequence[str]) -> Iterator[tuple[int, int, list[float]]]:
    """Atomic number, degree and exponents of each shell of a deMon file."""
    z, i = -1, 0
    while i < len(lines):
        words = lines[i].split()
        i += 1
        if words[0].upper().startswith("O-") and len(words) > 1:
            z = site_number(words[1].capitalize())
        elif z >= 0 and len(words) == 3 and all(word.isdigit() for word in words):
            n = int(words[2])
            yield z, int(words[1]), _first_numbers(lines[i : i + n])
            i += n


def _first_numbers(lines: Sequence[str]) -> list[float]:
    """The exponents: the first number of each line."""
    return [float(re.sub("[Dd]", "e", line.split()[0])) for line in lines]

"""Basis sets in the formats of Gaussian94 and deMon."""

from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms.basis_file import match_atom, read_atom, read_basis
from euclidium.atoms.problem import DataError

GAUSSIAN = """! a comment
****
H     0
S   1   1.00
      0.4000000D+01  1.0
D   1   1.00
      1.5            -2.0
S   1   1.00
      9.0            0.1
****
Si    0
F   1   1.00
      2.0            1.0
****
"""
DEMON = """# a comment
O-HYDROGEN H (test)
# (2s,1d)
    3
    1    0    1
      4.0   1.0
    2    0    1
      9.0   1.0
    3    2    1
      1.5   1.0
O-SILICON Si (test)
    1
    4    3    1
      2.0   1.0
"""


@pytest.mark.parametrize(("name", "text"), [("a.gbs", GAUSSIAN), ("a.1.d2k", DEMON)])
def test_both_formats_give_one_basis(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    basis = read_basis(tmp_path / name)
    assert basis.shells == {1: ((0, 9.0), (0, 4.0), (2, 1.5)), 14: ((3, 2.0),)}
    assert basis.name == "a"


def test_shells_that_share_exponents(tmp_path: Path):
    rows = "".join(f"{name} 1 1.00\n {a} 1.0 1.0\n" for name, a in (("SPD", 0.5), ("L", 2.0)))
    (tmp_path / "s.gbs").write_text(f"H 0\n{rows}****\n")
    assert read_basis(tmp_path / "s.gbs").shells == {
        1: ((0, 2.0), (0, 0.5), (1, 2.0), (1, 0.5), (2, 0.5))
    }
    (tmp_path / "w.gbs").write_text("H 0\nSW 1 1.00\n 0.5 1.0\n****\n")
    with pytest.raises(DataError, match="a shell is called 'SW', expected letters of SPDFGHIK"):
        read_basis(tmp_path / "w.gbs")


def test_what_is_no_basis_gets_a_sentence(tmp_path: Path):
    (tmp_path / "c.gbs").write_text("H 0\nS 2 1.00\n 4.0 0.5\n 1.0 0.5\n****\n")
    with pytest.raises(DataError, match="a shell of 2 exponents: contracted functions"):
        read_basis(tmp_path / "c.gbs")
    (tmp_path / "d.gbs").write_text("nothing\n")
    with pytest.raises(DataError, match="is no basis in the format of Gaussian94"):
        read_basis(tmp_path / "d.gbs")
    with pytest.raises(DataError, match="there is no basis"):
        read_basis(tmp_path / "e.gbs")


def test_atoms_are_matched_by_exponent(tmp_path: Path):
    path = tmp_path / "o.out"
    path.write_text("Atom number: 0\nnumber of functions: 2\n0 0.5 9.0 12.0\n0 0.25 4.0 -3.0\n")
    found = read_atom(path)
    np.testing.assert_array_equal(match_atom(found, np.array([4.000001, 9.0])), [-0.25, 0.5])
    with pytest.raises(DataError, match="no function with the exponent 5"):
        match_atom(found, np.array([5.0]))
    path.write_text("nothing")
    with pytest.raises(DataError, match="no rows of degree"):
        read_atom(path)

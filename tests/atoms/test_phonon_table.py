"""The tutorial's table, written here with the columns that its code reads."""

import csv

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms.phonon_table import is_phonon_table, literal, read_phonon_table
from euclidium.atoms.problem import DataError

POINTS = np.arange(0.0, 1001.0, 20.0)
SALT = bulk("NaCl", "rocksalt", a=5.64)


def curve(place):
    return np.exp(-(((POINTS - place) / 40.0) ** 2) / 2)


def row(**more):
    total = curve(180.0) + curve(260.0)
    structure = {key: value.tolist() for key, value in SALT.todict().items()}
    return {
        "mp_id": "mp-22862",
        "structure": str(structure),
        "phfreq": str(POINTS.tolist()),
        "phdos": str((total / total.max()).tolist()),
        "pdos": str({"Na": curve(180.0).tolist(), "Cl": (2 * curve(260.0)).tolist()}),
        "formula": "NaCl",
        "species": "['Na', 'Cl']",
        **more,
    }


def write(path, *rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_table(tmp_path):
    alloy = row(mp_id="", structure="{}", pdos="{}", formula="Mg3Bi1.5Sb0.5")
    path = write(tmp_path / "data.csv", row(), alloy)
    assert is_phonon_table(path)
    [record] = read_phonon_table(path)
    assert (record.name, record.structure.formula) == ("mp-22862", "ClNa")
    np.testing.assert_allclose(record.structure.positions, SALT.positions)
    np.testing.assert_allclose(record.structure.cell, SALT.cell.array)
    assert record.dos51.max() == 1.0  # that of the table, not smoothed once more
    np.testing.assert_allclose(record.dos51, curve(180) / (curve(180) + curve(260)).max(), atol=1)
    assert record.mean_frequency == pytest.approx(220.0, abs=0.01)
    # each element has three modes for each atom, whatever the scale of its curve
    assert record.partial["Na"].sum() == pytest.approx(1.5, abs=1e-6)
    np.testing.assert_allclose(record.partial["Na"] + record.partial["Cl"], record.dos.modes)


def test_partial_densities_that_do_not_fit_are_information(tmp_path):
    path = write(tmp_path / "data.csv", row(pdos=str({"Na": curve(900.0).tolist()})))
    [record] = read_phonon_table(path)
    assert record.partial is None
    assert set(record.info["pdos"]) == {"Na"}


def test_arrays_as_numpy_prints_them(tmp_path):
    with np.printoptions(threshold=10**6):
        path = write(tmp_path / "data.csv", row(structure=str(SALT.todict())))
    [record] = read_phonon_table(path)
    np.testing.assert_allclose(record.structure.positions, SALT.positions)


@pytest.mark.parametrize("text", ["__import__('os').getcwd()", "open('x')", "[1, 2].copy()", "a"])
def test_nothing_is_executed(text, tmp_path):
    with pytest.raises(ValueError, match="malformed node"):
        literal(text)
    path = write(tmp_path / "data.csv", row(structure=text))
    with pytest.raises(DataError, match="row 1 of .*data.csv cannot be read: malformed node"):
        read_phonon_table(path)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"phdos": "[1.0, 2.0]"}, "row 1 of .*: 2 values of phdos at 51 frequencies"),
        ({"phdos": str([0.0] * 51)}, "row 1 of .*: the density of states is zero everywhere"),
        ({"structure": "{'numbers': [1]}"}, "has numbers, positions and cell, got numbers"),
        ({"structure": "{'numbers'"}, "row 1 of .* cannot be read"),
        ({"structure": "{}"}, "has no row with a structure"),
    ],
)
def test_rows_that_make_no_sense(more, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        read_phonon_table(write(tmp_path / "data.csv", row(**more)))


def test_other_tables(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    assert not is_phonon_table(path)
    with pytest.raises(DataError, match="not a table with structure, phfreq, phdos"):
        read_phonon_table(path)

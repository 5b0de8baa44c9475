"""The table of a screening: the order, the joined duplicates, and nothing lost."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from euclidium.analyze.expression import Expression
from euclidium.analyze.ranking import Ranking, rank, write_lists, write_table
from euclidium.analyze.screen import screen
from euclidium.analyze.screen_chunk import COLUMNS, CrystalFilter


@pytest.fixture
def folder(solid, crystals, tmp_path: Path) -> Path:
    """A screening in pieces of three: silicon and its double are in different ones."""
    solid.refused = (11,)
    lines = [
        json.dumps(
            {
                "id": s.info["name"],
                "lattice": s.cell.tolist(),
                "frac": (s.positions @ np.linalg.inv(s.cell)).tolist(),
                "symbols": s.to_ase().get_chemical_symbols(),
            }
        )
        for s in crystals
    ]
    database = tmp_path / "crystals.jsonl"
    database.write_text("\n".join([*lines, lines[4].replace("Si again", "Si once more"), "{"]))
    screen(solid, database, tmp_path / "out", CrystalFilter(without=("Li",)), chunk=3)
    return tmp_path / "out"


def names(ranking: Ranking) -> list[str]:
    """The crystals that have a rank."""
    return [r.crystal.name for r in ranking.crystals if r.rank is not None]


def test_order(folder: Path, solid, crystals):
    ranking = rank(folder, Expression("cv_kg(300)"))
    assert names(ranking) == ["C", "MgO", "Al", "Si", "ZnS", "PbS", "Pb"]
    by_name = {s.info["name"]: solid.spectrum(s) for s in crystals}
    for ranked in ranking.crystals:
        expected = by_name[ranked.crystal.name]
        assert ranked.value == pytest.approx(float(expected.dos.heat_capacity(300.0, "kg")), 1e-5)
        share = expected.uncertainty["cv300"] / expected.dos.heat_capacity(300.0)
        assert ranked.uncertainty == pytest.approx(share * ranked.value, rel=1e-3)
    assert [r.rank for r in ranking.crystals] == list(range(1, 8))
    opposite = rank(folder, Expression("cv_kg(300)"), lowest=True)
    assert names(opposite) == names(ranking)[::-1]


def test_conditions_take_the_rank_but_not_the_row(folder: Path):
    where = [Expression("unstable < 0.5"), Expression("n_atoms > 1")]
    ranking = rank(folder, Expression("omega_mean"), where)
    assert names(ranking) == ["C", "MgO", "Si", "ZnS"]
    assert ranking.n_ranked == 4
    assert len(ranking.crystals) == 7
    assert {r.crystal.name for r in ranking.crystals[4:]} == {"Pb", "PbS", "Al"}


def test_what_has_no_value_has_no_rank(folder: Path):
    ranking = rank(folder, Expression("1 / (n_atoms - 2)"))
    assert set(names(ranking)) == {"Pb", "Al"}
    assert len(ranking.crystals) == 7


def test_nothing_is_lost(folder: Path):
    ranking = rank(folder, Expression("mass"))
    assert [(d.name, d.number, d.same_as) for d in ranking.duplicates] == [
        ("Si again", 4, 0),
        ("Si once more", 10, 0),
    ]
    assert [(r.number, r.place) for r in ranking.refused] == [
        (3, "line 4 of crystals.jsonl"),
        (11, "line 12 of crystals.jsonl"),
    ]
    assert ranking.filtered == {"without": 1}
    counts = len(ranking.crystals) + len(ranking.duplicates) + len(ranking.refused)
    assert counts + sum(ranking.filtered.values()) == ranking.entries == 12


def test_the_early_double_of_a_late_one_leads_to_the_first(solid, crystals, tmp_path: Path):
    """Three of the same: the second and third share a piece, the first is in an earlier one."""
    silicon, again = crystals[0], crystals[4]
    lines = []
    for n, s in enumerate([silicon, crystals[1], silicon, again]):
        frac = (s.positions @ np.linalg.inv(s.cell)).tolist()
        symbols = s.to_ase().get_chemical_symbols()
        record = {"id": n, "lattice": s.cell.tolist(), "frac": frac, "symbols": symbols}
        lines.append(json.dumps(record))
    database = tmp_path / "three.jsonl"
    database.write_text("\n".join(lines))
    screen(solid, database, tmp_path / "out", chunk=2)
    duplicates = rank(tmp_path / "out", Expression("mass")).duplicates
    assert [(d.number, d.same_as) for d in duplicates] == [(2, 0), (3, 0)]


def test_spectra_of_the_first(folder: Path, solid, crystals):
    ranking = rank(folder, Expression("cv_kg(300)"))
    by_name = {s.info["name"]: s for s in crystals}
    spectra = ranking.spectra(3)
    assert len(spectra) == 3
    for ranked, (edges, modes) in zip(ranking.crystals, spectra, strict=False):
        expected = solid.spectrum(by_name[ranked.crystal.name]).dos
        np.testing.assert_array_equal(edges, expected.edges)
        np.testing.assert_allclose(modes, expected.modes, atol=1e-6)


def test_table_without_pyarrow(folder: Path, monkeypatch):
    monkeypatch.setattr("euclidium.analyze.ranking.find_spec", lambda name: None)
    ranking = rank(folder, Expression("cv_kg(300)"), [Expression("n_atoms == 2")])
    path = write_table(ranking, folder)
    assert path.name == "results.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "", ""]
    assert rows[0]["name"] == "C"
    assert float(rows[0]["value"]) == ranking.crystals[0].value
    assert rows[0].keys() >= {"formula", "space_group", "uncertainty", *COLUMNS}
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_parquet(folder: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    ranking = rank(folder, Expression("cv_kg(300)"), [Expression("n_atoms == 2")])
    path = write_table(ranking, folder)
    assert path.name == "results.parquet"
    rows = parquet.read_table(path).to_pylist()
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, None, None]
    assert rows[0]["value"] == ranking.crystals[0].value
    assert isinstance(rows[0]["space_group"], int)


def test_a_table_of_nothing(solid, crystals, tmp_path: Path):
    database = tmp_path / "none.jsonl"
    database.write_text("{}")
    screen(solid, database, tmp_path / "out")
    ranking = rank(tmp_path / "out", Expression("mass"))
    assert ranking.crystals == []
    assert write_table(ranking, tmp_path).exists()


def test_lists(folder: Path):
    duplicates, refused = write_lists(rank(folder, Expression("mass")), folder)
    with duplicates.open(encoding="utf-8", newline="") as file:
        assert [row["same_as"] for row in csv.DictReader(file)] == ["0", "0"]
    with refused.open(encoding="utf-8", newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert reasons[0].endswith("Na is unknown")
    assert "is not JSON" in reasons[1]


def test_bad_input(folder: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="'mass' is a number: compare it, as in mass < 1"):
        rank(folder, Expression("mass"), [Expression("mass")])
    with pytest.raises(ValueError, match="holds no screening"):
        rank(tmp_path, Expression("mass"))
    next((folder / "chunks").glob("*2.npz")).unlink()
    with pytest.raises(ValueError, match="is not complete: 3 of 4 pieces are there"):
        rank(folder, Expression("mass"))

"""A screening may stop anywhere and go on, in any number of parts: the result is the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from euclidium.analyze.expression import Expression
from euclidium.analyze.ranking import rank
from euclidium.analyze.screen import PLAN, ScreeningPlan, chunk_files, forget, open_plan, screen
from euclidium.analyze.screen_chunk import Chunk, CrystalFilter
from euclidium.atoms import DataError
from euclidium.models import NequIPConfig, Potential, PotentialConfig, save


def document(structure) -> str:
    """A line of a database."""
    frac = structure.positions @ np.linalg.inv(structure.cell)
    symbols = structure.to_ase().get_chemical_symbols()
    name, lattice = structure.info["name"], structure.cell.tolist()
    return json.dumps({"id": name, "lattice": lattice, "frac": frac.tolist(), "symbols": symbols})


@pytest.fixture
def database(crystals, tmp_path: Path) -> Path:
    """Ten crystals and a line that is none."""
    lines = [document(structure) for structure in crystals]
    path = tmp_path / "crystals.jsonl"
    path.write_text("\n".join([*lines[:6], "no crystal", *lines[6:]]))
    return path


def table(output: Path) -> list[tuple]:
    """What the screening in a folder found."""
    ranking = rank(output, Expression("cv_kg(300)"), [Expression("unstable < 0.5")])
    return [(r.rank, r.crystal.name, r.crystal.number, round(r.value, 6)) for r in ranking.crystals]


@pytest.fixture
def expected(solid, database: Path, tmp_path: Path) -> list[tuple]:
    """What comes out in one go."""
    screen(solid, database, tmp_path / "whole", chunk=100)
    return table(tmp_path / "whole")


def test_shards_in_any_order_give_the_same(solid, database: Path, tmp_path: Path, expected):
    output = tmp_path / "parts"
    assert [name for _, name, _, _ in expected] == [
        "LiF", "C", "MgO", "Al", "Si", "NaCl", "ZnS", "Pb", "PbS"
    ]  # fmt: skip
    for number in (3, 1, 2):
        progress = screen(solid, database, output, shard=(number, 3), chunk=2)
        assert progress.complete == (number == 2)
    assert (progress.finished, progress.entries) == (6, 4)
    assert table(output) == expected


def test_what_is_finished_is_not_done_again(solid, database: Path, tmp_path: Path, expected):
    output = tmp_path / "again"
    told = []

    class Enough(Exception):
        """Somebody ends the process."""

    def observe(done: int, total: int) -> None:
        told.append((done, total))
        if done == 6:
            raise Enough

    with pytest.raises(Enough):
        screen(solid, database, output, chunk=3, observe=observe)
    assert told == [(0, 11), (3, 11), (6, 11)]
    assert [file.name for file in chunk_files(output)] == ["000000.npz", "000001.npz"]
    solid.batches.clear()
    progress = screen(solid, database, output, chunk=3)
    assert (progress.entries, progress.complete) == (5, True)
    assert sum(solid.batches) == 1 + 2 + 2 + 2  # of Al, LiF, ZnS, PbS
    assert table(output) == expected
    solid.batches.clear()
    assert screen(solid, database, output, chunk=3).entries == 0
    assert not solid.batches


def test_half_a_file_is_not_a_result(solid, database: Path, tmp_path: Path, monkeypatch):
    """A process that dies while it writes leaves a temporary file, which nobody reads."""
    output = tmp_path / "killed"

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("euclidium.analyze.screen_chunk.os.replace", die)
    with pytest.raises(KeyboardInterrupt):
        screen(solid, database, output, chunk=3)
    assert chunk_files(output) == []
    (output / "chunks" / ".0badcafe.000001.npz").write_bytes(b"half")
    monkeypatch.undo()
    assert screen(solid, database, output, chunk=3).complete
    assert len(chunk_files(output)) == 4


def test_a_folder_holds_one_screening(solid, database: Path, tmp_path: Path):
    output = tmp_path / "one"
    screen(solid, database, output, CrystalFilter(max_atoms=5), chunk=4)
    for options, word in (
        ({"wanted": CrystalFilter(max_atoms=7)}, "max_atoms"),
        ({"wanted": CrystalFilter(max_atoms=5, without=("Pb",))}, "without"),
        ({"wanted": CrystalFilter(max_atoms=5), "tolerance": 0.1}, "tolerance"),
        ({"wanted": CrystalFilter(max_atoms=5), "chunk": 3}, "chunk"),
    ):
        with pytest.raises(ValueError, match=f"holds a screening with another {word}"):
            screen(solid, database, output, **{"chunk": 4, **options})
    other = replace(solid)
    database.write_text(database.read_text() + "\n{}")
    with pytest.raises(ValueError, match=r"another entries \(entries 11, now 12\): choose another"):
        screen(other, database, output, CrystalFilter(max_atoms=5), chunk=4)
    forget(output)
    assert screen(other, database, output, chunk=3).plan.entries == 12


def test_the_plan_is_kept(solid, database: Path, tmp_path: Path):
    wanted = CrystalFilter(elements=("Si", "O"), without=("Pb",), max_atoms=9)
    made = screen(solid, database, tmp_path / "kept", wanted, duplicates=True).plan
    assert open_plan(tmp_path / "kept") == made
    assert made.wanted == wanted
    (tmp_path / "kept" / PLAN).write_text("{}")
    with pytest.raises(ValueError, match="is not the plan of a screening: remove it"):
        open_plan(tmp_path / "kept")


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_shards_cover_everything_once(n: int):
    plan = ScreeningPlan("", 1000, "", CrystalFilter(), 0.01, chunk=64)
    parts = [set(plan.part((i, n))) for i in range(1, n + 1)]
    assert set().union(*parts) == set(range(16))
    assert sum(map(len, parts)) == 16


def test_an_empty_shard_is_done(solid, database: Path, tmp_path: Path):
    progress = screen(solid, database, tmp_path / "few", shard=(9, 9), chunk=11)
    assert (progress.entries, progress.finished, progress.complete) == (0, 0, False)


def test_bad_input(solid, database: Path, tmp_path: Path):
    output = tmp_path / "never"
    with pytest.raises(ValueError, match="there is no shard 4/3: shards are counted from 1 to 3"):
        screen(solid, database, output, shard=(4, 3))
    with pytest.raises(DataError, match="no such file"):
        screen(solid, tmp_path / "nothing.jsonl", output)
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        screen(tmp_path / "model.euclidium", database, output)
    with pytest.raises(ValueError, match="several workers need a model file"):
        screen(solid, database, output, workers=2, chunk=2)
    potential = tmp_path / "potential.euclidium"
    save(Potential(PotentialConfig(species=["Si"], network=NequIPConfig(channels=2))), potential)
    with pytest.raises(
        ValueError, match="is a potential: a screening needs a model of phonon spectra"
    ):
        screen(potential, database, tmp_path / "wrong")


def test_memory_is_that_of_a_chunk(solid, database: Path, tmp_path: Path):
    """Each file holds its own entries, and no more."""
    screen(solid, database, tmp_path / "out", chunk=4)
    chunks = [Chunk.load(file) for file in chunk_files(tmp_path / "out")]
    assert [chunk.n_entries for chunk in chunks] == [4, 4, 3]
    numbers = [c.number for chunk in chunks for c in chunk.found]
    assert numbers == sorted(numbers)

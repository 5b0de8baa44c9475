"""A study of a few small trainings: it ends, goes on, and says what its files say."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from euclidium.analyze.hierarchy import Cell
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density, DensityRecord, electrons_of
from euclidium.atoms.density_file import write_densities
from euclidium.atoms.structure import Structure
from euclidium.cli.density_hierarchy import Study, is_due
from euclidium.train.config import load_config

SHELLS = {1: ((0, 0.8), (1, 0.9), (2, 1.0))}
ONE = 1 / electrons_of(DensityBasis("small", SHELLS), np.array([1]))[0]  # of an atom's electron
BASIS = DensityBasis("small", SHELLS, {1: np.array([ONE])})
CONFIG = """
data: {train: densities.npz, validation: 2, test: 3}
task: density
output: study
model: {cutoff: 3.0, head: 4, network: {channels: 4, lmax: 1, edge_lmax: 2, layers: 2}}
loss: {points: 200, coulomb: 0.0}
training: {epochs: 2, batch_size: 4, accelerator: cpu}
logging: {tensorboard: false}
"""
GRID = ("--degrees", "0,1", "--sizes", "6", "--seeds", "1", "--fixed")


def record(seed: int) -> DensityRecord:
    """Three hydrogen atoms: electrons go to the last, dipoles point away from the neighbours."""
    rng = np.random.default_rng(seed)
    positions = np.array([[0.0, 0, 0], [0.9, 0, 0], [0.2, 0.9, 0.1]])
    positions += rng.normal(scale=0.08, size=(3, 3))
    rows = np.zeros((3, 9))
    rows[:, 0] = ONE * np.array([0.9, 1.0, 1.1])
    for n, place in enumerate(positions):
        away = place - np.delete(positions, n, axis=0)
        rows[n, 1:4] = 0.1 * (away / np.square(away).sum(axis=1, keepdims=True)).sum(axis=0)
    structure = Structure(np.ones(3, dtype=np.int64), positions)
    return DensityRecord(f"h3-{seed}", Density(structure, BASIS, rows.ravel()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("study")
    write_densities(made / "densities.npz", [record(n) for n in range(11)])
    (made / "study.yaml").write_text(CONFIG)
    return made


def test_a_study_of_densities(answer, folder):
    found = answer("density", "hierarchy", folder / "study.yaml", *GRID)
    study = folder / "study"
    cells = sorted(path.parent.name for path in study.glob("*/hierarchy.json"))
    assert found["trainings"] == len(cells) == 2
    whole = {(c["matched"], c["lmax"]): c for c in found["curves"]}
    assert set(whole) == {(False, 0), (False, 1)}
    one = json.loads((study / "l1-c4-n6-s0" / "hierarchy.json").read_text())
    assert found["by_degree"]["1"] == pytest.approx(one["by_degree"])
    assert len(one["errors"]) == 3
    assert found["without_degree"]["1"]["none"] == pytest.approx(np.mean(one["errors"]))
    assert found["without_degree"]["1"]["0"] != found["without_degree"]["1"]["none"]
    page = (study / "hierarchy.html").read_text()
    assert "What each degree is good for" in page
    assert "http" not in page
    assert len(list((study / "figures").glob("*.png"))) == 8


def study_of(folder: Path, name: str) -> Study:
    return Study(load_config(folder / "study.yaml", [f"output={name}"]), 64)


def test_matched_networks_have_as_many_parameters(folder):
    study = study_of(folder, "matched")
    cells = study.cells([0, 1], [6], [0], True, [])
    (other,) = [cell for cell in cells if cell.matched]
    wanted = study.parameters(1, 4)
    found = {n: abs(study.parameters(0, n) - wanted) for n in range(1, 20)}
    assert other.lmax == 0
    assert other.channels == min(found, key=found.__getitem__) > 4


def test_a_degree_that_is_learned_alone(folder):
    study = study_of(folder, "alone")
    one = study.result(Cell(1, 4, 6, 0, degrees=(1,)))
    isolated = study.isolated()["by_degree"]
    assert [one.by_degree[l] for l in (0, 2)] == pytest.approx([isolated[l] for l in (0, 2)])
    assert one.by_degree[1] != pytest.approx(isolated[1])


def test_a_training_goes_on_where_it_was(folder):
    """What is finished stays; what lost its measurements, or itself, is completed."""
    study, cell = study_of(folder, "again"), Cell(0, 4, 6, 0)
    first = study.result(cell)
    place = study.output / cell.name
    written = (place / "last.ckpt").stat().st_mtime_ns
    assert study.result(cell) == first
    (place / "hierarchy.json").unlink()
    assert study.result(cell).errors == first.errors
    assert (place / "last.ckpt").stat().st_mtime_ns == written
    for name in ("hierarchy.json", "metrics.json"):
        (place / name).unlink()
    assert study.result(cell).errors == first.errors
    shutil.rmtree(place)
    assert study.result(cell).errors == first.errors
    assert [row["step"] for row in study.result(cell).dynamics] == [0, 1, 2, 3, 4]


def test_results_of_other_settings_are_not_taken(folder):
    study, cell = study_of(folder, "kept"), Cell(0, 4, 6, 0)
    first = study.result(cell)
    isolated = study.isolated()
    written = (study.output / cell.name / "last.ckpt").stat().st_mtime_ns
    fewer = Study(load_config(folder / "study.yaml", ["output=kept"]), 2)
    assert len(fewer.result(cell).errors) < len(first.errors)  # measured anew, not trained
    assert fewer.isolated()["total"] != isolated["total"]
    assert (study.output / cell.name / "last.ckpt").stat().st_mtime_ns == written
    other = Study(load_config(folder / "study.yaml", ["output=kept", "model.cutoff=2.5"]), 64)
    with pytest.raises(ValueError, match="another configuration .model.cutoff: .*, now 2.5"):
        other.result(cell)


def test_a_study_of_a_potential(answer, tmp_path):
    (tmp_path / "si.yaml").write_text(
        "data: {train: silicon, validation: 2, test: 2, index: ':8'}\ntask: potential\n"
        "output: study\nmodel: {cutoff: 4.0, network: {channels: 4, lmax: 1, layers: 2}}\n"
        "training: {epochs: 1, accelerator: cpu}\nlogging: {tensorboard: false}\n"
    )
    grid = ("--degrees", "0,1", "--sizes", "4", "--seeds", "1", "--fixed")
    found = answer("density", "hierarchy", tmp_path / "si.yaml", *grid)
    assert found["quantity"] == "forces"
    assert found["trainings"] == 2
    assert found["without_degree"]["1"]["1"] != found["without_degree"]["1"]["none"]
    assert found["by_degree"] == {"0": [], "1": []}
    rows = json.loads((tmp_path / "study" / "l1-c4-n4-s0" / "dynamics.json").read_text())
    assert rows[0]["step"] == 0
    assert set(rows[0]["features"][0]) == {"0", "1"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--degrees", "a"), "--degrees are numbers between commas, such as 0,1,2, got 'a'"),
        (("--sizes", "99"), "data.limit is 99, but there are 6 structures"),
    ],
)
def test_what_cannot_be_studied(run, folder, words, sentence):
    result = run("density", "hierarchy", folder / "study.yaml", "output=other", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_measurements_are_dense_at_the_start():
    due = [step for step in range(1001) if is_due(step, 1000)]
    assert due[:6] == [0, 1, 2, 3, 4, 5]
    assert due[-1] == 1000
    assert len(due) < 30
    assert max(b / a for a, b in itertools.pairwise(due[5:])) < 1.5

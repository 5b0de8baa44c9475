import json
from collections.abc import Callable
from pathlib import Path

import pytest

from euclidium.cli.train import errors_of_epoch, watching
from euclidium.models.storage import describe
from euclidium.train.state import Progress


def test_what_a_run_says(workshop: Path, model: Path):
    found = json.loads((workshop / "train.json").read_text())
    assert found["model"] == str(model)
    assert found["epochs"] == 2
    assert found["stopped"] == "epochs"
    for part in ("validation", "test"):
        assert found[part]["forces"]["unit"] == "meV/Å"
        assert found[part]["forces"]["mae"] > 0
        assert found[part]["forces"]["by_element"]["Si"]["count"] > 0
    assert describe(model)["provenance"]["structures"]["train"] == 6


def test_a_run_is_not_replaced_without_being_told(workshop: Path, refused: Callable[..., str]):
    assert "holds a run already" in refused("train", workshop / "config.yaml")


def test_people_get_a_table_and_the_learning_on_the_way(
    workshop: Path, tmp_path: Path, run: Callable[..., object]
):
    result = run(
        "train", workshop / "config.yaml", f"output={tmp_path / 'again'}", "training.epochs=1"
    )
    assert result.exit_code == 0, result.stderr
    assert "forces on Si" in result.stdout
    assert "1 epochs in" in result.stdout
    assert "epoch 1 of 1: training loss" in result.stderr
    assert "training loss" not in result.stdout


def test_resuming_a_finished_run_changes_nothing(
    workshop: Path, model: Path, answer: Callable[..., dict[str, object]]
):
    before = model.read_bytes()
    found = answer("train", workshop / "config.yaml", "--resume")
    assert found["epochs"] == 2
    assert model.read_bytes() == before


def test_lines_about_every_tenth_of_a_run(capsys: pytest.CaptureFixture[str]):
    row = {"training_loss": 1.0}
    with watching(40) as progress:
        for epoch in range(1, 41):
            progress(Progress(epoch, 40, 1, 1, epoch, 0.0, 1.0, row))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "epoch 40 of 40: training loss 1"


def test_errors_of_an_epoch_are_those_that_there_are():
    assert errors_of_epoch({"training_loss": 2.0}) == "training loss 2"
    row = {"training_loss": 2.0, "validation_energy_mae": 1.234, "validation_forces_mae": 20.0}
    assert errors_of_epoch(row).endswith("energy 1.23 meV/atom, forces 20 meV/Å")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from typer.testing import Result

from euclidium.cli.finetune import read_vibrations
from euclidium.models.storage import describe, load
from euclidium.simulate.calculator import Calculator
from euclidium.simulate.phonons import phonons

FEW = ("--steps", 12, "--learning-rate", 2e-4)


@pytest.fixture
def stiffer(model: Path, tmp_path: Path) -> Path:
    """Phonons of a crystal whose springs are all a fifth stiffer than the model's."""
    found = phonons(
        bulk("Si"), Calculator(model, dtype="float64"), (1, 1, 1), mesh=(2, 2, 2), relax=False
    )
    found.force_constants[:] *= 1.2
    return found.save(tmp_path / "stiffer.npz")


def test_errors_fall(
    model: Path, stiffer: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    out = tmp_path / "better.euclidium"
    found = answer("finetune", model, stiffer, "-o", out, *FEW)
    assert found["after"]["force_constants"] < found["before"]["force_constants"]
    assert found["after"]["frequencies"] is None
    assert len(found["losses"]) == 12
    header = describe(out)
    assert header["provenance"]["finetuned"]["phonons"] == ["stiffer.npz"]
    assert header["config"] == describe(model)["config"]
    changed = zip(load(out).parameters(), load(model).parameters(), strict=True)
    assert any(not np.array_equal(a.numpy(), b.numpy()) for a, b in changed)


def test_people_get_a_table(model: Path, stiffer: Path, tmp_path: Path, run: Callable[..., Result]):
    out = tmp_path / "better.euclidium"
    data = ("--data", "silicon:test", "--validation", stiffer)
    result = run("finetune", model, stiffer, "-o", out, "--steps", 1, *data)
    assert result.exit_code == 0, result.stderr
    assert "Root mean square errors" in result.stdout
    assert "force constants" in result.stdout


def test_frequencies_of_the_embedded_silicon():
    """The first-principles frequencies at Γ: 15.45 THz."""
    (known,) = read_vibrations("silicon")
    assert known.frequencies[0, 5] == pytest.approx(15.45, abs=0.01)
    assert known.members.max() == 1
    assert np.bincount(known.members).tolist() == [64, 64]


def test_bad_arguments(model: Path, tmp_path: Path, refused: Callable[..., str]):
    out = ("-o", tmp_path / "out.euclidium")
    assert "no such file or folder: missing" in refused("finetune", model, "missing", *out)
    assert "the data set water has no phonons" in refused("finetune", model, "water", *out)
    assert "there is no model missing" in refused("finetune", "missing", "silicon", *out)
    assert "missing option '--output'" in refused("finetune", model, "silicon").lower()

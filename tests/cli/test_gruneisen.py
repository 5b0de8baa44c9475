from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from euclidium.simulate.gruneisen import Gruneisen


def test_numbers_and_picture(model: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    bulk("Si").write(tmp_path / "si.cif")
    words = ("--supercell", 1, 1, 1, "--mesh", 15, "--no-relax", "--method", "hessian")
    picture = tmp_path / "gruneisen.svg"
    found = answer(
        "phonons", "gruneisen", model, tmp_path / "si.cif", *words, "-o", picture, "--strain", 0.002
    )
    assert found["n_atoms"] == 2
    assert found["strain"] == pytest.approx(0.002)
    assert found["lowest"] <= found["mean_300K"] <= found["highest"]
    assert "<svg" in picture.read_text()
    kept = Gruneisen.load(tmp_path / "gruneisen.npz")
    assert kept.mean_at([300.0])[0] == pytest.approx(found["mean_300K"])
    assert np.array(found["bands"]["gruneisen"]).shape == kept.bands_gruneisen.shape


def test_bad_arguments(model: Path, tmp_path: Path, refused: Callable[..., str]):
    bulk("Si").write(tmp_path / "si.cif")
    words = ("phonons", "gruneisen", model, tmp_path / "si.cif")
    assert "a picture ends with" in refused(*words, "-o", "gruneisen.txt")
    text = refused(*words, "--strain", 0.5, "-o", tmp_path / "g.png")
    assert "the strain is a small positive number" in text

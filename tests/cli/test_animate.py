from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import Result

from euclidium.simulate.phonons import phonons


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phonons of copper, as ``euclidium phonons`` keeps them."""
    found = phonons(bulk("Cu"), EMT(), (2, 2, 2), mesh=(2, 2, 2))
    return found.save(tmp_path_factory.mktemp("phonons") / "phonons.npz")


def test_from_an_archive(archive: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    path = tmp_path / "mode.xsf"
    words = ("--q", 0.5, 0.5, 0, "--band", 2, "--frames", 8, "--amplitude", 0.2)
    found = answer("phonons", "animate", archive, *words, "-o", path)
    assert found["n_atoms"] == 4
    assert found["frequency_THz"] == pytest.approx(8.1, abs=0.1)
    images = ase.io.read(path, ":")
    assert len(images) == 8
    moved = images[0].positions - images[4].positions
    assert np.linalg.norm(moved, axis=1).max() == pytest.approx(0.4, abs=1e-5)


def test_from_a_model(model: Path, tmp_path: Path, run: Callable[..., Result]):
    bulk("Si").write(tmp_path / "si.cif")
    words = ("--supercell", 1, 1, 1, "--no-relax", "--method", "hessian")
    path = tmp_path / "mode.extxyz"
    result = run("phonons", "animate", model, tmp_path / "si.cif", *words, "-o", path)
    assert result.exit_code == 0, result.stderr
    assert "Mode at q = (0, 0, 0)" in result.stdout
    assert len(ase.io.read(path, ":")) == 24


def test_bad_arguments(archive: Path, model: Path, tmp_path: Path, refused: Callable[..., str]):
    out = ("-o", tmp_path / "mode.xyz")
    words = ("phonons", "animate")
    assert "does not fit into a supercell" in refused(*words, archive, *out, "--q", 0.123, 0, 0)
    assert "there are bands 0 to 2, got 7" in refused(*words, archive, *out, "--band", 7)
    assert "an animation ends with .xyz" in refused(*words, archive, "-o", tmp_path / "m.gif")
    assert "has its crystal in it" in refused(*words, archive, "si.cif", *out)
    assert "give a model and a structure" in refused(*words, model, *out)

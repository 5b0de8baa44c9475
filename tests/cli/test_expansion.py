from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import Result

from euclidium.simulate.qha import QuasiHarmonic


@pytest.fixture
def copper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The words of a small run, with a potential that holds copper together."""
    bulk("Cu").write(tmp_path / "cu.cif")
    (tmp_path / "cu.euclidium").touch()
    monkeypatch.setattr("euclidium.cli.expansion.open_calculator", lambda *words: EMT())
    small = ("--supercell", 2, 2, 2, "--mesh", 12)
    return ("phonons", "expansion", tmp_path / "cu.euclidium", tmp_path / "cu.cif", *small)


def test_numbers_and_picture(
    copper: tuple[object, ...], tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    picture = tmp_path / "expansion.svg"
    found = answer(*copper, "-o", picture, "--highest", 500, "--equation", "birch-murnaghan")
    assert found["equation"] == "birch-murnaghan"
    assert found["room"]["temperature_K"] == 300
    assert 30e-6 < found["room"]["expansion_per_K"] < 80e-6
    assert found["room"]["cp_J_per_K_mol"] > found["room"]["cv_J_per_K_mol"]
    assert "<svg" in picture.read_text()
    kept = QuasiHarmonic.load(tmp_path / "expansion.npz")
    np.testing.assert_allclose(kept.volume, found["volume_A3"])
    assert kept.temperatures[-1] == 500


def test_people_are_told_where_it_ends(
    copper: tuple[object, ...], tmp_path: Path, run: Callable[..., Result]
):
    strains = ("--strains", "-0.01,-0.005,0,0.003,0.006")
    result = run(*copper, *strains, "-o", tmp_path / "expansion.png")
    assert result.exit_code == 0, result.stderr
    assert "thermal expansion of the volume" in result.stdout
    assert "K on the crystal is larger or smaller than with any of the strains" in result.stdout


def test_bad_arguments(copper: tuple[object, ...], tmp_path: Path, refused: Callable[..., str]):
    out = ("-o", tmp_path / "expansion.png")
    assert "--strains are numbers with commas" in refused(*copper, *out, "--strains", "a,b")
    assert "strains are 5 different numbers" in refused(*copper, *out, "--strains", "0,0.01")
    assert "a picture ends with" in refused(*copper, "-o", "expansion.txt")

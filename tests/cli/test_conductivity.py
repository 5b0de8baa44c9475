from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate.conductivity import Conductivity


@pytest.fixture
def copper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The words of a small run, with a potential that holds copper together."""
    bulk("Cu").write(tmp_path / "cu.cif")
    (tmp_path / "cu.euclidium").touch()
    monkeypatch.setattr("euclidium.cli.conductivity.open_calculator", lambda *words: EMT())
    small = ("--supercell", 2, 2, 2, "--mesh", 3, 3, 3, "--cutoff", 3, "--temperatures", "200,400")
    return ("phonons", "conductivity", tmp_path / "cu.euclidium", tmp_path / "cu.cif", *small)


def test_numbers_and_picture(
    copper: tuple[object, ...], tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    pytest.importorskip("phono3py")
    picture = tmp_path / "conductivity.svg"
    found = answer(*copper, "-o", picture, "--no-isotopes")
    assert found["mesh"] == [3, 3, 3]
    first, second = found["isotropic_W_per_m_K"]
    assert first > second > 0
    assert "<svg" in picture.read_text()
    kept = Conductivity.load(tmp_path / "conductivity.npz")
    np.testing.assert_allclose(kept.kappa, found["kappa_W_per_m_K"])


def test_bad_arguments(copper: tuple[object, ...], tmp_path: Path, refused: Callable[..., str]):
    out = ("-o", tmp_path / "conductivity.png")
    assert "--temperatures are numbers with commas" in refused(*copper, *out, "--temperatures", "x")
    assert "a picture ends with" in refused(*copper, "-o", "conductivity.txt")

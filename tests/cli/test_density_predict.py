from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density_file import embedded_densities, read_densities
from euclidium.atoms.volumetric import read_volume
from euclidium.models import DensityModel
from euclidium.models.config import DensityConfig, NequIPConfig


class Fitted:
    """Stands for a model: it knows the density of one molecule by heart."""

    def __init__(self) -> None:
        self.density = embedded_densities("water", "train")[0].density

    def predict(self, structures):
        for structure in structures:
            assert np.allclose(structure.positions, self.density.structure.positions, atol=1e-6)
            yield self.density


@pytest.fixture
def water(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A molecule in a file, and a model that knows it."""
    fitted = Fitted()
    monkeypatch.setattr("euclidium.cli.density_predict.find_model", Path)
    monkeypatch.setattr("euclidium.cli.density_predict.open_model", lambda *_: fitted)
    ase.io.write(tmp_path / "water.xyz", fitted.density.structure.to_ase(), plain=True)
    return tmp_path / "water.xyz"


def test_coefficients_are_kept_exactly(
    water: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    found = answer("density", "predict", "water-density", water, "-o", tmp_path / "rho.npz")
    assert found["electrons"] == pytest.approx(10, abs=1e-9)
    (record,) = read_densities(tmp_path / "rho.npz")
    assert np.array_equal(record.density.coefficients, Fitted().density.coefficients)
    assert found["dipole_e_angstrom"] == pytest.approx(record.density.dipole)


@pytest.mark.parametrize("name", ["rho.cube", "rho.xsf", "CHGCAR"])
def test_grids_report_both_numbers_of_electrons(
    name: str, water: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    words = ("-o", tmp_path / name, "--spacing", 0.4)
    found = answer("density", "predict", "water-density", water, *words)
    volume = read_volume(tmp_path / name)
    assert found["grid"] == list(volume.values.shape)
    assert found["grid_electrons"] == pytest.approx(volume.electrons, rel=1e-5)
    assert abs(found["grid_electrons"] - found["electrons"]) > 1e-3  # nothing was scaled


def test_charges_and_spins_that_a_model_does_not_know(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    ase.io.write(tmp_path / "h2.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]))
    basis = DensityBasis("s", {1: ((0, 0.5),)}, {1: np.array([0.4])}).to_json()
    network = NequIPConfig(channels=2, layers=1)
    monkeypatch.setattr("euclidium.cli.density_predict.find_model", Path)
    for own, words, sentence in (
        ({}, ("--spin", 2), "m knows no density of spin: leave out --spin"),
        ({"electrons": "free"}, ("--charge", 1), "m does not know of charges: leave out"),
        ({"spin": True}, ("--spin", 1), "H2 with the charge 0 has 2 electrons, of which 1 cannot"),
    ):
        model = DensityModel(DensityConfig(basis=basis, network=network, **own)).eval()
        monkeypatch.setattr("euclidium.cli.density_predict.open_model", lambda *_, m=model: m)
        command = ("density", "predict", "m", tmp_path / "h2.xyz", "-o", tmp_path / "rho.npz")
        assert sentence in refused(*command, *words)


def test_refuses(
    water: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    said = refused("density", "predict", "m", water, "-o", tmp_path / "rho.txt")
    assert "rho.txt is no density: end it with .cube" in said
    monkeypatch.setattr("euclidium.cli.density_predict.open_model", lambda *_: object())
    said = refused("density", "predict", "m", water, "-o", tmp_path / "rho.npz")
    assert "m predicts no electron densities" in said

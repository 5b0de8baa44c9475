"""``euclidium evaluate`` of densities."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch

from euclidium.atoms import (
    Density,
    DensityRecord,
    Structure,
    embedded_densities,
    read_densities,
    write_densities,
)
from euclidium.atoms.basis import DensityBasis
from euclidium.cli.evaluate_density import at_the_level, open_densities
from euclidium.models.config import DensityConfig, NequIPConfig
from euclidium.models.density import DensityModel
from euclidium.models.storage import load, save


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that changes the isolated atoms little."""
    torch.manual_seed(0)
    record = embedded_densities("water", "test")[0]
    network = NequIPConfig(channels=2, layers=1, edge_lmax=1)
    config = DensityConfig(basis=record.density.basis.to_json(), network=network, head=2)
    model = DensityModel(config)
    for z in (1, 8):
        model.set_statistics(0, z, torch.zeros(2, record.density.basis.size(z)))
    path = tmp_path_factory.mktemp("density") / "none.euclidium"
    save(model, path)
    return path


def test_a_model_that_knows_nothing_gives_isolated_atoms(
    untrained: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    records = embedded_densities("water", "test")[:2]
    write_densities(tmp_path / "two.npz", records)
    found = answer("evaluate", untrained, tmp_path / "two.npz")
    assert found["n"] == 2
    assert found["eps_fit"] == pytest.approx(found["eps_superposition"], rel=0.3)
    assert 10 < found["eps_superposition"] < 14  # of all water clusters about 12 %
    assert found["eps_floor"] == pytest.approx(np.mean([r.fit_error for r in records]))
    assert found["electrons_error"] < 1e-10
    assert len(found["eps_by_degree"]) == 5
    assert found["dipole_rel_mae"] > 0.5
    again = answer("density", "evaluate", untrained, tmp_path / "two.npz")
    assert again["eps_fit"] == found["eps_fit"]


@pytest.mark.parametrize(
    ("name", "n"), [("water", 16), ("water/medium", 148), ("crystals", 48)], ids=str
)
def test_the_name_of_an_embedded_set_is_its_test(name: str, n: int):
    assert len(open_densities(name)) == n


def test_ions_have_their_charge(
    untrained: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    """A model is asked for it, on the command line and by labels that are charged."""
    atoms = embedded_densities("water", "train")[0].density.structure.to_ase()
    ase.io.write(tmp_path / "w.xyz", atoms, plain=True)
    words = ("density", "predict", untrained, tmp_path / "w.xyz", "--charge", 1)
    found = answer(*words, "-o", tmp_path / "ion.npz")
    assert found["electrons"] == pytest.approx(9.0, abs=1e-9)
    (record,) = read_densities(tmp_path / "ion.npz")
    assert record.charge == 1
    assert answer("evaluate", untrained, tmp_path / "ion.npz")["eps_fit"] < 1e-4


def test_options_of_other_models_are_refused(
    untrained: Path, tmp_path: Path, refused: Callable[..., str]
):
    assert "leave out --split and --plot" in refused(
        "evaluate", untrained, "water", "--split", "test"
    )
    assert "leave out the keys" in refused("evaluate", untrained, "water", "--energy-key", "E")


def test_only_models_of_densities(model: Path, refused: Callable[..., str]):
    assert "predicts no electron densities" in refused("density", "evaluate", model, "water")


def test_a_file_that_is_no_density_gets_a_sentence(
    untrained: Path, tmp_path: Path, refused: Callable[..., str]
):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    assert "x.npz" in refused("evaluate", untrained, tmp_path / "x.npz")
    assert "nowhere.npz" in refused("evaluate", untrained, tmp_path / "nowhere.npz")


def test_a_shipped_model_of_another_level_is_taken_for_its_labels(monkeypatch, tmp_path: Path):
    module = importlib.import_module("euclidium.models.shipped")
    shells = {1: ((0, 0.8),)}
    for name, value in (("pair", 0.3), ("pair-large", 0.4)):
        basis = DensityBasis("b", shells, {1: np.array([value])})
        network = NequIPConfig(channels=2, layers=1)
        model = DensityModel(DensityConfig(basis=basis.to_json(), network=network, head=2))
        save(model, tmp_path / f"{name}.euclidium")
    monkeypatch.setattr(module, "_root", lambda root: tmp_path)
    record = embedded_densities("water", "test")[0]
    large = DensityBasis("b", shells, {1: np.array([0.41])})
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    label = DensityRecord("H", Density(atom, large, np.array([0.4])))
    path = tmp_path / "pair.euclidium"
    model, used = at_the_level(load(path), "pair", str(path), [label])
    assert used == str(tmp_path / "pair-large.euclidium")
    assert model.basis.atoms[1][0] == 0.4
    kept, same = at_the_level(load(path), str(path), str(path), [record])
    assert same == str(path)
    assert kept.basis.atoms[1][0] == 0.3

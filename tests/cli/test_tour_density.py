"""The tour's chapter on electron densities."""

from pathlib import Path

import numpy as np
import pytest

from euclidium.analyze.densities import evaluate_densities
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities
from euclidium.cli.tour_density import (
    LARGEST,
    QUICK,
    SETTINGS,
    WATER,
    _by_degree_of_atoms,
    _by_size,
    _clusters,
    _dipoles,
    _errors,
    _fields,
    _flattest,
    _table,
    _trained,
)
from euclidium.models.density import DensityModel
from euclidium.train.settings import DensityTrainConfig


@pytest.fixture(scope="module")
def clusters():
    """Two clusters of each size from five molecules on."""
    return embedded_densities("water", "test")[::4]


@pytest.fixture(scope="module")
def parts():
    """What the quick tour learns from, and what it predicts."""
    return _clusters(quick=True)


@pytest.fixture(scope="module")
def model(parts) -> DensityModel:
    """A network that has seen a few small clusters."""
    return _trained(parts[0][::4], quick=True)


@pytest.fixture(scope="module")
def predicted(model, clusters) -> list[Density]:
    return list(model.predict(record.density.structure for record in clusters))


def test_the_settings_are_valid(tmp_path: Path):
    settings = {**SETTINGS, "data": "water", "output": str(tmp_path)}
    config = DensityTrainConfig.model_validate(settings)
    settings["training"] = {**settings["training"], **QUICK}
    quick = DensityTrainConfig.model_validate(settings)
    assert quick.training.epochs < config.training.epochs
    assert config.training.max_time is None


def test_what_is_predicted_is_larger_than_what_is_learned_from(parts):
    small, large = parts
    assert {record.density.structure.n_atoms // WATER for record in small} == {1, 2, 3}
    assert max(record.density.structure.n_atoms for record in small) == LARGEST * WATER
    assert {record.density.structure.n_atoms // WATER for record in large} == {4, 5, 6}


def test_even_a_little_learning_helps(model, predicted, clusters):
    errors = evaluate_densities(predicted, clusters)
    assert errors.eps_fit < 0.7 * errors.eps_superposition
    assert errors.electrons_error < 1e-9
    assert not model.training


def test_rows_are_means_of_each_size(predicted, clusters):
    errors = evaluate_densities(predicted, clusters, level=0)
    rows = _by_size(errors)
    assert [row["molecules"] for row in rows] == [5, 6]
    assert sum(row["n"] for row in rows) == len(clusters)
    mean = sum(row["n"] * row["eps_fit"] for row in rows) / len(clusters)
    assert mean == pytest.approx(errors.eps_fit)
    assert len(_table(rows).rows) == 2
    assert _table(rows).rows[0][4] == f"{rows[0]['eps_superposition']:.1f}"


def test_errors_of_isolated_atoms_by_degree(clusters):
    found = _by_degree_of_atoms(clusters[:1])
    assert found.shape == (5,)
    assert (np.diff(found) < 0).all()  # what bonds change is mostly smooth


def test_the_flattest_of_the_largest(predicted):
    found = _flattest(predicted)
    assert found.structure.n_atoms == 6 * WATER
    others = [one for one in predicted if one.structure.n_atoms == found.structure.n_atoms]

    def thickness(one: Density) -> float:
        return np.linalg.svd(one.structure.positions - one.structure.positions.mean(0))[1][-1]

    assert thickness(found) == min(map(thickness, others))


def test_pictures(predicted, clusters, monkeypatch: pytest.MonkeyPatch):
    errors = evaluate_densities(predicted, clusters, level=0)
    left, right = _errors(errors, errors, np.ones(5)).figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert len(right.patches) == 10
    (axes,) = _dipoles(predicted, clusters).figure.axes
    assert "dipole" in axes.get_xlabel()
    monkeypatch.setattr("euclidium.cli.tour_density.find_spec", lambda name: None)
    without = _fields(predicted[0])
    assert "potential" not in without.caption
    assert len(without.figure.axes) == 2  # the slice and its bar


def test_the_potential_on_the_surface(predicted):
    pytest.importorskip("skimage")
    found = _fields(predicted[0])
    assert "potential" in found.caption
    assert len(found.figure.axes) == 4

"""Grown trees: they say what scikit-learn says, and refuse what teaches them nothing."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from euclidium.train import trees as module
from euclidium.train.trees import grow_trees


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Rows of five numbers, labelled by two of them with some noise."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(600, 5))
    return numbers, numbers[:, 0] * numbers[:, 3] + 0.3 * rng.normal(size=600) > 0


def test_trees_are_those_of_scikit_learn(data):
    numbers, labels = data
    found = grow_trees(numbers, labels, rounds=40, seed=3)(torch.from_numpy(numbers)).numpy()
    reference = HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=module.RATE,
        max_leaf_nodes=module.LEAVES,
        min_samples_leaf=module.FEWEST,
        l2_regularization=module.PENALTY,
        max_features=module.SEEN,
        early_stopping=False,
        random_state=3,
    ).fit(numbers, labels)
    away = reference.decision_function(numbers) - found
    np.testing.assert_allclose(away, away[0], atol=1e-5)  # but for a constant
    assert ((found > np.median(found)) == labels).mean() > 0.85


def test_new_rows_are_told_apart(data):
    numbers, labels = data
    trees = grow_trees(numbers[:400], labels[:400], rounds=60)
    said = trees(torch.from_numpy(numbers[400:])).numpy() > 0
    assert (said == labels[400:]).mean() > 0.75


@pytest.mark.parametrize("label", [False, True])
def test_equal_labels_teach_nothing(data, label: bool):
    with pytest.raises(ValueError, match=f"all 600 labels are {label}"):
        grow_trees(data[0], np.full(600, label))


def test_numbers_are_finite(data):
    numbers, labels = data
    numbers[17, 2] = np.nan
    with pytest.raises(ValueError, match="row 17 has numbers that are not finite"):
        grow_trees(numbers, labels)


def test_without_scikit_learn(data, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install euclidium\[trees\]"):
        grow_trees(*data)

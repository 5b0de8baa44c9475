"""Decision trees grown on labelled crystals, by scikit-learn; models need it no more."""

from importlib.util import find_spec

import numpy as np
from jaxtyping import Bool, Float

from euclidium.models.trees import Tree, Trees

LEAVES, FEWEST = 40, 10  # of a tree, and labels of a leaf
ROUNDS, RATE = 500, 0.06
PENALTY = 5.0  # of the square of what a leaf says
SEEN = 0.3  # share of the numbers that a branching may choose from


def grow_trees(
    numbers: Float[np.ndarray, "row number"],
    labels: Bool[np.ndarray, " row"],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Trees:
    """Trees whose sum is the logarithm of the odds that a row is labelled, but for a constant.

    Each of ``rounds`` trees learns what is wrong with the sum of those before, by histograms: G. Ke
    et al., LightGBM, NeurIPS 30 (2017), as in scikit-learn.

    Raises ``ValueError`` without scikit-learn, for numbers that are not finite, and if all labels
    are equal.

    >>> numbers = np.random.default_rng(0).normal(size=(200, 3))
    >>> trees = grow_trees(numbers, numbers[:, 1] > 0, rounds=5)
    >>> import torch
    >>> bool(trees(torch.tensor([[0, 1.0, 0]])) > trees(torch.tensor([[0, -1.0, 0]])))
    True
    """
    if find_spec("sklearn") is None:
        raise ValueError("trees are grown by scikit-learn: pip install euclidium[trees]")
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise ValueError(f"row {row} has numbers that are not finite: leave it out")
    if labels.all() or not labels.any():
        raise ValueError(f"all {len(labels)} labels are {bool(labels.any())}: give some of both")
    from sklearn.ensemble import HistGradientBoostingClassifier

    grown = HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=FEWEST,
        l2_regularization=PENALTY,
        max_features=SEEN,
        early_stopping=False,
        random_state=seed,
    ).fit(numbers, labels)
    return Trees.of([_tree(one.nodes) for (one,) in grown._predictors])


def _tree(nodes: np.ndarray) -> Tree:
    """A tree of scikit-learn, whose nodes come in depth-first order."""
    ends = nodes["is_leaf"].astype(bool)
    places = np.arange(len(nodes))
    assert (nodes["left"] == places + 1)[~ends].all()
    return Tree(
        feature=np.where(ends, 0, nodes["feature_idx"]),
        skip=np.where(ends, 0, nodes["right"].astype(np.int64) - places),
        value=np.where(ends, nodes["value"], nodes["num_threshold"]),
    )

"""Trees: what they say is what one finds by walking through them."""

import numpy as np
import pytest
import torch

from euclidium.models.trees import Tree, Trees


def random_tree(rng: np.random.Generator, depth: int) -> tuple[list[int], list[int], list[float]]:
    """A tree of a depth at most, as lists of features, skips and values."""
    if depth == 0 or rng.random() < 0.2:
        return [0], [0], [float(rng.normal())]
    left, right = random_tree(rng, depth - 1), random_tree(rng, depth - 1)
    feature, skip, value = (a + b for a, b in zip(left, right, strict=True))
    number, border = int(rng.integers(4)), float(rng.normal())
    return [number, *feature], [1 + len(left[0]), *skip], [border, *value]


def walked(tree: Tree, row: np.ndarray) -> float:
    """What a tree says, branching by branching."""
    node = 0
    while tree.skip[node]:
        low = row[tree.feature[node]] <= tree.value[node]
        node += 1 if low else tree.skip[node]
    return float(tree.value[node])


@pytest.fixture
def forest() -> list[Tree]:
    """Trees of many depths, one of them a leaf."""
    rng = np.random.default_rng(0)
    made = [Tree(*map(np.array, random_tree(rng, depth))) for depth in (0, 1, 3, 5, 7)]
    assert len(made[-1].value) > 20
    return made


def test_what_trees_say_adds_up(forest: list[Tree]):
    rows = np.random.default_rng(1).normal(size=(200, 4))
    found = Trees.of(forest).double()(torch.from_numpy(rows))
    # values are kept in single precision
    short = [tree._replace(value=tree.value.astype(np.float32)) for tree in forest]
    expected = [sum(walked(tree, row) for tree in short) for row in rows]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert len(np.unique(found)) > 20


def test_leaves_alone_say_the_same_of_everything():
    leaf = Tree(np.array([0]), np.array([0]), np.array([0.5]))
    assert Trees.of([leaf] * 3)(torch.randn(2, 1)).tolist() == [1.5, 1.5]


def test_a_number_on_the_border_goes_left():
    stump = Tree(np.array([1, 0, 0]), np.array([2, 0, 0]), np.array([0.5, -1.0, 3.0]))
    assert Trees.of([stump])(torch.tensor([[0.0, 0.5], [0.0, 0.500001]])).tolist() == [-1.0, 3.0]


def test_weights_fill_empty_trees(forest: list[Tree]):
    full = Trees.of(forest)
    empty = Trees(len(full.roots), len(full.value))
    empty.load_state_dict(full.state_dict())
    rows = torch.randn(9, 4)
    assert torch.equal(empty(rows), full(rows))


@pytest.mark.parametrize(("feature", "nodes"), [(256, 3), (0, 2**15 + 1)])
def test_what_does_not_fit_is_refused(feature: int, nodes: int):
    zeros = np.zeros(nodes, dtype=np.int64)
    tree = Tree(zeros + feature, zeros, zeros.astype(float))
    with pytest.raises(ValueError, match=f"at most 32768 nodes, got {feature + 1} and {nodes}"):
        Trees.of([tree])


def test_no_tree_adds_up_to_nothing():
    with pytest.raises(ValueError, match="there is no tree"):
        Trees.of([])

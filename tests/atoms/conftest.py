"""Random structures with every kind of label, and equality of graphs."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure


def _random_structure(seed: int, n_atoms: int | None = None) -> Structure:
    rng = np.random.default_rng(seed)
    n = n_atoms or int(rng.integers(1, 9))
    cell = np.diag(rng.uniform(3.0, 6.0, size=3)) + 0.3 * rng.normal(size=(3, 3))
    labels = {
        "energy": np.array(rng.normal()),
        "forces": rng.normal(size=(n, 3)),
        "stress": rng.normal(size=(3, 3)),
        "dipole": rng.normal(size=3),
        "charge": rng.normal(size=n),
    }
    return Structure(
        rng.integers(1, 90, size=n),
        rng.uniform(size=(n, 3)) @ cell,
        cell,
        rng.random(3) < 0.6,
        labels,
        inputs={"field": rng.normal(size=(n, 2))},
        per_atom=frozenset({"forces", "charge"}),
    )


def _tensors(graph: Graph) -> dict[str, torch.Tensor]:
    names = ("species", "positions", "cell", "pbc", "structure", "shifts")
    edges = {name: getattr(graph.edges, name) for name in ("senders", "receivers", "row_pointer")}
    return {**{n: getattr(graph, n) for n in names}, **edges, **graph.labels, **graph.inputs}


def _assert_equal(first: Graph, second: Graph) -> None:
    found, expected = _tensors(first), _tensors(second)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0, msg=name)


@pytest.fixture(scope="session")
def random_structure() -> Callable[..., Structure]:
    """A structure from a seed, with labels per atom and per structure and an input."""
    return _random_structure


@pytest.fixture(scope="session")
def assert_equal() -> Callable[[Graph, Graph], None]:
    """Assert that two graphs hold the same numbers of the same types."""
    return _assert_equal

"""Statistics agree with their definitions, whatever the batches."""

import numpy as np
import pytest

from euclidium.atoms.graph import Graph
from euclidium.atoms.statistics import Statistics, statistics
from euclidium.atoms.structure import Structure


def structures(n: int) -> list[Structure]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(n):
        size = int(rng.integers(2, 7))
        labels = {
            "energy": np.array(-1000.0 * size + rng.normal()),
            "forces": rng.normal(size=(size, 3)),
            "stress": rng.normal(size=(3, 3)),
        }
        positions = rng.uniform(0, 5, size=(size, 3))
        species = rng.choice([1, 8], size=size)
        made.append(Structure(species, positions, 5 * np.eye(3), np.ones(3, bool), labels))
    return made


def test_definitions():
    items = structures(9)
    found = statistics(Graph.from_structures([item], 3.0) for item in items)
    whole = Graph.from_structures(items, 3.0)
    energies = [float(item.labels["energy"]) / item.n_atoms for item in items]
    forces = np.concatenate([item.labels["forces"] for item in items])
    stresses = np.array([item.labels["stress"] for item in items])
    species = np.concatenate([item.species for item in items])
    assert (found.n_structures, found.n_atoms) == (9, len(species))
    assert found.counts == {1: int((species == 1).sum()), 8: int((species == 8).sum())}
    assert found.species == (1, 8)
    assert found.mean_neighbors == whole.n_edges / whole.n_atoms
    assert found.energy_mean == pytest.approx(np.mean(energies), rel=1e-14)
    assert found.energy_std == pytest.approx(np.std(energies), rel=1e-10)
    assert found.forces_rms == pytest.approx(np.sqrt(np.mean(forces**2)), rel=1e-12)
    assert found.stress_rms == pytest.approx(np.sqrt(np.mean(stresses**2)), rel=1e-12)


def test_batches_do_not_matter():
    items = structures(10)
    one = statistics([Graph.from_structures(items, 3.0)])
    several = statistics([Graph.from_structures(items[i : i + 3], 3.0) for i in (0, 3, 6, 9)])
    assert one.counts == several.counts
    for name in ("energy_mean", "energy_std", "forces_rms", "stress_rms"):
        assert getattr(one, name) == pytest.approx(getattr(several, name), rel=1e-10)


def test_references_are_taken_off():
    items = structures(5)
    graphs = [Graph.from_structures(items, 3.0)]
    found = statistics(graphs, references={1: -1000.0, 8: -1000.0})
    rest = [float(s.labels["energy"]) / s.n_atoms + 1000.0 for s in items]
    assert found.energy_mean == pytest.approx(np.mean(rest), abs=1e-10)
    assert found.energy_std == pytest.approx(np.std(rest), abs=1e-10)


def test_what_is_absent_is_none():
    argon = Structure(np.array([18]), np.zeros((1, 3)))
    found = statistics([Graph.from_structures([argon], 3.0)])
    assert found == Statistics(1, 1, 0, {18: 1})
    assert found.forces_rms is None
    assert found.mean_neighbors == 0.0
    assert statistics([]) == Statistics(0, 0, 0)
    assert statistics([]).mean_neighbors == 0.0

"""A list with a skin gives the edges of a new list, as long as it says that it does."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.simulate.skin import SkinnedGraph

CUTOFF, SKIN = 4.0, 0.6


def assert_same_graph(got, expected):
    for name in ("positions", "cell", "shifts"):
        torch.testing.assert_close(getattr(got, name), getattr(expected, name), rtol=0, atol=0)
    for name in ("senders", "receivers", "row_pointer"):
        assert torch.equal(getattr(got.edges, name), getattr(expected.edges, name))


@given(seed=st.integers(0, 10**6), amplitude=st.floats(0, 0.4), strain=st.floats(0, 0.08))
def test_what_is_covered_has_every_edge(seed, amplitude, strain):
    rng = np.random.default_rng(seed)
    start = Structure.from_ase(bulk("Ar", a=5.3) * (2, 2, 1))
    skinned = SkinnedGraph.of(start, CUTOFF, SKIN)
    cell = start.cell @ (np.eye(3) + strain * rng.normal(size=(3, 3)))
    positions = start.positions @ np.linalg.solve(start.cell, cell) + 100.0
    positions += amplitude * rng.normal(size=positions.shape)
    if skinned.covers(positions, cell):
        moved = Structure(start.species, positions, cell, start.pbc)
        expected = Graph.from_structures([moved], CUTOFF)
        assert_same_graph(skinned.moved(positions, cell), expected)


def test_covers_up_to_half_the_skin():
    start = Structure.from_ase(bulk("Ar", a=5.3) * (2, 2, 2))
    skinned = SkinnedGraph.of(start, CUTOFF, SKIN)
    for distance, covered in ((0.29, True), (0.31, False)):
        positions = start.positions.copy()
        positions[0, 0] += distance
        positions[1, 0] -= distance
        assert skinned.covers(positions, start.cell) is covered


def test_common_motion_and_small_strain_need_no_new_list():
    start = Structure.from_ase(bulk("Ar", a=5.3) * (2, 2, 2))
    skinned = SkinnedGraph.of(start, CUTOFF, SKIN)
    assert skinned.covers(start.positions + 17.0, start.cell)
    assert skinned.covers(start.positions * 0.9, start.cell * 0.9)
    assert not skinned.covers(start.positions * 0.8, start.cell * 0.8)
    assert not skinned.covers(start.positions, start.cell * 0.9)


def test_a_molecule_whose_cell_appears():
    water = Structure.from_ase(molecule("H2O"))
    skinned = SkinnedGraph.of(water, CUTOFF, SKIN)
    assert skinned.covers(water.positions, water.cell)
    assert not skinned.covers(water.positions, 10 * np.eye(3))


@pytest.mark.parametrize("skin", [0.0, 1.0])
def test_edges_beyond_the_cutoff_are_left_out(skin):
    start = Structure.from_ase(bulk("Ar", a=5.3, cubic=True))
    graph = SkinnedGraph.of(start, CUTOFF, skin).moved(start.positions, start.cell)
    assert float(graph.edge_vectors().norm(dim=1).max()) <= CUTOFF
    assert graph.n_edges == 4 * 12

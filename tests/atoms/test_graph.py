"""Graphs: batches equal their parts, and edge vectors have the right derivatives."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.graph import Graph, collate, split
from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import one_hot
from euclidium.atoms.structure import Structure

CUTOFF = 3.5


def test_one_structure(random_structure):
    structure = random_structure(0, n_atoms=6)
    graph = Graph.from_structures([structure], CUTOFF)
    neighbors = neighbor_list(structure, CUTOFF)
    assert (graph.n_structures, graph.n_atoms, graph.n_edges) == (1, 6, neighbors.n_edges)
    np.testing.assert_array_equal(graph.edges.senders, neighbors.senders)
    np.testing.assert_array_equal(graph.edges.receivers, neighbors.receivers)
    np.testing.assert_allclose(graph.edge_vectors(), neighbors.vectors(structure), atol=1e-14)
    assert graph.positions.dtype == graph.cell.dtype == graph.shifts.dtype == torch.float64
    shapes = {name: tuple(value.shape) for name, value in graph.labels.items()}
    assert shapes == {
        "energy": (1,),
        "forces": (6, 3),
        "stress": (1, 3, 3),
        "dipole": (1, 3),
        "charge": (6,),
    }
    assert graph.inputs["field"].shape == (6, 2)


@given(seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=6))
def test_batch_equals_its_parts(seeds: list[int], random_structure, assert_equal):
    structures = [random_structure(seed) for seed in seeds]
    singles = [Graph.from_structures([item], CUTOFF) for item in structures]
    batch = Graph.from_structures(structures, CUTOFF)
    assert_equal(collate(singles), batch)
    for part, single in zip(split(batch), singles, strict=True):
        assert_equal(part, single)
    torch.testing.assert_close(
        batch.edge_vectors(), torch.cat([g.edge_vectors() for g in singles]), rtol=0, atol=0
    )
    assert batch.atoms_per_structure.tolist() == [item.n_atoms for item in structures]
    sums = torch.bincount(batch.edges.receivers, minlength=batch.n_atoms).cumsum(0)
    assert batch.edges.row_pointer[1:].tolist() == sums.tolist()
    of_edge = batch.structure[batch.edges.receivers]
    assert torch.equal(of_edge, batch.structure[batch.edges.senders])


def test_batches_of_batches(random_structure, assert_equal):
    graphs = [Graph.from_structures([random_structure(seed)], CUTOFF) for seed in range(5)]
    assert_equal(collate([collate(graphs[:2]), collate(graphs[2:])]), collate(graphs))


def test_single_atoms_without_edges():
    atoms = [Structure(np.array([z]), np.zeros((1, 3))) for z in (1, 6, 8)]
    graph = Graph.from_structures(atoms, CUTOFF)
    assert (graph.n_atoms, graph.n_edges) == (3, 0)
    assert graph.edge_vectors().shape == (0, 3)
    assert graph.edges.row_pointer.tolist() == [0, 0, 0, 0]
    assert [part.species.tolist() for part in split(graph)] == [[1], [6], [8]]


def test_edge_vectors_are_differentiable(random_structure):
    structures = [random_structure(seed, n_atoms=3) for seed in (1, 2)]
    graph = Graph.from_structures(structures, CUTOFF)
    assert graph.n_edges > 0
    positions = graph.positions.clone().requires_grad_()
    cell = graph.cell.clone().requires_grad_()
    assert torch.autograd.gradcheck(graph.edge_vectors, (positions, cell))
    assert torch.autograd.gradcheck(lambda r: graph.edge_vectors(positions=r), (positions,))
    # a stretched crystal stretches every vector
    stretch = torch.eye(3, dtype=torch.float64) + 0.01 * torch.randn(3, 3, dtype=torch.float64)
    torch.testing.assert_close(
        graph.edge_vectors(graph.positions @ stretch, graph.cell @ stretch),
        graph.edge_vectors() @ stretch,
        rtol=0,
        atol=1e-12,
    )


def test_edge_vectors_under_functional_transforms(random_structure):
    graph = Graph.from_structures([random_structure(3, n_atoms=4)], CUTOFF)
    energy = lambda r: graph.edge_vectors(r).square().sum()  # noqa: E731
    gradient = torch.func.grad(energy)(graph.positions)
    positions = graph.positions.clone().requires_grad_()
    torch.testing.assert_close(
        gradient, torch.autograd.grad(energy(positions), positions)[0], rtol=1e-12, atol=1e-12
    )


def test_to_and_replace_keep_everything(random_structure, assert_equal):
    graph = Graph.from_structures([random_structure(seed) for seed in range(3)], CUTOFF)
    assert_equal(graph.to("cpu"), graph)
    moved = graph.replace(positions=graph.positions + 1.0)
    assert_equal(moved.replace(positions=graph.positions), graph)
    assert moved.edges is graph.edges


@pytest.mark.gpu
def test_to_gpu_and_back(random_structure, assert_equal):
    graph = Graph.from_structures([random_structure(seed) for seed in range(3)], CUTOFF)
    there = graph.pin_memory().to("cuda")
    assert there.edges.senders.is_cuda
    assert there.labels["forces"].is_cuda
    assert_equal(there.to("cpu"), graph)


def test_a_dipole_of_three_atoms_is_not_taken_for_rows(random_structure):
    structures = [random_structure(seed, n_atoms=3) for seed in range(2)]
    graph = Graph.from_structures(structures, CUTOFF)
    assert graph.labels["dipole"].shape == (2, 3)
    assert graph.labels["charge"].shape == (6,)


def test_labels_can_be_chosen(random_structure):
    graph = Graph.from_structures([random_structure(0)], CUTOFF, labels=["energy"])
    assert graph.labels.keys() == {"energy"}
    assert not Graph.from_structures([random_structure(0)], CUTOFF, labels=()).labels


def test_a_label_that_one_structure_lacks():
    info = {"file": "x.xyz", "frame": 1}
    bare = Structure(np.array([1]), np.zeros((1, 3)), labels={"energy": np.array(0.0)}, info=info)
    full = Structure(
        np.array([1]),
        np.zeros((1, 3)),
        labels={"energy": np.array(0.0), "forces": np.zeros((1, 3))},
    )
    sentence = "frame 1 of x.xyz has no 'forces' (it has energy), which others of the same batch"
    with pytest.raises(DataError, match=re.escape(sentence)):
        Graph.from_structures([full, bare], CUTOFF)
    graphs = [Graph.from_structures([item], CUTOFF) for item in (full, bare)]
    sentence = "graph 1 of the batch has the labels energy, the first has energy, forces: choose"
    with pytest.raises(DataError, match=re.escape(sentence)):
        collate(graphs)


def test_rows_that_nobody_declared():
    items = [
        Structure(np.full(n, 18), 3.0 * np.arange(3 * n).reshape(n, 3), labels={"charge": c})
        for n, c in ((2, np.zeros(2)), (3, np.zeros(3)))
    ]
    with pytest.raises(DataError, match=re.escape("if it has one row per atom, name it in per_at")):
        Graph.from_structures(items, CUTOFF)


def test_nothing_is_not_a_graph():
    for make in (lambda: Graph.from_structures([], CUTOFF), lambda: collate([])):
        with pytest.raises(ValueError, match="a graph needs at least one structure, got none"):
            make()


def test_within_is_the_graph_of_the_smaller_cutoff():
    structure = Structure.from_ase(bulk("Si", cubic=True), keys=None)
    got, expected = (
        Graph.from_structures([structure], 6.0).within(4.2),
        Graph.from_structures([structure], 4.2),
    )
    assert torch.equal(got.edges.row_pointer, expected.edges.row_pointer)
    assert torch.equal(got.edges.senders, expected.edges.senders)
    assert torch.equal(got.shifts, expected.shifts)


def test_occupations_are_carried_along():
    pure = Structure.from_ase(bulk("Cu", cubic=True))
    half = (one_hot(pure.species) + one_hot(np.full(4, 79))) / 2
    alloy = replace(pure, occupations=half)
    assert Graph.from_structures([pure, pure], CUTOFF).occupations is None
    batch = Graph.from_structures([alloy, pure], CUTOFF)
    expected = torch.from_numpy(np.concatenate([half, one_hot(pure.species)]))
    parts = [Graph.from_structures([item], CUTOFF) for item in (alloy, pure)]
    assert parts[1].occupations is None
    for graph in (
        batch,
        collate(parts),
        collate(split(batch)),
        batch.to("cpu"),
        batch.within(2.6),
        batch.replace(positions=batch.positions + 1.0),
    ):
        torch.testing.assert_close(graph.occupations, expected, rtol=0, atol=0)

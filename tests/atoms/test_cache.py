"""Graphs on disk equal those in memory; a damaged file is noticed and made again."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from euclidium.atoms.cache import GraphCache, cached, write_graphs
from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import one_hot
from euclidium.atoms.structure import Structure

CUTOFF = 3.5


@pytest.fixture
def graphs(random_structure) -> list[Graph]:
    """Graphs with labels and inputs, single atoms among them."""
    return [Graph.from_structures([random_structure(seed)], CUTOFF) for seed in range(8)]


@pytest.fixture
def path(tmp_path: Path, graphs: list[Graph]) -> Path:
    """The file with these graphs."""
    write_graphs(tmp_path / "x.graphs", graphs, key="key")
    return tmp_path / "x.graphs"


def test_what_is_read_is_what_was_written(path: Path, graphs: list[Graph], assert_equal):
    cache = GraphCache(path, "key")
    assert len(cache) == len(graphs)
    for found, graph in zip(cache, graphs, strict=True):
        assert_equal(found, graph)
    assert_equal(cache[-1], graphs[-1])
    with pytest.raises(IndexError):
        cache[len(graphs)]


def test_graphs_of_several_structures(tmp_path: Path, random_structure, assert_equal):
    batch = Graph.from_structures([random_structure(seed) for seed in range(3)], CUTOFF)
    write_graphs(tmp_path / "x.graphs", [batch], key="key")
    assert_equal(GraphCache(tmp_path / "x.graphs", "key")[0], batch)


def test_what_is_read_can_be_changed(path: Path, graphs: list[Graph], assert_equal):
    cache = GraphCache(path, "key")
    cache[0].positions.zero_()
    assert_equal(cache[0], graphs[0])


def test_a_cache_can_be_sent_to_a_worker(path: Path, graphs: list[Graph], assert_equal):
    cache = GraphCache(path, "key")
    assert cache[0].n_structures == 1
    sent = pickle.dumps(cache)
    assert len(sent) < 5000
    assert_equal(pickle.loads(sent)[3], graphs[3])


@pytest.mark.parametrize("part", [0.02, 0.3, 0.99])
def test_a_file_that_is_cut_off(path: Path, part: float):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError, match="x.graphs is cut off"):
        GraphCache(path, "key")


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9])
def test_a_file_that_was_altered(path: Path, place: float):
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="x.graphs was altered since it was written"):
        GraphCache(path, "key")


def test_another_key(path: Path):
    with pytest.raises(DataError, match="x.graphs was made from other data"):
        GraphCache(path, "another key")


def test_a_good_cache_is_used(path: Path, graphs: list[Graph], assert_equal):
    def refuse() -> list[Graph]:
        raise AssertionError("the cache was there")

    assert_equal(cached(path, "key", refuse)[2], graphs[2])


@pytest.mark.parametrize("damage", ["cut off", "altered", "made from other data"])
def test_a_damaged_cache_is_made_again(path: Path, graphs: list[Graph], damage: str, assert_equal):
    whole = path.read_bytes()
    if damage == "cut off":
        path.write_bytes(whole[:-9])
    if damage == "altered":
        path.write_bytes(whole[:500] + b"?" + whole[501:])
    key = "another key" if damage == "made from other data" else "key"
    with pytest.warns(UserWarning, match=f"x.graphs .*{damage}.*: it is made again"):
        again = cached(path, key, lambda: graphs)
    assert_equal(again[5], graphs[5])
    assert len(GraphCache(path, key)) == len(graphs)


def test_a_failure_leaves_nothing_behind(path: Path, graphs: list[Graph]):
    before = path.read_bytes()

    def fails():
        yield graphs[0]
        raise DataError("frame 1 is wrong")

    for target in (path, path.with_name("new.graphs")):
        with pytest.raises(DataError, match="frame 1 is wrong"):
            write_graphs(target, fails(), key="key")
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["x.graphs"]


def test_graphs_need_not_have_the_same_labels(tmp_path: Path, graphs: list[Graph], assert_equal):
    """An isolated atom has no forces; a new label may come late."""
    atom = Structure(np.array([18]), np.zeros((1, 3)), labels={"spin": np.array(1.0)})
    mixed = [Graph.from_structures([atom], CUTOFF), graphs[0], graphs[1]]
    mixed.append(Graph.from_structures([atom], CUTOFF))
    write_graphs(tmp_path / "x.graphs", mixed, key="key")
    for found, graph in zip(GraphCache(tmp_path / "x.graphs", "key"), mixed, strict=True):
        assert_equal(found, graph)


def test_labels_of_other_shapes(tmp_path: Path):
    dipoles = [np.zeros(3), np.zeros((3, 3))]
    items = [Structure(np.array([18]), np.zeros((1, 3)), labels={"mu": mu}) for mu in dipoles]
    graphs = [Graph.from_structures([item], CUTOFF) for item in items]
    sentence = "graph 1 has 'mu' with the shape [3, 3], others have [3]: give all the same"
    with pytest.raises(DataError, match=re.escape(sentence)):
        write_graphs(tmp_path / "x.graphs", graphs, key="key")


def test_occupations_are_kept(tmp_path: Path, graphs: list[Graph]):
    first, second = graphs[:2]
    rows = torch.from_numpy(0.5 * one_hot(first.species.numpy()))
    write_graphs(tmp_path / "y.graphs", [first.replace(occupations=rows), second], key="y")
    cache = GraphCache(tmp_path / "y.graphs", key="y")
    torch.testing.assert_close(cache[0].occupations, rows, rtol=0, atol=0)
    assert cache[1].occupations is None

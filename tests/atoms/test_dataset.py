"""Data sets feed a data loader, in memory and from disk, in the same order for the same seed."""

import re
from pathlib import Path

import ase.io
import pytest
import torch
from torch.utils.data import DataLoader

from euclidium.atoms.dataset import Dataset
from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.problem import DataError

CUTOFF = 3.5


@pytest.fixture
def path(tmp_path: Path, random_structure) -> Path:
    """A file of structures with energy, forces and stress."""
    atoms = [random_structure(seed).to_ase() for seed in range(11)]
    ase.io.write(tmp_path / "x.xyz", atoms, columns=["symbols", "positions", "forces"])
    return tmp_path / "x.xyz"


def energies(loader: DataLoader) -> list[list[float]]:
    return [batch.labels["energy"].tolist() for batch in loader]


def test_from_file_and_from_structures(path: Path, random_structure, assert_equal):
    dataset = Dataset.from_file(path, CUTOFF)
    assert len(dataset) == 11
    structures = [random_structure(seed) for seed in range(11)]
    other = Dataset.from_structures(structures, CUTOFF, labels=["energy", "forces", "stress"])
    assert dataset[3].n_edges == other[3].n_edges
    torch.testing.assert_close(
        dataset[3].labels["forces"], other[3].labels["forces"], atol=1e-7, rtol=0
    )
    assert len(list(dataset)) == 11


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_loader_gives_everything_once(
    path: Path, tmp_path: Path, workers: int, on_disk: bool, assert_equal
):
    dataset = Dataset.from_file(path, CUTOFF, cache=tmp_path / "cache" if on_disk else None)
    loader = DataLoader(dataset, batch_size=4, collate_fn=collate, num_workers=workers)
    batches = list(loader)
    assert [batch.n_structures for batch in batches] == [4, 4, 3]
    assert_equal(collate(batches), collate(list(Dataset.from_file(path, CUTOFF))))


def test_the_same_seed_gives_the_same_order(path: Path):
    dataset = Dataset.from_file(path, CUTOFF)

    def loader(seed: int, workers: int = 0) -> DataLoader:
        generator = torch.Generator().manual_seed(seed)
        return DataLoader(
            dataset, 4, shuffle=True, collate_fn=collate, generator=generator, num_workers=workers
        )

    first = energies(loader(0))
    assert energies(loader(0)) == first
    assert energies(loader(0, workers=2)) == first
    assert energies(loader(1)) != first


def test_a_cache_is_made_once_and_belongs_to_its_data(path: Path, tmp_path: Path, assert_equal):
    folder = tmp_path / "cache"
    memory = Dataset.from_file(path, CUTOFF)
    for _ in range(2):
        disk = Dataset.from_file(path, CUTOFF, cache=folder)
        for found, graph in zip(disk, memory, strict=True):
            assert_equal(found, graph)
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    Dataset.from_file(path, CUTOFF, cache=folder)
    assert file.stat().st_mtime_ns == written
    Dataset.from_file(path, CUTOFF + 0.5, cache=folder)
    Dataset.from_file(path, CUTOFF, index=":5", cache=folder)
    Dataset.from_file(path, CUTOFF, keys=LabelKeys(require=("energy",)), cache=folder)
    Dataset.from_file(path, CUTOFF, labels=["energy"], cache=folder)
    path.write_text(path.read_text() * 2)
    assert len(Dataset.from_file(path, CUTOFF, cache=folder)) == 22
    assert len(list(folder.iterdir())) == 6


def test_a_damaged_cache_is_noticed(path: Path, tmp_path: Path):
    Dataset.from_file(path, CUTOFF, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="is cut off.*: it is made again"):
        assert len(Dataset.from_file(path, CUTOFF, cache=tmp_path / "cache")) == 11


@pytest.mark.parametrize("cache", [None, "cache"])
def test_faults_name_the_frame(tmp_path: Path, cache: str | None):
    path = tmp_path / "x.xyz"
    path.write_text("1\n\nH 0 0 0\n2\n\nH 0 0 0\nH 0 0 0\n")
    folder = None if cache is None else tmp_path / cache
    sentence = "frame 1 of x.xyz: atoms 0 and 1 are at the same place (0 Å apart): remove one"
    with pytest.raises(DataError, match=re.escape(sentence)):
        Dataset.from_file(path, CUTOFF, cache=folder)
    with pytest.raises(DataError, match="no such file: "):
        Dataset.from_file(tmp_path / "missing.xyz", CUTOFF, cache=folder)


def test_graphs_are_what_a_model_takes(path: Path):
    graph = Dataset.from_file(path, CUTOFF)[0]
    assert isinstance(graph, Graph)
    assert graph.n_structures == 1

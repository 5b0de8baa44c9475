"""The parts of the data: split by the seed, taken from files, with the labels they share."""

import functools
import operator

import ase.io
import numpy as np
import pytest

from euclidium.atoms.problem import DataError
from euclidium.train.config import ConfigError
from euclidium.train.parts import limited, read_parts


def test_parts_do_not_overlap(make_config):
    parts = read_parts(make_config("data.validation=3", "data.test=0.2"))
    sizes = [len(part) for part in (parts.train, parts.validation, parts.test)]
    assert sizes == [7, 3, 2]
    assert sorted(functools.reduce(operator.iadd, parts.indices.values(), [])) == list(range(12))


def test_the_split_follows_the_seed(make_config):
    indices = [read_parts(make_config(f"seed={seed}")).indices for seed in (0, 0, 1)]
    assert indices[0] == indices[1]
    assert indices[0] != indices[2]


def test_parts_from_files_of_their_own(make_config, write_crystals):
    validation, test = write_crystals("validation.xyz", 3), write_crystals("test.xyz", 2)
    parts = read_parts(make_config(f"data.validation={validation}", f"data.test={test}"))
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [12, 3, 2]
    assert parts.files.keys() == {"train", "validation", "test"}
    assert parts.files["test"].startswith("test.xyz sha256:")


def test_the_checksum_follows_the_content(make_config, write_crystals):
    files = [read_parts(make_config(data=write_crystals("a.xyz", n))).files for n in (5, 5, 6)]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_some_structures_of_a_file(make_config):
    parts = read_parts(make_config("data.index=:6", "data.validation=2"))
    assert (len(parts.train), len(parts.validation)) == (4, 2)


def test_labels_are_counted_and_those_of_all_are_kept(make_config, write_crystals, tmp_path):
    frames = ase.io.read(write_crystals("a.xyz", 4), ":")
    frames += ase.io.read(write_crystals("b.xyz", 4, ("energy", "forces")), ":")
    ase.io.write(tmp_path / "mixed.xyz", frames)
    parts = read_parts(make_config("data.validation=0", data=tmp_path / "mixed.xyz"))
    assert parts.labels == {"energy": 8, "forces": 8, "stress": 4}
    assert all(graph.labels.keys() == {"energy", "forces"} for graph in parts.train)


def test_graphs_from_a_cache_are_the_same(make_config, tmp_path):
    plain = read_parts(make_config())
    for _ in range(2):
        cached = read_parts(make_config(f"data.cache={tmp_path / 'cache'}"))
        for a, b in zip(plain.train, cached.train, strict=True):
            assert a.positions.equal(b.positions)
            assert a.edges.senders.equal(b.edges.senders)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_nothing_left_to_train_on(make_config):
    with pytest.raises(ValueError, match="no structure is left to train on: 12 in all"):
        read_parts(make_config("data.validation=12"))


def test_more_than_there_is(make_config):
    with pytest.raises(ValueError, match="is more than the 12 structures there are"):
        read_parts(make_config("data.validation=13"))


def test_a_wrong_key_for_a_label(make_config):
    with pytest.raises(DataError, match="dft_energy"):
        read_parts(make_config("data.energy_key=dft_energy"))


def test_few_structures_are_repeated_and_among_more(make_config):
    parts = read_parts(make_config("data.validation=2"))
    few, more = (limited(parts, n, seed=3) for n in (3, 7))
    assert len(few.train) == len(more.train) == len(parts.train) == 10
    assert set(few.indices["train"]) < set(more.indices["train"]) < set(parts.indices["train"])
    assert few.indices["validation"] == parts.indices["validation"]
    counts = np.unique(few.train.indices, return_counts=True)[1]
    assert sorted(counts.tolist()) == [3, 3, 4]
    assert few.train.labels.keys() == parts.train.labels.keys()
    assert set(limited(parts, 3, seed=4).indices["train"]) != set(few.indices["train"])


def test_more_to_learn_from_than_there_is(make_config):
    parts = read_parts(make_config("data.validation=2"))
    with pytest.raises(ConfigError, match=r"data\.limit is 11, but there are 10 structures"):
        limited(parts, 11, seed=0)

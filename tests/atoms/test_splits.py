"""Splits: disjoint, of the right sizes, the same for the same seed, balanced if asked."""

import re
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.splits import Split, split_indices


def parts(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


@given(
    n=st.integers(5, 200),
    validation=st.floats(0.0, 0.4) | st.integers(0, 2),
    test=st.floats(0.0, 0.4) | st.integers(0, 2),
    seed=st.integers(0, 100),
)
def test_parts_are_disjoint_and_complete(n: int, validation: float, test: float, seed: int):
    split = split_indices(n, validation=validation, test=test, seed=seed)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together.tolist()) == list(range(n))
    for size, part in ((validation, split.validation), (test, split.test)):
        expected = size if isinstance(size, int) else max(round(size * n), int(size > 0))
        assert len(part) == expected
        assert part.tolist() == sorted(part.tolist())


def test_the_same_seed_gives_the_same_split():
    first = parts(split_indices(100, validation=0.2, test=10, seed=3))
    assert first == parts(split_indices(100, validation=0.2, test=10, seed=3))
    assert first != parts(split_indices(100, validation=0.2, test=10, seed=4))


def test_counts_leave_the_rest_out():
    split = split_indices(100, train=50, validation=20, test=10)
    assert [len(part) for part in parts(split)] == [50, 20, 10]
    assert len(set(chain(*parts(split)))) == 80


def test_indices_and_slices():
    split = split_indices(10, train=slice(0, 6), validation=[7, 9], test=slice(8, 9))
    assert parts(split) == ([0, 1, 2, 3, 4, 5], [7, 9], [8])
    split = split_indices(10, validation=np.array([0, 1]), test=2)
    assert not {0, 1} & {*split.train.tolist(), *split.test.tolist()}
    assert len(split.train) == 6


def test_small_sets_still_get_one_for_validation():
    assert [len(part) for part in parts(split_indices(2))] == [1, 1, 0]
    assert [len(part) for part in parts(split_indices(1))] == [1, 0, 0]


def rare_elements(n: int = 200) -> list[np.ndarray]:
    """Silicon everywhere, germanium in a tenth, tin in ten structures."""
    species = [np.full(4, 14) for _ in range(n)]
    for i in range(0, n, 10):
        species[i][0] = 32
    for i in range(5, n, n // 10):
        species[i][1:] = 50
    return species


@pytest.mark.parametrize("seed", range(5))
def test_each_part_gets_its_share_of_each_element(seed: int):
    species = rare_elements()
    split = split_indices(
        200, validation=0.1, test=0.2, seed=seed, species=species, balance="elements"
    )
    assert [len(part) for part in parts(split)] == [140, 20, 40]
    assert sorted(chain(*parts(split))) == list(range(200))
    for z, shares in ((32, (14, 2, 4)), (50, (7, 1, 2))):
        assert [sum(z in species[i] for i in part) for part in parts(split)] == list(shares)


def test_balance_beside_indices_and_leftovers():
    species = rare_elements()
    split = split_indices(
        200, train=70, validation=[0, 5], test=20, species=species, balance="elements"
    )
    assert [len(part) for part in parts(split)] == [70, 2, 20]
    assert len(set(chain(*parts(split)))) == 92
    other = split_indices(200, seed=1, species=species, balance="elements")
    assert parts(other) != parts(split_indices(200, seed=2, species=species, balance="elements"))


@pytest.mark.parametrize(
    ("n", "arguments", "sentence"),
    [
        (10, {"train": 8, "validation": 3}, "train: 8, validation: 3, test: 0 is more than the 10"),
        (10, {"validation": [10]}, "validation has the index 10, but there are 10 structures from"),
        (10, {"validation": [-1]}, "validation has the index -1, but there are 10 structures"),
        (
            10,
            {"train": [0, 1], "validation": [1, 2]},
            "structure 1 is chosen twice, in train and validation: parts must not overlap",
        ),
        (10, {"validation": 1.5}, "validation is 1.5: a fraction is at most 1.0; write 2 for a"),
        (10, {"validation": -1}, "validation is -1, expected a count, a fraction, a slice or"),
        (10, {"validation": True}, "validation is True, expected a count"),
        (10, {"validation": None}, "train and validation cannot both be what is left: give one"),
        (10, {"validation": 10}, "no structure is left to train on: 10 in all, validation: 10"),
        (10, {"balance": "elements"}, "balance='elements' needs the species of each of the 10"),
    ],
)
def test_each_mistake_has_its_sentence(n: int, arguments: dict, sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        split_indices(n, **arguments)

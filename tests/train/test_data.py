"""Batches: their order depends on (seed, epoch) alone, and goes on where it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from euclidium.train.data import BatchData, EpochBatches, batches_per_epoch
from euclidium.train.parts import read_parts
from euclidium.train.state import RunState


def epoch(number, done=0, size=11, batch_size=3, seed=0, rank=0, world=1):
    return list(EpochBatches(size, batch_size, seed, lambda: (number, done), rank, world))


def test_the_order_is_a_function_of_seed_and_epoch():
    assert epoch(3) == epoch(3)
    assert epoch(3) != epoch(4)
    assert epoch(3) != epoch(3, seed=1)


def test_every_structure_comes_once_in_an_epoch():
    assert sorted(n for batch in epoch(0) for n in batch) == list(range(11))


def test_drawing_batches_leaves_the_global_generators_alone():
    before = np.random.get_state()[1].copy()
    epoch(0)
    assert (np.random.get_state()[1] == before).all()


@given(st.integers(1, 30), st.integers(1, 7), st.data())
def test_a_resumed_epoch_goes_on_with_the_next_batch(size, batch_size, data):
    whole = epoch(5, size=size, batch_size=batch_size)
    done = data.draw(st.integers(0, len(whole)))
    assert epoch(5, done, size, batch_size) == whole[done:]
    rest = EpochBatches(size, batch_size, 0, lambda: (5, done))
    assert len(rest) == len(whole) - done


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 5))
def test_processes_share_an_epoch(size, batch_size, world):
    shares = [epoch(2, 0, size, batch_size, rank=rank, world=world) for rank in range(world)]
    lengths = {len(share) for share in shares}
    assert lengths == {batches_per_epoch(size, batch_size, world)}
    assert len({tuple(map(len, share)) for share in shares}) == 1  # gradients weigh the same
    seen = {n for share in shares for batch in share for n in batch}
    assert seen == set(range(size))


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_follow_the_state(make_config, workers):
    config = make_config(f"data.workers={workers}")
    parts, state = read_parts(config), RunState()
    data = BatchData(parts.train, parts.validation, config, state)
    data.trainer = type("Trainer", (), {"global_rank": 0, "world_size": 1})()
    loader = data.train_dataloader()
    first, second = [[b.positions.sum().item() for b in loader] for _ in range(2)]
    assert first == second
    state.epoch, state.batch = 1, 2
    assert len(data.train_dataloader()) == len(first) - 2
    rest = [b.positions.sum().item() for b in data.train_dataloader()]
    state.batch = 0
    assert [b.positions.sum().item() for b in data.train_dataloader()][2:] == rest
    assert sum(b.n_structures for b in data.val_dataloader()) == len(parts.validation)

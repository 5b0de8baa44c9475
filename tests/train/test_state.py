"""Where a run stands, and what it reports."""

import json
import math

import pytest

from euclidium.train.optimizer import Patience
from euclidium.train.state import Progress, RunState


def test_a_state_goes_through_plain_values():
    state = RunState(epoch=2, step=9, sums={"energy": [0.5, 3]}, rows=[{"epoch": 1, "step": 4}])
    state.stopping, state.stopped = Patience(0.1, 4), "time"
    values = json.loads(json.dumps(state.as_dict()))
    assert RunState.from_dict(values) == state


def test_a_new_state_has_no_best():
    assert RunState().lowest == math.inf
    assert RunState().stopped is None


def test_an_epoch_is_forgotten():
    state = RunState(epoch=2, batch=3, sums={"energy": [0.5, 3]}, norms=2.0)
    state.clear_epoch()
    assert state == RunState(epoch=2)


@pytest.mark.parametrize(("epoch", "batch", "done"), [(1, 0, 0.0), (2, 5, 0.375), (4, 10, 1.0)])
def test_progress_in_parts_of_the_run(epoch, batch, done):
    progress = Progress(epoch, 4, batch, 10, step=0, seconds=0.0, loss=0.0)
    assert progress.done == pytest.approx(done)

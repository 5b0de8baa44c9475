"""What a run keeps while it goes on, between its first step and its end."""

from pathlib import Path

import pytest
import torch

from euclidium.models.storage import load
from euclidium.train.run import train


class Stop(Exception):
    """Ends a run."""


def look(folder: Path, step: int, found: dict):
    """A progress function that looks into the folder after a step, and ends the run."""

    def progress(report):
        if (folder / "last.ckpt").exists():
            state = torch.load(folder / "last.ckpt", weights_only=True)["euclidium"]["state"]
            found[report.step] = state["step"]
        if report.step == step:
            raise Stop

    return progress


def steps_of_checkpoints(config, step: int) -> dict[int, int]:
    """For each step, the step of the checkpoint that a process killed after it would find."""
    found = {}
    with pytest.raises(Stop):
        train(config, progress=look(Path(config.output), step, found))
    return found


def test_checkpoints_within_an_epoch(make_config):
    config = make_config("training.checkpoint.steps=2", "training.epochs=2")
    # a step is reported before its checkpoint is written; an epoch has 4 steps
    assert steps_of_checkpoints(config, 8) == {3: 2, 4: 4, 5: 4, 6: 4, 7: 6, 8: 6}


def test_checkpoints_by_time(make_config):
    config = make_config("training.checkpoint.minutes=0")
    assert steps_of_checkpoints(config, 3) == {2: 1, 3: 2}


def test_without_more_there_is_one_after_each_epoch(make_config):
    assert steps_of_checkpoints(make_config(), 6) == {4: 4, 5: 4, 6: 4}


def test_the_best_model_so_far_can_be_used(make_config, crystals):
    config = make_config()
    steps_of_checkpoints(config, 5)
    assert load(Path(config.output) / "model.euclidium").species == (18,)

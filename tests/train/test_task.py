"""A task is complete, or it is refused."""

import pytest

from euclidium.train.potential import PotentialTask
from euclidium.train.task import Task


def test_a_task_must_say_everything():
    with pytest.raises(TypeError, match="abstract"):
        Task()


def test_a_potential_is_a_task():
    assert issubclass(PotentialTask, Task)
    assert not PotentialTask.__abstractmethods__

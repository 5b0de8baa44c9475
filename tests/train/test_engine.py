"""The engine at work: what it measures, and what it hides."""

import logging
import warnings

import pytest

from euclidium.models.potential import Potential
from euclidium.train.engine import measure, quiet
from euclidium.train.parts import read_parts
from euclidium.train.potential import PotentialTask, potential_config, used_losses


def test_errors_do_not_depend_on_the_batches(make_config):
    config = make_config("model.dtype=float64")
    parts = read_parts(config)
    losses = used_losses(config.loss, parts.labels, 12)
    task = PotentialTask(potential_config(config.model, parts), losses)
    model = Potential(task.config).eval()
    one, many = (measure(task, model, parts.train, size) for size in (1, 7))
    for a, b in zip(one.rows, many.rows, strict=True):
        assert a.rmse == pytest.approx(b.rmse, rel=1e-10)


def test_only_the_chatter_is_hidden():
    with quiet():
        warnings.warn(
            "The 'train_dataloader' does not have many workers which may be a bottleneck",
            stacklevel=2,
        )
        with pytest.warns(UserWarning, match="something else"):
            warnings.warn("something else", stacklevel=2)


def test_the_log_is_as_loud_as_before():
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with quiet():
        assert not logger.isEnabledFor(logging.INFO)
    assert logger.level == before

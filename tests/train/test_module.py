"""The engine trains any task: here a straight line, of which it knows nothing."""

import math

import pytest
import torch
from torch import nn

from euclidium.train.loss import Term
from euclidium.train.metrics import Errors, Quantity
from euclidium.train.module import Keeper, Training
from euclidium.train.task import Task


class Line(Task):
    """y = a x, through the engine's door for tasks."""

    @property
    def description(self):
        return {"kind": "line"}

    def build(self):
        return nn.Linear(1, 1, bias=False)

    def predict(self, model, graph):
        return model(graph.positions[:, :1].float())

    def loss(self, prediction, graph):
        error = prediction - 2 * graph.positions[:, :1].float()
        return {"line": Term(1.0, error.square().sum(), error.numel())}

    def errors(self):
        return Errors([Quantity("line", "Å", 1.0)])

    def measure(self, errors, prediction, graph):
        errors.add("line", prediction - 2 * graph.positions[:, :1].float())

    def save(self, model, path, metrics, provenance):
        raise AssertionError("nothing is saved in these tests")


class Silent(Keeper):
    """Keeps nothing."""

    def step_done(self, training, loss):
        pass

    def epoch_done(self, training, loss, improved):
        pass


@pytest.fixture
def training(make_config) -> Training:
    return Training(Line(), make_config("training.epochs=9"), batches=4, keeper=Silent())


def test_weights_follow_the_seed_alone(make_config, training):
    torch.manual_seed(5)
    again = Training(Line(), make_config(), batches=4, keeper=Silent())
    other = Training(Line(), make_config("seed=1"), batches=4, keeper=Silent())
    assert torch.equal(training.model.weight, again.model.weight)
    assert not torch.equal(training.model.weight, other.model.weight)


def test_the_average_begins_as_the_model(training, make_config):
    assert torch.equal(training.average.weight, training.model.weight)
    assert not training.average.weight.requires_grad
    plain = Training(Line(), make_config("training.ema=null"), batches=4, keeper=Silent())
    assert plain.smooth is plain.model


def test_a_checkpoint_restores_everything(training, make_config):
    training.state.epoch, training.state.step = 3, 12
    training.best = {"weight": torch.ones(1, 1)}
    nn.init.constant_(training.model.weight, 7.0)
    checkpoint = {"state_dict": training.state_dict(), "optimizer_states": [{}], "loops": {}}
    training.on_save_checkpoint(checkpoint)
    assert "loops" not in checkpoint
    other = Training(Line(), make_config("training.epochs=9"), batches=4, keeper=Silent())
    other.restore(checkpoint)
    assert other.model.weight.item() == 7.0
    assert (other.state.epoch, other.state.step) == (3, 12)
    assert other.best["weight"].item() == 1.0


@pytest.mark.parametrize(
    ("stopped", "epoch", "seconds", "expected"),
    [
        ("epochs", 5, 1.0, None),
        ("epochs", 9, 1.0, "epochs"),
        ("time", 5, 1.0, None),
        ("time", 5, 99.0, "time"),
        ("patience", 5, 1.0, "patience"),
    ],
)
def test_what_was_over_goes_on_if_it_may(make_config, stopped, epoch, seconds, expected):
    config = make_config("training.epochs=9", "training.max_time=50")
    training = Training(Line(), config, batches=4, keeper=Silent())
    training.state.stopped, training.state.epoch = stopped, epoch
    training.state.seconds = seconds
    checkpoint = {"state_dict": training.state_dict(), "optimizer_states": [{}]}
    checkpoint["euclidium"] = {"state": training.state.as_dict(), "best": {}}
    training.restore(checkpoint)
    assert training.state.stopped == expected


def test_the_gradient_is_limited(training):
    training.model.weight.grad = torch.full((1, 1), 100.0)
    training.configure_gradient_clipping(training.configure_optimizers())
    assert training.model.weight.grad.item() == pytest.approx(10.0)


def test_a_gradient_that_is_not_finite_stops_the_run(training):
    training._terms = {"line": Term(1.0, torch.tensor(math.nan), 1)}
    training.model.weight.grad = torch.full((1, 1), math.inf)
    with pytest.raises(ValueError, match="training diverged in epoch 1 at step 1: the loss is nan"):
        training.configure_gradient_clipping(training.configure_optimizers())

"""Optimisers, schedules and the average of the weights."""

import itertools
import math

import pytest
import torch
from torch import nn

from euclidium.train.optimizer import Patience, Schedule, optimizer, update_average
from euclidium.train.settings import OptimizerSettings, ScheduleSettings


@pytest.mark.parametrize(
    ("kind", "cls", "amsgrad"),
    [
        ("adam", torch.optim.Adam, False),
        ("amsgrad", torch.optim.Adam, True),
        ("adamw", torch.optim.AdamW, False),
    ],
)
def test_optimizers(kind, cls, amsgrad):
    settings = OptimizerSettings(kind=kind, learning_rate=0.1, weight_decay=0.2, betas=(0.8, 0.9))
    made = optimizer([nn.Parameter(torch.zeros(2))], settings)
    assert type(made) is cls
    assert made.defaults["amsgrad"] is amsgrad
    assert (made.defaults["lr"], made.defaults["weight_decay"]) == (0.1, 0.2)
    assert made.defaults["betas"] == (0.8, 0.9)


def shares(steps=20, epochs=4, cuts=0, **settings):
    schedule = Schedule(ScheduleSettings(**settings), 5, epochs)
    return [schedule.share(step, cuts) for step in range(steps)]


def test_constant():
    assert set(shares(kind="constant")) == {1.0}


def test_cosine_falls_to_its_end():
    found = shares(21, kind="cosine", final=0.1)
    assert found[0] == 1.0
    assert found[10] == pytest.approx(0.55)
    assert found[20] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(found))
    assert Schedule(ScheduleSettings(kind="cosine", final=0.1), 5, 4).share(99) == pytest.approx(
        0.1
    )


def test_exponential_falls_by_its_factor_in_each_epoch():
    found = shares(kind="exponential", decay=0.5)
    assert [found[n] for n in (0, 5, 10)] == pytest.approx([1, 0.5, 0.25])


def test_plateau_falls_with_each_cut_but_not_below_its_end():
    assert shares(kind="plateau", factor=0.5, cuts=2)[0] == 0.25
    assert shares(kind="plateau", factor=0.5, cuts=50, final=0.01)[0] == 0.01


@pytest.mark.parametrize("kind", ["constant", "cosine", "plateau", "exponential"])
def test_warm_up_rises_to_one(kind):
    found = shares(kind=kind, warmup=4, decay=1.0)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_patience_counts_from_the_last_progress():
    waiting = Patience()
    history = []
    for loss in (1.0, 0.9, 0.95, 0.9, 0.8, 0.81):
        waiting = waiting.after(loss)
        history.append(waiting.waited)
    assert history == [0, 0, 1, 2, 0, 1]


def test_patience_wants_progress_of_some_size():
    waiting = Patience().after(1.0).after(0.95, min_delta=0.1).after(0.91, min_delta=0.1)
    assert waiting == Patience(1.0, 2)
    assert waiting.after(0.89, min_delta=0.1) == Patience(0.89, 0)


def test_not_a_number_is_no_progress():
    assert Patience().after(math.nan).waited == 1


def average_and_model(start, end):
    made = [nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)]
    for layer, value in zip(made, (start, end), strict=True):
        nn.init.constant_(layer.weight, value)
    return made


def test_the_average_by_hand():
    average, model = average_and_model(1.0, 2.0)
    # the first steps forget fast: (1 + 2)/(10 + 2)
    update_average(average, model, memory=0.99, step=2)
    assert average.weight.item() == pytest.approx(0.25 * 1 + 0.75 * 2)
    update_average(average, model, memory=0.5, step=100)
    assert average.weight.item() == pytest.approx(0.5 * 1.75 + 0.5 * 2)


def test_the_average_is_that_of_a_loop():
    average, model = average_and_model(0.0, 0.0)
    expected = 0.0
    for step in range(200):
        nn.init.constant_(model.weight, math.sin(step))
        update_average(average, model, memory=0.9, step=step)
        memory = min(0.9, (1 + step) / (10 + step))
        expected = memory * expected + (1 - memory) * math.sin(step)
    assert average.weight.item() == pytest.approx(expected, rel=1e-4)


def test_buffers_are_copied():
    average, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model(torch.randn(8, 2))
    update_average(average, model, memory=0.9, step=0)
    assert torch.equal(average.running_mean, model.running_mean)

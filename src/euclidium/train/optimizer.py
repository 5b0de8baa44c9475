"""Optimisers, the learning rate in time, and the average of the weights."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn

from euclidium.train.settings import OptimizerSettings, ScheduleSettings


def optimizer(
    parameters: Iterable[nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    """The optimiser that the settings name: Adam, AdamW or AMSGrad.

    Kingma and Ba, https://arxiv.org/abs/1412.6980; Loshchilov and Hutter,
    https://arxiv.org/abs/1711.05101; Reddi, Kale and Kumar, https://arxiv.org/abs/1904.09237

    >>> weights = [nn.Parameter(torch.zeros(3))]
    >>> optimizer(weights, OptimizerSettings(kind="adamw")).defaults["lr"]
    0.005
    """
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        amsgrad=settings.kind == "amsgrad",
    )


@dataclass(frozen=True)
class Patience:
    """How long a falling number has made no progress.

    >>> waiting = Patience()
    >>> for loss in (3.0, 2.0, 2.5, 2.2):
    ...     waiting = waiting.after(loss)
    >>> waiting
    Patience(best=2.0, waited=2)
    """

    best: float = math.inf
    waited: int = 0

    def after(self, value: float, min_delta: float = 0.0) -> "Patience":
        """The patience after another value; progress is to be lower by more than ``min_delta``."""
        if value < self.best - min_delta:
            return Patience(value, 0)
        return replace(self, waited=self.waited + 1)


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a share of the first one: a function of how far the run has come.

    With s steps done of S, e = s / steps of an epoch, and f the lowest share:

    constant 1;  exponential decay^e;  cosine f + (1 − f)(1 + cos(π s/S))/2;  plateau factor^cuts,

    never below f, and times (s + 1)/warmup during the warm-up. As a function of the step alone it
    needs no state but the number of cuts, so that a resumed run goes on exactly.

    Cosine: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983

    >>> schedule = Schedule(ScheduleSettings(kind="cosine", final=0.0), 10, epochs=2)
    >>> [round(schedule.share(step), 3) for step in (0, 10, 20)]
    [1.0, 0.5, 0.0]
    """

    settings: ScheduleSettings
    steps_per_epoch: int
    epochs: int

    def share(self, step: int, cuts: int = 0) -> float:
        """The share at a step, after so many cuts of a plateau."""
        settings = self.settings
        share = max(self._falling(step, cuts), settings.final)
        if step < settings.warmup:
            share *= (step + 1) / settings.warmup
        return share

    def _falling(self, step: int, cuts: int) -> float:
        settings = self.settings
        if settings.kind == "plateau":
            return settings.factor**cuts
        if settings.kind == "exponential":
            return settings.decay ** (step / self.steps_per_epoch)
        if settings.kind == "cosine":
            begin = settings.warmup
            total = max(self.steps_per_epoch * self.epochs - begin, 1)
            done = min(max(step - begin, 0) / total, 1.0)
            return settings.final + (1 - settings.final) * (1 + math.cos(math.pi * done)) / 2
        return 1.0


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, memory: float, step: int) -> None:
    """Move the averaged weights towards the present ones, in place.

    a ← d a + (1 − d) w    with    d = min(memory, (1 + step)/(10 + step)),

    so that the random weights of the start are soon forgotten. Buffers are copied.

    >>> average, model = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(average.weight, 1.0), nn.init.constant_(model.weight, 2.0)
    >>> update_average(average, model, memory=0.99, step=10**6)
    >>> round(average.weight.item(), 6)
    1.01
    """
    memory = min(memory, (1 + step) / (10 + step))
    averages: list[torch.Tensor] = list(average.parameters())
    weights: list[torch.Tensor] = list(model.parameters())
    torch._foreach_lerp_(averages, weights, 1 - memory)
    for kept, buffer in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(buffer)

"""Where a run stands: everything beside the weights that decides how it goes on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from euclidium.train.optimizer import Patience

Reason = Literal["epochs", "time", "patience"]


class TrainingError(ValueError):
    """A run that cannot go on."""


@dataclass
class RunState:
    """Counters and history of a run; changed by the run alone, kept in every checkpoint.

    >>> state = RunState(epoch=3, stopping=Patience(0.5, 2))
    >>> RunState.from_dict(state.as_dict()) == state
    True
    """

    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the present epoch
    step: int = 0  # steps of the optimiser
    seconds: float = 0.0  # of training, all resumed parts together
    sums: dict[str, list[float]] = field(default_factory=dict)  # weight·total, count of each term
    norms: float = 0.0  # sum of the norms of the gradients of this epoch
    rows: list[dict[str, int | float]] = field(default_factory=list)  # one for each epoch
    plateau: Patience = field(default_factory=Patience)
    cuts: int = 0  # of the learning rate
    stopping: Patience = field(default_factory=Patience)
    lowest: float = math.inf  # the lowest loss so far
    best: int = 0  # its epoch
    stopped: Reason | None = None  # why the run is over, if it is

    def as_dict(self) -> dict[str, Any]:
        """Plain values, safe to read from a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunState":
        """The state of ``as_dict``."""
        patience = {name: Patience(**values[name]) for name in ("plateau", "stopping")}
        return cls(**{**values, **patience})

    def clear_epoch(self) -> None:
        """Forget what is summed over an epoch."""
        self.batch, self.sums, self.norms = 0, {}, 0.0


@dataclass(frozen=True)
class Progress:
    """What a run reports after every step, and with ``row`` after every epoch.

    >>> Progress(epoch=1, epochs=4, batch=5, batches=10, step=5, seconds=3.0, loss=0.1).done
    0.125
    """

    epoch: int  # the present epoch, from 1
    epochs: int
    batch: int  # batches done of it
    batches: int
    step: int
    seconds: float
    loss: float  # of the last batch
    row: Mapping[str, int | float] | None = None  # the row of metrics.csv, at the end of an epoch

    @property
    def done(self) -> float:
        """How much of the run is done, 0 to 1; it may stop earlier."""
        return (self.epoch - 1 + self.batch / self.batches) / self.epochs

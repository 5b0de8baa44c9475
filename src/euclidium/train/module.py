"""The engine: a LightningModule that trains any task, and can go on exactly where it was."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from euclidium.atoms.graph import Graph
from euclidium.train.loss import Term, total_loss
from euclidium.train.metrics import Errors
from euclidium.train.optimizer import Schedule, optimizer, update_average
from euclidium.train.seeds import seeded
from euclidium.train.settings import RunConfig
from euclidium.train.state import RunState, TrainingError
from euclidium.train.task import Task


class Keeper(ABC):
    """Who is told of every step and epoch, and writes what is to be kept."""

    @abstractmethod
    def step_done(self, training: "Training", loss: float) -> None:
        """After a step of the optimiser."""

    @abstractmethod
    def epoch_done(self, training: "Training", loss: float, improved: bool) -> None:
        """After an epoch and its validation."""


class Training(LightningModule):
    """Trains the model of a task.

    The counters are its own, not Lightning's: a resumed run is a new run of Lightning over what is
    left, so that nothing depends on how Lightning counts. Random numbers are drawn from generators
    seeded by (seed, step), so that each step is a function of the weights before it.
    """

    def __init__(self, task: Task, config: RunConfig, batches: int, keeper: Keeper) -> None:
        super().__init__()
        self.task, self.config, self.batches, self.keeper = task, config, batches, keeper
        with seeded(config.seed):
            self.model: nn.Module = task.build()
        training = config.training
        self.average: nn.Module | None = None
        if training.ema is not None:
            self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.schedule = Schedule(config.schedule, batches, training.epochs)
        self.state = RunState()
        self.best: dict[str, Tensor] = {}
        self.kept: Mapping[str, Any] = {}  # what the checkpoints also hold
        self._optimizer_state: dict[str, Any] | None = None
        self._began = time.monotonic()
        self._terms: Mapping[str, Term] = {}
        self._norm = math.nan
        self._errors: Errors | None = None
        self._validation: dict[str, list[float]] = {}

    @property
    def smooth(self) -> nn.Module:
        """The model with averaged weights, or the model if there is no average."""
        return self.model if self.average is None else self.average

    @property
    def seconds(self) -> float:
        """Time of training, all resumed parts together."""
        return self.state.seconds + time.monotonic() - self._began

    # one step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its learning rate is set before every step."""
        return optimizer(self.model.parameters(), self.config.optimizer)

    def on_fit_start(self) -> None:
        """Give a resumed optimiser its moments back."""
        self._began = time.monotonic()
        if self._optimizer_state is not None:
            self._optimizer().load_state_dict(self._optimizer_state)
            self._optimizer_state = None

    def on_train_batch_start(self, batch: Graph, batch_idx: int) -> None:
        """Set the learning rate."""
        rate = self.config.optimizer.learning_rate
        rate *= self.schedule.share(self.state.step, self.state.cuts)
        for group in self._optimizer().param_groups:
            group["lr"] = rate

    def training_step(self, batch: Graph, batch_idx: int) -> Float[Tensor, ""]:
        """The loss of a batch."""
        with seeded((self.config.seed, self.state.step, self.global_rank), self.device):
            self._terms = self.task.loss(self.task.predict(self.model, batch), batch)
            return total_loss(self._terms)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient; stop where it is not a number, before it is used."""
        limit = self.config.training.clip or math.inf
        self._norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        if not math.isfinite(self._norm):
            loss = float(total_loss(self._terms).detach())
            raise TrainingError(
                f"training diverged in epoch {self.state.epoch + 1} at step {self.state.step + 1}: "
                f"the loss is {loss:g} and the norm of its gradient {self._norm:g}; lower "
                f"optimizer.learning_rate ({self.config.optimizer.learning_rate:g} now), or look "
                "for wrong labels"
            )

    def on_train_batch_end(self, outputs: Any, batch: Graph, batch_idx: int) -> None:
        """Average the weights, count, and tell the keeper."""
        state = self.state
        if self.average is not None and self.config.training.ema is not None:
            update_average(self.average, self.model, self.config.training.ema, state.step)
        state.step += 1
        state.batch += 1
        state.norms += self._norm
        _add(state.sums, self._terms)
        self.keeper.step_done(self, float(total_loss(self._terms).detach()))

    # validation

    def on_validation_epoch_start(self) -> None:
        """Begin new sums."""
        self._errors, self._validation = self.task.errors(), {}

    def validation_step(self, batch: Graph, batch_idx: int) -> None:
        """Add the errors of the averaged model on a batch."""
        assert self._errors is not None
        prediction = self.task.predict(self.smooth, batch)
        self.task.measure(self._errors, prediction, batch)
        _add(self._validation, self.task.loss(prediction, batch))

    # one epoch

    def on_train_epoch_end(self) -> None:
        """Close the epoch: its row, the learning rate, the best weights, whether to stop."""
        state = self.state
        row = self._row()
        state.rows.append(row)
        loss = float(row["validation_loss" if self._errors is not None else "training_loss"])
        self._errors = None
        improved = loss < state.lowest or not self.best
        if improved:
            state.lowest, state.best = loss, state.epoch + 1
            self.best = {k: v.detach().cpu().clone() for k, v in self.smooth.state_dict().items()}
        state.epoch += 1
        state.clear_epoch()
        self._judge(loss)
        self.trainer.should_stop = state.stopped is not None
        self.keeper.epoch_done(self, loss, improved)

    def _judge(self, loss: float) -> None:
        """Whether to cut the learning rate, and whether to stop."""
        state, training = self.state, self.config.training
        state.plateau = state.plateau.after(loss)
        if state.plateau.waited > self.config.schedule.patience:
            state.plateau, state.cuts = replace(state.plateau, waited=0), state.cuts + 1
        stopping = training.early_stopping
        state.stopping = state.stopping.after(loss, stopping.min_delta if stopping else 0.0)
        if stopping and state.stopping.waited >= stopping.patience:
            state.stopped = "patience"
        elif state.epoch >= training.epochs:
            state.stopped = "epochs"

    def _row(self) -> dict[str, int | float]:
        """The numbers of an epoch, those of all processes together."""
        state = self.state
        rate = self._optimizer().param_groups[0]["lr"]
        row = {"epoch": state.epoch + 1, "step": state.step, "learning_rate": rate}
        row |= self._losses("training", state.sums)
        row["gradient_norm"] = state.norms / max(state.batch, 1)
        if self._errors is not None:
            row |= self._losses("validation", self._validation)
            self._errors.reduce(self._total)
            for error in self._errors.metrics().rows:
                if error.of is None:
                    row[f"validation_{error.quantity}_mae"] = error.mae
                    row[f"validation_{error.quantity}_rmse"] = error.rmse
        row["seconds"] = round(self.seconds, 3)
        return row

    def _losses(self, part: str, sums: Mapping[str, list[float]]) -> dict[str, float]:
        """The loss of an epoch and its terms."""
        totals = self._total(torch.tensor([sums[name] for name in sums], dtype=torch.float64))
        values = (totals[:, 0] / totals[:, 1].clamp(min=1)).tolist()
        terms = {f"{part}_loss_{name}": value for name, value in zip(sums, values, strict=True)}
        return {f"{part}_loss": math.fsum(values), **terms}

    def _total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        return self.trainer.strategy.reduce(tensor.to(self.device), reduce_op="sum").cpu()

    def _optimizer(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]

    # checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the run, and leave out Lightning's own counters."""
        checkpoint.pop("loops", None)
        self.state.seconds, self._began = self.seconds, time.monotonic()
        checkpoint["euclidium"] = {
            "state": self.state.as_dict(),
            "best": self.best,
            "kept": dict(self.kept),
        }

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        own = checkpoint["euclidium"]
        self.load_state_dict(checkpoint["state_dict"])
        self.state, self.best = RunState.from_dict(own["state"]), own["best"]
        self._optimizer_state = checkpoint["optimizer_states"][0]
        self._allow_more()

    def _allow_more(self) -> None:
        """Let a run that was over go on, if it now may take more epochs or more time."""
        state, training = self.state, self.config.training
        if state.stopped == "epochs" and state.epoch < training.epochs:
            state.stopped = None
        limit = training.max_time
        if state.stopped == "time" and (limit is None or state.seconds < float(limit)):
            state.stopped = None if state.epoch < training.epochs else "epochs"


def _add(sums: dict[str, list[float]], terms: Mapping[str, Term]) -> None:
    """Add the weighted terms of a batch."""
    for name, term in terms.items():
        total, count = sums.get(name, (0.0, 0))
        sums[name] = [total + term.weight * float(term.total.detach()), count + term.count]

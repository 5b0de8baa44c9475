"""What a run keeps while it goes on: checkpoints, the best model, the journal, reports."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from euclidium.train.folder import CHECKPOINT, MODEL
from euclidium.train.journal import Journal
from euclidium.train.module import Keeper, Training
from euclidium.train.settings import RunConfig
from euclidium.train.state import Progress, RunState


class RunKeeper(Keeper):
    """Writes checkpoints and the best model so far, and stops the run when its time is over.

    Of several processes only the first has a journal, writes the model and reports; ``watch`` is
    called by all, after every step.
    """

    def __init__(
        self,
        config: RunConfig,
        provenance: Mapping[str, Any],
        report: Callable[[Progress], None] | None = None,
        watch: Callable[[Training], None] | None = None,
    ) -> None:
        self.config, self.provenance = config, provenance
        self.report, self.watch = report, watch
        self.output = Path(config.output)
        self.journal: Journal | None = None
        self._written = time.monotonic()

    def open(self, state: RunState, first: bool) -> None:
        """Begin, or go on with a run that stands at ``state``."""
        self._written = time.monotonic()
        if first:
            self.journal = Journal(
                self.output, self.config.logging, state.step, self.provenance["settings"]
            )
            self.journal.restore(state.rows)

    def close(self) -> None:
        """Finish the logs."""
        if self.journal is not None:
            self.journal.close()

    def step_done(self, training: Training, loss: float) -> None:
        """Report, stop if the time is over, and write a checkpoint if one is due."""
        self._report(training, loss)
        if self.watch is not None:
            self.watch(training)
        limit = self.config.training.max_time
        if limit is not None and _decided(training, training.seconds >= float(limit)):
            training.state.stopped = "time"
            training.trainer.should_stop = True
        elif training.state.batch < training.batches and self._is_due(training):
            self._checkpoint(training)

    def epoch_done(self, training: Training, loss: float, improved: bool) -> None:
        """Write the model if it is the best so far, then the checkpoint, then the journal."""
        state = training.state
        if improved and self.journal is not None:
            training.task.save(
                training.smooth, self.output / MODEL, {"epoch": state.best}, self.provenance
            )
        self._checkpoint(training)
        if self.journal is not None:
            self.journal.add(state.rows)
        self._report(training, loss)

    def _is_due(self, training: Training) -> bool:
        settings = self.config.training.checkpoint
        due = settings.steps is not None and training.state.step % settings.steps == 0
        if settings.minutes is not None:
            waited = time.monotonic() - self._written
            due = due or _decided(training, waited >= 60 * settings.minutes)
        return due

    def _checkpoint(self, training: Training) -> None:
        training.trainer.save_checkpoint(self.output / CHECKPOINT)
        self._written = time.monotonic()

    def _report(self, training: Training, loss: float) -> None:
        """Tell the caller where the run stands."""
        if self.report is None or self.journal is None:
            return
        state = training.state
        closed = state.batch == 0
        self.report(
            Progress(
                epoch=state.epoch + (not closed),
                epochs=self.config.training.epochs,
                batch=training.batches if closed else state.batch,
                batches=training.batches,
                step=state.step,
                seconds=training.seconds,
                loss=loss,
                row=state.rows[-1] if closed else None,
            )
        )


def _decided(training: Training, wish: bool) -> bool:
    """What the processes decide together: yes if any of them says so."""
    return bool(training.trainer.strategy.reduce_boolean_decision(wish, all=False))

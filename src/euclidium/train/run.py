"""A run: from a configuration to a trained model in a file."""

import logging
import platform
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from euclidium import __version__
from euclidium.atoms.graph import collate
from euclidium.models.config import PotentialConfig
from euclidium.train.config import ConfigError
from euclidium.train.folder import (
    CHECKPOINT,
    METRICS,
    MODEL,
    SPLITS,
    begin,
    run_in,
    same_config,
    same_data,
    write_config,
)
from euclidium.train.journal import check_wandb
from euclidium.train.metrics import Metrics
from euclidium.train.parts import Part, Parts, read_parts
from euclidium.train.potential import PotentialTask, potential_config, used_losses
from euclidium.train.settings import TrainConfig
from euclidium.train.state import Progress, Reason
from euclidium.train.storage import write_json
from euclidium.train.task import Task

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from euclidium.train.data import BatchData
    from euclidium.train.module import Training

Report = Callable[[Progress], None]

# What Lightning says to people who write their own training, which ours has decided already.
CHATTER = (
    r".*does not have many workers which may be a bottleneck.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r"GPU available but not used.*",
    r"MPS available but not used.*",
)


@dataclass(frozen=True)
class Result:
    """What a run has made: the file of the best model, and its errors.

    ``metrics`` holds those of the validation and the test structures, where there are some;
    ``history`` the rows of metrics.csv.
    """

    output: Path
    model_path: Path
    metrics: Mapping[str, Metrics]
    history: tuple[Mapping[str, int | float], ...]
    epochs: int  # trained
    best_epoch: int  # of the model in the file
    stopped: Reason  # why the run ended
    seconds: float  # of training, all resumed parts together
    parameters: int  # of the model

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in metrics.json."""
        return {
            **{part: metrics.as_dict() for part, metrics in self.metrics.items()},
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 3),
            "parameters": self.parameters,
        }


def train(
    config: TrainConfig,
    resume: bool = False,
    overwrite: bool = False,
    progress: Report | None = None,
) -> Result:
    """Train what a configuration describes, and write it to the folder ``config.output``.

    ``resume`` goes on with an interrupted run, on a CPU to the same weights, to the bit, as if it
    had not been interrupted; ``overwrite`` replaces a run. ``progress`` is called after every step
    and every epoch. The folder then holds model.euclidium (the best model by the validation loss,
    with averaged weights), metrics.csv, metrics.json, config.yaml, splits.json, last.ckpt and
    TensorBoard events.

    Raises ``ConfigError`` and ``DataError`` for what cannot be trained, ``RunError`` for a folder
    that holds another run or none to resume, and ``TrainingError`` if the loss stops being a
    number.
    """
    folder = Path(config.output)
    check_wandb(config.logging)
    old = run_in(folder) if resume else None
    if old is None and _is_first():
        begin(folder, overwrite)
    parts = read_parts(config)
    count = len(parts.train) + len(parts.validation)
    config = config.model_copy(update={"loss": used_losses(config.loss, parts.labels, count)})
    if old is not None:
        same_config(folder, old, config)
    with quiet():
        return _run(config, parts, resume, progress)


def _run(config: TrainConfig, parts: Parts, resume: bool, progress: Report | None) -> Result:
    """Train and write everything."""
    from euclidium.train.data import BatchData, batches_per_epoch
    from euclidium.train.keeper import RunKeeper
    from euclidium.train.module import Training

    folder = Path(config.output)
    checkpoint = _checkpoint(folder, parts) if resume else None
    task = _task(config, parts, checkpoint)
    trainer = _trainer(config)
    if trainer.is_global_zero:
        write_config(folder, config)
        write_json(folder / SPLITS, parts.indices)
    keeper = RunKeeper(config, provenance(config, parts), progress)
    size = config.training.batch_size
    batches = batches_per_epoch(len(parts.train), size, trainer.world_size)
    training = Training(task, config, batches, keeper)
    training.kept = {"files": dict(parts.files), "model": task.description}
    if checkpoint is not None:
        training.restore(checkpoint)
    if training.state.stopped is None:
        data = BatchData(parts.train, parts.validation, config, training.state)
        keeper.open(training.state, trainer.is_global_zero)
        try:
            _fit(trainer, training, data)
        finally:
            keeper.close()
    return _finish(trainer, training, parts)


def _checkpoint(folder: Path, parts: Parts) -> Mapping[str, Any] | None:
    """The last checkpoint of a run, if it got so far as to write one."""
    from euclidium.train.checkpoint import AtomicCheckpointIO

    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    same_data(folder, checkpoint["euclidium"]["kept"]["files"], parts.files)
    return checkpoint


def _task(config: TrainConfig, parts: Parts, checkpoint: Mapping[str, Any] | None) -> PotentialTask:
    """The task; a resumed run keeps the constants that it began with."""
    if checkpoint is not None:
        model = PotentialConfig.model_validate(checkpoint["euclidium"]["kept"]["model"])
    else:
        model = potential_config(config.model, parts)
    return PotentialTask(model, config.loss)


def _trainer(config: TrainConfig) -> "Trainer":
    """Lightning's trainer, without the parts that ours replaces."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch import Trainer
    from lightning.pytorch.plugins.environments import SLURMEnvironment

    from euclidium.train.checkpoint import AtomicCheckpointIO

    training = config.training
    plugins: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect():
        # it would write checkpoints of its own, from which ours could not go on
        plugins.append(SLURMEnvironment(auto_requeue=False))
    try:
        return Trainer(
            accelerator=training.accelerator,
            devices=training.devices,
            num_nodes=training.num_nodes,
            strategy=training.strategy,
            precision="bf16-mixed" if training.precision == "bf16-mixed" else "32-true",
            plugins=plugins,
            max_epochs=training.epochs,
            default_root_dir=config.output,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,  # forces are derivatives, also when validating
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,  # the first epoch of a resumed run may be short
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(f"training.accelerator, devices or strategy: {error}") from error


def _fit(trainer: "Trainer", training: "Training", data: "BatchData") -> None:
    """Train to the end, or as far as it goes."""
    assert trainer.fit_loop is not None
    trainer.fit_loop.max_epochs = training.config.training.epochs - training.state.epoch
    before = _interrupt_handler()
    try:
        trainer.fit(training, datamodule=data)
    except SystemExit as exit:
        # Lightning ends the process at Ctrl-C, and leaves it deaf to the next one
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from exit
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _interrupt_handler() -> Any:
    """What Ctrl-C does now; nothing outside the main thread, where it cannot be set."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.getsignal(signal.SIGINT)


def _finish(trainer: "Trainer", training: "Training", parts: Parts) -> Result:
    """Measure the best model and write it, with its errors."""
    config, state = training.config, training.state
    folder = Path(config.output)
    model = training.smooth.to(trainer.strategy.root_device).eval()
    model.load_state_dict(training.best)
    assert state.stopped is not None
    size = config.training.validation_batch_size or config.training.batch_size
    metrics = {
        name: measure(training.task, model, graphs, size)
        for name, graphs in (("validation", parts.validation), ("test", parts.test))
        if len(graphs)
    }
    result = Result(
        output=folder,
        model_path=folder / MODEL,
        metrics=metrics,
        history=tuple(state.rows),
        epochs=state.epoch,
        best_epoch=state.best,
        stopped=state.stopped,
        seconds=state.seconds,
        parameters=sum(p.numel() for p in model.parameters()),
    )
    if trainer.is_global_zero:
        errors = {name: table.as_dict() for name, table in metrics.items()}
        training.task.save(model, result.model_path, errors, provenance(config, parts))
        write_json(folder / METRICS, result.as_dict())
    return result


def measure(task: Task, model: nn.Module, graphs: Part, batch_size: int = 16) -> Metrics:
    """The errors of the model of any task, on the model's device."""
    errors = task.errors()
    device = next(model.parameters()).device
    for start in range(0, len(graphs), batch_size):
        end = min(start + batch_size, len(graphs))
        batch = collate([graphs[n] for n in range(start, end)]).to(device)
        task.measure(errors, task.predict(model, batch), batch)
    return errors.metrics()


def provenance(config: TrainConfig, parts: Parts) -> dict[str, Any]:
    """Where a model comes from: data, split, settings and versions, but no path and no time.

    Without them the same run gives the same file, byte for byte, wherever and whenever it runs.
    """
    settings = config.model_dump(mode="json", exclude={"output", "logging", "data"})
    data = config.data.model_dump(mode="json", exclude={"cache", "workers"})
    for part in ("train", "validation", "test"):
        if isinstance(data[part], str):
            data[part] = Path(data[part]).name
    return {
        "settings": {"data": data, **settings},
        "files": dict(parts.files),
        "structures": {name: len(indices) for name, indices in parts.indices.items()},
        "versions": {
            "euclidium": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what Lightning says to people who write training loops, and nothing else.

    >>> with quiet():
    ...     logging.getLogger("lightning.pytorch").info("a tip")
    """
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in CHATTER:
            warnings.filterwarnings("ignore", message)
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _is_first() -> bool:
    """Whether this is the process that writes, before there is a trainer to ask."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0

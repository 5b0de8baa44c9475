"""The engine at work: Lightning, from the first step or the last checkpoint to the end."""

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from torch import nn

from euclidium.atoms.graph import collate
from euclidium.models.config import DensityConfig, PotentialConfig, SpectrumConfig
from euclidium.train.checkpoint import AtomicCheckpointIO
from euclidium.train.config import ConfigError
from euclidium.train.data import BatchData, batches_per_epoch
from euclidium.train.density import DensityTask, density_config, learned_differences
from euclidium.train.density_parts import DensityParts
from euclidium.train.folder import CHECKPOINT, METRICS, MODEL, SPLITS, same_data, write_config
from euclidium.train.keeper import RunKeeper
from euclidium.train.metrics import Metrics
from euclidium.train.module import Training
from euclidium.train.parts import Part, Parts
from euclidium.train.potential import PotentialTask, potential_config
from euclidium.train.result import Result, provenance
from euclidium.train.settings import DensityTrainConfig, RunConfig, SpectrumTrainConfig, TrainConfig
from euclidium.train.spectrum import (
    SpectrumTask,
    mean_curve,
    mean_site_neighbors,
    spectrum_config,
)
from euclidium.train.state import Progress
from euclidium.train.storage import write_json
from euclidium.train.task import Task

Report = Callable[[Progress], None]
Watch = Callable[[Training], None]

# What Lightning says to people who write their own training, which ours has decided already.
CHATTER = (
    r".*does not have many workers which may be a bottleneck.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r"GPU available but not used.*",
    r"MPS available but not used.*",
)


def run(
    config: RunConfig,
    parts: Parts,
    resume: bool = False,
    progress: Report | None = None,
    watch: Watch | None = None,
) -> Result:
    """Train, measure the best model, and write everything.

    ``resume`` goes on from the last checkpoint, if there is one. Raises ``ConfigError`` for devices
    that are not there, ``RunError`` for other data, and ``TrainingError`` if training diverges.
    """
    folder = Path(config.output)
    checkpoint = _checkpoint(folder, parts) if resume else None
    task = _task(config, parts, checkpoint)
    trainer = _trainer(config, validate=len(parts.validation) > 0)
    if trainer.is_global_zero:
        write_config(folder, config)
        write_json(folder / SPLITS, parts.indices)
    keeper = RunKeeper(config, provenance(config, parts), progress, watch)
    size = config.training.batch_size
    batches = batches_per_epoch(len(parts.train), size, trainer.world_size)
    training = Training(task, config, batches, keeper)
    training.kept = {"files": dict(parts.files), "model": task.description}
    if checkpoint is not None:
        training.restore(checkpoint)
    if training.state.stopped is None:
        data = BatchData(parts.train, parts.validation, config, training.state)
        keeper.open(training.state, trainer.is_global_zero)
        if watch is not None and training.state.step == 0:
            watch(training)
        try:
            _fit(trainer, training, data)
        finally:
            keeper.close()
    return _finish(trainer, training, parts)


def _checkpoint(folder: Path, parts: Parts) -> Mapping[str, Any] | None:
    """The last checkpoint of a run, if it got so far as to write one."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    same_data(folder, checkpoint["euclidium"]["kept"]["files"], parts.files)
    return checkpoint


def _task(config: RunConfig, parts: Parts, checkpoint: Mapping[str, Any] | None) -> Task:
    """The task; a resumed run keeps the constants that it began with."""
    kept = None if checkpoint is None else checkpoint["euclidium"]["kept"]["model"]
    if isinstance(config, SpectrumTrainConfig):
        return _spectrum_task(config, parts, kept)
    if isinstance(config, DensityTrainConfig):
        return _density_task(config, parts, kept)
    assert isinstance(config, TrainConfig)
    if kept is not None:
        model = PotentialConfig.model_validate(kept)
    else:
        model = potential_config(config.model, parts, config.seed)
    return PotentialTask(model, config.loss)


def _spectrum_task(
    config: SpectrumTrainConfig, parts: Parts, kept: Mapping[str, Any] | None
) -> SpectrumTask:
    """The task of phonon spectra."""
    if kept is not None:
        model, prior = SpectrumConfig.model_validate(kept["model"]), np.array(kept["prior"])
    else:
        model = spectrum_config(config.model, mean_site_neighbors(parts.train))
        prior = mean_curve(parts.train)
    return SpectrumTask(model, config.loss, prior)


def _density_task(
    config: DensityTrainConfig, parts: Parts, kept: Mapping[str, Any] | None
) -> DensityTask:
    """The task of electron densities."""
    if kept is not None:
        model = DensityConfig.model_validate(kept["model"])
    else:
        assert isinstance(parts, DensityParts)
        model = density_config(config.model, parts.basis, parts.spin, parts.train)
    return DensityTask(model, config.loss, learned_differences(parts.train, model))


def _trainer(config: RunConfig, validate: bool) -> Trainer:
    """Lightning's trainer, without the parts that ours replaces."""
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
            limit_val_batches=1.0 if validate else 0,
            inference_mode=False,  # forces are derivatives, also when validating
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,  # the first epoch of a resumed run may be short
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(f"training.accelerator, devices or strategy: {error}") from error


def _fit(trainer: Trainer, training: Training, data: BatchData) -> None:
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


def _finish(trainer: Trainer, training: Training, parts: Parts) -> Result:
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

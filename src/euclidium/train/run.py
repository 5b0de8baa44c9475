"""A run: from a configuration to a trained model in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from euclidium.train.density_parts import read_density_parts
from euclidium.train.folder import begin, run_in, same_config
from euclidium.train.journal import check_wandb
from euclidium.train.parts import Parts, limited, read_parts
from euclidium.train.potential import used_losses
from euclidium.train.result import Result
from euclidium.train.settings import DensityTrainConfig, RunConfig, SpectrumTrainConfig, TrainConfig
from euclidium.train.spectrum_parts import read_spectra
from euclidium.train.state import Progress

if TYPE_CHECKING:
    from euclidium.train.module import Training


def train(
    config: RunConfig,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    watch: "Callable[[Training], None] | None" = None,
    parts: Parts | None = None,
) -> Result:
    r"""Train what a configuration describes, and write it to the folder ``config.output``.

    ``resume`` goes on with an interrupted run, on a CPU to the same weights, to the bit, as if it
    had not been interrupted; ``overwrite`` replaces a run. ``progress`` is called after every step
    and every epoch, ``watch`` with all of the training, its model too, before the first step and
    after every one; it must change nothing. ``parts`` are the data where they are read already, by
    :func:`read_data` of the same ``data`` and ``seed``. The folder then holds model.euclidium (the
    best model by the validation loss, with averaged weights), metrics.csv, metrics.json,
    config.yaml, splits.json, last.ckpt and TensorBoard events.

    Raises ``ConfigError`` and ``DataError`` for what cannot be trained, ``RunError`` for a folder
    that holds another run or none to resume, and ``TrainingError`` if the loss stops being a
    number.

    >>> import tempfile
    >>> from euclidium.train.config import load_config
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "si.yaml"
    ...     _ = path.write_text("data: silicon\ntask: potential\noutput: run")
    ...     small = ["data.index=:4", "data.test=1", "model.network={channels: 2, layers: 1}"]
    ...     config = load_config(path, [*small, "training.epochs=1", "logging.tensorboard=false"])
    ...     result = train(config)
    >>> result.model_path.name, result.metrics["test"]["energy"].unit
    ('model.euclidium', 'meV/atom')
    """
    # Lightning takes seconds to load, which only those who train should wait for
    from euclidium.train.engine import quiet, run

    folder = Path(config.output)
    check_wandb(config.logging)
    old = run_in(folder) if resume else None
    if old is None and _is_first():
        begin(folder, overwrite)
    parts = read_data(config) if parts is None else parts
    if config.data.limit is not None:
        parts = limited(parts, config.data.limit, config.seed)
    if isinstance(config, TrainConfig):
        count = len(parts.train) + len(parts.validation)
        config = config.model_copy(update={"loss": used_losses(config.loss, parts.labels, count)})
    if old is not None:
        same_config(folder, old, config)
    with quiet():
        return run(config, parts, resume, progress, watch)


def read_data(config: RunConfig) -> Parts:
    """The training, validation and test structures of a run; all of them, whatever the limit.

    Raises ``ConfigError`` and ``DataError`` for what cannot be read or divided.

    >>> config = TrainConfig(data="silicon", task="potential", output="run")
    >>> len(read_data(config).validation)
    26
    """
    if isinstance(config, SpectrumTrainConfig):
        return read_spectra(config)
    if isinstance(config, DensityTrainConfig):
        return read_density_parts(config)
    assert isinstance(config, TrainConfig)
    return read_parts(config)


def _is_first() -> bool:
    """Whether this is the process that writes, before there is a trainer to ask."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0

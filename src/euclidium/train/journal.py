"""The journal of a run: one row an epoch, to metrics.csv, TensorBoard and Weights & Biases."""

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from euclidium.train.config import ConfigError
from euclidium.train.settings import LoggingSettings
from euclidium.train.storage import write_text

Row = Mapping[str, int | float]


class Journal:
    """Writes the rows of a run.

    ``metrics.csv`` is written whole after every epoch, from all rows, so that a resumed run neither
    doubles nor loses one. Raises ``ConfigError`` if Weights & Biases is wanted and not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(Path(folder), LoggingSettings(tensorboard=False))
    ...     journal.add([{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}])
    ...     print((Path(folder) / "metrics.csv").read_text())
    step,loss
    10,0.5
    20,0.25
    """

    def __init__(
        self,
        folder: Path,
        settings: LoggingSettings,
        step: int = 0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self._tensorboard = _tensorboard(folder, step) if settings.tensorboard else None
        self._wandb = _wandb(folder, settings, config or {}) if settings.wandb else None

    def restore(self, rows: Sequence[Row]) -> None:
        """Write the table of the rows so far, and nothing to the other logs, which have them."""
        write_text(self.folder / "metrics.csv", table(rows))

    def add(self, rows: Sequence[Row]) -> None:
        """Write the table of all rows, and send the last row to the other logs."""
        self.restore(rows)
        step = int(rows[-1]["step"])
        if self._tensorboard is not None:
            for name, value in rows[-1].items():
                self._tensorboard.add_scalar(name.replace("_", "/", 1), value, step)
            self._tensorboard.flush()
        if self._wandb is not None:
            self._wandb.log(dict(rows[-1]), step=step)

    def close(self) -> None:
        """Finish the logs."""
        if self._tensorboard is not None:
            self._tensorboard.close()
        if self._wandb is not None:
            self._wandb.finish()


def table(rows: Sequence[Row]) -> str:
    """Rows as CSV; a column that a row lacks is empty.

    >>> print(table([{"epoch": 1, "loss": 0.75}, {"epoch": 2, "loss": 0.5}]))
    epoch,loss
    1,0.75
    2,0.5
    """
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check_wandb(settings: LoggingSettings) -> None:
    """Raise ``ConfigError`` if Weights & Biases is wanted and not installed."""
    if settings.wandb is not None and importlib.util.find_spec("wandb") is None:
        raise ConfigError("logging.wandb needs wandb: pip install 'euclidium[wandb]'")


def _tensorboard(folder: Path, step: int) -> Any:
    """A writer of events, which hides what a killed run wrote after ``step``."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "events"), purge_step=step + 1 if step else None)


def _wandb(folder: Path, settings: LoggingSettings, config: Mapping[str, Any]) -> Any:
    """A run of Weights & Biases; one output folder is one run, also when resumed."""
    check_wandb(settings)
    assert settings.wandb is not None
    import wandb

    name = settings.wandb.name or folder.name
    return wandb.init(
        project=settings.wandb.project,
        name=name,
        mode=settings.wandb.mode,
        dir=str(folder),
        config=dict(config),
        id=_run_name(folder),
        resume="allow",
    )


def _run_name(folder: Path) -> str:
    """A name for the run that stays the same when it is resumed, kept in the folder."""
    path = folder / "wandb_id"
    if not path.is_file():
        import secrets

        write_text(path, secrets.token_hex(8))
    return path.read_text()

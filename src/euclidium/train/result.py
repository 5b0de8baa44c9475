"""What a run has made, and where it comes from."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from euclidium import __version__
from euclidium.train.metrics import Metrics
from euclidium.train.parts import Parts
from euclidium.train.settings import RunConfig
from euclidium.train.state import Reason


@dataclass(frozen=True)
class Result:
    """What a run has made: the file of the best model, and its errors.

    ``metrics`` holds those of the validation and the test structures, where there are some;
    ``history`` the rows of metrics.csv.

    >>> row = {"epoch": 1, "step": 9, "validation_loss": 0.5}
    >>> result = Result(Path("run"), Path("run/a.euclidium"), {}, (row,), 1, 1, "epochs", 2.0, 99)
    >>> result.as_dict()["stopped"]
    'epochs'
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


def provenance(config: RunConfig, parts: Parts) -> dict[str, Any]:
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

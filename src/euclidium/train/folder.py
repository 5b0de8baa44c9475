"""The output folder of a run: what may begin in it, and what may go on."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from euclidium.train.config import ConfigError, read_rendered, render_config
from euclidium.train.settings import RunConfig
from euclidium.train.storage import write_text

CONFIG = "config.yaml"
CHECKPOINT = "last.ckpt"
MODEL = "model.euclidium"
METRICS = "metrics.json"
SPLITS = "splits.json"
FILES = (CONFIG, CHECKPOINT, MODEL, METRICS, SPLITS, "metrics.csv", "wandb_id")
FOLDERS = ("events", "wandb")

# What may differ between a run and its continuation: it does not change the weights of an epoch.
FREE = (
    "output",
    "logging",
    "data.cache",
    "data.workers",
    "training.max_time",
    "training.checkpoint",
)

PARTS = ("train", "validation", "test")


class RunError(ValueError):
    """A folder in which a run cannot begin, or from which it cannot go on."""


def begin(folder: Path, overwrite: bool = False) -> None:
    """Make sure that a new run may begin in a folder; ``overwrite`` removes an old one.

    Raises ``RunError`` if the folder holds a run already, or is a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     begin(Path(name))
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"output is a folder, but {folder} is a file: choose another name")
    held = [name for name in (*FILES, *FOLDERS) if (folder / name).exists()]
    if held and not overwrite:
        raise RunError(
            f"{folder} holds a run already ({', '.join(held)}): continue it with resume, replace "
            "it with overwrite, or choose another output"
        )
    for name in held:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def run_in(folder: Path) -> RunConfig:
    """The configuration of the run in a folder. Raises ``RunError`` if there is none."""
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no run to resume: start it without resume")
    return read_rendered(path.read_text(encoding="utf-8"))


def same_config(folder: Path, old: RunConfig, new: RunConfig) -> None:
    """Raise ``RunError`` if a run with the old configuration cannot go on with the new one."""
    free = FREE if new.schedule.kind == "cosine" else (*FREE, "training.epochs")
    changed = list(_differences(old.model_dump(mode="json"), new.model_dump(mode="json"), free))
    if changed:
        raise RunError(
            f"{folder} holds a run with another configuration ({'; '.join(changed[:3])}): give "
            "the same one to resume, or replace the run with overwrite"
        )


def same_data(folder: Path, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Raise ``RunError`` if the data is not that of the run: checksums by the name of the file."""
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            raise RunError(
                f"the data is not that of the run in {folder}: {name} has changed; restore it, or "
                "replace the run with overwrite"
            )


def write_config(folder: Path, config: RunConfig) -> None:
    """Write the whole configuration into the folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG, render_config(config))
    except OSError as error:
        raise ConfigError(
            f"cannot write to the output {folder}: {error.strerror}; choose another output"
        ) from error


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], free: tuple[str, ...], prefix: str = ""
) -> Iterator[str]:
    """Each setting that differs, as ``key: old, now new``."""
    for key in [*old, *(key for key in new if key not in old)]:
        name, before, now = prefix + key, old.get(key), new.get(key)
        if name in free or before == now:
            continue
        if prefix == "data." and key in PARTS and isinstance(before, str) and isinstance(now, str):
            continue  # files are compared by content
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, free, f"{name}.")
        else:
            yield f"{name}: {before}, now {now}"

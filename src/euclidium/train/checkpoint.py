"""Checkpoints: written whole or not at all, read without running code."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import CheckpointIO

from euclidium.train.storage import write_whole


class CheckpointError(ValueError):
    """A checkpoint that cannot be read."""


class AtomicCheckpointIO(CheckpointIO):
    """Writes whole checkpoints, and reads tensors and plain values only.

    A process killed at any moment leaves the old checkpoint or the new one, and no checkpoint can
    run code when it is read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "last.ckpt"
    ...     AtomicCheckpointIO().save_checkpoint({"step": 3}, path)
    ...     AtomicCheckpointIO().load_checkpoint(path)
    {'step': 3}
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        write_whole(path, lambda file: torch.save(checkpoint, file))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Callable[..., Any] | None = None,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint into the processor's memory, whatever the other arguments say.

        Raises ``CheckpointError`` for a file that is not a checkpoint.
        """
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged file raises errors of half a dozen kinds
            raise CheckpointError(
                f"{path} is not a checkpoint, or it is damaged: start again with overwrite"
            ) from error

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a checkpoint, if it is there."""
        Path(path).unlink(missing_ok=True)

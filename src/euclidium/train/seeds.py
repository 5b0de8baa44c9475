"""Random numbers that depend on a seed alone, and leave torch's generators as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int | tuple[int, ...], device: torch.device | None = None) -> Iterator[None]:
    """Let torch draw random numbers that are a function of ``seed``, also on a GPU.

    >>> with seeded(1):
    ...     x = torch.rand(())
    >>> with seeded(1):
    ...     bool(x == torch.rand(()))
    True
    """
    devices = [device] if device is not None and device.type == "cuda" else []
    number = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(number)
        if devices:
            torch.cuda.manual_seed(number)
        yield

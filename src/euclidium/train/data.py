"""Data of a run: its parts, and batches whose order depends on (seed, epoch) alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from euclidium.atoms.graph import Graph, collate
from euclidium.train.parts import Part
from euclidium.train.settings import RunConfig
from euclidium.train.state import RunState


def batches_per_epoch(size: int, batch_size: int, world: int = 1) -> int:
    """Batches that each of ``world`` processes takes in an epoch over ``size`` structures.

    >>> batches_per_epoch(11, 5), batches_per_epoch(11, 5, world=2)
    (3, 2)
    """
    return -(-size // (batch_size * world))


class EpochBatches(Sampler[list[int]]):
    """Batches of indices in an order that is a function of (seed, epoch) alone.

    ``position`` says which epoch it is and how many of its batches are done, so that a resumed run
    goes on with the batch that the interrupted one would have taken. Over several processes each
    takes every ``world``-th batch of indices, all the same number: the first ones come again where
    the last ones are missing.

    >>> batches = EpochBatches(5, 2, seed=0, position=lambda: (0, 0))
    >>> sorted(i for batch in batches for i in batch), len(batches)
    ([0, 1, 2, 3, 4], 3)
    >>> rest = EpochBatches(5, 2, seed=0, position=lambda: (0, 2))
    >>> list(rest) == list(batches)[2:]
    True
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        position: Callable[[], tuple[int, int]],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.size, self.batch_size, self.seed, self.position = size, batch_size, seed, position
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        """Batches that are left of the present epoch."""
        return batches_per_epoch(self.size, self.batch_size, self.world) - self.position()[1]

    def __iter__(self) -> Iterator[list[int]]:
        epoch, done = self.position()
        order = np.random.default_rng([self.seed, epoch]).permutation(self.size)
        share = -(-self.size // self.world)
        own = np.resize(order, share * self.world)[self.rank :: self.world].tolist()
        for n in range(done, batches_per_epoch(self.size, self.batch_size, self.world)):
            yield own[n * self.batch_size : (n + 1) * self.batch_size]


class BatchData(LightningDataModule):
    """Loaders of the training and validation batches of a run."""

    def __init__(
        self, training: Part, validation: Part, config: RunConfig, state: RunState
    ) -> None:
        super().__init__()
        self.training, self.validation = training, validation
        self.config, self.state = config, state
        self._loader: DataLoader | None = None

    def train_dataloader(self) -> DataLoader:
        """Batches of what is left of the present epoch; the same loader every time."""
        if self._loader is None:
            own = EpochBatches(
                len(self.training),
                self.config.training.batch_size,
                self.config.seed,
                lambda: (self.state.epoch, self.state.batch),
                *self._process(),
            )
            self._loader = self._load(self.training, batch_sampler=own)
        return self._loader

    def val_dataloader(self) -> DataLoader:
        """Batches of this process's share of the validation structures, in their order."""
        rank, world = self._process()
        own = range(rank, len(self.validation), world)
        training = self.config.training
        size = training.validation_batch_size or training.batch_size
        return self._load(self.validation, sampler=own, batch_size=size)

    def transfer_batch_to_device(
        self, batch: Graph, device: torch.device, dataloader_idx: int
    ) -> Graph:
        """Move a batch."""
        return batch.to(device)

    def _process(self) -> tuple[int, int]:
        """The number of this process, and how many there are."""
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def _load(self, graphs: Part, **options: Any) -> DataLoader:
        """A loader with a generator of its own, so that it draws nothing from torch's."""
        workers = self.config.data.workers
        return DataLoader(
            graphs,  # type: ignore[arg-type]  # a loader needs no more than a sequence
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator(),
            **options,
        )

"""Graphs that a data loader draws from, in memory or on disk."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import torch.utils.data

from euclidium.atoms.cache import GraphCache, cached
from euclidium.atoms.graph import Graph
from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.reader import check_file, read_structures
from euclidium.atoms.structure import Structure

Graphs: TypeAlias = list[Graph] | GraphCache
CACHE_VERSION = 1  # part of each cache's key: raise it when graphs change


class Dataset(torch.utils.data.Dataset[Graph]):
    """Graphs by index, one structure each; batches are made by :func:`~euclidium.atoms.collate`.

    >>> import numpy as np
    >>> from euclidium.atoms.graph import collate
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)))
    >>> dataset = Dataset.from_structures([argon] * 5, cutoff=5.0)
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=2, collate_fn=collate)
    >>> [batch.n_structures for batch in loader]
    [2, 2, 1]
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    @classmethod
    def from_structures(
        cls,
        structures: Iterable[Structure],
        cutoff: float,
        labels: Sequence[str] | None = None,
    ) -> "Dataset":
        """A data set in memory, with edges between atoms closer than the cutoff (Å).

        ``labels`` names the labels to take along, by default all. Raises ``DataError`` as
        :meth:`Graph.from_structures` does.
        """
        return cls([Graph.from_structures([item], cutoff, labels) for item in structures])

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        cutoff: float,
        index: str = ":",
        keys: LabelKeys = LabelKeys(),  # noqa: B008  (frozen)
        labels: Sequence[str] | None = None,
        cache: str | Path | None = None,
    ) -> "Dataset":
        """The structures of a file, as :func:`~euclidium.atoms.read` reads them.

        With a folder ``cache`` the graphs are kept there, in a file that is named after the
        contents of the data, the cutoff and the keys, and are read from it as they are needed.
        """

        def graphs() -> Iterator[Graph]:
            for item in read_structures(path, index, keys):
                yield Graph.from_structures([item], cutoff, labels)

        if cache is None:
            return cls(list(graphs()))
        check_file(Path(path))
        key = _key(Path(path), cutoff, index, keys, labels)
        return cls(cached(Path(cache, f"{Path(path).stem}-{key[:16]}.graphs"), key, graphs))

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, index: int) -> Graph:
        return self.graphs[index]

    def __iter__(self) -> Iterator[Graph]:
        return iter(self.graphs)


def _key(
    path: Path, cutoff: float, index: str, keys: LabelKeys, labels: Sequence[str] | None
) -> str:
    """What the graphs depend on: the contents of the file and how they are read."""
    digest = hashlib.blake2b(digest_size=16)
    how = [CACHE_VERSION, float(cutoff), index, asdict(keys), labels and list(labels)]
    digest.update(json.dumps(how, sort_keys=True).encode())
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

"""The parts of the data of a run: training, validation and test structures."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from euclidium.atoms.dataset import Dataset
from euclidium.atoms.embedded import embedded_file, embedded_names
from euclidium.atoms.graph import Graph
from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.splits import split_indices
from euclidium.train.config import ConfigError
from euclidium.train.settings import TrainConfig

NAMES = ("train", "validation", "test")


class Part(Sequence[Graph]):
    """Some graphs of a data set, with the labels that all of them have.

    >>> from euclidium.atoms.structure import Structure
    >>> import numpy as np
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)))
    >>> part = Part(Dataset.from_structures([argon] * 3, cutoff=5.0), [0, 2])
    >>> len(part), part.labels
    (2, {})
    """

    def __init__(self, graphs: Dataset, indices: Sequence[int]) -> None:
        self.graphs, self.indices = graphs, indices
        self.labels = dict(Counter(name for n in indices for name in graphs[n].labels))
        self._common = {name for name, count in self.labels.items() if count == len(indices)}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Graph:  # type: ignore[override]
        """One graph, its labels those that the whole part has: others could not be batched."""
        graph = self.graphs[self.indices[index]]
        if graph.labels.keys() == self._common:
            return graph
        return graph.replace(labels={k: v for k, v in graph.labels.items() if k in self._common})

    def __iter__(self) -> Iterator[Graph]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True)
class Parts:
    """The structures of a run, as graphs, and where they come from."""

    train: Part
    validation: Part
    test: Part
    files: Mapping[str, str]  # name and checksum of the file of each part
    indices: Mapping[str, list[int]]  # of the structures of each part, in their file

    @property
    def labels(self) -> dict[str, int]:
        """How many of the training and validation structures have each label."""
        return dict(Counter(self.train.labels) + Counter(self.validation.labels))


Some = TypeVar("Some", bound=Parts)


def limited(parts: Some, count: int, seed: int) -> Some:
    """The same parts with few structures to learn from, drawn at random.

    They are repeated to as many as there were, so that an epoch has as many steps; fewer ones are
    among more of the same seed. Raises ``ConfigError`` if there are not so many.

    >>> from euclidium.atoms.structure import Structure
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)))
    >>> part = Part(Dataset.from_structures([argon] * 5, cutoff=5.0), range(5))
    >>> few = limited(Parts(part, part, part, {}, {"train": list(range(5))}), 2, seed=0)
    >>> len(few.train), len(set(few.train.indices)), len(few.indices["train"])
    (5, 2, 2)
    """
    whole = parts.train
    if count > len(whole):
        raise ConfigError(
            f"data.limit is {count}, but there are {len(whole)} structures to learn from: "
            "give fewer, or null"
        )
    drawn = np.random.default_rng([seed, 0]).permutation(len(whole))[:count]
    repeated = [whole.indices[n] for n in np.resize(drawn, len(whole)).tolist()]
    indices = {**parts.indices, "train": [parts.indices["train"][n] for n in drawn.tolist()]}
    return replace(parts, train=Part(whole.graphs, repeated), indices=indices)


def read_parts(config: TrainConfig) -> Parts:
    """Read the structures that a configuration names, and divide them.

    What is not a file of its own is taken from the training file, at random by ``config.seed``. An
    embedded data set brings its test structures. Raises ``ValueError`` if nothing would be left to
    train on, and ``DataError`` for structures that cannot be used.
    """
    data = config.data
    wanted: dict[str, str | int | float] = {
        "train": data.train,
        "validation": data.validation,
        "test": data.test,
    }
    if "test" not in data.model_fields_set and _is_embedded(data.train):
        wanted["test"] = data.train
    paths = {name: _path(v, name) for name, v in wanted.items() if isinstance(v, str)}
    graphs = {name: _read(path, name, config) for name, path in paths.items()}
    sizes = {name: v for name, v in wanted.items() if not isinstance(v, str)}
    split = split_indices(
        len(graphs["train"]),
        validation=sizes.get("validation", 0),
        test=sizes.get("test", 0),
        seed=config.seed,
        species=[graph.species.numpy() for graph in graphs["train"]],
        balance=data.balance,
    )
    indices = {name: getattr(split, name).tolist() for name in NAMES}
    for name in {"validation", "test"} & paths.keys():
        indices[name] = list(range(len(graphs[name])))
    parts = {name: Part(graphs.get(name, graphs["train"]), indices[name]) for name in NAMES}
    files = {name: file_checksum(path) for name, path in paths.items()}
    return Parts(**parts, files=files, indices=indices)


def _is_embedded(name: str) -> bool:
    """Whether a name is that of an embedded data set; a file of the same name comes first."""
    return not Path(name).is_file() and name in embedded_names()


def _path(name: str, part: str) -> Path:
    """The file of a part."""
    if _is_embedded(name):
        return embedded_file(name, f"{'test' if part == 'test' else 'train'}.extxyz.xz")
    return Path(name)


def _read(path: Path, part: str, config: TrainConfig) -> Dataset:
    """The graphs of a file."""
    data = config.data
    keys = LabelKeys(
        energy=data.energy_key,
        forces=data.forces_key,
        stress=data.stress_key,
        inputs={name: data.inputs.get(name, name) for name in config.model.inputs},
    )
    index = data.index if part == "train" else ":"
    return Dataset.from_file(path, config.model.cutoff, index, keys, cache=data.cache)


def file_checksum(path: Path) -> str:
    """Name and SHA-256 of a file.

    >>> file_checksum(Path(__file__))[:16]
    'parts.py sha256:'
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{path.name} sha256:{digest.hexdigest()}"

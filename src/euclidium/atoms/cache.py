"""Graphs on disk, for data sets that are larger than memory."""

import json
import math
import mmap
import os
import struct
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.ops.segments import Edges

# magic | records | table | footer (JSON) | tail: place of the footer, its length, CRC-32, magic
MAGIC = b"EUGRAPH1"
TAIL = struct.Struct("<QQI8s")
CHUNK = 1 << 20

# How the parts of a graph are stored, and the dtype in memory.
PARTS = {
    "species": ("<i2", torch.int64),
    "positions": ("<f8", torch.float64),
    "cell": ("<f8", torch.float64),
    "pbc": ("|b1", torch.bool),
    "structure": ("<i4", torch.int64),
    "senders": ("<i4", torch.int64),
    "receivers": ("<i4", torch.int64),
    "shifts": ("<i4", torch.float64),
}
OTHERS = ("<f8", torch.float64)


@dataclass(frozen=True)
class _Field:
    """One array of every graph: its name, stored dtype and the shape of a row."""

    name: str
    dtype: str
    row: tuple[int, ...]

    @property
    def row_size(self) -> int:
        """Numbers in a row."""
        return math.prod(self.row)


class GraphCache:
    """Graphs in one memory-mapped file: a sequence that does not fill the memory.

    The whole file is checked when it is opened; pages are then read as graphs are asked for. It can
    be pickled, for the workers of a data loader. Raises ``DataError`` for a file that is cut off,
    altered, or made from other data (another ``key``).

    >>> from tempfile import TemporaryDirectory
    >>> from euclidium.atoms.structure import Structure
    >>> argon = Graph.from_structures([Structure(np.array([18]), np.zeros((1, 3)))], cutoff=5.0)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "argon.graphs")
    ...     write_graphs(path, [argon, argon], key="1")
    ...     GraphCache(path, key="1")[0]
    Graph(1 structure, 1 atoms, 0 edges)
    """

    def __init__(self, path: str | Path, key: str) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            footer = _checked_footer(file, self.path)
            if footer["key"] != key:
                raise DataError(f"{self.path} was made from other data")
            self._fields = [
                _Field(f["name"], f["dtype"], tuple(f["row"])) for f in footer["fields"]
            ]
            file.seek(footer["table"])
            shape = footer["n"], 1 + len(self._fields)
            # of each graph, where it begins and the rows of each field, −1 if it has no such field
            self._table = np.fromfile(file, "<i8", math.prod(shape)).reshape(shape)
        self._memory: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Graph]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Graph:
        start, *rows = self._table[index].tolist()
        arrays = {}
        for part, n in zip(self._fields, rows, strict=True):
            if n < 0:
                continue
            values = np.frombuffer(self._pages(), part.dtype, n * part.row_size, start)
            arrays[part.name] = values.reshape(n, *part.row)
            start += values.nbytes
        return _graph(arrays)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_memory": None}  # each process maps the file itself

    def _pages(self) -> mmap.mmap:
        """The file as memory."""
        if self._memory is None:
            with self.path.open("rb") as file:
                self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._memory


def write_graphs(path: str | Path, graphs: Iterable[Graph], key: str) -> None:
    """Write graphs for :class:`GraphCache`, one after the other; the file appears when complete.

    Raises ``DataError`` if a label or an input does not have the same shape in all graphs.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_graphs(Path(folder, "empty.graphs"), [], key="1")
    ...     len(GraphCache(Path(folder, "empty.graphs"), key="1"))
    0
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with part.open("xb") as file:
            _write(_Summed(file), graphs, key)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def cached(path: str | Path, key: str, graphs: Callable[[], Iterable[Graph]]) -> GraphCache:
    """The cache at ``path``, made from ``graphs()`` if it is missing.

    A cache that is cut off, altered or made from other data is made again, with a warning.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     len(cached(Path(folder, "empty.graphs"), "1", list))
    0
    """
    path = Path(path)
    if path.exists():
        try:
            return GraphCache(path, key)
        except DataError as error:
            warnings.warn(f"{error}: it is made again", stacklevel=2)
    write_graphs(path, graphs(), key)
    return GraphCache(path, key)


class _Summed:
    """A file that is written front to back, with its length and checksum."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size, self.crc = file, 0, 0

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)


def _write(out: _Summed, graphs: Iterable[Graph], key: str) -> None:
    out.write(MAGIC)
    fields: dict[str, _Field] = {}
    starts: list[int] = []
    rows: list[dict[str, int]] = []
    for graph in graphs:
        arrays = _arrays(graph)
        for name, array in arrays.items():
            new = _Field(name, array.dtype.str, array.shape[1:])
            if fields.setdefault(name, new) != new:
                raise DataError(
                    f"graph {len(rows)} has {name.partition(' ')[2]!r} with the shape "
                    f"{list(new.row)}, others have {list(fields[name].row)}: give all the same"
                )
        starts.append(out.size)
        rows.append({name: len(array) for name, array in arrays.items()})
        for name in fields:  # the order in which they are read
            if name in arrays:
                out.write(arrays[name].tobytes())
    table = [[n, *(row.get(f, -1) for f in fields)] for n, row in zip(starts, rows, strict=True)]
    place = out.size
    out.write(np.array(table, dtype="<i8").tobytes())
    records = [{"name": f.name, "dtype": f.dtype, "row": f.row} for f in fields.values()]
    footer = {"key": key, "n": len(table), "table": place, "fields": records}
    text = json.dumps(footer).encode()
    place = out.size
    out.write(text)
    out.file.write(TAIL.pack(place, len(text), out.crc, MAGIC))


def _checked_footer(file: BinaryIO, path: Path) -> dict:
    """The footer of a file whose checksum is right."""
    size = os.fstat(file.fileno()).st_size
    if size < len(MAGIC) + TAIL.size:
        raise DataError(f"{path} is cut off")
    file.seek(size - TAIL.size)
    place, length, crc, magic = TAIL.unpack(file.read(TAIL.size))
    if magic != MAGIC or place + length + TAIL.size != size:
        raise DataError(f"{path} is cut off, or not a file of graphs")
    file.seek(0)
    found, left = 0, size - TAIL.size
    while left:
        data = file.read(min(CHUNK, left))
        found, left = zlib.crc32(data, found), left - len(data)
    if found != crc:
        raise DataError(f"{path} was altered since it was written")
    file.seek(place)
    return json.loads(file.read(length))


def _arrays(graph: Graph) -> dict[str, np.ndarray]:
    """The arrays of a graph as they are stored; names of labels and inputs say what they are."""
    edges = graph.edges
    parts = {"senders": edges.senders, "receivers": edges.receivers}
    arrays = {
        name: np.asarray(parts.get(name, getattr(graph, name, None)), dtype=dtype)
        for name, (dtype, _) in PARTS.items()
    }
    for kind in ("labels", "inputs"):
        for name, value in sorted(getattr(graph, kind).items()):
            arrays[f"{kind} {name}"] = np.asarray(value, dtype=OTHERS[0])
    if graph.occupations is not None:
        arrays["occupations"] = np.asarray(graph.occupations, dtype=OTHERS[0])
    return arrays


def _graph(arrays: dict[str, np.ndarray]) -> Graph:
    """A graph in memory of its own from the arrays of the file."""
    tensors = {
        name: torch.tensor(array, dtype=PARTS.get(name, OTHERS)[1])
        for name, array in arrays.items()
    }
    senders, receivers = tensors.pop("senders"), tensors.pop("receivers")
    edges = Edges.from_receivers(senders, receivers, len(tensors["species"]))
    parts: dict[str, Any] = {name: tensors[name] for name in PARTS if name in tensors}
    labels, inputs = (
        {name.partition(" ")[2]: t for name, t in tensors.items() if name.startswith(f"{kind} ")}
        for kind in ("labels", "inputs")
    )
    rows = tensors.get("occupations")
    return Graph(**parts, edges=edges, labels=labels, inputs=inputs, occupations=rows)

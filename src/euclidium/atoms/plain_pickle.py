"""Reading the tensors of a pickle that somebody else wrote, without running any of its code."""

import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from euclidium.atoms.problem import DataError


def read_plain_pickle(path: str | os.PathLike[str]) -> Any:
    """What a pickle holds, if it is made of tensors, lists, dictionaries, numbers and text only.

    Torch tensors become NumPy arrays. A pickle is a program: this one may call nothing but the
    three functions that build a tensor, and those are ours.

    Raises ``DataError`` for a file that is missing or damaged, or that asks for anything else.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.pkl"
    ...     _ = path.write_bytes(pickle.dumps([{"pos": torch.ones(2)}, 1.5]))
    ...     read_plain_pickle(path)
    [{'pos': array([1., 1.], dtype=float32)}, 1.5]
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            return _Reader(file, path).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise DataError(f"{path} is no pickle, or cut off: {error}") from error


class _Reader(pickle.Unpickler):
    """An unpickler that knows three names."""

    def __init__(self, file: io.BufferedReader, path: Path):
        super().__init__(file)
        self.path = path

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """One of the three, or a sentence."""
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _empty,
            ("torch.storage", "_load_from_bytes"): _storage,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        }
        if (module, name) not in known:
            raise DataError(
                f"{self.path} asks to run {module}.{name}: only pickles of torch tensors, lists, "
                "dictionaries, numbers and text are read"
            )
        return known[module, name]


def _empty() -> OrderedDict[str, object]:
    """What a tensor has for its hooks."""
    return OrderedDict()


def _storage(data: bytes) -> np.ndarray:
    """The numbers behind tensors; torch's own reader of weights runs nothing either."""
    storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return torch.tensor([], dtype=storage.dtype).set_(storage).numpy()


def _tensor(
    storage: np.ndarray, offset: int, size: Sequence[int], stride: Sequence[int], *_: object
) -> np.ndarray:
    """A tensor with this size and these strides, copied from the numbers."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min([offset, *size, *stride]) < 0 or (all(size) and last >= len(storage)):
        raise DataError(f"a tensor of the shape {tuple(size)} does not fit its numbers")
    bytes_of = tuple(step * storage.itemsize for step in stride)
    if not all(size):
        return np.zeros(tuple(size), storage.dtype)
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), bytes_of).copy()

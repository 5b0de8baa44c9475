"""Results on disk: dataclasses of arrays as NumPy archives, and as JSON for other programs."""

import dataclasses
import io
import json
import os
import tempfile
import typing
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

Record = TypeVar("Record")


def save_record(record: Any, path: str | os.PathLike[str]) -> Path:
    """Write a dataclass of arrays, numbers, words and further such dataclasses.

    A name that ends with ``.json`` gives JSON, in which what is not a finite number is ``null``;
    any other one a NumPy archive, which ``load_record`` reads. The file appears when it is whole.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     name: str
    ...     place: np.ndarray
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_record(Point("X", np.array([0.5, 0.5, 0.0])), Path(folder) / "x.npz")
    ...     load_record(Point, path)
    Point(name='X', place=array([0.5, 0.5, 0. ]))
    """
    path = Path(path)
    if path.suffix == ".json":
        text = json.dumps(_plain(dataclasses.asdict(record)), indent=1, ensure_ascii=False)
        return write_file(path, f"{text}\n".encode())
    arrays, words = _parts(record)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, text=np.array(json.dumps(words)), **arrays)
    return write_file(path, buffer.getvalue())


def load_record(kind: type[Record], path: str | os.PathLike[str]) -> Record:
    """Read what ``save_record`` has written as a NumPy archive.

    Raises ``ValueError`` for a file that does not hold such a record.

    >>> load_record(int, __file__)
    Traceback (most recent call last):
    ValueError: record.py does not hold what int.save() writes
    """
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        values |= json.loads(str(values.pop("text")))
        return _made(kind, values, "")
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        name = Path(path).name
        raise ValueError(f"{name} does not hold what {kind.__name__}.save() writes") from error


def write_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file under a temporary name first, in a folder that is made if it is missing.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder) / "new" / "note.txt", b"done").read_bytes()
    b'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def _parts(record: Any, before: str = "") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the rest of a record, by dotted names."""
    arrays: dict[str, np.ndarray] = {}
    words: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{before}{field.name}"
        if dataclasses.is_dataclass(value):
            inner = _parts(value, f"{name}.")
            arrays |= inner[0]
            words |= inner[1]
        elif isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            words[name] = value
    return arrays, words


def _made(kind: Any, values: dict[str, Any], before: str) -> Any:
    """A record from arrays and words by dotted names; a list of words was a tuple."""
    hints = typing.get_type_hints(kind)
    made: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        name = f"{before}{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            made[field.name] = _made(hints[field.name], values, f"{name}.")
        else:
            value = values[name]
            made[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**made)


def _plain(value: Any) -> Any:
    """The value in terms of what JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

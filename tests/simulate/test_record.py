import json
from dataclasses import dataclass

import numpy as np
import pytest

from euclidium.simulate.record import load_record, save_record, write_file


@dataclass(frozen=True)
class Inner:
    values: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    number: float
    missing: np.ndarray | None
    table: np.ndarray


RECORD = Outer("β", Inner(np.arange(3), ("Γ", "X")), 0.1, None, np.array([[1.5, np.nan]]))


def test_archives_return_what_was_saved(tmp_path):
    found = load_record(Outer, save_record(RECORD, tmp_path / "new" / "record.npz"))
    assert (found.name, found.number, found.missing) == ("β", 0.1, None)
    assert found.inner.labels == ("Γ", "X")
    np.testing.assert_array_equal(found.inner.values, RECORD.inner.values)
    np.testing.assert_array_equal(found.table, RECORD.table)


def test_json_is_for_others(tmp_path):
    path = save_record(RECORD, tmp_path / "record.json")
    assert json.loads(path.read_text()) == {
        "name": "β",
        "inner": {"values": [0, 1, 2], "labels": ["Γ", "X"]},
        "number": 0.1,
        "missing": None,
        "table": [[1.5, None]],
    }


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    save_record(RECORD.inner, tmp_path / "inner.npz")
    (tmp_path / "text.npz").write_text("nothing")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    for name in ("other.npz", "inner.npz", "text.npz", "cut.npz"):
        with pytest.raises(ValueError, match=rf"{name} does not hold what Outer.save\(\) writes"):
            load_record(Outer, tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_record(Outer, tmp_path / "missing.npz")


def test_nothing_else_is_left_behind(tmp_path):
    write_file(tmp_path / "note.txt", b"one")
    write_file(tmp_path / "note.txt", b"two")
    assert (tmp_path / "note.txt").read_bytes() == b"two"
    assert len(list(tmp_path.iterdir())) == 1

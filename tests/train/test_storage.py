"""Files are written whole or not at all."""

import json

import pytest

from euclidium.train.storage import write_json, write_text, write_whole


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(file):
        file.write(b"half of the ")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    write_text(path, "new")  # over what the failed one left
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_texts_are_utf8(tmp_path):
    write_text(tmp_path / "file", "meV/Å³")
    assert (tmp_path / "file").read_bytes() == "meV/Å³".encode()


def test_json(tmp_path):
    write_json(tmp_path / "file", {"unit": "meV/Å", "mae": 1.5})
    assert json.loads((tmp_path / "file").read_text()) == {"unit": "meV/Å", "mae": 1.5}

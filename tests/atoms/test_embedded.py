"""Embedded data: found by name, checked against their sums."""

import hashlib
import lzma
import re
from pathlib import Path

import pytest

from euclidium.atoms.embedded import embedded, embedded_file, embedded_names
from euclidium.atoms.problem import DataError

ATOM = b"1\nenergy=-1.0\nH 0 0 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one data set of two parts."""
    folder = tmp_path / "hydrogen"
    folder.mkdir()
    lines = []
    for part, n in (("train", 3), ("test", 2)):
        data = lzma.compress(ATOM * n)
        (folder / f"{part}.extxyz.xz").write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {part}.extxyz.xz\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
    (tmp_path / "no-sums").mkdir()
    return tmp_path


def test_names_and_parts(root: Path):
    assert embedded_names(root) == ["hydrogen"]
    assert len(embedded("hydrogen", root=root)) == 3
    assert len(embedded("hydrogen", "test", root=root)) == 2
    assert embedded_file("hydrogen", "train.extxyz.xz", root).parent.name == "hydrogen"


def test_unknown_names(root: Path):
    sentence = "no embedded data set 'hydrogens': there are hydrogen; did you mean 'hydrogen'?"
    with pytest.raises(DataError, match=re.escape(sentence)):
        embedded("hydrogens", root=root)
    sentence = "embedded data set 'hydrogen' has no file 'valid.extxyz.xz': it has train.extxyz.xz"
    with pytest.raises(DataError, match=re.escape(sentence)):
        embedded("hydrogen", "valid", root=root)


def test_altered_and_missing_files(root: Path):
    path = root / "hydrogen" / "train.extxyz.xz"
    path.write_bytes(lzma.compress(ATOM * 4))
    with pytest.raises(DataError, match="train.extxyz.xz was altered or cut off: install the pack"):
        embedded("hydrogen", root=root)
    path.unlink()
    with pytest.raises(DataError, match="train.extxyz.xz is missing: install the package again"):
        embedded("hydrogen", root=root)


@pytest.mark.parametrize("name", embedded_names())
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_data_in_the_package(name: str, part: str):
    structures = embedded(name, part)
    assert len(structures) >= 8
    assert all({"energy", "forces"} <= structure.labels.keys() for structure in structures)
    if name == "silicon":
        assert all("stress" in structure.labels for structure in structures)
        assert all(structure.pbc.all() for structure in structures)

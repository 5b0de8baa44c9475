import json

import pytest
import torch
from safetensors.torch import save_file
from tests.models.conftest import make_potential

from euclidium.atoms import Graph
from euclidium.models import ModelFileError, describe, load, save, storage
from euclidium.o3 import CONVENTION


@pytest.fixture
def file(tmp_path, potential):
    save(
        potential, tmp_path / "m.euclidium", metrics={"forces_mae": 12.5}, provenance={"by": "test"}
    )
    return tmp_path / "m.euclidium"


def test_what_was_saved_is_loaded(file, potential, water):
    graph = Graph.from_structures([water], potential.cutoff)
    expected, got = potential(graph), load(file)(graph)
    torch.testing.assert_close(got.energy, expected.energy, rtol=1e-15, atol=0)
    torch.testing.assert_close(got.forces, expected.forces, rtol=1e-13, atol=1e-13)
    weights = zip(load(file).parameters(), potential.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert not load(file).training


def test_the_header_says_what_it_is(file):
    header = describe(file)
    assert header["convention"] == CONVENTION
    assert header["metrics"] == {"forces_mae": 12.5}
    assert header["provenance"] == {"by": "test"}
    assert header["config"]["species"] == ["H", "O", "Si"]
    assert header["units"]["stress"] == "eV/Å³, tension positive"


def test_the_same_model_gives_the_same_bytes(tmp_path, file, potential):
    save(potential, tmp_path / "n", metrics={"forces_mae": 12.5}, provenance={"by": "test"})
    assert (tmp_path / "n").read_bytes() == file.read_bytes()


def test_another_type(file):
    assert load(file, dtype="float32").dtype == torch.float32
    with pytest.raises(ValueError, match="dtype is float32 or float64, got 'int8'"):
        load(file, dtype="int8")


def test_nothing_is_left_behind(file):
    assert [p.name for p in file.parent.iterdir()] == ["m.euclidium"]


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("size", [0, 4, 100, 2000, -1])
def test_a_truncated_file(file, size):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ModelFileError, match="is not a euclidium model, or it is truncated"):
        load(file)


@pytest.mark.parametrize("position", [-1, -200, -1001])
def test_an_altered_weight(file, position):
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelFileError, match="was altered after it was written"):
        load(file)


def test_an_altered_header(file):
    data = file.read_bytes()
    assert data.count(b"12.5") == 1
    file.write_bytes(data.replace(b"12.5", b"13.5"))
    with pytest.raises(ModelFileError, match="was altered after it was written"):
        describe(file)


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "text").write_text("hello, this is not a model at all")
    with pytest.raises(ModelFileError, match="is not a euclidium model"):
        load(tmp_path / "text")
    save_file({"a": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(ModelFileError, match="is a safetensors file, but not a euclidium model"):
        load(tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SCHEMA", 2, "has schema 2, this version reads up to 1: update euclidium"),
        ("CONVENTION", "other/9", "uses the sign convention 'other/9'"),
    ],
)
def test_files_of_another_time(tmp_path, potential, monkeypatch, name, value, sentence):
    with monkeypatch.context() as patch:
        patch.setattr(storage, name, value)
        save(potential, tmp_path / "m")
    with pytest.raises(ModelFileError, match=sentence):
        load(tmp_path / "m")


def test_no_code_in_the_file(file):
    """Everything in the file is JSON or numbers."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert set(header["__metadata__"]) == {"euclidium"}
    assert set(json.loads(header["__metadata__"]["euclidium"])) == {"header", "sha256"}
    assert {v["dtype"] for k, v in header.items() if k != "__metadata__"} <= {"F64", "F32", "I64"}


def test_a_float32_model_stays_one(tmp_path):
    save(make_potential(dtype="float32"), tmp_path / "m")
    assert load(tmp_path / "m").dtype == torch.float32

"""Checkpoints hold values only, and a broken one says so."""

import pickle

import pytest
import torch

from euclidium.train.checkpoint import AtomicCheckpointIO, CheckpointError


def test_a_checkpoint_reads_back(tmp_path):
    io = AtomicCheckpointIO()
    checkpoint = {
        "weights": torch.randn(3),
        "state": {"step": 3, "loss": float("inf"), "why": None},
    }
    io.save_checkpoint(checkpoint, tmp_path / "last.ckpt")
    found = io.load_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(found["weights"], checkpoint["weights"])
    assert found["state"] == checkpoint["state"]
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_truncated_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"weights": torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"last.ckpt is not a checkpoint, or it is damaged"):
        AtomicCheckpointIO().load_checkpoint(path)


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit('code has run')",)


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
def test_no_code_runs(tmp_path, save):
    path = tmp_path / "last.ckpt"
    save({"state": Harm()}, path)
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "none.ckpt")


def test_removing(tmp_path):
    io = AtomicCheckpointIO()
    io.save_checkpoint({}, tmp_path / "last.ckpt")
    io.remove_checkpoint(tmp_path / "last.ckpt")
    io.remove_checkpoint(tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())

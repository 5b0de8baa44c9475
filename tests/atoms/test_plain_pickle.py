"""Only plain values come out of a pickle, and none of it runs."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from euclidium.atoms.plain_pickle import read_plain_pickle
from euclidium.atoms.problem import DataError


class Harm:
    """What a hostile pickle does."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write(folder: Path, value: object, protocol: int = 4) -> Path:
    path = folder / "a.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_tensors_lists_and_numbers_are_read(tmp_path: Path, protocol: int):
    table = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    value = [{"a": table, "b": table.T, "c": table[1:, ::2], "n": (1, 2.5, "x", None)}]
    [found] = read_plain_pickle(write(tmp_path, value, protocol))
    for key in "abc":
        np.testing.assert_array_equal(found[key], value[0][key].numpy())
    assert found["n"] == (1, 2.5, "x", None)


def test_what_would_run_is_refused_and_does_not_run(tmp_path: Path):
    with pytest.raises(DataError, match=r"a.pkl asks to run (posix|nt).mkdir: only pickles of"):
        read_plain_pickle(write(tmp_path, [torch.ones(1), Harm(tmp_path / "made")]))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["builtins eval", "torch load", "numpy.core.multiarray scalar"])
def test_no_other_function_is_known(tmp_path: Path, name: str):
    module, function = name.split()
    path = tmp_path / "b.pkl"
    path.write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(DataError, match=rf"asks to run {module}\.{function}"):
        read_plain_pickle(path)


def test_harm_inside_the_numbers_of_a_tensor_is_refused(tmp_path: Path):
    """The bytes of a storage are a pickle again."""
    inner = pickle.dumps(Harm(tmp_path / "made"), 2)
    text = b"\x80\x03ctorch.storage\n_load_from_bytes\nB"
    path = tmp_path / "c.pkl"
    path.write_bytes(text + len(inner).to_bytes(4, "little") + inner + b"\x85R.")
    with pytest.raises(DataError, match="is no pickle, or cut off"):
        read_plain_pickle(path)
    assert not (tmp_path / "made").exists()


def test_a_tensor_beyond_its_numbers_is_refused(tmp_path: Path):
    class Wide:
        def __reduce__(self):
            storage = torch.ones(2, dtype=torch.float64).storage()._untyped_storage
            typed = torch.storage.TypedStorage(
                wrap_storage=storage, dtype=torch.float64, _internal=True
            )
            return torch._utils._rebuild_tensor_v2, (typed, 0, (9,), (1,), False, OrderedDict())

    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        path = write(tmp_path, Wide())
    with pytest.raises(DataError, match=r"a tensor of the shape \(9,\) does not fit its numbers"):
        read_plain_pickle(path)


def test_a_damaged_file_gets_a_sentence(tmp_path: Path):
    path = write(tmp_path, [1, 2, 3])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="is no pickle, or cut off"):
        read_plain_pickle(path)
    with pytest.raises(DataError, match="there is no file"):
        read_plain_pickle(tmp_path / "none.pkl")

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from euclidium.ops import machine
from euclidium.ops.assembly import Assembly, Vector


def doubling():
    """A kernel that doubles four numbers."""
    code, v = Assembly("kernel", "double"), Vector("double", 4)
    place = code.argument(1)
    value = code.load(v, place)
    code.store(v, code.add(v, value, value), place)
    return code.text()


def check(kernel):
    array = np.arange(4.0)
    kernel([array.ctypes.data], threads=1)
    assert array.tolist() == [0.0, 2.0, 4.0, 6.0]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("EUCLIDIUM_CACHE", str(tmp_path / "cache"))
    machine._folder.cache_clear()
    yield tmp_path / "cache"
    machine._folder.cache_clear()


def never():
    raise AssertionError("the kernel was written again")


def test_kernels_are_kept(cache):
    check(machine.kernel(doubling, "doubling"))
    (file,) = (cache / "kernels").iterdir()
    check(machine.kernel(never, "doubling"))
    assert [file] == list((cache / "kernels").iterdir())


def test_another_name_is_another_kernel(cache):
    machine.kernel(doubling, "doubling")
    with pytest.raises(AssertionError, match="written again"):
        machine.kernel(never, "tripling")


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:40] + b"?" + b[41:]]
)
def test_a_damaged_file_is_replaced(cache, damage):
    machine.kernel(doubling, "doubling")
    (file,) = (cache / "kernels").iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    check(machine.kernel(doubling, "doubling"))
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EUCLIDIUM_CACHE", str(tmp_path / "file"))
    machine._folder.cache_clear()
    try:
        with pytest.warns(UserWarning, match="cannot be kept in .*set EUCLIDIUM_CACHE"):
            check(machine.kernel(doubling, "doubling"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(machine.kernel(doubling, "another"))
    finally:
        machine._folder.cache_clear()


def test_a_full_disk_is_said(cache, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="was not kept in .*No space left"):
        check(machine.kernel(doubling, "doubling"))


@pytest.mark.parametrize(
    ("environment", "end"),
    [
        ({"EUCLIDIUM_CACHE": "/here"}, "/here"),
        ({"XDG_CACHE_HOME": "/there"}, "/there/euclidium"),
        ({"HOME": "/noether"}, "/noether/.cache/euclidium"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="where caches lie differs")
def test_where_the_cache_is(environment, end, monkeypatch):
    for name in ("EUCLIDIUM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert machine.cache_folder().as_posix() == end


def test_many_threads_may_ask_at_once(cache):
    with ThreadPoolExecutor(8) as pool:
        for kernel in pool.map(lambda n: machine.kernel(doubling, n % 3), range(24)):
            check(kernel)
    assert len(list((cache / "kernels").iterdir())) == 3


def test_without_openmp_threads_of_our_own_run(cache, monkeypatch):
    """A count of 100 items by three threads, each item once."""
    monkeypatch.setattr(machine, "_openmp", lambda: None)
    code = Assembly("kernel", "double")
    stop, target = code.integer_argument(1), code.argument(2)

    def item(i):
        code.store_integer(i, code.element(target, i, 8))

    code.parallel("%arguments", stop, "1", lambda a, b: code.loop(a, b, 1, item))
    found = np.zeros(100, np.int64)
    machine.kernel(code.text, "count")([100, found.ctypes.data], threads=3)
    assert found.tolist() == list(range(100))


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_more_threads_than_torch_was_given():
    """After torch and kernels have both worked on two threads, the process has not grown."""
    script = """
import os, torch
from euclidium.ops import Edges, TensorProductPlan, convolution
torch.set_num_threads(2)
plan = TensorProductPlan.channelwise("64x0e+64x1o", "0e+1o")
nodes = torch.arange(4000)
edges = Edges.from_receivers(nodes.flip(0), nodes, 4000)
tensors = [torch.ones(4000, n) for n in (plan.x.dim, plan.y.dim, plan.n_weights)]
torch.ones(2000, 2000) @ torch.ones(2000, 2000)
before = len(os.listdir("/proc/self/task"))
convolution(plan, *tensors, edges, backend="cpu")
print(len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    assert "llvmlite is not installed" in machine.unavailable()
    monkeypatch.undo()
    assert machine.unavailable() is None


def test_vectors_of_this_processor():
    here = machine.processor()
    assert here.lanes("float") == 2 * here.lanes("double")
    assert here.registers in (16, 32)

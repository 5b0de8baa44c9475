"""The benchmarks run and write what they measured; nothing here asserts a time."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from euclidium.ops import TensorProductPlan

FOLDER = Path(__file__).parents[1] / "benchmarks"
KEYS = {"case", "mode", "euclidium_s", "peer", "peer_s", "ratio"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """A module of the benchmarks by its name, forgotten after the test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)

    def by_name(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    yield by_name
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


def run(script: str, *options: str) -> subprocess.CompletedProcess:
    """The end of a script in a process of its own."""
    command = [sys.executable, str(FOLDER / f"{script}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_contestants_take_turns(load):
    harness = load("harness")
    order = []

    def runner(name: str):
        def measure(number: int) -> float:
            order.append(name)
            return number * {"a": 0.25, "b": 0.5}[name]

        return measure

    def broken(number: int) -> float:
        raise RuntimeError("no such mode\nand much more")

    timings, failed = harness.race({"a": runner("a"), "c": broken, "b": runner("b")}, repeats=3)
    assert order == ["a", "a", "b", "b", *"ababab"]
    assert timings == {"a": harness.Timing(0.25, 0.25), "b": harness.Timing(0.5, 0.5)}
    assert failed == {"c": "RuntimeError: no such mode"}


def test_short_work_is_repeated(load):
    numbers = []

    def run(number: int) -> float:
        numbers.append(number)
        return number * 1e-3

    load("harness").race({"a": run}, repeats=2, sample=0.02)
    assert numbers == [1, 1, 20, 20]


def test_the_fastest_peer_counts(load):
    harness = load("harness")
    times = {name: harness.Timing(s, s) for name, s in (("euclidium", 2), ("a", 5), ("b", 4))}
    row = harness.row("case", "forward", times, {"c": "broken"}, atoms=8)
    assert (row["peer"], row["ratio"]) == ("b", 2.0)
    assert row["peers"] == {"a": 5, "b": 4}
    assert row["atoms"] == 8
    assert harness.failures([row, row]) == ["c did not run forward: broken"]
    alone = harness.row("case", "forward", {"euclidium": harness.Timing(1.0, 1.0)})
    assert alone["peer"] is alone["ratio"] is None


def test_table(load):
    rows = [
        {"case": "small", "euclidium_s": 1.5e-3, "ratio": 12.345, "euclidium_bytes": 2.5e6},
        {"case": "large one", "euclidium_s": 2.0, "ratio": None},
    ]
    columns = {"case": "text", "euclidium_s": "s", "ratio": "x", "euclidium_bytes": "MB"}
    assert load("harness").table(rows, columns).splitlines() == [
        "case       euclidium   ratio  euclidium bytes",
        "---------  ---------  ------  ---------------",
        "small         1.5 ms  12.35x           2.5 MB",
        "large one        2 s       -                -",
    ]


def test_json_appears_whole(load, tmp_path):
    harness = load("harness")
    path = tmp_path / "rows.json"
    harness.write_json(path, {"rows": [1]})
    harness.write_json(path, {"rows": [2]})
    assert json.loads(path.read_text()) == {"rows": [2]}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark can be reset on Linux")
def test_memory_is_that_of_the_work(load):
    grown = load("harness").peak_growth(lambda: torch.ones(5_000_000))
    assert grown is None or 19e6 < grown < 40e6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--threads", "0"], "argument --threads: expected a whole number above zero, got '0'"),
        (["--json", "no/such/folder"], "argument --json: cannot write 'no/such/folder'"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_options_end_with_one_sentence(load, capsys, options, sentence):
    with pytest.raises(SystemExit) as stopped:
        load("harness").parser("").parse_args(options)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line


def test_counts_of_the_roofline(load):
    roofline = load("roofline")
    scalars = TensorProductPlan.channelwise("2x0e", "0e")
    # an edge: Y to M once; for each of two channels a product, a weight, a sum; 2 + 10 + 20 + 2 f4
    counts = roofline.forward_counts(scalars, n_nodes=1, n_edges=10)
    assert counts == roofline.Counts(operations=10 * (1 + 2 * 3), bytes=4 * 34)
    # the cross product has six non-zero coefficients
    cross = TensorProductPlan.channelwise("1o", "1o", "1e")
    assert roofline.forward_counts(cross, 1, 1).operations == (2 * 6 - 6) + (2 * 6 + 3)


def test_convolution_agrees_and_writes_its_rows(tmp_path):
    path = tmp_path / "rows.json"
    sizes = ("--lmax", "1", "--channels", "4", "--edges", "50", "--repeats", "1")
    done = run("convolution", *sizes, "--no-compile", "--threads", "1", "--json", str(path))
    assert done.returncode == 0, done.stderr
    content = json.loads(path.read_text())
    assert content["environment"]["threads"] == 1
    assert [row["mode"] for row in content["rows"]] == ["forward", "backward", "double"]
    for row in content["rows"]:
        assert row.keys() >= KEYS
        assert row["peer"] == "e3nn eager"
        assert max(row["value_error"], row["gradient_error"]) < 1e-5
        assert row["case"] in done.stdout


def test_harmonics_agree_and_write_their_rows(tmp_path):
    path = tmp_path / "rows.json"
    sizes = ("--lmax", "2", "--points", "20", "--repeats", "1")
    done = run("harmonics", *sizes, "--no-compile", "--threads", "1", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert [row["mode"] for row in rows] == ["forward", "backward", "double"]
    for row in rows:
        assert row.keys() >= KEYS
        assert max(row["value_error"], row["gradient_error"]) < 1e-5


def test_potential_without_its_peer(tmp_path):
    path = tmp_path / "rows.json"
    sizes = ("--lmax", "1", "--channels", "4", "--layers", "1", "--supercell", "1")
    done = run("step", *sizes, "--no-peer", "--repeats", "1", "--json", str(path))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())["rows"]
    assert row.keys() >= KEYS
    assert row["euclidium_s"] > 0
    assert row["peer"] is None

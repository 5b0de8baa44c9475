"""Importing changes nothing global, and loads no more than a layer needs."""

import json
import os
import subprocess
import sys

import pytest

# What the import of a layer may load of the packages below, beside what the layers above it in this
# table may. In this order, so that one process answers for all.
MAY_LOAD = {
    "euclidium": set(),
    "euclidium.units": {"numpy", "scipy"},
    "euclidium.o3": {"jaxtyping", "spglib"},
    "euclidium.ops": {"torch"},
    "euclidium.nn": set(),
    "euclidium.atoms": {"ase", "scipy.linalg", "scipy.sparse", "vesin"},
    "euclidium.testing": set(),
    "euclidium.models": {"pydantic", "safetensors"},
    "euclidium.simulate": {"phonopy", "seekpath", "yaml"},
    "euclidium.plot": {"matplotlib"},
    "euclidium.train": {"lightning", "tensorboard", "rich", "sympy", "torch._dynamo"},
    "euclidium.cli": {"typer"},
}
WATCHED = set().union(*MAY_LOAD.values()) | {"IPython", "numba", "pandas", "triton", "wandb"}

LOADED = """
import contextlib, importlib, json, sys
answer = {}
for name in json.loads(sys.argv[1]):
    before = set(sys.modules)
    with contextlib.suppress(Exception):  # the layer is then not among the modules
        importlib.import_module(name)
    new = set(sys.modules) - before
    answer[name] = sorted({module for module in new} | {module.split(".")[0] for module in new})
print(json.dumps(answer))
"""

# Other people's packages come first, so that what changes after them is our doing.
CHANGED = """
import contextlib, importlib, io, json, locale, logging, multiprocessing, os, random, signal, sys
import threading, warnings
names, others = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for other in others:
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module(other)
import numpy, torch

def state():
    return {
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "home folder": sorted(os.listdir(os.environ["HOME"])),
        "locale": locale.setlocale(locale.LC_ALL),
        "warning filters": list(warnings.filters),
        "log handlers": list(logging.getLogger().handlers),
        "log level": logging.getLogger().level,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook),
        "threads": threading.active_count(),
        "search path": list(sys.path),
        "process start": multiprocessing.get_start_method(allow_none=True),
        "random": random.getstate(),
        "NumPy random": repr(numpy.random.get_state()),
        "NumPy errors": numpy.geterr(),
        "NumPy printing": numpy.get_printoptions(),
        "torch dtype": torch.get_default_dtype(),
        "torch device": torch.get_default_device(),
        "torch seed": torch.initial_seed(),
        "torch random": torch.get_rng_state().tolist(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch gradients": torch.is_grad_enabled(),
        "torch determinism": torch.are_deterministic_algorithms_enabled(),
        "torch precision": torch.get_float32_matmul_precision(),
        "torch printing": repr(vars(torch._tensor_str.PRINT_OPTS)),
    }

answer = {}
for name in names:
    before = state()
    with contextlib.suppress(Exception):
        importlib.import_module(name)
    after = state()
    answer[name] = [key for key in before if before[key] != after[key]]
print(json.dumps(answer))
"""


def run(code: str, *arguments: object, home: str) -> dict[str, list[str]]:
    """The JSON that a program prints last, in a process of its own with an empty home folder."""
    command = [sys.executable, "-c", code, *map(json.dumps, arguments)]
    environment = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty home folder."""
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def loaded(home: str) -> dict[str, list[str]]:
    """For each layer, the modules that its import adds."""
    return run(LOADED, list(MAY_LOAD), home=home)


@pytest.fixture(scope="module")
def changed(loaded: dict[str, list[str]], home: str) -> dict[str, list[str]]:
    """For each layer, the parts of the global state that its import changes."""
    others = [name for names in loaded.values() for name in names if name[:9] != "euclidium"]
    return run(CHANGED, list(MAY_LOAD), others, home=home)


@pytest.mark.parametrize("layer", MAY_LOAD)
def test_import_changes_nothing(layer: str, changed: dict[str, list[str]]):
    assert changed[layer] == []


@pytest.mark.parametrize("layer", MAY_LOAD)
def test_import_loads_no_more_than_it_needs(layer: str, loaded: dict[str, list[str]]):
    layers = list(MAY_LOAD)
    allowed = set().union(*(MAY_LOAD[name] for name in layers[: layers.index(layer) + 1]))
    assert layer in loaded[layer], f"cannot import {layer}"
    too_much = sorted((WATCHED - allowed) & set(loaded[layer]))
    assert not too_much, f"{layer} loads {', '.join(too_much)}"


def test_import_of_the_package_loads_only_the_standard_library(loaded: dict[str, list[str]]):
    roots = {name.partition(".")[0] for name in loaded["euclidium"]}
    assert roots - sys.stdlib_module_names == {"euclidium"}
    assert len(loaded["euclidium"]) < 150

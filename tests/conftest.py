"""What every test may rely on: the same random numbers, and no global state left by another."""

import os
import random
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import settings

# Compiled kernels are kept beside pytest's own cache, and not in the user's.
os.environ.setdefault(
    "EUCLIDIUM_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "euclidium")
)

settings.register_profile("euclidium", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("euclidium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _global_state() -> dict[str, object]:
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "matrix product precision": torch.get_float32_matmul_precision(),
        "NumPy's handling of errors": np.geterr(),
        "NumPy's printing": np.get_printoptions(),
    }


@pytest.fixture(autouse=True)
def _nothing_global():
    """Seed the global generators, and fail a test that leaves process-wide state behind."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    before = _global_state()
    yield
    after = _global_state()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"the test changed global state: {', '.join(changed)}"


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> ModuleType:
    """The benchmark that a module of tests names as ``SCRIPT``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        return import_module(request.module.SCRIPT)


@pytest.fixture
def unchecked():
    """Switch the run-time checks of shape annotations off, as they are for users.

    For tests of our own sentences about wrong shapes, and of code that is compiled.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)

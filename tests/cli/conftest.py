"""A tiny model, trained once, a crystal to try it on, and a way to run commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner, Result

from euclidium.cli.main import app

CONFIG = """
data: {train: silicon, validation: 2, index: ':8'}
task: potential
output: run
model: {cutoff: 4.0, network: {kind: nequip, channels: 4, lmax: 1, layers: 2}}
training: {epochs: 2, accelerator: cpu}
logging: {tensorboard: false}
"""


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run a command in this process."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words], prog_name="euclidium")


@pytest.fixture
def answer(run: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """Run a command with ``--json``, and return what it says: all of stdout is one document."""

    def ask(*words: object) -> dict[str, Any]:
        result = run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return ask


@pytest.fixture
def refused(run: Callable[..., Result]) -> Callable[..., str]:
    """Run a command that ends with exit code 2 and one line, and return the line."""

    def ask(*words: object) -> str:
        result = run(*words)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("euclidium: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.strip()

    return ask


@pytest.fixture
def shell() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command in a process of its own."""

    def start(*words: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "euclidium.cli.main", *map(str, words)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, **options
        )

    return start


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and the model that it gives."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "config.yaml").write_text(CONFIG)
    result = CliRunner().invoke(app, ["train", str(folder / "config.yaml"), "--json"])
    assert result.exit_code == 0, result.stderr
    (folder / "train.json").write_text(result.stdout)
    return folder


@pytest.fixture(scope="session")
def model(workshop: Path) -> Path:
    """The file of the tiny model."""
    return workshop / "run" / "model.euclidium"


@pytest.fixture
def silicon() -> Atoms:
    """Eight atoms, a little out of place."""
    crystal = bulk("Si", cubic=True)
    crystal.rattle(0.02, seed=0)
    return crystal


@pytest.fixture
def crystal_file(tmp_path: Path, silicon: Atoms) -> Path:
    """The same in a file."""
    path = tmp_path / "si.extxyz"
    silicon.write(path)
    return path


@pytest.fixture
def labelled(silicon: Atoms) -> Callable[..., Atoms]:
    """A crystal with labels, and with what one wants to be wrong with them."""

    def make(energy: float | None = -960.0, **arrays: np.ndarray) -> Atoms:
        atoms = silicon.copy()
        if energy is not None:
            atoms.info["energy"] = energy
        atoms.arrays.update({"forces": np.zeros((8, 3)), **arrays})
        return atoms

    return make

"""A small crystal whose energies, forces and stresses are known, and runs that take a second."""

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from euclidium.train.config import load_config
from euclidium.train.settings import TrainConfig

MakeConfig = Callable[..., TrainConfig]

SMALL = (
    "model.cutoff=5.0",
    "model.network={channels: 4, layers: 2, lmax: 1, radial: {size: 4, hidden: [8]}}",
    "training.epochs=3",
    "training.batch_size=3",
    "logging.tensorboard=false",
)


def labelled_crystals(n: int, labels: tuple[str, ...] = ("energy", "forces", "stress")) -> list:
    """Strained and rattled cells of four atoms, with the labels of a Lennard-Jones crystal."""
    rng = np.random.default_rng(0)
    crystals = []
    for _ in range(n):
        atoms = bulk("Ar", cubic=True, a=5.3)
        strain = np.eye(3) + rng.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.5, rc=5.0, smooth=True)
        values = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        values["stress"] = atoms.get_stress()
        chosen = {name: values[name] for name in labels}
        atoms.calc = SinglePointCalculator(atoms, **chosen)
        crystals.append(atoms)
    return crystals


@pytest.fixture(scope="session")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen crystals in a file."""
    path = tmp_path_factory.mktemp("data") / "argon.xyz"
    ase.io.write(path, labelled_crystals(12))
    return path


@pytest.fixture
def write_crystals(tmp_path: Path) -> Callable[..., Path]:
    """Write crystals with the given labels to a file of the test."""

    def write(name: str, n: int, labels: tuple[str, ...] = ("energy", "forces", "stress")) -> Path:
        ase.io.write(tmp_path / name, labelled_crystals(n, labels))
        return tmp_path / name

    return write


@pytest.fixture
def make_config(crystals: Path, tmp_path: Path) -> MakeConfig:
    """A configuration of a small run, with settings to change."""

    def make(*overrides: str, data: Path = crystals, output: str = "run") -> TrainConfig:
        path = tmp_path / "config.yaml"
        path.write_text(f"data: {data}\ntask: potential\noutput: {output}\n")
        return load_config(path, [*SMALL, *overrides])

    return make

"""Small potentials and the structures they are tested on."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.spacegroup import crystal

from euclidium.atoms import Structure
from euclidium.models import NequIPConfig, Potential, PotentialConfig, RadialConfig

NETWORK = NequIPConfig(channels=4, lmax=2, layers=2, radial=RadialConfig(size=4, hidden=(8,)))


def make_potential(species=("H", "O", "Si"), dtype="float64", seed=0, network=NETWORK, **changes):
    """An untrained potential with a large scale, so that its forces are of the usual size."""
    torch.manual_seed(seed)
    config = PotentialConfig(
        species=species,
        cutoff=4.0,
        network=network,
        mean_neighbors=12.0,
        scale=2.0,
        reference_energies={"Si": -100.0} if "Si" in species else {},
        dtype=dtype,
        **changes,
    )
    return Potential(config).eval()


@pytest.fixture
def quartz() -> Atoms:
    """A crystal of low symmetry, with two elements."""
    return crystal(
        ["Si", "O"],
        [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.1191)],
        spacegroup=152,
        cellpar=[4.916, 4.916, 5.4054, 90, 90, 120],
    )


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def potential():
    return make_potential()


@pytest.fixture
def silicon():
    """A strained, rattled crystal smaller than the cutoff."""
    atoms = bulk("Si", cubic=False)
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + 0.05 * np.arange(9).reshape(3, 3) / 9), True)
    atoms.rattle(0.1, seed=1)
    return Structure.from_ase(atoms)


@pytest.fixture
def water():
    return Structure.from_ase(molecule("H2O"))

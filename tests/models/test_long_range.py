"""Charges that a network puts on atoms, and what others see of them."""

import numpy as np
import pytest
import torch

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.models.config import LongRangeConfig, NequIPConfig
from euclidium.models.long_range import LongRange

WATER = np.array([[0.0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
CONFIG = LongRangeConfig(
    channels=3, widths=(1.0, 2.0), network=NequIPConfig(channels=4, lmax=1, layers=1)
)


def seen(*places: np.ndarray, far: LongRange) -> torch.Tensor:
    """What the atoms of water molecules at these places see."""
    positions = np.concatenate([WATER + place for place in places])
    structure = Structure(np.tile([8, 1, 1], len(places)), positions)
    graph = Graph.from_structures([structure], 4.0)
    return far(graph, (graph.species == 8).long(), graph.edge_vectors())


@pytest.fixture
def far() -> LongRange:
    torch.manual_seed(0)
    return LongRange(CONFIG, n_species=2, cutoff=4.0, mean_neighbors=3.0).double()


def test_every_charge_has_every_width(far: LongRange):
    found = seen(np.zeros(3), far=far)
    assert str(far.irreps) == "6x0e+6x1o+6x2e"
    assert found.shape == (3, far.irreps.dim)
    assert found[:, :6].abs().min() > 1e-4


def test_a_molecule_is_felt_as_a_dipole(far: LongRange):
    """Its charges add up to nothing, so that its field falls with the third power."""
    alone = seen(np.zeros(3), far=far)
    field = slice(6, 24)
    near, twice = (
        (seen(np.zeros(3), np.array([0.0, r, 0.0]), far=far)[:3] - alone)[:, field].abs().max()
        for r in (30.0, 60.0)
    )
    assert near > 1e-6
    assert float((near / twice).detach()) == pytest.approx(8.0, rel=0.1)


def test_charges_are_learned_from_what_others_see(far: LongRange):
    seen(np.zeros(3), np.array([0.0, 8.0, 0.0]), far=far)[3:].square().sum().backward()
    for name, parameter in far.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0 or name.endswith("bias"), name

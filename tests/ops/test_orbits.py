"""Features of symmetric nodes follow from those of their representatives."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from euclidium.o3 import Irreps
from euclidium.ops.orbits import Orbits, Spread

IRREPS = Irreps("2x0e + 2x0o + 3x1o + 3x1e + 2x2e + 1x2o + 1x3o + 2x4e")


def one_orbit(rotations: np.ndarray) -> Orbits:
    """Nodes that are images of one under the rotations."""
    n = len(rotations)
    nodes = torch.zeros(n, dtype=torch.long)
    return Orbits(torch.tensor([0]), nodes, torch.from_numpy(rotations))


@pytest.fixture
def rotations() -> np.ndarray:
    """Rotations, some with an inversion."""
    found = Rotation.random(6, random_state=0).as_matrix()
    found[::2] *= -1
    return found


def test_spread_turns_every_irrep_as_its_matrix_does(rotations):
    x = torch.randn(1, IRREPS.dim, dtype=torch.float64)
    spread = Spread(one_orbit(rotations), 4, torch.float64)(x, IRREPS)
    start = 0
    for block in IRREPS:
        own = x[0, start : start + block.dim].view(-1, block.mul)
        for n, rotation in enumerate(rotations):
            expected = torch.from_numpy(np.array(block.ir.D_from_matrix(rotation))) @ own
            found = spread[n, start : start + block.dim].view(-1, block.mul)
            torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-10)
        start += block.dim


def test_gradients_flow_back_to_the_representative(rotations):
    x = torch.randn(1, IRREPS.dim, dtype=torch.float64, requires_grad=True)
    spread = Spread(one_orbit(rotations), 4, torch.float64)
    assert torch.autograd.gradcheck(lambda y: spread(y, IRREPS), (x,))


def test_trivial_orbits_change_nothing():
    x = torch.randn(3, IRREPS.dim)
    torch.testing.assert_close(Spread(Orbits.trivial(3), 4, torch.float32)(x, IRREPS), x)


def test_multiplicities_count_the_nodes(rotations):
    orbits = one_orbit(rotations)
    assert orbits.multiplicities.tolist() == [6]
    moved = orbits.map(lambda tensor: tensor.clone())
    assert torch.equal(moved.rotations, orbits.rotations)

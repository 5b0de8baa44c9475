"""One network of a density model: its head, and what it reads out."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from euclidium.atoms import DensityBasis, Graph, Structure
from euclidium.models.config import DensityConfig, NequIPConfig
from euclidium.models.density import counts
from euclidium.models.density_network import DensityHead, DensityNetwork
from euclidium.o3 import Irreps

BASIS = DensityBasis(
    "small",
    {1: ((0, 2.0), (0, 0.4), (1, 0.9)), 8: ((0, 0.8), (1, 0.5), (2, 1.1))},
    {1: np.array([0.1, 0.3]), 8: np.array([1.4])},
)


def test_a_head_is_equivariant_and_begins_small():
    torch.manual_seed(1)
    irreps_in, irreps_out = Irreps("4x0e+4x1o+4x2e"), Irreps("2x0e+3x1o+1x2e")
    head = DensityHead(irreps_in, irreps_out, 8)
    x = torch.randn(5, irreps_in.dim)
    turn = Rotation.random(random_state=1).as_matrix()
    rotate_in, rotate_out = (
        torch.from_numpy(i.D_from_matrix(turn)).float() for i in (irreps_in, irreps_out)
    )
    torch.testing.assert_close(head(x @ rotate_in.T), head(x) @ rotate_out.T, atol=1e-5, rtol=1e-4)
    assert head(x).abs().max() < 1.0


def test_an_isolated_atom_has_the_electrons_of_its_nucleus_and_no_direction():
    torch.manual_seed(0)
    config = DensityConfig(
        basis=BASIS.to_json(), network=NequIPConfig(channels=4, layers=1), dtype="float64"
    )
    network = DensityNetwork(config, BASIS).double()
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter)
    oxygen = Structure(np.array([8]), np.zeros((1, 3)))
    graph = Graph.from_structures([oxygen], config.cutoff, labels=()).replace(labels=counts(oxygen))
    (found,) = network(graph, graph.edge_vectors(), torch.tensor([1]), {8: torch.tensor([0])})
    density = found[8][0].detach()
    charge = np.pi**1.5 * (2 * 0.8 / np.pi) ** 0.75 / 0.8**1.5  # of a normalised s function
    assert abs(float(density[0]) * charge - 8.0) < 1e-10
    assert density[1:].abs().max() == 0.0

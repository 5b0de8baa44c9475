import numpy as np
import pytest
import torch

from euclidium import o3
from euclidium.models import NequIP, NequIPConfig, RadialConfig
from euclidium.models.nequip import radial_basis
from euclidium.nn.calibration import hard_spheres
from euclidium.o3 import Irreps
from euclidium.ops import Edges, lengths, spherical_harmonics

CUTOFF = 4.0
SMALL = NequIPConfig(channels=4, lmax=2, layers=3, radial=RadialConfig(size=4, hidden=(8,)))


def gas(n_neighbors=12.0, seed=1):
    """Positions of a cluster cut from a gas of hard spheres, and its edges."""
    vectors, edges = hard_spheres(CUTOFF, n_neighbors, seed)
    near = vectors[edges.receivers == 0]
    r = torch.cat([torch.zeros(1, 3, dtype=torch.float64), near])
    within = (torch.cdist(r, r) < CUTOFF) & ~torch.eye(len(r), dtype=torch.bool)
    receivers, senders = within.nonzero(as_tuple=True)
    return r, Edges.from_receivers(senders, receivers, len(r))


def features(network, r, edges, species, inputs=None):
    return network(species, r[edges.senders] - r[edges.receivers], edges, inputs or {})


@pytest.mark.parametrize("parity", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_scalars_do_not_turn(parity, dtype, tolerance):
    config = SMALL.model_copy(update={"parity": parity})
    network = NequIP(config, 2, CUTOFF, 10.0).to(dtype)
    r, edges = gas()
    species = torch.arange(len(r)) % 2
    expected = features(network, r.to(dtype), edges, species).detach()
    rotation = torch.as_tensor(o3.rand_matrix(rng=np.random.default_rng(3)))
    for matrix in (rotation, -rotation):
        got = features(network, (r @ matrix.T).to(dtype), edges, species).detach()
        assert float((got - expected).norm() / expected.norm()) < tolerance


def test_an_extra_input_turns_with_the_atoms():
    """A pseudovector on each atom: the result follows it under rotations and inversion."""
    network = NequIP(SMALL, 1, CUTOFF, 10.0, {"spin": "1x1e"}).double()
    r, edges = gas()
    species = torch.zeros(len(r), dtype=torch.int64)
    spin = torch.randn(len(r), 3, dtype=torch.float64)
    expected = features(network, r, edges, species, {"spin": spin})
    matrix = -o3.rand_matrix(rng=np.random.default_rng(4))
    turned = spin @ torch.as_tensor(Irreps("1e").D_from_matrix(matrix)).T
    got = features(network, r @ torch.as_tensor(matrix).T, edges, species, {"spin": turned})
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)
    other = features(network, r, edges, species, {"spin": -spin})
    assert float((other - expected).detach().norm()) > 1e-3
    with pytest.raises(ValueError, match=r"the model needs the input 'spin' \(1x1e, 3 numbers"):
        features(network, r, edges, species)


@pytest.mark.parametrize("parity", [True, False])
def test_component_variance_stays_one_through_ten_layers(parity):
    """Every irrep of every layer, at the start, on another gas than the one of the calibration."""
    config = NequIPConfig(
        channels=16, lmax=2, layers=11, parity=parity, radial=RadialConfig(hidden=(32, 32))
    )
    network = NequIP(config, 2, CUTOFF, 25.0)
    vectors, edges = hard_spheres(CUTOFF, 25.0, seed=7)
    harmonics = spherical_harmonics(network.irreps_edge, vectors).float()
    species = torch.arange(edges.n_nodes) % 2
    x = network.embedding[species]
    for number, layer in enumerate(network.layers[:10]):
        x = layer(x, species, harmonics, lengths(vectors).float(), edges).detach()
        for block, where in zip(layer.irreps_out, layer.irreps_out.slices(), strict=True):
            variance = float(x[:, where].square().mean())
            assert 0.4 < variance < 2.5, f"{block} after layer {number + 1}: {variance}"


def test_only_reachable_irreps_are_built():
    network = NequIP(SMALL.model_copy(update={"parity": True}), 1, CUTOFF, 10.0)
    assert str(network.layers[0].irreps_out) == "4x0e+4x1o+4x2e"
    assert "0o" not in network.layers[0].irreps_out


@pytest.mark.parametrize("basis", ["bessel", "gaussian", "chebyshev"])
@pytest.mark.parametrize("envelope", ["polynomial", "cosine", "xplor"])
def test_every_radial_basis_with_every_envelope(basis, envelope):
    enveloped = radial_basis(RadialConfig(basis=basis, envelope=envelope), CUTOFF)
    assert enveloped(torch.tensor([CUTOFF])).abs().max() == 0


def test_lonely_atoms():
    network = NequIP(SMALL, 1, CUTOFF, 10.0)
    none = torch.empty(0, dtype=torch.int64)
    result = network(
        torch.zeros(2, dtype=torch.int64),
        torch.empty(0, 3),
        Edges.from_receivers(none, none, 2),
        {},
    )
    assert bool(result.isfinite().all())
    torch.testing.assert_close(result[0], result[1])


@pytest.mark.usefixtures("unchecked")
def test_exported_for_graphs_of_every_size(monkeypatch):
    """With the reference backend a network is a program of torch's own operations."""
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    config = SMALL.model_copy(update={"lmax": 1, "layers": 2})
    network = NequIP(config, 1, CUTOFF, 10.0, calibrate=False).eval()

    class Program(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, species, vectors, senders, receivers, pointer):
            return self.network(species, vectors, Edges(senders, receivers, pointer), {})

    def arguments(n_neighbors):
        r, edges = gas(n_neighbors)
        vectors = (r[edges.senders] - r[edges.receivers]).float()
        species = torch.zeros(len(r), dtype=torch.int64)
        return species, vectors, edges.senders, edges.receivers, edges.row_pointer

    node, edge = torch.export.Dim("node", min=2), torch.export.Dim("edge", min=2)
    shapes = ({0: node}, {0: edge}, {0: edge}, {0: edge}, {0: node + 1})
    exported = torch.export.export(Program(), arguments(12.0), dynamic_shapes=shapes)
    assert not any("euclidium" in str(n.target) for n in exported.graph.nodes)
    other = arguments(20.0)
    torch.testing.assert_close(exported.module()(*other), Program()(*other))

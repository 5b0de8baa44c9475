"""Force constants in networks: dynamical matrices against lattices whose waves are known."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell

from euclidium.atoms import Graph, Structure
from euclidium.atoms.symmetry import symmetric_graph
from euclidium.models.lattice import (
    FREQUENCY,
    Lattice,
    Pairs,
    dynamical_matrices,
    mesh_size,
    sampled_waves,
    signed_roots,
)
from euclidium.o3.irreps import Irreps
from euclidium.ops.orbits import Orbits
from euclidium.units import COULOMB

SPRING, SIDE = 2.0, 3.0  # eV/Å², Å


def pairs_of(structure: Structure, cutoff: float) -> tuple[Pairs, torch.Tensor]:
    """All pairs nearer than the cutoff, and the vectors to their senders."""
    graph = Graph.from_structures([structure], cutoff)
    edges = graph.edges
    return (
        Pairs(edges.receivers, edges.senders, graph.shifts, torch.arange(edges.n_edges)),
        graph.edge_vectors(),
    )


def springs(vectors: torch.Tensor) -> torch.Tensor:
    """Force constants of springs that are the softer the longer they are."""
    distances = vectors.norm(dim=1)
    along = vectors / distances[:, None]
    size = SPRING * torch.exp(-(distances - SIDE))
    return -size[:, None, None] * along[:, :, None] * along[:, None, :]


def squares(structure, waves, charge=0.0, cutoff=3.1) -> torch.Tensor:
    """Eigenvalues of a crystal of springs, with charges ± on its two elements."""
    pairs, vectors = pairs_of(structure, cutoff)
    signs = torch.from_numpy(np.where(structure.species == structure.species[0], 1.0, -1.0))
    matrices = dynamical_matrices(
        springs(vectors),
        pairs,
        torch.as_tensor(waves, dtype=torch.float64),
        torch.from_numpy(structure.positions),
        torch.from_numpy(structure.cell),
        torch.from_numpy(structure.species * 2.0),
        charge * signs[:, None, None] * torch.eye(3, dtype=torch.float64),
    )
    assert torch.equal(matrices, matrices.mH)
    return torch.linalg.eigvalsh(matrices)


@pytest.fixture
def salt() -> Structure:
    """A simple cubic arrangement of two elements, which touch along the axes."""
    return Structure.from_ase(bulk("NaCl", "rocksalt", 2 * SIDE))


def test_a_cubic_lattice_of_springs_has_the_waves_of_a_chain():
    polonium = Structure.from_ase(bulk("Po", "sc", SIDE))
    q = torch.linspace(0, 0.5, 6, dtype=torch.float64)
    found = squares(polonium, torch.stack([q, 0 * q, 0 * q], dim=1))
    expected = 4 * SPRING / (2.0 * 84) * torch.sin(math.pi * q).square()
    torch.testing.assert_close(found[:, 2], expected)
    torch.testing.assert_close(found[:, :2], torch.zeros(6, 2).double(), atol=1e-14, rtol=0)


def test_shifting_the_whole_costs_nothing(salt):
    found = squares(salt, [[0.0, 0.0, 0.0]], charge=1.2)
    torch.testing.assert_close(found[0, :3], torch.zeros(3).double(), atol=1e-12, rtol=0)
    assert found[0, 3] > 1e-3


def test_charges_split_longitudinal_from_transverse(salt):
    small = 1e-3
    near = squares(salt, [[small, small, 0.0]], charge=1.2)[0, 3:]
    at = squares(salt, [[0.0, 0.0, 0.0]], charge=1.2)[0, 3:]
    masses = torch.from_numpy(salt.species * 2.0)
    plasma = 4 * math.pi * COULOMB * 1.2**2 / salt.volume * masses.reciprocal().sum()
    torch.testing.assert_close(near[2] - at[2], plasma, rtol=1e-3, atol=0)
    torch.testing.assert_close(near[:2], at[:2], rtol=1e-3, atol=0)


@pytest.mark.parametrize("charge", [0.0, 1.2])
@pytest.mark.parametrize("times", [2, 3])
def test_waves_of_a_cell_are_those_of_a_larger_cell_at_gamma(salt, times, charge):
    larger = Structure.from_ase(make_supercell(salt.to_ase(), np.diag([times, 1, 1])))
    waves = [[n / times, 0.0, 0.0] for n in range(times)]
    expected = squares(salt, waves, charge).flatten().sort().values
    found = squares(larger, [[0.0, 0.0, 0.0]], charge)[0]
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("n", [1, 7, 8, 20, 50])
def test_sampled_waves_stand_for_all_of_a_mesh(n):
    waves, shares = sampled_waves(n)
    size = mesh_size(n)
    assert float(shares.sum()) == pytest.approx(1.0)
    assert float(shares[0]) == pytest.approx(1 / size**3)
    assert waves[0].tolist() == [0.0, 0.0, 0.0]
    steps = size * waves
    torch.testing.assert_close(steps, steps.round())
    assert len(torch.unique(waves, dim=0)) == len(waves)


def test_frequencies_are_signed_roots():
    found = signed_roots(torch.tensor([-4.0, 0.0, 9.0], dtype=torch.float64))
    np.testing.assert_allclose(found, [-2 * FREQUENCY, 0.0, 3 * FREQUENCY], rtol=1e-6)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(signed_roots(zero).sum(), zero)
    assert bool(slope.isfinite().all())


def test_features_of_too_low_degree_are_refused():
    with pytest.raises(ValueError, match="degree 2"):
        Lattice(Irreps("4x0e+4x1o"), 4, 5.0, torch.linspace(0, 100, 11))


@pytest.fixture
def wurtzite():
    """A lattice with random weights, and the graph and features of ZnS, every atom alone."""
    torch.manual_seed(3)
    structure = Structure.from_ase(bulk("ZnS", "wurtzite", 3.82, 6.26))
    graph = Graph.from_structures([structure], 4.0).reduced(Orbits.trivial(4))
    irreps = Irreps("3x0e+3x1o+3x2e")
    lattice = Lattice(irreps, 5, 4.0, torch.linspace(-100, 900, 41).double()).double()
    h, x = torch.randn(4, 5).double(), torch.randn(4, irreps.dim).double()
    weights = torch.full((4,), 0.25).double()
    return lattice, graph, h, x, weights


def test_sites_add_up_to_the_curve(wurtzite):
    lattice, graph, h, x, weights = wurtzite
    found = lattice.eval()(graph, graph.edge_vectors(), h, x, weights)
    torch.testing.assert_close(found.sites.sum(dim=1), torch.full((4,), 3.0).double())
    torch.testing.assert_close(weights @ found.sites, found.curve[0])
    assert found.frequencies[0].shape[1] == 12
    torch.testing.assert_close(found.charges.sum(dim=0), torch.zeros(3, 3).double())


def test_training_sees_some_waves_and_no_sites(wurtzite):
    lattice, graph, h, x, weights = wurtzite
    found = lattice.train()(graph, graph.edge_vectors(), h, x, weights)
    assert found.sites is None
    assert len(found.shares[0]) == 17
    assert float(found.curve.sum().detach()) == pytest.approx(3.0)


def test_gradients_of_all_weights_agree_with_differences(wurtzite):
    lattice, graph, h, x, weights = wurtzite
    lattice.eval()
    centers = (lattice.edges[1:] + lattice.edges[:-1]) / 2

    def mean() -> torch.Tensor:
        found = lattice(graph, graph.edge_vectors(), h, x, weights)
        return found.curve[0] @ centers + found.frequencies[0][0].abs().sum()

    parameters = dict(lattice.named_parameters())
    slopes = torch.autograd.grad(mean(), list(parameters.values()))
    for (name, parameter), slope in zip(parameters.items(), slopes, strict=True):
        place = int(slope.abs().argmax())
        flat = parameter.data.view(-1)
        value, step = float(flat[place]), 1e-5
        with torch.no_grad():
            flat[place] = value + step
            high = mean()
            flat[place] = value - step
            difference = float(high - mean()) / (2 * step)
            flat[place] = value
        assert float(slope.view(-1)[place]) == pytest.approx(difference, rel=1e-3, abs=1e-3), name


def test_symmetric_waves_are_computed_once(wurtzite, monkeypatch):
    """All waves of the mesh give what those give that symmetry leaves, for every orbit, too."""
    lattice, _, h, x, _ = wurtzite
    lattice.eval()
    graph = symmetric_graph(Structure.from_ase(bulk("ZnS", "wurtzite", 3.82, 6.26)), 4.0)
    features = (graph, graph.edge_vectors(), h[:2], 0 * x[:2], torch.tensor([0.5, 0.5]).double())
    few = lattice(*features)
    monkeypatch.setattr("euclidium.models.lattice.irreducible_waves", lambda *_: None)
    every = lattice(*features)
    assert len(few.shares[0]) < len(every.shares[0]) / 3
    torch.testing.assert_close(few.curve, every.curve)
    torch.testing.assert_close(few.sites, every.sites)


@pytest.mark.parametrize(("fractions", "known"), [((0.5, 0.5), True), ((0.5, 0.4), False)])
def test_there_are_no_waves_where_atoms_are_missing(wurtzite, fractions, known):
    lattice, graph, h, x, weights = wurtzite
    occupations = torch.nn.functional.one_hot(graph.species, 119).double()
    occupations[3] = 0.0
    occupations[3, [16, 34]] = torch.tensor(fractions).double()
    mixed = dataclasses.replace(graph, occupations=occupations)
    for mode in (True, False):
        found = lattice.train(mode)(mixed, mixed.edge_vectors(), h, x, weights)
        assert found.known.tolist() == [known]
        assert bool(found.curve.any()) == known


def test_of_cells_that_are_too_large_there_are_no_waves(wurtzite, monkeypatch):
    lattice, graph, h, x, weights = wurtzite
    monkeypatch.setattr("euclidium.models.lattice.MOST", 3)
    found = lattice.eval()(graph, graph.edge_vectors(), h, x, weights)
    assert found.known.tolist() == [False]
    assert not found.curve.any()
    assert found.sites.shape == (4, 40)

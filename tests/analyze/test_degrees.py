"""What is said of degrees: sizes, gradients, paths and errors, against what they are made of."""

import numpy as np
import pytest
import torch

from euclidium.analyze.degrees import (
    atoms_errors,
    degree_errors,
    layer_sizes,
    path_sizes,
    size_by_degree,
    without_degree,
)
from euclidium.analyze.fields import epsilons
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.models.config import DensityConfig, NequIPConfig
from euclidium.models.density import DensityModel
from euclidium.models.nequip import NequIP
from euclidium.o3.irreps import Irreps
from euclidium.o3.rotations import rand_matrix
from euclidium.ops.segments import Edges
from euclidium.train.density import density_graph
from euclidium.train.settings import DensityLossSettings

BASIS = DensityBasis(
    "small",
    {1: ((0, 2.0), (0, 0.4), (1, 0.8), (2, 0.9))},
    {1: np.array([0.12, 0.10])},
)
WATERLESS = np.array([[0.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.2, 1.0, 0.4], [1.2, 0.8, 1.1]])


def structure(rotation: np.ndarray | None = None) -> Structure:
    turned = WATERLESS if rotation is None else WATERLESS @ rotation.T
    return Structure(np.ones(4, dtype=np.int64), turned)


@pytest.fixture(scope="module")
def model() -> DensityModel:
    torch.manual_seed(0)
    network = NequIPConfig(channels=4, lmax=2, layers=3)
    config = DensityConfig(basis=BASIS.to_json(), network=network, cutoff=3.0, mean_neighbors=3.0)
    return DensityModel(config).eval()


def network(**settings: int) -> tuple[NequIP, tuple]:
    torch.manual_seed(1)
    made = NequIP(NequIPConfig(channels=4, **settings), 1, cutoff=3.0, mean_neighbors=3.0).double()
    graph = Graph.from_structures([structure()], 3.0)
    edges: Edges = graph.edges
    return made, (torch.zeros(4, dtype=torch.long), graph.edge_vectors(), edges, {})


def test_sizes_are_root_mean_squares():
    x = torch.tensor([[1.0, 3.0, 2.0, 2.0, 2.0], [1.0, 3.0, 0.0, 0.0, 0.0]])
    sizes = size_by_degree(x, Irreps("2x0e+1x1o"))
    assert sizes == pytest.approx({0: np.sqrt(5), 1: np.sqrt(2)})


def test_sizes_do_not_turn_with_the_molecule(model):
    def sizes(rotation):
        graph = model.graph(structure(rotation))
        return layer_sizes(
            model, lambda: sum(c.square().sum() for c in model(graph).density.values())
        )

    here, there = sizes(None), sizes(rand_matrix(rng=3))
    for one, other in zip(here, there, strict=True):
        assert one.features == pytest.approx(other.features, rel=1e-4)
        assert one.gradients == pytest.approx(other.gradients, rel=1e-4)


def test_gradient_of_half_the_squares_is_the_feature():
    made, inputs = network(lmax=1, layers=2)
    layers = layer_sizes(made, lambda: made(*inputs).square().sum() / 2)
    assert layers[-1].gradients == pytest.approx(layers[-1].features)
    assert layers[0].gradients[1] > 0
    assert all(p.grad is None for p in made.parameters())


def test_a_removed_degree_is_zero_in_hidden_layers_alone():
    made, inputs = network(lmax=2, layers=3)
    before = made(*inputs)
    with without_degree(made, 1):
        states = made.states(*inputs)
    for state, layer in zip(states[:-1], list(made.layers)[:-1], strict=True):
        sizes = size_by_degree(state, layer.irreps_out)
        assert sizes[1] == 0 < min(sizes[0], sizes[2])
    assert not torch.allclose(states[-1], before)
    assert torch.equal(made(*inputs), before)


def test_removing_what_is_not_there_changes_nothing():
    made, inputs = network(lmax=0, layers=2)
    before = made(*inputs)
    with without_degree(made, 1):
        assert torch.equal(made(*inputs), before)


def test_size_of_a_path_follows_its_weights():
    made, _ = network(lmax=1, layers=2)
    distances = torch.linspace(0.8, 2.5, 7)
    before = path_sizes(made, distances)[1]
    convolution = made.layers[1].convolution
    first = convolution.plan.paths[0]
    one, other = first.segments
    plan = convolution.plan
    key = (plan.x[one].ir.l, plan.operands[1][other].ir.l, plan.out[first.out].ir.l)
    with torch.no_grad():
        convolution.radial.matrices[-1][:, : plan.x[one].mul] *= 3
    after = path_sizes(made, distances)[1]
    assert after[key] == pytest.approx(3 * before[key])
    assert {k: v for k, v in after.items() if k != key} == pytest.approx(
        {k: v for k, v in before.items() if k != key}
    )


def labelled(points: int) -> tuple[Graph, Density]:
    atoms = BASIS.superposition([1] * 4)
    rng = np.random.default_rng(2)
    density = Density(structure(), BASIS, atoms + rng.normal(scale=0.02, size=len(atoms)))
    settings = DensityLossSettings(points=points, coulomb=0.0)
    return density_graph(DensityRecord("four", density), 3.0, settings), density


def test_errors_on_points_are_those_on_a_grid(model):
    graph, density = labelled(20000)
    found = degree_errors(model, [graph])
    predicted = next(model.predict([density.structure]))
    exact = epsilons(predicted, density, 3)
    assert found.mean == pytest.approx(exact[0], rel=0.03)
    assert found.by_degree == pytest.approx(exact[1:], rel=0.03)
    off = (predicted.coefficients - density.coefficients).reshape(4, -1)
    roots = [np.sqrt(np.square(own).mean()) for own in (off[:, :2], off[:, 2:5], off[:, 5:])]
    assert found.coefficients == pytest.approx(roots, rel=1e-5)


def test_isolated_atoms_are_the_superposition():
    graph, density = labelled(20000)
    found = atoms_errors(BASIS, [graph])
    exact = epsilons(Density.superposition(density.structure, BASIS), density, 3)
    assert found.mean == pytest.approx(exact[0], rel=0.03)
    assert found.by_degree == pytest.approx(exact[1:], rel=0.03)


def test_errors_need_points(model):
    with pytest.raises(ValueError, match=r"need labelled graphs: give some"):
        degree_errors(model, [])
    bare = Graph.from_structures([structure()], 3.0)
    with pytest.raises(ValueError, match=r"loss\.points above zero"):
        atoms_errors(BASIS, [bare.replace(labels={"coefficients": torch.zeros(40)})])


def test_other_models_get_a_sentence():
    with pytest.raises(ValueError, match="a Linear has no layers of NequIP"):
        path_sizes(torch.nn.Linear(2, 2), torch.ones(1))
    with pytest.raises(ValueError, match="no layers"), without_degree(torch.nn.Linear(2, 2), 1):
        pass

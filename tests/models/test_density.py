"""Density models: how the coefficients turn, and how many electrons there are."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from euclidium.atoms import DataError, Density, DensityBasis, Structure
from euclidium.atoms.centers import with_bond_functions
from euclidium.models.config import DensityConfig, LongRangeConfig, NequIPConfig
from euclidium.models.density import DensityModel, combine_densities, flat
from euclidium.models.storage import describe, load, save

BASIS = DensityBasis(
    "small",
    {
        1: ((0, 2.0), (0, 0.4), (1, 0.9)),
        8: ((0, 40.0), (0, 0.8), (1, 1.5), (1, 0.5), (2, 1.1), (4, 0.9)),
    },
    {1: np.array([0.1, 0.3]), 8: np.array([0.2, 1.4])},
)
LONG_RANGE = LongRangeConfig(
    channels=2, widths=(1.0, 1.5), network=NequIPConfig(channels=4, lmax=1, layers=1)
)
SMALL = {
    "basis": BASIS.to_json(),
    "network": NequIPConfig(channels=6, layers=2, edge_lmax=3),
    "head": 8,
    "dtype": "float64",
}


def model_of(**changes: object) -> DensityModel:
    """A model with weights that make the environment matter."""
    torch.manual_seed(0)
    model = DensityModel(DensityConfig(**{**SMALL, **changes}))
    for network in model.networks:
        for parameter in network.heads.parameters():
            torch.nn.init.normal_(parameter)
    return model.eval()


@pytest.fixture
def hydronium() -> Structure:
    rows = [[0.0, 0.0, 0.1], [0.9, 0.1, -0.3], [-0.5, 0.8, -0.2], [-0.4, -0.8, -0.25]]
    return Structure(np.array([8, 1, 1, 1]), np.array(rows), labels={"charge": np.array(1.0)})


@pytest.mark.parametrize("long_range", [None, LONG_RANGE])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_field_turns_with_the_molecule(hydronium, sign: float, long_range):
    """Rotations and the inversion, to degree 4, by the Wigner matrices of the basis' irreps."""
    model = model_of(long_range=long_range)
    turn = sign * Rotation.random(random_state=3).as_matrix()
    turned = Structure(
        hydronium.species, hydronium.positions @ turn.T + 2.0, labels=hydronium.labels
    )
    before, after = model.predict([hydronium, turned])
    for z, a, b in zip(hydronium.species, before.by_atom(), after.by_atom(), strict=True):
        matrix = BASIS.irreps(int(z)).D_from_matrix(turn)
        np.testing.assert_allclose(b, matrix @ a, atol=1e-10)
        assert np.abs(a).max() > 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_electrons_are_exact_whatever_the_network_says(hydronium: Structure, dtype: str):
    water = Structure(hydronium.species[:3], hydronium.positions[:3])
    found = list(model_of(dtype=dtype).predict([hydronium, water]))
    assert [d.electrons for d in found] == pytest.approx([10.0, 10.0], abs=1e-10)
    assert [d.charge for d in found] == pytest.approx([1.0, 0.0], abs=1e-10)
    free = next(model_of(electrons="free").predict([water]))
    assert abs(free.electrons - 10) > 1e-3


def test_spin_integrates_to_the_unpaired_electrons():
    radical = Structure(
        np.array([8, 1]), np.array([[0.0, 0, 0], [0, 0, 0.97]]), labels={"spin": np.array(1.0)}
    )
    found = next(model_of(spin=True).predict([radical]))
    assert found.electrons == pytest.approx(9.0, abs=1e-10)
    spin = Density(radical, BASIS, found.spin)
    assert spin.electrons == pytest.approx(1.0, abs=1e-10)


def test_the_charge_reaches_every_atom(hydronium: Structure):
    neutral = Structure(hydronium.species, hydronium.positions)
    without, with_input = model_of(), model_of(charge=True)
    alike = [d.by_atom()[0][-9:] for d in without.predict([hydronium, neutral])]
    np.testing.assert_allclose(*alike, atol=1e-12)  # degree 4 of oxygen knows no charge
    differ = [d.by_atom()[0][-9:] for d in with_input.predict([hydronium, neutral])]
    assert np.abs(differ[0] - differ[1]).max() > 1e-6


@pytest.mark.parametrize("long_range", [None, LONG_RANGE])
def test_a_batch_gives_what_single_structures_give(hydronium: Structure, long_range):
    model = model_of(long_range=long_range)
    water = Structure(hydronium.species[:3], hydronium.positions[:3])
    together = list(model.predict([hydronium, water, hydronium]))
    alone = [next(model.predict([s])) for s in (hydronium, water, hydronium)]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-12)


def test_separated_molecules_do_not_know_each_other(hydronium: Structure):
    """Beyond the cutoffs of all layers the density is the sum, but for electrons that are even."""
    model = model_of(electrons="free")
    water = Structure(hydronium.species[:3], hydronium.positions[:3])
    far = Structure(
        np.tile(water.species, 2), np.concatenate([water.positions, water.positions + 50.0])
    )
    one, two = model.predict([water, far])
    np.testing.assert_allclose(two.coefficients, np.tile(one.coefficients, 2), atol=1e-10)


def test_molecules_beyond_the_cutoff_are_felt_with_a_long_range(hydronium: Structure):
    model = model_of(long_range=LONG_RANGE, electrons="free")
    water = Structure(hydronium.species[:3], hydronium.positions[:3])
    alone = next(model.predict([water])).coefficients

    def felt(distance: float) -> float:
        far = water.positions + np.array([distance, 0.0, 0.0])
        pair = Structure(np.tile(water.species, 2), np.concatenate([water.positions, far]))
        found = next(model.predict([pair])).coefficients
        return float(np.abs(found[: len(alone)] - alone).max())

    near, middle, far = felt(20.0), felt(40.0), felt(400.0)
    assert near > 1e-4
    assert 3 < near / middle < 6  # the potential of a dipole, r^-2
    assert far == pytest.approx(1e-2 * middle, rel=0.2)


def test_a_crystal_in_a_larger_cell_has_the_same_density_with_a_long_range(hydronium: Structure):
    model = model_of(long_range=LONG_RANGE)
    cell = 4.5 * np.eye(3) + 0.3
    ice = Structure(hydronium.species[:3], hydronium.positions[:3], cell, np.ones(3, dtype=bool))
    shifted = np.concatenate([ice.positions, ice.positions + cell[0]])
    twice = np.diag([2.0, 1.0, 1.0]) @ cell
    large = Structure(np.tile(ice.species, 2), shifted, twice, np.ones(3, dtype=bool))
    one, two = model.predict([ice, large])
    np.testing.assert_allclose(two.coefficients, np.tile(one.coefficients, 2), atol=1e-5)


def test_a_slab_with_a_long_range_gets_a_sentence(hydronium: Structure):
    slab = Structure(
        hydronium.species[:3], hydronium.positions[:3], 9 * np.eye(3), np.array([1, 1, 0]) > 0
    )
    assert model_of().graph(slab).n_atoms == 3
    with pytest.raises(DataError, match="periodic in 2 directions, where this model has no long"):
        model_of(long_range=LONG_RANGE).graph(slab)


def test_statistics_are_where_a_new_model_begins():
    model = model_of()
    generator = np.random.default_rng(0)
    rows = torch.from_numpy(generator.normal(size=(400, BASIS.size(8))))
    rows[:, :2] += 3.0
    model.set_statistics(0, 8, rows)
    head = model.networks[0].head(0, 8)
    np.testing.assert_allclose(head.mean, rows[:, :2].mean(0), atol=1e-12)
    root = head.mix(1)
    vectors = rows[:, 2:8].reshape(-1, 3, 2).flatten(0, 1)
    np.testing.assert_allclose(root.T @ root, vectors.T @ vectors / len(vectors), atol=1e-12)


@pytest.mark.parametrize("long_range", [None, LONG_RANGE])
def test_gradients_by_finite_differences(hydronium: Structure, long_range):
    """Of a coefficient of degree 2 by the positions."""
    model = model_of(long_range=long_range)
    graph = model.graph(hydronium)
    probe = torch.randn(BASIS.size(8), dtype=torch.float64)

    def value(positions: torch.Tensor) -> torch.Tensor:
        found = model(graph.replace(positions=positions))
        return (found.density[8] @ probe).sum()

    assert torch.autograd.gradcheck(value, graph.positions.clone().requires_grad_(), atol=1e-6)
    assert torch.autograd.gradgradcheck(value, graph.positions.clone().requires_grad_(), atol=1e-5)


@pytest.mark.parametrize("long_range", [None, LONG_RANGE])
def test_a_model_is_one_file(tmp_path, hydronium: Structure, long_range):
    model = model_of(dtype="float32", long_range=long_range)
    save(model, tmp_path / "m.euclidium")
    assert describe(tmp_path / "m.euclidium")["task"] == "density"
    again = load(tmp_path / "m.euclidium")
    one, other = next(model.predict([hydronium])), next(again.predict([hydronium]))
    np.testing.assert_array_equal(one.coefficients, other.coefficients)
    assert other.basis == BASIS


def test_an_element_that_the_basis_lacks_gets_a_sentence():
    silicon = Structure(np.array([14]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="no functions for Si, only for H, O"):
        next(model_of().predict([silicon]))


def test_a_graph_without_counts_is_refused(hydronium: Structure):
    model = model_of()
    with pytest.raises(ValueError, match=r"needs a graph with its charge"):
        model(model.graph(hydronium).replace(labels={}))


def test_flat_undoes_the_grouping_by_element():
    rows = {1: torch.tensor([[1.0], [3.0]]), 8: torch.tensor([[2.0, 2.5]])}
    atoms = {8: torch.tensor([0]), 1: torch.tensor([1, 2])}
    assert flat(atoms, rows, np.array([2, 1, 1])).tolist() == [2.0, 2.5, 1.0, 3.0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_middle_of_bonds_turns_too(hydronium: Structure, sign: float):
    basis = with_bond_functions(BASIS)
    model = model_of(basis=basis.to_json())
    turn = sign * Rotation.random(random_state=5).as_matrix()
    turned = Structure(
        hydronium.species, hydronium.positions @ turn.T + 2.0, labels=hydronium.labels
    )
    before, after = model.predict([hydronium, turned])
    assert before.structure.species.tolist() == [8, 1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(
        after.structure.positions, before.structure.positions @ turn.T + 2.0, atol=1e-12
    )
    for z, a, b in zip(before.structure.species, before.by_atom(), after.by_atom(), strict=True):
        np.testing.assert_allclose(b, basis.irreps(int(z)).D_from_matrix(turn) @ a, atol=1e-10)
        assert np.abs(a).max() > 0.01
    assert before.electrons == pytest.approx(10.0, abs=1e-9)
    again = next(model.predict([before.structure]))
    np.testing.assert_allclose(again.coefficients, before.coefficients, atol=1e-12)
    plain = next(model_of().predict([before.structure]))
    assert plain.structure.n_atoms == 4


def test_electrons_need_functions_that_hold_them():
    basis = DensityBasis("p", {**BASIS.shells, 0: ((1, 1.0),)}, BASIS.atoms)
    with pytest.raises(ValueError, match="p has no s functions for X, and the number of electrons"):
        model_of(basis=basis.to_json())
    assert model_of(basis=basis.to_json(), electrons="free").basis == basis


def members_of(**changes: object) -> list[DensityModel]:
    """Three models of other weights and other mean numbers of neighbours."""
    models = [model_of(mean_neighbors=number, **changes) for number in (9.0, 11.5, 14.0)]
    for parameter in (p for model in models for p in model.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    return models


@pytest.mark.parametrize("changes", [{}, {"long_range": LONG_RANGE}, {"spin": True}])
def test_members_are_averaged(tmp_path, hydronium: Structure, changes: dict[str, object]):
    models = members_of(**changes)
    whole = combine_densities([combine_densities(models[:2]), models[2]])
    assert whole.config.members == 3
    each = [next(model.predict([hydronium])) for model in models]
    found = next(whole.predict([hydronium]))
    own = [density.coefficients for density in each]
    np.testing.assert_allclose(found.coefficients, np.mean(own, axis=0), atol=1e-10)
    assert found.electrons == pytest.approx(10.0, abs=1e-10)
    if "spin" in changes:
        np.testing.assert_allclose(found.spin, np.mean([d.spin for d in each], axis=0), atol=1e-10)
    water = Structure(hydronium.species[:3], hydronium.positions[:3])
    first, _ = whole.predict_members([hydronium, water])
    for density, expected in zip(first, each, strict=True):
        np.testing.assert_allclose(density.coefficients, expected.coefficients, atol=1e-10)
    assert np.abs(own[0] - own[1]).max() > 1e-2
    save(whole, tmp_path / "m.euclidium")
    again = next(load(tmp_path / "m.euclidium").predict([hydronium]))
    np.testing.assert_array_equal(again.coefficients, found.coefficients)


def test_models_that_differ_are_not_combined():
    with pytest.raises(ValueError, match="no model to combine"):
        combine_densities([])
    with pytest.raises(ValueError, match="different configurations cannot be combined"):
        combine_densities([model_of(), model_of(cutoff=4.0)])

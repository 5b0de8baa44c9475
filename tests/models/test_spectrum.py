"""Spectrum models: the physics of their curves, and what they refuse."""

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation

from euclidium.atoms import DataError, Graph, Structure, collate
from euclidium.models.config import NequIPConfig, SpectrumConfig
from euclidium.models.spectrum import Spectrum, check_crystal, combine, grid_edges
from euclidium.models.storage import load, save
from euclidium.models.trees import Tree, Trees

SMALL = SpectrumConfig(
    network=NequIPConfig(channels=8, layers=2, modulation=True),
    grid=((-100, 600, 20), (600, 1000, 50)),
    hidden=16,
    dtype="float64",
)


KINDS = {"intervals": {"peaks": 0}, "peaks": {"peaks": 6}, "lattice": {"lattice": 0.7}}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def model(request: pytest.FixtureRequest) -> Spectrum:
    """A small model whose curves differ from crystal to crystal."""
    torch.manual_seed(0)
    model = Spectrum(SMALL.model_copy(update=request.param))
    std = 0.1 if model.config.lattice else 0.4  # springs of any kind make no crystal
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std) if parameter.ndim > 1 else None
    return model.eval()


def curves(model: Spectrum, *crystals) -> list[np.ndarray]:
    """Modes of each crystal."""
    return [r.dos.modes for r in model.predict([Structure.from_ase(c) for c in crystals])]


def test_a_curve_has_three_modes_for_each_atom_and_is_nowhere_negative(model, quartz):
    result = next(model.predict([Structure.from_ase(quartz)]))
    assert result.dos.modes.sum() == pytest.approx(3.0, abs=1e-12)
    assert (result.dos.modes >= 0).all()
    np.testing.assert_allclose(sum(result.partial.values()), result.dos.modes, atol=1e-12)
    assert result.partial["O"].sum() == pytest.approx(2.0, abs=1e-9)
    assert 0 < result.unstable < 1


def test_rotation_inversion_origin_supercell_and_order_do_not_matter(model, quartz):
    turned = quartz.copy()
    rotation = Rotation.random(random_state=1).as_matrix()
    turned.set_cell(quartz.cell.array @ rotation.T, scale_atoms=True)
    mirrored = quartz.copy()
    mirrored.set_cell(-quartz.cell.array, scale_atoms=True)
    moved = quartz.copy()
    moved.positions += [0.3, -0.7, 1.1]
    shuffled = quartz[[3, 1, 8, 0, 2, 7, 5, 4, 6]]
    larger = make_supercell(quartz, [[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
    reference, *others = curves(model, quartz, turned, mirrored, moved, shuffled, larger)
    for other in others:
        np.testing.assert_allclose(other, reference, atol=1e-5)


def test_primitive_and_conventional_cells_agree(model):
    primitive, cubic = curves(
        model, bulk("NaCl", "rocksalt", 5.64), bulk("NaCl", "rocksalt", 5.64, cubic=True)
    )
    np.testing.assert_allclose(primitive, cubic, atol=1e-8)


def test_symmetry_saves_work_and_changes_nothing(model, quartz):
    """Every atom by itself gives what representatives and rotations give."""
    from euclidium.ops.orbits import Orbits

    structure = Structure.from_ase(quartz)
    whole = Graph.from_structures([structure], model.cutoff).reduced(
        Orbits.trivial(structure.n_atoms)
    )
    reduced = model.graph(structure)
    assert reduced.n_edges < whole.n_edges / 3
    with torch.no_grad():
        torch.testing.assert_close(model(reduced).total, model(whole).total, atol=1e-6, rtol=1e-6)


def test_a_batch_gives_what_single_crystals_give(model, quartz):
    crystals = [quartz, bulk("Cu"), bulk("NaCl", "rocksalt", 5.64)]
    for one, several in zip(
        [curves(model, c)[0] for c in crystals], curves(model, *crystals), strict=True
    ):
        np.testing.assert_allclose(one, several, atol=1e-10)


def test_mixed_sites_lie_between_their_ends_and_join_them(model):
    germanium = Structure.from_ase(bulk("Ge", "diamond", 5.6))

    def mixed(x: float) -> np.ndarray:
        occupations = np.zeros((2, 119))
        occupations[:, 32], occupations[:, 14] = 1 - x, x
        parts = vars(germanium) | {
            "species": np.full(2, 32 if x <= 0.5 else 14),
            "occupations": occupations,
        }
        return next(model.predict([Structure(**parts)])).dos.modes

    pure = next(model.predict([germanium])).dos.modes
    np.testing.assert_allclose(mixed(1e-9), pure, atol=1e-6)
    assert np.abs(mixed(0.5) - pure).max() > 1e-4


def test_members_are_averaged_and_their_spread_is_the_uncertainty(quartz):
    torch.manual_seed(1)
    models = [Spectrum(SMALL).eval() for _ in range(3)]
    together = combine(models)
    together.config = together.config.model_copy(update={"uncertainty": {"cv300": (0.1, 2.0)}})
    structure = Structure.from_ase(quartz)
    result = next(together.predict([structure]))
    singles = np.stack([next(one.predict([structure])).dos.modes for one in models])
    np.testing.assert_allclose(result.members, singles, atol=1e-10)
    np.testing.assert_allclose(result.dos.modes, singles.mean(axis=0), atol=1e-10)
    assert result.uncertainty["cv300"] > 0.1
    assert set(result.uncertainty) == {"cv300"}


def test_numbers_beside_the_curve_have_weights_of_their_own(quartz):
    torch.manual_seed(2)
    models = [Spectrum(SMALL).eval() for _ in range(2)]
    structure = Structure.from_ase(quartz)
    first, second = (next(one.predict([structure])) for one in models)
    both = next(combine(models, (1.0, 0.0), (0.0, 1.0)).predict([structure]))
    np.testing.assert_allclose(both.dos.modes, first.dos.modes, atol=1e-10)
    assert both.unstable == pytest.approx(second.unstable, rel=1e-6)
    assert both.last_peak == pytest.approx(second.last_peak, rel=1e-6)
    assert both.unstable != pytest.approx(first.unstable, rel=1e-3)


@pytest.fixture
def trees() -> Trees:
    """Trees that tell cubic crystals from others by the number of the space group."""
    leaf = Tree(np.array([58, 0, 0]), np.array([2, 0, 0]), np.array([194.5, 2.0, -3.0]))
    return Trees.of([leaf, leaf])


def log_odds(model: Spectrum, crystals: list[Structure]) -> list[float]:
    """How probable a model finds it that crystals are unstable."""
    found = [result.unstable for result in model.predict(crystals)]
    return torch.logit(torch.tensor(found, dtype=torch.float64)).tolist()


def test_trees_tell_of_stability_and_of_nothing_else(quartz, trees, tmp_path):
    torch.manual_seed(5)
    plain, model = (Spectrum(SMALL).eval() for _ in range(2))
    model.load_state_dict(plain.state_dict())
    model.set_trees(trees, (0.5, 2.0, 0.1))
    crystals = [Structure.from_ase(one) for one in (quartz, bulk("Si", "diamond", 5.43))]
    before, after = log_odds(plain, crystals), log_odds(model, crystals)
    assert after == pytest.approx([0.5 * before[0] + 8.1, 0.5 * before[1] - 11.9], rel=1e-4)
    for one, two in zip(plain.predict(crystals), model.predict(crystals), strict=True):
        np.testing.assert_allclose(two.dos.modes, one.dos.modes, atol=1e-9)
    save(model, tmp_path / "a.euclidium", half=True)
    again = load(tmp_path / "a.euclidium")
    assert again.config.trees == (2, 6)
    assert log_odds(again, crystals) == pytest.approx(after, rel=0.02)


def test_trees_see_a_supercell_as_its_primitive_cell():
    model = Spectrum(SMALL).eval()
    of_two_atoms = Tree(np.array([52, 0, 0]), np.array([2, 0, 0]), np.array([2.5, 1.0, 9.0]))
    model.set_trees(Trees.of([of_two_atoms]), (0.0, 1.0, 0.0))
    silicon = [bulk("Si", "diamond", 5.43, cubic=cubic) for cubic in (True, False)]
    odds = log_odds(model, [Structure.from_ase(one) for one in silicon])
    assert odds == pytest.approx([1.0, 1.0], rel=1e-5)


def test_trees_do_not_combine(trees):
    models = [Spectrum(SMALL).eval() for _ in range(2)]
    models[0].set_trees(trees, (0.5, 2.0, 0.1))
    both = combine(models)
    assert both.trees is None
    assert both.config.stability == (1.0, 0.0, 0.0)


def test_a_file_gives_the_same_model(model, quartz, tmp_path):
    save(model, tmp_path / "a.euclidium")
    again = load(tmp_path / "a.euclidium")
    assert isinstance(again, Spectrum)
    digits = 1e-10 if model.config.lattice else 0.0  # eigenvalues are not the same to the bit
    np.testing.assert_allclose(*[curves(m, quartz)[0] for m in (model, again)], 0.0, digits)
    for weights in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(*weights)
    save(model, tmp_path / "b.euclidium", half=True)
    rough = load(tmp_path / "b.euclidium")
    np.testing.assert_allclose(curves(rough, quartz)[0], curves(model, quartz)[0], atol=0.02)
    sizes = [(tmp_path / name).stat().st_size for name in ("a.euclidium", "b.euclidium")]
    assert sizes[1] < sizes[0] / 3


def test_gradients_agree_with_differences(model, quartz):
    graph = model.graph(Structure.from_ase(quartz))
    positions = graph.positions.clone().requires_grad_()

    def mean(at: torch.Tensor) -> torch.Tensor:
        total = model(graph.replace(positions=at)).total
        centers = (model.edges[1:] + model.edges[:-1]) / 2
        return (total @ centers).sum() / 3

    (slope,) = torch.autograd.grad(mean(positions), positions)
    step = torch.zeros_like(positions)
    step[2, 1] = 1e-4
    with torch.no_grad():
        difference = (mean(positions + step) - mean(positions - step)) / 2e-4
    assert float(slope[2, 1]) == pytest.approx(float(difference), rel=1e-4)


def test_the_preset_of_2021_is_scaled_to_its_maximum(quartz):
    config = SpectrumConfig(
        elements="masses",
        curve="maximum",
        grid=((-10, 1010, 20),),
        network=NequIPConfig(channels=4),
    )
    result = next(Spectrum(config).eval().predict([Structure.from_ase(quartz)]))
    assert len(result.dos.modes) == 51
    assert result.dos.modes.sum() == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        (((0, 100, 30),), "3.33333 intervals"),
        (((0, 100, 10), (200, 300, 10)), "not where the last ended"),
        ((), "at least one piece"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(grid, problem):
    with pytest.raises(ValueError, match=problem):
        SpectrumConfig(grid=grid)


def test_grid_edges():
    assert grid_edges(SpectrumConfig()).shape == (246,)


def test_what_is_no_crystal_is_refused(model):
    with pytest.raises(DataError, match="not periodic along three axes"):
        check_crystal(Structure(np.array([18]), np.zeros((1, 3))))
    close = bulk("Cu")
    close *= (2, 1, 1)
    close.positions[1] = close.positions[0] + [0.0, 0.0, 0.2]
    with pytest.raises(DataError, match=r"atoms \d and \d are 0.20 Å apart"):
        next(model.predict([Structure.from_ase(close)]))


def test_a_model_in_training_does_not_predict():
    with pytest.raises(RuntimeError, match="training mode"):
        next(Spectrum(SMALL).predict([Structure.from_ase(bulk("Cu"))]))


def test_graphs_without_orbits_are_refused(model):
    graph = collate([Graph.from_structures([Structure.from_ase(bulk("Cu"))], 5.0)])
    with pytest.raises(ValueError, match="orbits"):
        model(graph)


def test_members_may_differ_in_their_networks_and_weights(quartz):
    torch.manual_seed(2)
    larger = SMALL.model_copy(update={"network": NequIPConfig(channels=12, layers=1)})
    models = [Spectrum(SMALL).eval(), Spectrum(larger).eval()]
    together = combine(models, weights=(3.0, 1.0))
    structure = Structure.from_ase(quartz)
    one, other = (next(model.predict([structure])).dos.modes for model in models)
    whole = next(together.predict([structure]))
    np.testing.assert_allclose(whole.dos.modes, 0.75 * one + 0.25 * other, atol=1e-6)
    with pytest.raises(ValueError, match="2 members need 2 weights, got 3"):
        combine(models, weights=(1.0, 1.0, 1.0))


def test_lowest_frequencies_count_for_stability_in_members_that_learned_them(quartz):
    torch.manual_seed(2)
    models = [Spectrum(SMALL.model_copy(update={"softest": own})).eval() for own in (True, False)]
    with torch.no_grad():
        models[0].members[0].softest[-1].bias.fill_(-2.0)
    structure = Structure.from_ase(quartz)
    graph = collate([models[0].graph(structure)])
    found = [model(graph) for model in (*models, combine(models))]
    assert found[0].lowest.item() == pytest.approx(-2.0, abs=0.5)
    assert found[1].lowest is None
    assert found[2].unstable.item() == pytest.approx(
        (found[0].unstable.item() + found[1].unstable.item()) / 2, rel=1e-6
    )
    with torch.no_grad():
        models[0].members[0].softest[-1].bias.add_(-1.0)
    softer = models[0](graph)  # by 1, of which half counts
    assert softer.unstable.item() - found[0].unstable.item() == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("curve", ["modes", "maximum"])
def test_members_may_have_begun_with_other_mean_curves(quartz, curve: str):
    torch.manual_seed(3)
    models = [Spectrum(SMALL.model_copy(update={"curve": curve, "peaks": 0})) for _ in range(2)]
    intervals = torch.arange(1.0, SMALL.n_intervals + 1)
    models[0].set_prior(intervals)
    models[1].set_prior(1 / intervals)
    structure = Structure.from_ase(quartz)
    singles = [next(one.eval().predict([structure])) for one in models]
    whole = next(combine(models).predict([structure]))
    for n, one in enumerate(singles):
        np.testing.assert_allclose(whole.members[n], one.dos.modes, atol=1e-5)
    graph = models[0].graph(structure)
    tops = [one(collate([graph])).top for one in (*models, combine(models))]
    torch.testing.assert_close(tops[2], (tops[0] + tops[1]) / 2)


def test_different_models_do_not_combine():
    other = SMALL.model_copy(update={"hidden": 8})
    with pytest.raises(ValueError, match="different configurations"):
        combine([Spectrum(SMALL), Spectrum(other)])
    with pytest.raises(ValueError, match="no model"):
        combine([])


def test_without_waves_sites_alone_make_the_curve(quartz, monkeypatch):
    torch.manual_seed(4)
    model = Spectrum(SMALL.model_copy(update={"lattice": 0.7})).eval()
    graph = model.graph(Structure.from_ase(quartz))
    with torch.no_grad():
        whole = model(graph)
        monkeypatch.setattr("euclidium.models.lattice.MOST", 5)
        alone = model(graph)
    torch.testing.assert_close(whole.total, 0.3 * whole.direct + 0.7 * whole.vibrations.curve)
    torch.testing.assert_close(alone.total, alone.direct)
    assert (whole.total - alone.total).abs().max() > 1e-3


def test_members_with_and_without_force_constants_are_averaged(quartz):
    torch.manual_seed(5)
    models = [Spectrum(SMALL.model_copy(update={"lattice": x})).eval() for x in (0.0, 0.7)]
    together = combine(models, weights=(0.25, 0.75))
    assert together.config.lattices == (0.0, 0.7)
    structure = Structure.from_ase(quartz)
    singles = [next(one.predict([structure])).dos.modes for one in models]
    found = next(together.predict([structure]))
    np.testing.assert_allclose(found.dos.modes, np.array([0.25, 0.75]) @ singles, atol=1e-9)
    assert found.partial["Si"].sum() == pytest.approx(1.0, abs=1e-6)


def test_force_constants_need_two_layers_and_quadrupoles():
    with pytest.raises(ValueError, match="lmax and layers of 2 at least, got 1 and 2"):
        SpectrumConfig(lattice=0.5, network=NequIPConfig(lmax=1, layers=2))
    with pytest.raises(ValueError, match="which a scaled curve has not"):
        SpectrumConfig(lattice=0.5, curve="maximum")

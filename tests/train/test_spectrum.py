"""The loss of spectra measures what it says, and training lowers it."""

import dataclasses

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms import PhononDOS, PhononRecord, Structure, collate
from euclidium.models.config import NequIPConfig, SpectrumConfig
from euclidium.models.lattice import Vibrations
from euclidium.models.spectrum import SpectrumPrediction, _medians, grid_edges
from euclidium.train.settings import SpectrumLossSettings
from euclidium.train.spectrum import (
    Integrals,
    SpectrumTask,
    mean_curve,
    mean_site_neighbors,
    rebinned,
    spectrum_config,
    spectrum_graph,
)

CONFIG = SpectrumConfig(
    network=NequIPConfig(channels=8, layers=1), hidden=16, grid=((-100, 1000, 10),), dropout=0.0
)
EDGES = grid_edges(CONFIG).numpy()


def record(name: str, structure: str, a: float, peaks: dict[str, float]) -> PhononRecord:
    """A crystal whose elements vibrate at one frequency each."""
    crystal = Structure.from_ase(bulk(name, structure, a))
    edges = np.arange(0.0, 801.0, 5.0)
    share = 3 / len(peaks)
    partial = {s: np.histogram([w], edges)[0] * share for s, w in peaks.items()}
    dos = PhononDOS.of(crystal, edges, sum(partial.values()))
    info = {"wmin": -min(peaks.values()) / 10, "gamma": np.zeros(3 * crystal.n_atoms)}
    if crystal.n_atoms == 2:
        info["gamma"][3:] = max(peaks.values())
        info |= {"born": np.multiply.outer([1.2, -1.2], np.eye(3)), "eps": 4 * np.eye(3)}
    return PhononRecord.of(name, crystal, dos, partial, info=info)


@pytest.fixture
def records() -> list[PhononRecord]:
    return [
        record("NaCl", "rocksalt", 5.64, {"Na": 150.0, "Cl": 200.0}),
        record("MgO", "rocksalt", 4.21, {"Mg": 350.0, "O": 500.0}),
        record("Cu", "fcc", 3.61, {"Cu": 180.0}),
    ]


def task_of(records, **weights) -> SpectrumTask:
    graphs = [spectrum_graph(r, CONFIG) for r in records]
    prior = torch.cat([g.labels["modes"] for g in graphs]).mean(0).numpy()
    return SpectrumTask(CONFIG, SpectrumLossSettings(**weights), prior)


def exact(graph, task) -> SpectrumPrediction:
    """The prediction that says what the labels say."""
    n, bins = graph.labels["modes"].shape
    top = torch.zeros(n, bins)
    place = torch.bucketize(graph.labels["last_peak"], torch.from_numpy(EDGES).float()[1:-1])
    top[torch.arange(n), place] = 1.0
    counts = graph.atoms_per_structure.tolist()
    gamma = [part.reshape(1, -1) for part in graph.labels["gamma"].split(counts)]
    vibrations = Vibrations(
        frequencies=tuple(gamma),
        shares=(torch.ones(1),) * n,
        charges=graph.labels["born"].nan_to_num(),
        curve=graph.labels["modes"],
    )
    return SpectrumPrediction(
        sites=graph.labels["site_modes"][graph.orbits.representatives],
        total=graph.labels["modes"],
        top=top,
        unstable=torch.full((n,), -20.0),
        lowest=torch.asinh(graph.labels["lowest"] / 20),
        vibrations=vibrations,
    )


def test_the_labels_themselves_have_no_loss(records):
    graph = collate([spectrum_graph(r, CONFIG) for r in records])
    task = task_of(records)
    terms = task.loss(exact(graph, task), graph)
    values = {name: float(term.value) / term.weight for name, term in terms.items()}
    assert values["modes"] == values["partial"] == values["cumulative"] == 0.0
    assert values["heat_capacity"] < 0.1  # of 21, by intervals twice as wide
    assert values["last_peak"] <= 10.0
    assert values["stability"] < 1e-6
    assert values["lowest"] == 0.0
    assert values["gamma"] == values["charges"] == 0.0
    curves = ("modes", "cumulative", "curve_mse", "curve_mae", "heat_capacity")
    assert values["lattice"] == pytest.approx(sum(float(terms[name].value) for name in curves))
    assert set(values) == set(SpectrumLossSettings.model_fields)


def test_waves_at_gamma_and_charges_are_learned_where_they_are_known(records):
    task = task_of(records)
    graph = collate([spectrum_graph(r, CONFIG) for r in records])
    right = exact(graph, task)
    assert graph.labels["born"][0, 0, 0] == pytest.approx(0.6)
    assert bool(graph.labels["born"][4].isnan().all())
    waves = right.vibrations
    wrong = dataclasses.replace(
        waves,
        frequencies=(waves.frequencies[0] + 30.0, None, waves.frequencies[2]),
        charges=waves.charges + 0.1,
    )
    terms = task.loss(dataclasses.replace(right, vibrations=wrong), graph)
    # three modes at 0 and three at 200 cm⁻¹, of one crystal of three
    values = {name: float(term.value) / term.weight for name, term in terms.items()}
    assert values["gamma"] == pytest.approx((30 / 20 + 30 / 30) / 2 / 3)
    assert values["charges"] == pytest.approx(0.1 * 2 / 3)


def test_force_constants_are_learned(records):
    config = CONFIG.model_copy(
        update={"lattice": 0.5, "network": NequIPConfig(channels=8, layers=2)}
    )
    graph = collate([spectrum_graph(r, config) for r in records])
    torch.manual_seed(0)
    task = SpectrumTask(config, SpectrumLossSettings(), graph.labels["modes"].mean(0).numpy())
    model = task.build().train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    history = []
    for _ in range(60):
        terms = task.loss(task.predict(model, graph), graph)
        loss = terms["lattice"].value + terms["gamma"].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert np.mean(history[-5:]) < 0.6 * np.mean(history[:5])


def test_a_shifted_curve_is_as_far_as_it_was_shifted(records):
    own = Integrals.on(EDGES)
    curve = torch.zeros(1, len(EDGES) - 1, dtype=torch.float64)
    curve[0, 20] = 3.0
    assert float(own.distance(curve, curve.roll(4, dims=1))) == pytest.approx(40.0)


def test_heat_capacity_is_that_of_the_curve(records):
    own = Integrals.on(EDGES)
    for one in records:
        modes = rebinned(one.dos, EDGES)
        assert float(torch.from_numpy(modes) @ own.heat) == pytest.approx(
            float(PhononDOS(EDGES, modes).heat_capacity(300.0)), rel=1e-4
        )


def test_ranked_probability_of_a_certain_wrong_answer_is_the_distance():
    own = Integrals.on(EDGES)
    sure = torch.zeros(1, len(EDGES) - 1, dtype=torch.float64)
    sure[0, 30] = 1.0  # 200 to 210
    score = own.ranked_probability(sure, torch.tensor([260.0], dtype=torch.float64))
    assert float(score) == pytest.approx(60.0, abs=5.0)
    assert float(own.median(sure)) == pytest.approx(200.0)  # between 195 and 205


@pytest.mark.parametrize("place", [200.0, 205.0, 1000.0, 1010.0, 2015.0, 2040.0])
def test_the_best_answer_about_the_last_peak_is_the_last_peak(place: float):
    """On intervals of 10, 20 and 40 cm⁻¹; probabilities by descent from none in particular."""
    edges = grid_edges(SpectrumConfig()).numpy()
    own, wanted = Integrals.on(edges), torch.tensor([place], dtype=torch.float64)
    own_width = float(np.diff(edges)[np.searchsorted(edges, place) - 1])
    logits = torch.zeros(1, len(edges) - 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(400):
        loss = own.ranked_probability(torch.softmax(logits, 1), wanted).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = _medians(edges, torch.softmax(logits, 1).detach().numpy())
    assert found == pytest.approx([place], abs=own_width / 2 + 0.5)


def test_pure_and_mixed_crystals_are_learned_together(records):
    pure, alone = records[0], dataclasses.replace(records[1], partial=None)
    fractions = pure.structure.fractions.copy()
    fractions[1, [17, 35]] = 0.6, 0.4
    structure = dataclasses.replace(pure.structure, occupations=fractions)
    alloy = dataclasses.replace(pure, structure=structure)
    graph = collate([spectrum_graph(r, CONFIG) for r in (pure, alloy, alone)])
    task = task_of(records)
    model = task.build().train()
    terms = task.loss(task.predict(model, graph), graph)
    first = collate([spectrum_graph(pure, CONFIG)])
    assert all(term.value.isfinite() for term in terms.values())
    sum(term.value for term in terms.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    of_all, of_first = (task.loss(task.predict(model, g), g)["partial"] for g in (graph, first))
    assert of_all.value.item() == pytest.approx(of_first.value.item() / 3, rel=1e-5)


def test_rebinning_keeps_the_modes(records):
    for one in records:
        modes = rebinned(one.dos, np.array([-50.0, 160.0, 300.0, 310.0]))
        assert modes.sum() == pytest.approx(3.0)


def test_lowest_frequencies_that_are_not_known_do_not_count(records):
    known, unknown = records[0], dataclasses.replace(records[1], info={})
    task = task_of(records)
    graph = collate([spectrum_graph(r, CONFIG) for r in (known, unknown)])
    assert graph.labels["lowest"].isnan().tolist() == [False, True]
    found = dataclasses.replace(exact(graph, task), lowest=torch.tensor([1.0, 5.0]))
    # of two crystals: −15 cm⁻¹ is arsinh(−0.75) = −0.6931, and far from 1 the penalty is a line
    assert float(task.loss(found, graph)["lowest"].value) == pytest.approx(
        (1.6931 - 0.15) / 2, rel=1e-4
    )


def test_partial_curves_are_learned_by_element(records):
    """A prediction with the two elements exchanged has the right total, and a partial loss."""
    task = task_of(records[:1])
    graph = collate([spectrum_graph(records[0], CONFIG)])
    right = exact(graph, task)
    wrong = SpectrumPrediction(right.sites.flip(0), right.total, right.top, right.unstable)
    terms = task.loss(wrong, graph)
    assert float(terms["modes"].value) == 0.0
    assert float(terms["partial"].value) == pytest.approx(0.5 * 2.0)


def test_some_steps_lower_the_loss(records):
    torch.manual_seed(0)
    task = task_of(records)
    graph = collate([spectrum_graph(r, CONFIG) for r in records])
    model = task.build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        terms = task.loss(task.predict(model, graph), graph)
        loss = torch.stack([term.value for term in terms.values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_errors_of_exact_predictions_are_nearly_zero(records):
    task = task_of(records)
    graph = collate([spectrum_graph(r, CONFIG) for r in records])
    errors = task.errors()
    task.measure(errors, exact(graph, task), graph)
    metrics = errors.metrics()
    assert metrics["heat_capacity"].mae < 0.1
    assert metrics["mean_frequency"].mae < 5.0
    assert metrics["last_peak"].mae < 10.0


def test_a_weight_of_zero_leaves_a_term_out(records):
    graph = collate([spectrum_graph(r, CONFIG) for r in records])
    task = task_of(records, last_peak=0.0, partial=0.0)
    assert not {"last_peak", "partial"} & set(task.loss(exact(graph, task), graph))


def test_constants_come_from_the_data(records):
    from euclidium.atoms.dataset import Dataset
    from euclidium.train.parts import Part
    from euclidium.train.settings import SpectrumSettings

    graphs = Dataset([spectrum_graph(r, CONFIG) for r in records])
    part = Part(graphs, range(3))
    assert mean_curve(part).sum() == pytest.approx(3.0, abs=1e-5)
    neighbors = mean_site_neighbors(part)
    assert spectrum_config(SpectrumSettings(), neighbors).mean_neighbors == neighbors
    assert spectrum_config(SpectrumSettings(mean_neighbors=7.0), neighbors).mean_neighbors == 7.0

"""The task of a potential: its loss, its measures, and what it takes from the data."""

import ase.io
import numpy as np
import pytest
import torch

from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.reader import read
from euclidium.models.config import NequIPConfig, PotentialConfig, RadialConfig
from euclidium.models.potential import Potential
from euclidium.train.config import ConfigError
from euclidium.train.loss import total_loss
from euclidium.train.parts import read_parts
from euclidium.train.potential import PotentialTask, evaluate, potential_config, used_losses
from euclidium.train.seeds import seeded
from euclidium.train.settings import LossSettings
from euclidium.units import GPA

NETWORK = NequIPConfig(channels=4, layers=2, lmax=1, radial=RadialConfig(size=4, hidden=(8,)))
ALL = {"energy": 5, "forces": 5, "stress": 5}


@pytest.fixture
def potential() -> Potential:
    config = PotentialConfig(species=("Ar", "Kr"), network=NETWORK, dtype="float64")
    return Potential(config)


@pytest.fixture
def graph(crystals) -> Graph:
    return Graph.from_structures(list(read(crystals, ":3")), cutoff=5.0)


@pytest.mark.parametrize(
    "weights",
    [
        {"energy": 1.0, "forces": 0.0, "stress": 0.0},
        {"energy": 0.0, "forces": 1.0, "stress": 0.0},
        {"energy": 0.0, "forces": 0.0, "stress": 1.0},
        {"energy": 10.0, "forces": 1.0, "stress": 100.0},
        {"kind": "huber", "delta": 0.1},
    ],
    ids=["energy", "forces", "stress", "all", "huber"],
)
def test_gradients_by_weights_against_finite_differences(potential, graph, weights):
    """The derivative of a loss with forces is a second derivative of the energy."""
    task = PotentialTask(potential.config, LossSettings(**weights))
    parameters = list(potential.parameters())

    def loss() -> torch.Tensor:
        return total_loss(task.loss(task.predict(potential, graph), graph))

    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    pairs = zip(gradients, direction, strict=True)
    slope = sum(float((g * d).sum()) for g, d in pairs if g is not None)

    def moved(step: float) -> float:
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        value = float(loss().detach())
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p -= step * d
        return value

    h = 1e-5
    assert slope == pytest.approx((moved(h) - moved(-h)) / (2 * h), rel=1e-6)


def test_the_loss_is_that_of_numpy(potential, graph):
    task = PotentialTask(potential.config, LossSettings(energy=3.0, forces=2.0, stress=5.0))
    prediction = task.predict(potential.eval(), graph)
    terms = task.loss(prediction, graph)
    energy = (prediction.energy - graph.labels["energy"]).numpy() / 4
    forces = (prediction.forces - graph.labels["forces"]).numpy()
    stress = (prediction.stress - graph.labels["stress"]).numpy()
    expected = 3 * np.mean(energy**2) + 2 * np.mean(forces**2) + 5 * np.mean(stress**2)
    assert float(total_loss(terms)) == pytest.approx(expected, rel=1e-12)


def test_errors_against_numpy(potential, crystals):
    structures = list(read(crystals))
    metrics = evaluate(potential.eval(), structures, batch_size=4)
    energy, forces, stress = [], [], []
    for structure in structures:
        prediction = potential(Graph.from_structures([structure], 5.0), stress=True)
        energy.append((float(prediction.energy) - structure.labels["energy"]) / structure.n_atoms)
        forces.append(prediction.forces.detach().numpy() - structure.labels["forces"])
        stress.append(prediction.stress[0].detach().numpy() - structure.labels["stress"])
    for name, x, unit in [
        ("energy", energy, 1e-3),
        ("forces", forces, 1e-3),
        ("stress", stress, 1e-3),
        ("stress_GPa", stress, GPA),
    ]:
        x = np.array(x) / unit
        assert metrics[name].mae == pytest.approx(np.abs(x).mean(), rel=1e-10)
        assert metrics[name].rmse == pytest.approx(np.sqrt((x**2).mean()), rel=1e-10)
        assert metrics[name].count == x.size


def test_forces_are_measured_for_each_element(potential, crystals, tmp_path):
    frames = ase.io.read(crystals, ":4")
    for atoms in frames:
        results = atoms.calc.results
        atoms.symbols[0] = "Kr"
        atoms.calc.atoms = atoms.copy()
        atoms.calc.results = results
    ase.io.write(tmp_path / "two.xyz", frames)
    metrics = evaluate(potential, list(read(tmp_path / "two.xyz")))
    parts = [metrics.of("forces", symbol) for symbol in ("Ar", "Kr")]
    assert [part.count for part in parts] == [4 * 3 * 3, 4 * 3]
    together = sum(part.mae * part.count for part in parts) / metrics["forces"].count
    assert together == pytest.approx(metrics["forces"].mae)


def test_evaluation_leaves_the_mode_of_the_model(potential, crystals):
    evaluate(potential, list(read(crystals, ":2")))
    assert potential.training


def test_each_quantity_is_measured_where_its_label_is(potential, crystals, write_crystals):
    structures = list(read(crystals, ":3")) + list(read(write_crystals("e.xyz", 2, ("energy",))))
    metrics = evaluate(potential, structures)
    assert (metrics["energy"].count, metrics["forces"].count) == (5, 3 * 12)


def test_nothing_to_measure(potential, crystals):
    bare = [type(s)(s.species, s.positions, s.cell, s.pbc) for s in read(crystals, ":2")]
    with pytest.raises(ValueError, match="none of the 2 structures has an energy, forces or a str"):
        evaluate(potential, bare)


def test_labels_that_are_absent_weigh_nothing():
    used = used_losses(LossSettings(), {"energy": 5}, n=5)
    assert (used.energy, used.forces, used.stress) == (10.0, 0.0, 0.0)
    assert PotentialTask(PotentialConfig(species=("Ar",)), used).labels == ("energy",)


@pytest.mark.parametrize(
    ("settings", "labels", "sentence"),
    [
        (
            {"stress": 3.0},
            {"energy": 5, "forces": 5},
            r"loss.stress is 3, but the structures have no 'stress' \(they have energy, forces\)",
        ),
        ({}, {"energy": 5, "forces": 3}, "2 of 5 structures have no 'forces': leave them out"),
        ({}, {}, "there is nothing to learn: the structures have no labels"),
        ({"energy": 0.0}, {"energy": 5}, "there is nothing to learn: the structures have energy"),
    ],
)
def test_labels_that_were_asked_for(settings, labels, sentence):
    with pytest.raises(ConfigError, match=sentence):
        used_losses(LossSettings(**settings), labels, n=5)


def test_a_label_that_weighs_nothing_may_be_partial():
    assert used_losses(LossSettings(stress=0.0), {**ALL, "stress": 2}, n=5).stress == 0.0


def test_what_is_automatic_comes_from_the_training_structures(make_config):
    parts = read_parts(make_config())
    config = potential_config(make_config().model, parts)
    energies = torch.stack([graph.labels["energy"][0] for graph in parts.train])
    assert config.species == ("Ar",)
    assert config.reference_energies["Ar"] == pytest.approx(float(energies.mean()) / 4)
    neighbors = sum(graph.n_edges for graph in parts.train) / (4 * len(parts.train))
    assert config.mean_neighbors == pytest.approx(neighbors)


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_the_first_forces_are_as_large_as_those_of_the_data(
    make_config, tmp_path, factor, crystals
):
    frames = ase.io.read(crystals, ":")
    for atoms in frames:
        atoms.calc.results["forces"] *= factor
    ase.io.write(tmp_path / "scaled.xyz", frames)
    given = make_config("seed=3", "model.dtype=float64", data=tmp_path / "scaled.xyz")
    parts = read_parts(given)
    config = potential_config(given.model, parts, seed=3)
    with seeded(3):
        potential = Potential(config).eval()
    batch = collate(list(parts.train))
    forces = potential(batch).forces
    labels = batch.labels["forces"]
    assert float(forces.square().mean()) == pytest.approx(float(labels.square().mean()), rel=1e-9)


def test_the_scale_without_forces_is_the_spread_of_the_energies(make_config, write_crystals):
    parts = read_parts(given := make_config(data=write_crystals("e.xyz", 6, ("energy",))))
    energies = torch.stack([graph.labels["energy"][0] for graph in parts.train]) / 4
    found = potential_config(given.model, parts).scale
    assert found == pytest.approx(float(energies.std(correction=0)))


def test_what_is_given_is_taken(make_config):
    given = make_config(
        "model.species=[Ar, Kr]",
        "model.scale=2.5",
        "model.mean_neighbors=7",
        "model.reference_energies={Ar: -1.5}",
        "model.dtype=float64",
    )
    config = potential_config(given.model, read_parts(given))
    assert (config.species, config.scale, config.mean_neighbors) == (("Ar", "Kr"), 2.5, 7.0)
    assert config.reference_energies == {"Ar": -1.5}
    assert config.dtype == "float64"


def test_species_that_are_left_out(make_config):
    given = make_config("model.species=[Kr]")
    with pytest.raises(ConfigError, match="model.species lacks Ar, which the training structures"):
        potential_config(given.model, read_parts(given))

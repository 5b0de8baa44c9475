"""The loss of densities measures how far they are apart, and training lowers it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from euclidium.atoms import DataError, Density, DensityBasis, DensityRecord, Structure, collate
from euclidium.atoms.centers import centered, with_bond_functions, without_bond_centers
from euclidium.atoms.density import degrees_of, electrons_of
from euclidium.atoms.density_metric import density_metric
from euclidium.atoms.density_points import function_values
from euclidium.models.config import DensityConfig, NequIPConfig
from euclidium.models.density import flat
from euclidium.models.density_network import DensityPrediction
from euclidium.models.storage import load
from euclidium.train.density import (
    DensityTask,
    density_config,
    density_graph,
    learned_differences,
)
from euclidium.train.loss import total_loss
from euclidium.train.settings import DensityLossSettings, DensitySettings
from euclidium.units import BOHR, HARTREE

BASIS = DensityBasis(
    "small",
    {1: ((0, 1.2), (0, 0.4), (1, 0.9)), 8: ((0, 9.0), (0, 0.8), (1, 1.5), (2, 1.1))},
    {1: np.array([0.1, 0.25]), 8: np.array([0.2, 1.4])},
)
ALL = DensityLossSettings(real_space=1.0, coulomb=1.0, overlap=1.0, dipole=1.0, points=40_000)
SMALL = NequIPConfig(channels=4, layers=1, edge_lmax=2)


def record(seed: int, spin: bool = False) -> DensityRecord:
    """Water with a density of ten electrons that was made up."""
    generator = np.random.default_rng(seed)
    rows = np.array([[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    structure = Structure(np.array([8, 1, 1]), rows + generator.normal(size=(3, 3)) * 0.05)
    values = BASIS.superposition([8, 1, 1])
    values += generator.normal(size=len(values)) * 0.05
    values *= 10.0 / Density(structure, BASIS, values).electrons
    return DensityRecord(
        f"water-{seed}", Density(structure, BASIS, values, values * 0.1 if spin else None)
    )


def task_and_graphs(*records: DensityRecord, basis: DensityBasis = BASIS, **weights: float | str):
    settings = DensityLossSettings(**weights) if weights else ALL
    graphs = [density_graph(r, 4.0, settings, n) for n, r in enumerate(records)]
    spin = records[0].density.spin is not None
    model = DensitySettings(network=SMALL, cutoff=4.0, head=4)
    config = density_config(model, basis, spin, graphs)
    return DensityTask(config, settings, learned_differences(graphs, config)), graphs


def shifted(record: DensityRecord, change: np.ndarray) -> DensityPrediction:
    """The prediction that is off by some coefficients."""
    rows = np.split(record.density.coefficients + change, record.density.offsets[1:-1])
    species = record.density.structure.species
    atoms = {z: torch.from_numpy(np.flatnonzero(species == z)) for z in (1, 8)}
    return DensityPrediction(
        atoms,
        {z: torch.from_numpy(np.stack([rows[n] for n in own])) for z, own in atoms.items()},
    )


def test_the_terms_are_what_their_names_say():
    one = record(0)
    change = np.random.default_rng(5).normal(size=len(one.density.coefficients)) * 0.02
    change[0] -= (
        Density(one.density.structure, BASIS, change).electrons
        / electrons_of(BASIS, np.array([8]))[0]
    )
    task, graphs = task_and_graphs(one)
    terms = {name: float(t.total) for name, t in task.loss(shifted(one, change), graphs[0]).items()}
    structure = one.density.structure
    coulomb, overlap = (
        change @ density_metric(structure, BASIS, m).numpy() @ change
        for m in ("coulomb", "overlap")
    )
    assert terms["coulomb"] == pytest.approx(coulomb / 2 * HARTREE * 1000 / 10, rel=1e-4)
    assert terms["overlap"] == pytest.approx(overlap / BOHR**3 / 10, rel=1e-4)
    off = Density(structure, BASIS, change)
    bare = off.dipole - Density(structure, BASIS, 0 * change).dipole
    assert terms["dipole"] == pytest.approx(bare @ bare / 10, rel=1e-4)
    # ∫|Δρ| of the sample, against a fine grid
    step = 0.1
    axis = np.arange(-4.5, 4.5, step)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values = sum(
        np.abs(function_values(structure, BASIS, part).numpy() @ change).sum()
        for part in np.array_split(grid, 20)
    )
    assert terms["real_space"] == pytest.approx(values * (step / BOHR) ** 3 * 10, rel=0.02)


@pytest.mark.parametrize(("average", "shares"), [("structures", (1, 1)), ("electrons", (10, 2))])
def test_a_batch_is_the_mean_of_its_structures_or_electrons(average, shares):
    """Water has ten electrons, and hydrogen two."""
    hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    values = BASIS.superposition([1, 1])
    values *= 2.0 / Density(hydrogen, BASIS, values).electrons
    records = [record(0), DensityRecord("hydrogen", Density(hydrogen, BASIS, values))]
    task, graphs = task_and_graphs(*records, points=300, average=average)
    model = task.build().eval()
    alone = [task.loss(task.predict(model, g), g) for g in graphs]
    both = task.loss(task.predict(model, collate(graphs)), collate(graphs))
    for name, term in both.items():
        mean = np.average([float(one[name].value.detach()) for one in alone], weights=shares)
        assert float(term.value.detach()) == pytest.approx(mean, rel=1e-3)


def test_training_lowers_the_loss_and_keeps_the_electrons():
    torch.manual_seed(0)
    records = [record(n, spin=True) for n in range(4)]
    task, graphs = task_and_graphs(*records, points=300, real_space=1.0, coulomb=1.0)
    model, batch = task.build(), collate(graphs)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = sum(t.value for t in task.loss(task.predict(model, batch), batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    errors = task.errors()
    task.measure(errors, task.predict(model, batch), batch)
    metrics = errors.metrics()
    assert metrics["electrons"].mae < 1e-5  # float32 of the differences
    assert {row.quantity for row in metrics.rows} >= {"epsilon", "self_energy", "dipole"}


def test_a_new_model_begins_at_the_mean_of_the_data():
    records = [record(n) for n in range(6)]
    task, _ = task_and_graphs(*records, points=100)
    head = task.build().networks[0].head(0, 1)
    sizes = [BASIS.size(8), BASIS.size(8) + BASIS.size(1)]
    rows = [r.density.coefficients[start : start + 2] for r in records for start in sizes]
    expected = np.mean(rows, axis=0) - BASIS.atoms[1]
    np.testing.assert_allclose(head.mean, expected, atol=1e-6)


def test_functions_that_are_too_similar_get_a_sentence():
    basis = DensityBasis("twins", {1: ((0, 1.0 + 1e-9), (0, 1.0))}, {1: np.array([0.1, 0.1])})
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    twins = DensityRecord("H", Density(atom, basis, np.array([0.1, 0.1])))
    with pytest.raises(DataError, match="overlap matrix is singular to rounding"):
        density_graph(twins, 4.0, DensityLossSettings(coulomb=0.0, overlap=1.0))


def test_the_configuration_of_a_model():
    config = density_config(DensitySettings(mean_neighbors=7.0, network=SMALL), BASIS, False, [])
    assert isinstance(config, DensityConfig)
    assert config.mean_neighbors == 7.0
    assert DensityBasis.from_json(config.basis) == BASIS


def test_degrees_that_are_left_out_stay_those_of_isolated_atoms():
    counts = {z: electrons_of(BASIS, np.array([z]))[:2] @ own[:2] for z, own in BASIS.atoms.items()}
    atoms = {z: own * z / counts[z] for z, own in BASIS.atoms.items()}
    neutral = replace(BASIS, atoms=atoms)
    records = [replace(r, density=replace(r.density, basis=neutral)) for r in map(record, range(2))]
    task, graphs = task_and_graphs(*records, basis=neutral, real_space=0.0, points=0)
    settings = task.settings.model_copy(update={"degrees": (1,)})
    part = DensityTask(task.config, settings, task.statistics)
    torch.manual_seed(0)
    model, batch = part.build(), collate(graphs)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = total_loss(part.loss(part.predict(model, batch), batch))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    isolated = neutral.superposition([8, 1, 1])
    degrees = degrees_of(BASIS, np.array([8, 1, 1]))
    with torch.no_grad():
        found = part.predict(model, graphs[0])
    values = flat(found.atoms, found.density, np.array([BASIS.size(z) for z in (8, 1, 1)])).numpy()
    others = degrees != 1
    assert values[others] == pytest.approx(isolated[others], abs=1e-7)
    assert np.abs(values[~others]).max() > 1e-3


def test_only_the_degrees_that_are_learned_count():
    one = record(2)
    degrees = degrees_of(BASIS, np.array([8, 1, 1]))
    change = np.where(degrees == 2, 0.3, 0.0)
    for learned, zero in (((0, 1), True), ((2,), False)):
        task, graphs = task_and_graphs(one, real_space=1.0, overlap=1.0, points=2000)
        settings = task.settings.model_copy(update={"degrees": learned})
        part = DensityTask(task.config, settings, task.statistics)
        loss = float(total_loss(part.loss(shifted(one, change), graphs[0])))
        assert (loss == 0) == zero


def test_the_overlap_of_a_small_crystal_may_be_singular():
    wide = DensityBasis("wide", {3: ((0, 1.0), (0, 0.04), (1, 0.9), (1, 0.06))}, {3: np.zeros(2)})
    places = np.array([[0.0, 0, 0], [1.3, 1.3, 1.4]])
    structure = Structure(np.array([3, 3]), places, 2.7 * np.eye(3), np.ones(3, dtype=bool))
    matrix = density_metric(structure, wide, "overlap").numpy()
    assert np.linalg.eigvalsh(matrix).min() < 1e-7
    one = DensityRecord("Li2", Density(structure, wide, np.ones(16)))
    change = np.random.default_rng(1).normal(size=16)
    weights = {"real_space": 0.0, "coulomb": 0.0, "dipole": 0.0, "overlap": 1.0, "points": 0}
    settings = DensityLossSettings(**weights)
    factor = density_graph(one, 4.0, settings).labels["overlap"].view(16, 16).double().numpy()
    wanted = change @ matrix @ change
    assert np.square(factor @ change).sum() == pytest.approx(wanted, rel=1e-5)


def test_the_loss_of_a_crystal_may_be_its_coulomb_energy():
    basis = DensityBasis("two", {3: ((0, 1.0), (0, 0.2), (1, 0.5))}, {3: np.zeros(2)})
    places = np.array([[0.0, 0, 0], [1.3, 1.3, 1.4]])
    structure = Structure(np.array([3, 3]), places, 2.7 * np.eye(3), np.ones(3, dtype=bool))
    one = DensityRecord("Li2", Density(structure, basis, np.ones(10)))
    weights = {"real_space": 0.0, "coulomb": 1.0, "dipole": 0.0, "points": 0}
    factor = density_graph(one, 4.0, DensityLossSettings(**weights)).labels["coulomb"].view(10, 10)
    change = np.random.default_rng(1).normal(size=10)
    wanted = change @ density_metric(structure, basis, "coulomb").numpy() @ change
    assert np.square(factor.double().numpy() @ change).sum() == pytest.approx(wanted, rel=1e-5)


def test_a_model_learns_the_middle_of_bonds(tmp_path: Path):
    torch.manual_seed(0)
    basis = with_bond_functions(BASIS, counts=(2, 1))
    records = []
    for n in range(4):
        plain = record(n)
        rows = plain.density.by_atom()
        structure = centered(plain.density.structure, basis)
        rows += [np.array([0.01, 0.03, *np.zeros(3)])] * 2
        values = np.concatenate(rows)
        values *= 10.0 / Density(structure, basis, values).electrons
        records.append(DensityRecord(plain.name, Density(structure, basis, values)))
    task, graphs = task_and_graphs(*records, basis=basis, real_space=1.0, points=300)
    assert {z for _, z in task.statistics} == {0, 1, 8}
    model, batch = task.build(), collate(graphs)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = task.loss(task.predict(model, batch), batch)["real_space"].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    task.save(model.eval(), tmp_path / "model.euclidium", {}, {})
    molecule = without_bond_centers(records[0].structure)
    found = next(load(tmp_path / "model.euclidium").predict([molecule]))
    assert found.electrons == pytest.approx(10, abs=1e-6)
    assert found.structure.species.tolist() == [8, 1, 1, 0, 0]

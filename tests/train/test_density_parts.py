"""Which densities a run trains on, and which it keeps aside."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms import (
    Density,
    DensityBasis,
    DensityRecord,
    Graph,
    Structure,
    embedded_densities,
    write_densities,
)
from euclidium.train import ConfigError, load_config, train
from euclidium.train.density_parts import DensityParts, read_density_parts
from euclidium.train.parts import NAMES

BASIS = DensityBasis("small", {1: ((0, 1.2), (0, 0.4), (1, 0.9))}, {1: np.array([0.1, 0.25])})
SMALL = [
    "model.network={channels: 2, layers: 1, edge_lmax: 1}",
    "model.head=2",
    "loss.points=50",
    "training.epochs=2",
    "logging.tensorboard=false",
]


def chain(n: int, seed: int, basis: DensityBasis = BASIS) -> DensityRecord:
    """Hydrogen atoms in a row."""
    generator = np.random.default_rng(seed)
    rows = np.zeros((n, 3))
    rows[:, 2] = 0.9 * np.arange(n) + generator.normal(size=n) * 0.05
    structure = Structure(np.ones(n, int), rows)
    values = basis.superposition([1] * n) + generator.normal(size=n * basis.size(1)) * 0.02
    values *= n / Density(structure, basis, values).electrons
    return DensityRecord(f"h{n}-{seed}", Density(structure, basis, values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Densities of two and of four atoms, and a configuration."""
    records = [*(chain(2, n) for n in range(8)), *(chain(4, n) for n in range(3))]
    write_densities(tmp_path / "h.npz", records)
    (tmp_path / "h.yaml").write_text("data: h.npz\ntask: density\noutput: run\n")
    return tmp_path


def test_larger_structures_are_the_test(folder: Path):
    parts = read_density_parts(
        load_config(folder / "h.yaml", [*SMALL, "data.largest=2", "data.validation=2"])
    )
    assert [len(p) for p in (parts.train, parts.validation, parts.test)] == [6, 2, 3]
    assert all(graph.n_atoms == 4 for graph in parts.test)
    assert parts.basis == BASIS
    assert not parts.spin


def test_a_run_from_end_to_end(folder: Path):
    result = train(load_config(folder / "h.yaml", SMALL))
    assert result.metrics["validation"]["epsilon"].unit == "% of electrons"
    resumed = train(load_config(folder / "h.yaml", SMALL), resume=True)
    assert resumed.epochs == 2


def test_paired_electrons_among_unpaired_ones_have_a_spin_of_zero(folder: Path):
    records = [chain(2, n) for n in range(8)]
    for n in (1, 4, 6):
        density = records[n].density
        spin = 0.1 * np.ones_like(density.coefficients)
        records[n] = replace(records[n], density=replace(density, spin=spin))
    write_densities(folder / "h.npz", records)
    parts = read_density_parts(load_config(folder / "h.yaml", [*SMALL, "data.validation=2"]))
    assert parts.spin
    spins = [
        float(graph.labels["spins"].abs().sum())
        for p in (parts.train, parts.validation, parts.test)
        for graph in p
    ]
    assert sorted(value > 0 for value in spins) == [False] * 5 + [True] * 3
    assert train(load_config(folder / "h.yaml", [*SMALL, "data.validation=2"])).metrics


def test_files_with_different_bases_are_refused(folder: Path):
    other = replace(BASIS, shells={1: ((0, 1.3), (0, 0.4), (1, 0.9))})
    write_densities(folder / "other.npz", [chain(2, 0, other)])
    config = load_config(folder / "h.yaml", [*SMALL, f"data.test={folder}/other.npz"])
    with pytest.raises(ConfigError, match="give densities of one basis"):
        read_density_parts(config)


def test_a_basis_without_atoms_is_refused(folder: Path):
    bare = replace(BASIS, atoms={})
    record = chain(2, 0)
    bare_record = replace(record, density=replace(record.density, basis=bare))
    write_densities(folder / "h.npz", [bare_record] * 4)
    with pytest.raises(ConfigError, match="has no isolated atom of H"):
        read_density_parts(load_config(folder / "h.yaml", SMALL))


@pytest.fixture
def embedded_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DensityParts]:
    """The parts of a run on embedded densities; their graphs have no edges, to be fast."""

    def bare(record: DensityRecord, *_: object) -> Graph:
        return Graph.from_structures([record.density.structure], 0.1, labels=())

    monkeypatch.setattr("euclidium.train.density_parts.density_graph", bare)

    def read(data: str, *more: str) -> DensityParts:
        (tmp_path / "e.yaml").write_text(f"data: {data}\ntask: density\noutput: run\n")
        return read_density_parts(load_config(tmp_path / "e.yaml", more))

    return read


def test_the_embedded_crystals_bring_their_validation_and_test(embedded_parts):
    parts = embedded_parts("crystals")
    counts = [len(embedded_densities("crystals", part)) for part in NAMES]
    assert [len(getattr(parts, part)) for part in NAMES] == counts
    assert [name.partition(" ")[0] for name in parts.files.values()] == [
        "train.npz",
        "validation.npz",
        "test.npz",
    ]


def test_a_list_is_one_set(embedded_parts):
    data = "{train: [water, water/large], test: water}"
    parts = embedded_parts(data, "data.validation=5", "data.largest=60")
    clusters, large = (embedded_densities("water", part) for part in ("train", "large"))
    small = [record for record in large if record.density.structure.n_atoms <= 60]
    assert len(small) > 0
    assert len(parts.train) == len(clusters) + len(small) - 5
    assert len(parts.test) == 16 + len(large) - len(small)
    train, _, other = parts.files["train"].partition(", ")
    assert train.startswith("train of densities.npz sha256:")
    assert other.startswith("large.npz sha256:")


def test_files_and_names_go_together(folder: Path):
    write_densities(folder / "more.npz", [chain(3, n) for n in range(2)])
    config = load_config(folder / "h.yaml", [*SMALL, "data.train=[h.npz, more.npz]"])
    parts = read_density_parts(config)
    assert len(parts.train) + len(parts.validation) == 11 + 2
    assert not len(parts.test)


def test_a_part_that_a_set_lacks_gets_a_sentence(embedded_parts):
    sentence = "data.validation: the embedded set water has no part 'validation': give one of water"
    with pytest.raises(ConfigError, match=sentence):
        embedded_parts("{train: water, validation: water}")


def test_a_number_goes_before_what_a_set_brings(embedded_parts):
    parts = embedded_parts("{train: crystals/validation, validation: 2}")
    assert len(parts.validation) == 2
    assert not len(parts.test)


def test_the_embedded_clusters_bring_their_test(embedded_parts):
    parts = embedded_parts("water", "data.largest=3")
    assert len(parts.train) + len(parts.validation) == 60
    assert len(parts.test) == 16 + 230

"""The script that measures densities of crystals: against the calculation, beside the floor."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from euclidium.atoms import Density, DensityBasis, Structure, embedded_densities
from euclidium.train import load_config

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPT = "crystal_density"


class Superposed:
    """In place of a model: spherical atoms."""

    def __init__(self, basis: DensityBasis) -> None:
        self.basis = basis

    def predict(self, structures: Iterable[Structure]) -> Iterator[Density]:
        """The atoms side by side."""
        return (Density.superposition(structure, self.basis) for structure in structures)


def test_the_floor_is_below_the_atoms(script: ModuleType):
    records = [r for r in embedded_densities("crystals", "test") if r.name in ("C-12", "C-13")]
    rows = script.errors(Superposed(records[0].density.basis), records)
    assert set(rows) == {"C", "2 atoms", "4 atoms", "all"}
    assert rows["4 atoms"]["n"] == 1
    assert rows["all"]["model"] == rows["all"]["atoms"]
    floors = [record.fit_error for record in records]
    assert rows["all"]["floor"] == pytest.approx(sum(floors) / len(floors), rel=1e-4)
    assert rows["all"]["atoms"] > 5 * rows["all"]["floor"]


def test_the_validation_has_its_grids(script: ModuleType):
    records = [r for r in embedded_densities("crystals", "validation") if r.name[:2] == "C-"]
    rows = script.errors(Superposed(records[0].density.basis), records, "validation")
    assert rows["2 atoms"]["n"] == rows["4 atoms"]["n"] == 1
    floors = [record.fit_error for record in records]
    assert rows["C"]["floor"] == pytest.approx(sum(floors) / len(floors), rel=1e-4)


def test_the_configuration_names_the_embedded_cells():
    config = load_config(BENCHMARKS / "configs" / "crystal-density.yaml", ["output=run"])
    assert config.data.train == "crystals"
    assert "validation" not in config.data.model_fields_set  # that of the set
    assert config.data.test == 0
    assert config.model.electrons == "free"

"""Many densities: what is done is kept, what fails is set apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms.basis import even_tempered
from euclidium.atoms.centers import with_bond_functions
from euclidium.atoms.structure import Structure

pytest.importorskip("pyscf")

from euclidium.simulate.density_collection import (
    DensityJob,
    Labelling,
    label_all,
)

HOW = Labelling(even_tempered(["H"], 0.2, 2.8, (4, 1)), "LDA", "sto-3g", forces=False)


def job(name: str, length: float, charge: int = 0) -> DensityJob:
    hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, length]]))
    return DensityJob(name, hydrogen, charge)


def test_what_is_kept_is_not_computed_again(tmp_path: Path):
    jobs = [job("a", 0.7), job("ion", 0.8, 1), job("b", 0.9)]
    said = []
    first = label_all(jobs, HOW, tmp_path, observe=lambda name, error: said.append((name, error)))
    assert [record.name for record in first.records] == ["a", "b"]
    assert list(first.failed) == ["ion"]
    assert "1 electrons, of which 0 cannot be unpaired" in first.failed["ion"]
    assert [name for name, error in said if error is None] == ["a", "b"]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = label_all(jobs, HOW, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    for one, other in zip(first.records, again.records, strict=True):
        np.testing.assert_array_equal(one.density.coefficients, other.density.coefficients)


def test_another_method_or_geometry_is_another_file():
    folder = Path("work")
    other = Labelling(HOW.basis, "PBE", "sto-3g", forces=False)
    names = {
        job("a", 0.7).file(folder, HOW.identity()),
        job("a", 0.7).file(folder, other.identity()),
        job("a", 0.8).file(folder, HOW.identity()),
        job("a", 0.7, -1).file(folder, HOW.identity()),
    }
    assert len(names) == 4


def test_bonds_of_another_length_are_another_calculation():
    bonds = with_bond_functions(HOW.basis)
    words = {
        Labelling(basis).identity() for basis in (HOW.basis, bonds, replace(bonds, bond_factor=1.1))
    }
    assert len(words) == 3
    charged = replace(HOW.basis, ions={1: {1: np.zeros(1)}})  # which no result depends on
    assert Labelling(charged).identity() == Labelling(HOW.basis).identity()


def test_two_processes_give_the_same_in_the_same_order(tmp_path: Path):
    jobs = [job("a", 0.7), job("b", 0.9)]
    one = label_all(jobs, HOW, tmp_path / "one")
    two = label_all(jobs, HOW, tmp_path / "two", processes=2)
    for a, b in zip(one.records, two.records, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(a.density.coefficients, b.density.coefficients, atol=1e-9)

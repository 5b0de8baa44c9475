"""Errors of densities."""

import numpy as np
import pytest

from euclidium.analyze.densities import evaluate_densities, nearest_level
from euclidium.atoms import DataError, Density, DensityBasis, DensityRecord, Structure
from euclidium.atoms.density import electrons_of

BASIS = DensityBasis("small", {1: ((0, 0.8), (1, 0.9))}, {1: np.array([0.3])})


def hydrogen(z: float, change: tuple[float, ...] = ()) -> Density:
    structure = Structure(np.array([1]), np.array([[0.0, 0.0, z]]))
    charge = electrons_of(BASIS, np.array([1]))[0]
    values = np.array([1 / charge, 0.0, 0.0, 0.0])
    return Density(structure, BASIS, values + np.array(change or (0.0,) * 4))


def test_a_perfect_prediction():
    found = evaluate_densities([hydrogen(1.0)], [DensityRecord("H", hydrogen(1.0), fit_error=0.9)])
    assert found.eps_fit == 0.0
    assert found.electrons_error == 0.0
    assert found.eps_floor == 0.9
    assert found.n == 1


def test_electrons_dipoles_and_degrees_are_told_apart():
    charge = electrons_of(BASIS, np.array([1]))[0]
    extra = hydrogen(0.0, (0.02 / charge, 0.0, 0.0, 0.0))
    polar = hydrogen(0.0, (0.0, 0.0, 0.0, 0.05))
    label = DensityRecord("H", hydrogen(0.0, (0.0, 0.01, 0.0, 0.0)))
    one, two = (evaluate_densities([p], [label]) for p in (extra, polar))
    assert one.electrons_error == pytest.approx(0.02, abs=1e-12)
    assert one.eps_by_degree[0] == pytest.approx(2.0, rel=1e-3)
    assert two.eps_by_degree[0] == pytest.approx(0.0, abs=1e-12)
    assert two.eps_by_degree[1] == pytest.approx(two.eps_fit)
    # the label's dipole is along x, the prediction's along z and five times as large
    assert two.dipole_rel_mae == pytest.approx(26**0.5)
    assert set(two.as_dict()) >= {"eps_fit", "eps_by_degree", "electrons_error", "dipole_rel_mae"}


def test_a_crystal_has_no_dipole():
    chain = Structure(np.array([1]), np.zeros((1, 3)), 3.0 * np.eye(3), np.ones(3, dtype=bool))
    label = Density(chain, BASIS, np.array([0.3, 0.0, 0.0, 0.0]))
    other = Density(chain, BASIS, np.array([0.303, 0.0, 0.0, 0.0]))
    found = evaluate_densities([other], [DensityRecord("H", label)], level=0)
    assert found.dipole_rel_mae is None
    assert found.eps_fit == pytest.approx(1.0, rel=0.05)


def test_nothing_to_compare():
    with pytest.raises(DataError, match="no densities to compare with"):
        evaluate_densities([], [])


def test_the_level_is_that_of_the_isolated_atoms():
    def atoms(value: float) -> DensityBasis:
        return DensityBasis("small", BASIS.shells, {1: np.array([value])})

    other_shells = DensityBasis("small", {1: ((0, 0.7),)}, {1: np.array([0.31])})
    levels = {"dz": atoms(0.3), "tz": atoms(0.4), "else": other_shells}
    assert nearest_level(atoms(0.39), levels) == "tz"
    assert nearest_level(atoms(0.31), levels) == "dz"
    assert nearest_level(DensityBasis("small", BASIS.shells), levels) == "dz"

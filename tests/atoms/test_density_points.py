"""Random points whose sums are integrals."""

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms import DataError, Structure, embedded_densities
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import electrons_of
from euclidium.atoms.density_points import function_values, sample_points
from euclidium.units import BOHR


def test_electrons_of_a_molecule():
    """The integral of the density is the number of electrons, within the noise of the sample."""
    density = embedded_densities("water", "test")[0].density
    points, weights = sample_points(density.structure, density.basis, 40_000)
    rho = function_values(density.structure, density.basis, points).numpy() @ density.coefficients
    values = rho / BOHR**3 * weights * len(weights)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - density.electrons) < 4 * error
    assert error < 0.02 * density.electrons


def test_values_are_normalised_functions():
    basis = DensityBasis("all", {1: ((0, 0.7), (1, 0.6), (3, 0.9))})
    atom = Structure(np.array([1]), np.array([[0.3, 0.2, -0.4]]))
    step = 0.18
    axis = np.arange(-4.5, 4.5, step)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values = function_values(atom, basis, grid + atom.positions).numpy()
    overlap = values.T @ values * (step / BOHR) ** 3
    np.testing.assert_allclose(overlap, np.eye(11), atol=1e-6)
    charges = values.sum(axis=0) * (step / BOHR) ** 3
    np.testing.assert_allclose(charges, electrons_of(basis, np.array([1])), atol=1e-6)


def test_the_same_seed_gives_the_same_points():
    basis = DensityBasis("one", {1: ((0, 0.5),)})
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    one, same, other = (sample_points(atom, basis, 5, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_crystals_are_refused():
    basis = DensityBasis("one", {14: ((0, 0.5),)})
    with pytest.raises(DataError, match="points are drawn around molecules only"):
        sample_points(Structure.from_ase(bulk("Si")), basis, 5)

"""Overlap and Coulomb matrices of structures."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.density import electrons_of
from euclidium.atoms.density_metric import density_metric
from euclidium.atoms.density_points import function_values, sample_points
from euclidium.atoms.density_waves import lattice_metric
from euclidium.units import BOHR

BASIS = DensityBasis(
    "small", {1: ((0, 1.2), (1, 0.9)), 8: ((0, 3.0), (0, 0.8), (1, 1.5), (2, 1.1))}
)
WATER = Structure(np.array([8, 1, 1]), np.array([[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0.1]]))


def test_the_overlap_is_the_integral_of_products():
    """Against a Monte Carlo sum over many points, which knows nothing of the formula."""
    points, weights = sample_points(WATER, BASIS, 400_000)
    values = function_values(WATER, BASIS, points).numpy()
    found = (values.T * (weights / BOHR**3)) @ values
    np.testing.assert_allclose(found, density_metric(WATER, BASIS, "overlap"), atol=0.03)


@pytest.mark.parametrize("metric", ["overlap", "coulomb"])
def test_the_metric_is_positive_and_symmetric(metric):
    matrix = density_metric(WATER, BASIS, metric)
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_far_apart_charges_repel_as_points():
    far = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 100.0]]))
    basis = DensityBasis("one", {1: ((0, 1.0),)})
    charge = electrons_of(basis, np.array([1]))[0]
    expected = charge**2 / (100.0 / BOHR)
    assert float(density_metric(far, basis)[0, 1]) == pytest.approx(expected, rel=1e-10)


def test_a_lattice_sums_over_its_cells():
    """The overlap of a supercell folds to that of the cell."""
    basis = even_tempered([14], 0.2, 2.0, [2, 1])
    small = Structure.from_ase(bulk("Si", "diamond", 5.43))
    large = Structure.from_ase(bulk("Si", "diamond", 5.43) * (2, 1, 1))
    one = density_metric(small, basis, "overlap").numpy()
    two = density_metric(large, basis, "overlap").numpy()
    c = np.random.default_rng(0).normal(size=len(one))
    assert np.tile(c, 2) @ two @ np.tile(c, 2) == pytest.approx(2 * c @ one @ c, rel=1e-8)


def test_the_coulomb_matrix_of_a_crystal_is_that_of_waves():
    basis = even_tempered([14], 0.2, 2.0, [1])
    silicon = Structure.from_ase(bulk("Si"))
    found = density_metric(silicon, basis, "coulomb").numpy()
    np.testing.assert_allclose(found, lattice_metric(silicon, basis, coulomb=True))


def test_the_coulomb_matrix_of_a_slab_is_refused():
    slab = Structure.from_ase(bulk("Si"))
    slab = Structure(slab.species, slab.positions, slab.cell, np.array([1, 1, 0]) > 0)
    with pytest.raises(DataError, match="not periodic in three directions"):
        density_metric(slab, even_tempered([14], 0.2, 2.0, [1]), "coulomb")

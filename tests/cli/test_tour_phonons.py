import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.cli.tour_phonons import (
    MEASURED,
    _special_points,
    basis_change,
    fits,
    lattice_constant,
    open_reference,
    smeared,
)
from euclidium.simulate.phonons import Phonons, phonons


@pytest.fixture(scope="module")
def copper() -> Phonons:
    return phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(8, 8, 8), temperatures=[300])


def test_frequencies_do_not_depend_on_the_choice_of_the_cell(copper: Phonons):
    """The same wave, written in the reciprocal vectors of two cells of one lattice."""
    cell = copper.primitive.T @ copper.cell
    other = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]]) @ cell
    q = np.random.default_rng(0).random((5, 3))
    in_other = q @ np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]]).T
    turned = basis_change(copper, 1.01 * other)  # another size does not matter
    np.testing.assert_allclose(
        copper.frequencies_at(in_other @ turned), copper.frequencies_at(q), atol=1e-8
    )
    np.testing.assert_allclose(in_other @ turned, q, atol=1e-12)


def test_lattice_constant(copper: Phonons):
    assert lattice_constant(copper) == pytest.approx(3.59, abs=0.01)


def test_smeared_density_counts_all_modes(copper: Phonons):
    grid = np.linspace(-2, 12, 1401)
    assert np.trapezoid(smeared(copper, grid), grid) == pytest.approx(3, rel=1e-6)


def test_the_reference_agrees_with_its_readme():
    reference = open_reference()
    gamma = reference.label_index[0]
    assert reference.path_frequencies[gamma, -1] == pytest.approx(15.45, abs=0.01)
    assert np.interp(300, reference.temperature, reference.heat_capacity) == pytest.approx(
        39.69, abs=0.01
    )
    modes = np.trapezoid(reference.dos, reference.dos_frequency)
    assert modes == pytest.approx(6, rel=1e-3)


def test_measured_frequencies_are_near_those_of_first_principles():
    reference = open_reference()
    rows = dict(zip(reference.label[::-1], reference.label_index[::-1], strict=True))
    for name, point, band, measured in MEASURED:
        computed = reference.path_frequencies[rows[point], band]
        assert computed == pytest.approx(measured, abs=0.35), name


def test_the_path_jumps_once():
    ticks, labels, breaks = _special_points(open_reference())
    assert labels == ["Γ", "X", "U|K", "Γ", "L", "W", "X"]
    assert len(ticks) == 7
    assert breaks == [69]


def test_waves_that_fit_into_a_cell_are_those_of_its_reciprocal_lattice():
    """A cell of n primitive cells holds n waves of the grid, if the grid is fine enough."""
    reference = open_reference()
    skewed = np.array([[2, 0, 0], [1, 2, 0], [0, 0, 1]]) @ reference.cell
    held = fits(reference.grid_q, skewed[None], reference.cell)
    assert held.sum() == 4
    assert held[np.all(reference.grid_q == 0, axis=1)].all()
    both = fits(reference.grid_q, np.array([skewed, 2 * reference.cell]), reference.cell)
    assert both.sum() >= 8

"""Densities count electrons and turn with the molecule."""

import numpy as np
import pytest

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density, DensityRecord, degrees_of, electrons_of
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import BOHR

BASIS = DensityBasis(
    "test",
    {1: ((0, 1.7), (0, 0.4), (1, 0.8)), 8: ((0, 5.0), (1, 2.0), (1, 0.5), (2, 0.9))},
    {1: np.array([0.1, 0.2])},
)
WATER = Structure(
    np.array([8, 1, 1]), np.array([[0.1, 0.0, 0.0], [0.9, 0.4, 0.0], [-0.5, 0.8, 0.2]])
)


def random(seed: int = 0) -> Density:
    size = BASIS.offsets(WATER.species.tolist())[-1]
    return Density(WATER, BASIS, np.random.default_rng(seed).normal(size=size))


def test_electrons_are_the_integral_on_a_grid():
    """A uniform grid integrates smooth functions to all digits."""
    basis = DensityBasis("s", {1: ((0, 0.9),)})
    x = np.arange(-7, 7, 0.25)
    r2 = x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2
    norm = np.sqrt(2 * 1.8**1.5 / (np.sqrt(np.pi) / 2))
    integral = (norm * np.exp(-0.9 * r2) / np.sqrt(4 * np.pi)).sum() * 0.25**3
    assert electrons_of(basis, np.array([1]))[0] == pytest.approx(integral, rel=1e-12)


def test_dipole_of_one_function_on_a_grid():
    """An s and a p function beside the origin, Σ x ρ on a grid."""
    a, centre = 0.9, 0.4  # bohr
    basis = DensityBasis("sp", {1: ((0, a), (1, a))})
    x = np.arange(-8, 8, 0.25)
    X, Y, Z = np.meshgrid(x, x, x, indexing="ij")
    r2 = X**2 + Y**2 + (Z - centre) ** 2
    s = np.sqrt(2 * (2 * a) ** 1.5 / (np.sqrt(np.pi) / 2)) / np.sqrt(4 * np.pi)
    p = np.sqrt(2 * (2 * a) ** 2.5 / (0.75 * np.sqrt(np.pi))) * np.sqrt(3 / (4 * np.pi))
    per_electron = 1 / electrons_of(basis, np.array([1]))[0]
    density = (per_electron * s + 0.3 * p * (Z - centre)) * np.exp(-a * r2)
    hydrogen = Structure(np.array([1]), np.array([[0.0, 0.0, centre * BOHR]]))
    found = Density(hydrogen, basis, np.array([per_electron, 0.0, 0.0, 0.3]))
    expected = centre * BOHR - (Z * density).sum() * 0.25**3 * BOHR
    np.testing.assert_allclose(found.dipole, [0, 0, expected], atol=1e-12)


def test_dipole_of_an_ion_does_not_depend_on_the_origin():
    density = random()
    assert abs(density.charge) > 0.1
    moved = Structure(WATER.species, WATER.positions + np.array([3.0, -2.0, 7.0]))
    other = Density(moved, BASIS, density.coefficients)
    np.testing.assert_allclose(other.dipole, density.dipole, atol=1e-12)


def test_degrees_add_up():
    density = random()
    parts = [density.of_degree(l) for l in range(3)]
    np.testing.assert_array_equal(sum(p.coefficients for p in parts), density.coefficients)
    assert parts[0].electrons == density.electrons
    assert parts[1].electrons == 0
    assert np.bincount(degrees_of(BASIS, WATER.species)).tolist() == [5, 12, 5]


def test_atoms_have_their_own_coefficients():
    parts = random().by_atom()
    assert [len(part) for part in parts] == [12, 5, 5]
    np.testing.assert_array_equal(np.concatenate(parts), random().coefficients)


def test_what_does_not_fit_gets_a_sentence(unchecked: None):
    with pytest.raises(DataError, match=r"H2O has 22 functions in the basis test, but spin has"):
        Density(WATER, BASIS, np.zeros(22), np.zeros(3))
    with pytest.raises(DataError, match="are not finite"):
        Density(WATER, BASIS, np.full(22, np.nan))
    carbon = Structure(np.array([6]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="no functions for C, only for H, O"):
        Density(carbon, BASIS, np.zeros(1))
    with pytest.raises(DataError, match="no isolated atom of O"):
        Density.superposition(WATER, BASIS)
    with pytest.raises(DataError, match=r"w: forces has the shape \(1, 3\), expected \(3, 3\)"):
        DensityRecord("w", random(), forces=np.zeros((1, 3)))
    crystal = Structure(WATER.species, WATER.positions, 9 * np.eye(3), np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="is periodic, and has no dipole"):
        Density(crystal, BASIS, np.zeros(22)).dipole  # noqa: B018


def test_embedded_water_has_its_electrons_and_nearly_its_dipole():
    for record in embedded_densities("water", "test"):
        assert record.density.electrons == pytest.approx(10 * len(record.density.by_atom()) / 3)
        assert np.abs(record.density.dipole - record.dipole).max() < 0.02
        assert record.fit_error == pytest.approx(1.07, abs=0.05)


def test_superposed_atoms_of_water_have_the_electrons_of_water():
    record = embedded_densities("water", "test")[0]
    atoms = Density.superposition(record.density.structure, record.density.basis)
    assert atoms.electrons == pytest.approx(50, abs=1e-6)
    assert np.linalg.norm(atoms.dipole) < 1e-5  # spheres have none

import numpy as np
import pytest

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.electrostatics import potential_at
from euclidium.analyze.fields import density_at
from euclidium.analyze.multipoles import multipoles, translation
from euclidium.atoms.density_file import embedded_densities
from euclidium.o3.harmonics import spherical_harmonics
from euclidium.units import COULOMB

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def water():
    return embedded_densities("water", "train")[0].density


def test_translation_moves_harmonics():
    lmax, r, v = 5, RNG.normal(size=(6, 3)), RNG.normal(size=3)
    degrees = list(range(lmax + 1))
    moved = spherical_harmonics(degrees, r + v, False, "norm")
    here = spherical_harmonics(degrees, r, False, "norm")
    assert here @ translation(lmax, v).T == pytest.approx(moved, abs=1e-11)


def test_moments_are_integrals(water):
    origin = np.array([0.1, -0.2, 0.3])
    points, weights = becke_grid(water.structure, 4)
    charge = weights * density_at(water, points)
    for l, found in enumerate(multipoles(water, 4, origin)):
        at_points = spherical_harmonics(l, points - origin, False, "norm")
        at_nuclei = spherical_harmonics(l, water.structure.positions - origin, False, "norm")
        expected = water.structure.species @ at_nuclei - charge @ at_points
        assert found == pytest.approx(expected, abs=1e-4)


def test_the_dipole_of_water(water):
    found = multipoles(water, 1)
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[1] == pytest.approx(water.dipole, abs=1e-9)


def test_the_series_is_the_potential(water):
    nuclei = water.structure.species
    origin = nuclei @ water.structure.positions / nuclei.sum()
    away = np.array([[5.0, -4.0, 3.0]])
    r = np.linalg.norm(away)
    series = sum(
        float(q @ spherical_harmonics(l, away, False, "norm")[0]) / r ** (2 * l + 1)
        for l, q in enumerate(multipoles(water, 8))
    )
    assert COULOMB * series == pytest.approx(potential_at(water, origin + away)[0], abs=1e-5)


def test_says_what_is_wrong(water):
    with pytest.raises(ValueError, match="degrees of multipoles are 0 to 20, got 21"):
        multipoles(water, 21)

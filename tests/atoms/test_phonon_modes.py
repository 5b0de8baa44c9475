"""Records of modes on a mesh: sums over modes, and curves that hold them."""

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms import Structure
from euclidium.atoms.phonon_modes import record_of_modes
from euclidium.atoms.phonon_record import GRID51, TEMPERATURES
from euclidium.atoms.problem import DataError

SALT = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))
R, KELVIN = 8.314462618, 1.438776877


@pytest.fixture
def modes():
    rng = np.random.default_rng(5)
    frequencies = np.sort(rng.uniform(20.0, 400.0, size=(12, 6)), axis=1)
    frequencies[0, :3] = [-40.0, -3.0, 0.5]
    weights = rng.integers(1, 9, size=12).astype(float)
    sodium = rng.uniform(size=(12, 6))
    return frequencies, weights, {"Cl": 1 - sodium, "Na": sodium}


def test_numbers_are_sums_over_modes(modes):
    frequencies, weights, partial = modes
    record = record_of_modes("salt", SALT, frequencies, weights, partial)
    w = np.repeat(weights[:, None] / weights.sum(), 6, axis=1)
    above = frequencies > -1.0  # the first and the second are imaginary
    assert record.mean_frequency == pytest.approx(np.average(frequencies[above], weights=w[above]))
    assert record.imaginary == pytest.approx(w[0, 0] / 6)
    real = frequencies > 1.0
    x = KELVIN * frequencies[real] / 300.0
    heat = (w[real] * x**2 * np.exp(x) / np.expm1(x) ** 2).sum()
    assert record.heat_capacity == pytest.approx(R * heat / 2, rel=1e-8)
    assert record.info["cv_kB"][TEMPERATURES == 300][0] == pytest.approx(heat, rel=1e-8)
    zero_point = (w[real] * frequencies[real]).sum() / 2 * 1.239841984e-4
    assert record.info["zpe_eV"] == pytest.approx(zero_point, rel=1e-8)
    assert record.info["wmin"] == -40.0
    # C = T dS/dT of the sums, too
    low, high = record.info["S_kB"][[6, 7]]
    assert (high - low) / np.log(400 / 300) == pytest.approx(record.info["cv_kB"][6:8].mean(), 0.01)


def test_curves_hold_the_modes(modes):
    frequencies, weights, partial = modes
    record = record_of_modes("salt", SALT, frequencies, weights, partial)
    dos = record.dos
    assert dos.modes.sum() == pytest.approx(3.0)
    np.testing.assert_allclose(dos.centers / 5.0, np.round(dos.centers / 5.0), atol=1e-9)
    assert dos.mean_frequency == pytest.approx(record.mean_frequency, abs=0.1)
    np.testing.assert_allclose(sum(record.partial.values()), dos.modes, atol=1e-12)
    w = weights[:, None] / weights.sum() / 2
    assert record.partial["Na"].sum() == pytest.approx((w * partial["Na"]).sum(), rel=1e-4)
    gauss = (
        np.exp(-(((GRID51[:, None, None] - frequencies) / 10) ** 2) / 2) / 10 / (2 * np.pi) ** 0.5
    )
    np.testing.assert_allclose(record.dos51, (gauss * w).sum((1, 2)), rtol=1e-2, atol=1e-5)


def test_the_scale_of_weights_and_repeated_points_do_not_matter(modes):
    frequencies, weights, _ = modes
    one = record_of_modes("salt", SALT, frequencies, weights)
    two = record_of_modes("salt", SALT, np.tile(frequencies, (2, 1)), np.tile(7 * weights, 2))
    np.testing.assert_allclose(one.dos.modes, two.dos.modes, atol=1e-12)
    assert one.heat_capacity == pytest.approx(two.heat_capacity)
    assert one.partial is None


@pytest.mark.parametrize("wrong", [np.ones((2, 5)), np.full((2, 6), np.nan)])
def test_modes_that_do_not_fit(wrong):
    with pytest.raises(DataError, match=r"salt: . modes.* a cell of 2 atoms has 6"):
        record_of_modes("salt", SALT, wrong, np.ones(2))

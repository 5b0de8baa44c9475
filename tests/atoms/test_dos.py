"""Thermodynamics of a density of states: classical and quantum limits, identities, units."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from scipy.integrate import quad

from euclidium.atoms.dos import KELVIN, PhononDOS, smoothing
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.simulate.phonons import phonons
from euclidium.units import EV, GAS_CONSTANT, K_B, PLANCK, SPEED_OF_LIGHT, THZ_TO_CM1

R = 8.314462618  # J/(K mol)


def einstein(frequency: float) -> PhononDOS:
    """Three modes at one frequency (cm⁻¹), in an interval of 2e-3 cm⁻¹."""
    return PhononDOS(np.array([frequency - 1e-3, frequency + 1e-3]), np.array([3.0]))


def debye(cutoff: float, intervals: int) -> PhononDOS:
    """g = 9 ω²/ω_D³ up to a cutoff in cm⁻¹; the modes in each interval are exact."""
    edges = np.linspace(0.0, cutoff, intervals + 1)
    return PhononDOS(edges, 3 * np.diff((edges / cutoff) ** 3))


@pytest.fixture(scope="module")
def rough() -> PhononDOS:
    """A spectrum with a gap and unequal intervals, of rock salt's mass and volume."""
    rng = np.random.default_rng(3)
    edges = 1.0 + np.cumsum(rng.uniform(2.0, 12.0, size=60))
    modes = rng.uniform(size=59) * (edges[1:] ** 2)
    modes[30:36] = 0.0
    cell = 5.64 * (np.ones((3, 3)) - np.eye(3)) / 2
    salt = Structure(np.array([11, 17]), np.array([[0.0] * 3, [2.82] * 3]), cell, np.ones(3, bool))
    return PhononDOS.of(salt, edges, 3 * modes / modes.sum())


def test_the_unit_of_temperature():
    """hc · 1 cm⁻¹ / k = 1.438777 K cm."""
    centimetre = 1e8  # Å
    assert pytest.approx(PLANCK * SPEED_OF_LIGHT / centimetre / K_B, rel=1e-12) == KELVIN
    assert pytest.approx(1.438776877, rel=1e-9) == KELVIN


def test_dulong_and_petit(rough):
    assert float(rough.heat_capacity(1e6)) == pytest.approx(3 * R, rel=1e-6)
    # the first correction is that of the mean square: C = 3R (1 − ⟨x²⟩/12)
    T = 3000.0
    x2 = (KELVIN / T) ** 2 * np.sum(
        rough.modes / 3 * np.diff(rough.edges**3) / (3 * np.diff(rough.edges))
    )
    assert float(rough.heat_capacity(T)) == pytest.approx(3 * R * (1 - x2 / 12), rel=1e-5)


@pytest.mark.parametrize("T", [15.0, 100.0, 300.0, 1200.0])
def test_einstein(T):
    """All four functions of one oscillator are known in closed form."""
    frequency = 250.0
    dos, x = einstein(frequency), frequency * 1.438776877 / T
    n = 1 / np.expm1(x)
    assert float(dos.heat_capacity(T)) == pytest.approx(3 * R * x**2 * n * (n + 1), rel=1e-7)
    entropy = (n + 1) * np.log1p(n) - n * np.log(n)  # of bosons
    assert float(dos.entropy(T)) == pytest.approx(3 * R * entropy, rel=1e-7)
    free = 3 * R * T * (x / 2 + np.log(-np.expm1(-x))) / 1000
    assert float(dos.free_energy(T)) == pytest.approx(free, rel=1e-7)
    assert dos.zero_point_energy == pytest.approx(1.5 * frequency * 1.23984198e-4 * EV, rel=1e-8)


@pytest.mark.parametrize("intervals", [60, 400])
def test_debye(intervals):
    """C = 9R (T/Θ)³ ∫ x⁴eˣ/(eˣ−1)² dx from 0 to Θ/T, and T³ at low temperature."""
    cutoff = 300.0
    theta, dos = KELVIN * cutoff, debye(cutoff, intervals)
    assert dos.debye_temperature == pytest.approx(theta, rel=2e-4)
    assert dos.mean_frequency == pytest.approx(0.75 * cutoff, rel=1e-3)
    for T in (60.0, 150.0, 300.0):
        value = quad(lambda x: x**4 * np.exp(-x) / np.expm1(-x) ** 2, 0, theta / T)[0]
        exact = 9 * R * (T / theta) ** 3 * value
        assert float(dos.heat_capacity(T)) == pytest.approx(exact, rel=1e-3)
    cold = 12 / 5 * np.pi**4 * R * (20.0 / theta) ** 3
    fine = debye(cutoff, 3000)
    assert float(fine.heat_capacity(20.0)) == pytest.approx(cold, rel=1e-3)
    assert float(fine.entropy(20.0)) == pytest.approx(cold / 3, rel=1e-3)


def test_functions_are_derivatives_of_each_other(rough):
    """S = −∂F/∂T and C = T ∂S/∂T, by central differences."""
    T, h = np.array([8.0, 40.0, 120.0, 300.0, 900.0]), 1e-3
    slope = (rough.free_energy(T + h) - rough.free_energy(T - h)) / (2 * h) * 1000
    np.testing.assert_allclose(rough.entropy(T), -slope, rtol=1e-6)
    rise = (rough.entropy(T + h) - rough.entropy(T - h)) / (2 * h)
    np.testing.assert_allclose(rough.heat_capacity(T), T * rise, rtol=1e-6)


def test_the_third_law(rough):
    assert float(rough.entropy(0.05)) < 1e-8
    assert float(rough.heat_capacity(0.05)) < 1e-8
    cold = float(rough.free_energy(0.05)) * 1000 / 96485.33212
    assert cold == pytest.approx(rough.zero_point_energy, rel=1e-9)


@pytest.mark.parametrize("pieces", [2, 7])
def test_results_do_not_depend_on_the_grid(rough, pieces):
    """Each interval cut into equal ones holds the same density."""
    cuts = np.linspace(rough.edges[:-1], rough.edges[1:], pieces + 1)[:-1].T.ravel()
    edges = np.append(cuts, rough.edges[-1])
    fine = PhononDOS(edges, np.repeat(rough.modes / pieces, pieces))
    T = np.array([20.0, 77.0, 300.0])
    np.testing.assert_allclose(fine.heat_capacity(T), rough.heat_capacity(T), rtol=1e-6)
    np.testing.assert_allclose(fine.entropy(T), rough.entropy(T), rtol=1e-6)
    np.testing.assert_allclose(fine.free_energy(T), rough.free_energy(T), rtol=1e-6)
    points = np.linspace(0.0, 500.0, 41)
    np.testing.assert_allclose(fine.at(points), rough.at(points), atol=1e-12)
    for name in ("mean_frequency", "zero_point_energy", "debye_temperature", "max_frequency"):
        assert getattr(fine, name) == pytest.approx(getattr(rough, name), rel=1e-9)


def test_modes_near_and_below_zero_take_no_part():
    """Of 100 modes in −50..50 cm⁻¹ those above 1 cm⁻¹ count, wherever the intervals lie."""
    one = PhononDOS(np.array([-50.0, 50.0]), np.array([3.0]))
    hot = 3 * R * 0.49
    assert float(one.heat_capacity(1e4)) == pytest.approx(hot, rel=1e-4)
    assert one.zero_point_energy == pytest.approx(0.5 * 3 / 100 * 0.5 * (50**2 - 1) * 1.23984198e-4)
    assert one.imaginary == pytest.approx(0.45)
    assert one.mean_frequency == pytest.approx((50 - 1) / 2)
    imaginary = PhononDOS(np.array([-60.0, -50.0]), np.array([3.0]))
    assert imaginary.imaginary == 1.0
    assert imaginary.mean_frequency == 0.0
    assert float(imaginary.heat_capacity(300.0)) == 0.0
    assert np.isnan(imaginary.debye_temperature)


def test_units_of_amount():
    """NaCl at 300 K in the classical limit: by hand from its molar mass and its cell."""
    a = 5.64
    cell = a * (np.ones((3, 3)) - np.eye(3)) / 2
    salt = Structure(np.array([11, 17]), np.array([[0.0] * 3, [a / 2] * 3]), cell, np.ones(3, bool))
    dos = PhononDOS.of(salt, np.array([1.0, 2.0]), np.array([3.0]))
    atom = float(dos.heat_capacity(300.0))
    assert atom == pytest.approx(24.943, abs=1e-3)
    assert float(dos.heat_capacity(300.0, per="formula")) == pytest.approx(2 * atom)
    per_kg = 2 * atom / 58.443e-3  # J/(K kg), molar mass in kg
    assert float(dos.heat_capacity(300.0, per="kg")) == pytest.approx(per_kg, rel=1e-4)
    formula_units = 4 / (a * 1e-10) ** 3 / 6.02214076e23  # mol/m³
    per_m3 = 2 * atom * formula_units
    assert float(dos.heat_capacity(300.0, per="m3")) == pytest.approx(per_m3, rel=1e-8)
    assert per_m3 / per_kg == pytest.approx(2164, rel=2e-3)  # the density of salt, kg/m³
    ratio = dos.entropy(300.0, per="kg") / dos.entropy(300.0)
    assert float(ratio) == pytest.approx(per_kg / atom, rel=1e-4)
    ratio = dos.free_energy(300.0, per="m3") / dos.free_energy(300.0)
    assert float(ratio) == pytest.approx(per_m3 / atom)


def test_temperatures_keep_their_shape(rough):
    T = np.array([[100.0, 200.0, 300.0], [400.0, 500.0, 600.0]])
    assert rough.heat_capacity(T).shape == (2, 3)
    assert rough.heat_capacity(T)[1, 0] == pytest.approx(float(rough.heat_capacity(400.0)))
    assert np.all(np.diff(rough.entropy(T).ravel()) > 0)


def test_smoothing_conserves_modes_and_mean(rough):
    points = np.arange(-100.0, 700.0, 0.5)
    curve = rough.at(points, width=9.0)
    assert curve.sum() * 0.5 == pytest.approx(3.0, rel=1e-9)
    mean = (curve * points).sum() / curve.sum()
    assert mean == pytest.approx(rough.mean_frequency, abs=1e-6)
    width = (curve * (points - mean) ** 2).sum() / curve.sum()
    unsmoothed = np.sum(rough.modes / 3 * (rough.centers**2 + np.diff(rough.edges) ** 2 / 12))
    assert width == pytest.approx(unsmoothed - mean**2 + 81.0, rel=1e-6)
    assert smoothing(rough.edges, points, 9.0).shape == (len(points), len(rough.modes))


def test_quantiles(rough):
    assert rough.quantile(0.0) == rough.edges[0]
    assert rough.quantile(1.0) == pytest.approx(rough.edges[-1])
    shares = np.linspace(0.01, 0.99, 23)
    values = [rough.quantile(share) for share in shares]
    below = [np.interp(v, rough.edges, np.append(0, np.cumsum(rough.modes))) / 3 for v in values]
    np.testing.assert_allclose(below, shares, atol=1e-12)
    # in a gap the inverse is not unique
    gap = PhononDOS(np.array([0.0, 100.0, 300.0, 400.0]), np.array([1.5, 0.0, 1.5]))
    assert gap.quantile(0.5) == 100.0
    assert gap.max_frequency == pytest.approx(399.8)


@pytest.mark.parametrize("top", [300.0, 302.0, 437.5, 998.0])
def test_last_peak_also_in_the_last_interval(top):
    """A narrow peak, wherever it lies between the points, in the last interval or not."""
    modes = np.array([2.0, 0.0, 1.0])
    edges = np.array([50.0, 150.0, top - 1, top + 1])
    alone = PhononDOS(edges, modes)
    assert alone.last_peak() == pytest.approx(top, abs=2.5)
    more = PhononDOS(np.append(edges, top + 200.0), np.append(modes, 1e-6))
    assert more.last_peak() == alone.last_peak()
    assert more.last_peak(threshold=0.999) == alone.last_peak(0.999)


def test_last_peak_leaves_out_what_is_low():
    edges = np.array([100.0, 110.0, 290.0, 300.0])
    weak = PhononDOS(edges, np.array([2.85, 0.0, 0.15]))
    assert weak.last_peak() == pytest.approx(105.0, abs=2.5)
    assert weak.last_peak(threshold=0.01) == pytest.approx(295.0, abs=2.5)


def test_from_curve():
    points = np.arange(0.0, 400.0, 4.0)
    curve = np.exp(-(((points - 150) / 30) ** 2)) - 1e-3
    dos = PhononDOS.from_curve(points, 17.0 * curve)
    assert dos.modes.sum() == pytest.approx(3.0)
    assert dos.modes.min() == 0.0
    np.testing.assert_allclose(dos.centers, points)
    np.testing.assert_allclose(dos.density * 4, dos.modes)
    assert dos.mean_frequency == pytest.approx(150.0, abs=1e-6)


@pytest.mark.parametrize(
    ("frequencies", "density", "sentence"),
    [
        ([0.0, 1.0, 3.0], [1.0, 1.0, 1.0], "must be equally spaced"),
        ([0.0], [1.0], "must be equally spaced"),
        ([2.0, 1.0, 0.0], [1.0, 1.0, 1.0], "finite and increase"),
        ([0.0, 1.0, 2.0], [0.0, -1.0, 0.0], "zero everywhere"),
        ([0.0, 1.0, 2.0], [0.0, np.nan, 1.0], "must be finite: it has nan"),
    ],
)
def test_curves_that_make_no_sense(frequencies, density, sentence):
    with pytest.raises(DataError, match=sentence):
        PhononDOS.from_curve(np.array(frequencies), np.array(density))


@pytest.mark.parametrize(
    ("edges", "modes", "sentence"),
    [
        ([0.0, 1.0, 1.0], [1.0, 2.0], "finite and increase"),
        ([0.0, np.inf], [3.0], "finite and increase"),
        ([0.0, 1.0], [1.0, 2.0], "of 2 intervals has 3 edges, got 2"),
        ([0.0, 1.0, 2.0], [3.1, -0.1], "nowhere negative"),
        ([0.0, 1.0, 2.0], [3.0, np.nan], "finite and nowhere negative"),
        ([0.0, 1.0, 2.0], [0.0, 0.0], "zero everywhere"),
    ],
)
def test_arrays_that_make_no_sense(edges, modes, sentence):
    with pytest.raises(DataError, match=sentence):
        PhononDOS(np.array(edges), np.array(modes))


def test_what_is_unknown_is_not_guessed(rough):
    bare = PhononDOS(rough.edges, rough.modes)
    for per in ("formula", "kg", "m3"):
        with pytest.raises(ValueError, match=f"per {per} needs the structure"):
            bare.heat_capacity(300.0, per=per)
    molecule = Structure(np.array([18]), np.zeros((1, 3)))
    free = PhononDOS.of(molecule, rough.edges, rough.modes)
    with pytest.raises(ValueError, match="per m3 needs the structure"):
        free.entropy(300.0, per="m3")
    with pytest.raises(ValueError, match="per is 'mol': choose atom, formula, kg or m3"):
        rough.entropy(300.0, per="mol")
    with pytest.raises(ValueError, match="temperatures are positive, in K, got 0"):
        rough.heat_capacity(np.array([100.0, 0.0]))


def test_the_thermodynamics_of_a_crystal_is_that_of_its_modes():
    """Copper in EMT: the sums over q points that the phonons give, from a fine histogram."""
    copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(6, 6, 6), relax=False)
    frequencies = copper.mesh_frequencies * THZ_TO_CM1
    weights = np.broadcast_to(copper.mesh_weights[:, None], frequencies.shape)
    edges = np.linspace(0.0, frequencies.max() + 1.0, 100001)
    modes = np.histogram(frequencies.clip(0.0), edges, weights=weights)[0]
    dos = PhononDOS.of(Structure.from_ase(bulk("Cu")), edges, modes)
    hot = copper.thermal.temperatures >= 50
    T = copper.thermal.temperatures[hot]
    acoustic = 3 * copper.mesh_weights[0]  # at Γ, without energy
    assert dos.modes.sum() == pytest.approx(3.0)
    np.testing.assert_allclose(dos.heat_capacity(T), copper.thermal.heat_capacity[hot], rtol=1e-5)
    np.testing.assert_allclose(dos.entropy(T), copper.thermal.entropy[hot], rtol=1e-5)
    np.testing.assert_allclose(dos.free_energy(T), copper.thermal.free_energy[hot], rtol=1e-5)
    hottest = float(dos.heat_capacity(1e5))
    assert hottest == pytest.approx((3 - acoustic) * GAS_CONSTANT, rel=1e-5)

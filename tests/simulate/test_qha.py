"""Quasi-harmonic thermodynamics: its identities, phonopy's own, and metals that are known."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate.gruneisen import gruneisen
from euclidium.simulate.qha import QuasiHarmonic, quasi_harmonic
from euclidium.units import EV_TO_KJ_PER_MOL, GPA

MOLAR = EV_TO_KJ_PER_MOL * 1000
OPTIONS = {"supercell": (2, 2, 2), "mesh": (5, 5, 5)}


@pytest.fixture(scope="module")
def copper():
    temperatures = np.arange(0.0, 611.0, 10.0)
    return quasi_harmonic(bulk("Cu"), EMT(), temperatures=temperatures, **OPTIONS)


def at(result, T):
    return int(np.argmin(np.abs(result.temperatures - T)))


def test_derivatives_of_the_gibbs_energy(copper):
    """S = −∂G/∂T, β = ∂ ln V/∂T and C_P = T ∂S/∂T, up to the two fits and the differences."""
    T = copper.temperatures
    inside = slice(9, -5)
    entropy = -MOLAR * np.gradient(copper.gibbs, T)
    np.testing.assert_allclose(copper.entropy[inside], entropy[inside], rtol=2e-3)
    expansion = np.gradient(np.log(copper.volume), T)
    np.testing.assert_allclose(copper.expansion[inside], expansion[inside], rtol=2e-2)
    capacity = T * np.gradient(copper.entropy, T)
    np.testing.assert_allclose(copper.heat_capacity[inside], capacity[inside], rtol=5e-3)


def test_phonopy_agrees(copper):
    from phonopy.qha.core import QHA

    phonon = copper.free_energies - copper.energies
    free = phonon * EV_TO_KJ_PER_MOL
    zeros = np.ones_like(free)  # entropy and C_V, of which nothing here depends
    T = copper.temperatures
    other = QHA(copper.volumes, copper.energies, T, zeros, zeros, free, eos="vinet")
    other.run()
    volumes = np.array(other.volume_temperature)
    n = len(volumes)
    np.testing.assert_allclose(copper.volume[:n], volumes, rtol=1e-5)
    modulus = np.array(other.bulk_modulus_temperature)
    np.testing.assert_allclose(copper.bulk_modulus[:n], modulus, rtol=1e-3)
    expansion = np.array(other.thermal_expansion)
    np.testing.assert_allclose(copper.expansion[5 : n - 1], expansion[5 : n - 1], rtol=2e-2)


def test_metals_are_as_measured(copper):
    """At 300 K, copper: β = 50·10⁻⁶/K, B = 137 GPa, C_P = 24.4 J/(K mol), γ = 2.0."""
    room = at(copper, 300)
    assert 40e-6 < copper.expansion[room] < 75e-6
    assert 100 < copper.bulk_modulus[room] < 150
    assert copper.heat_capacity[room] == pytest.approx(24.4, rel=0.05)
    assert copper.gruneisen[room] == pytest.approx(2.0, abs=0.4)
    assert copper.heat_capacity[room] > copper.heat_capacity_v[room]
    assert copper.adiabatic_modulus[room] > copper.bulk_modulus[room]
    assert copper.adiabatic_modulus[0] == copper.bulk_modulus[0]
    a = copper.lengths[:, 0] * 2**0.5
    assert a[0] == pytest.approx(3.60, abs=0.03)
    assert a[at(copper, 600)] > a[room] > a[0]


def test_expansion_follows_gruneisen(copper):
    """β = γ C_V/(B V), with the mean of mode parameters at the volume at rest, when it is cold."""
    modes = gruneisen(bulk("Cu"), EMT(), temperatures=[60.0], **OPTIONS)
    cold = at(copper, 60)
    expected = modes.expansion(copper.bulk_modulus[cold])[0]
    assert copper.expansion[cold] == pytest.approx(expected, rel=0.05)
    assert copper.gruneisen[cold] == pytest.approx(modes.mean[0], rel=0.05)


def test_pressure_compresses(copper):
    """V = ∂G/∂P and B = −∂P/∂ ln V."""
    room = at(copper, 300)
    mid, high = copper.under(1.0), copper.under(2.0)
    slope = (high.gibbs - copper.gibbs) / (2 * GPA)
    assert mid.volume[room] == pytest.approx(slope[room], rel=1e-4)
    modulus = -2 / np.log(high.volume / copper.volume)
    assert mid.bulk_modulus[room] == pytest.approx(modulus[room], rel=1e-3)
    assert (mid.pressure, copper.pressure) == (1.0, 0.0)
    other = copper.under(0.0, "birch-murnaghan")
    assert other.volume[room] == pytest.approx(copper.volume[room], rel=1e-4)
    assert other.bulk_modulus[room] == pytest.approx(copper.bulk_modulus[room], rel=2e-2)


def test_harmonic_springs_shrink_when_they_are_heated(springs):
    """Transverse motion stretches springs; negative γ, negative expansion."""
    a = 5.2
    model = springs(0.7, a / 2**0.5, 4.4)
    found = quasi_harmonic(
        bulk("Ar", a=a),
        model,
        strains=np.linspace(-0.02, 0.02, 5),
        temperatures=[0.0, 200.0],
        relax=False,
        **OPTIONS,
    )
    assert found.expansion[1] < 0
    assert found.gruneisen[1] < 0
    assert found.volume[1] < found.volume[0]


def test_beyond_the_volumes_there_is_nothing():
    """NaN where equilibrium is outside, an error where it is nowhere inside."""
    small = np.linspace(-0.01, 0.006, 5)
    found = quasi_harmonic(bulk("Cu"), EMT(), strains=small, temperatures=[10.0, 900.0], **OPTIONS)
    assert np.isfinite(found.volume).tolist() == [True, False]
    assert np.isnan(found.heat_capacity[1])
    with pytest.raises(ValueError, match="nowhere in equilibrium between"):
        quasi_harmonic(bulk("Cu"), EMT(), strains=small - 0.02, temperatures=[300.0], **OPTIONS)


def test_unstable_crystals_are_refused(springs):
    """Compressed springs buckle."""
    model = springs(1.0, 1.2 * 5.2 / 2**0.5, 4.4)
    with pytest.raises(ValueError, match=r"at the strain -0.02 .*% of the modes are imaginary"):
        quasi_harmonic(bulk("Ar", a=5.2), model, relax=False, **OPTIONS)


def test_what_is_saved_is_loaded(copper, tmp_path):
    found = QuasiHarmonic.load(copper.save(tmp_path / "copper.npz"))
    np.testing.assert_array_equal(found.expansion, copper.expansion)
    assert found.equation == "vinet"
    assert '"gibbs"' in copper.save(tmp_path / "copper.json").read_text()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"strains": [0.0, 0.01, 0.02]}, "strains are 5 different numbers or more"),
        ({"strains": [0.0, 0.01, 0.01, 0.02, 0.03]}, "strains are 5 different numbers or more"),
        ({"strains": [0.0, 1.0, 2.0, 3.0, 4.0]}, "strains are small numbers"),
        ({"equation": "ideal gas"}, "the equation is one of vinet, birch-murnaghan, murnaghan"),
    ],
)
def test_bad_arguments(unchecked, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        quasi_harmonic(bulk("Cu"), EMT(), (1, 1, 1), **changes)

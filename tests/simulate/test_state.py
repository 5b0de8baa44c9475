import numpy as np
import pytest

from euclidium.simulate.state import EQUATIONS, State, fit_state

VOLUMES = np.linspace(10.5, 13.5, 9)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_parameters_are_what_they_say(equation):
    """B = V E″ and B′ = dB/dP at the minimum, whatever the form."""
    state = State(-3.5, 12.0, 0.85, 4.7, equation)
    h = 1e-3
    v = 12.0 + h * np.arange(-3, 4)
    e = state.energies(v)
    first = np.gradient(e, h)
    second = np.gradient(first, h)
    assert first[3] == pytest.approx(0, abs=1e-7)
    assert 12.0 * second[3] == pytest.approx(0.85, rel=1e-5)
    third = (e[5] - 2 * e[4] + 2 * e[2] - e[1]) / (2 * h**3)
    # P = −E′, B = V E″, dB/dP = −(E″ + V E‴)/E″
    assert -(1 + 12.0 * third / second[3]) == pytest.approx(4.7, rel=1e-3)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_fit_finds_what_made_the_energies(equation):
    state = State(-120.7, 12.3, 0.62, 4.2, equation)
    found = fit_state(VOLUMES, state.energies(VOLUMES), equation)
    np.testing.assert_allclose(
        [found.energy, found.volume, found.modulus, found.slope],
        [state.energy, state.volume, state.modulus, state.slope],
        rtol=1e-6,
    )


def test_forms_agree_near_the_minimum():
    energies = State(-3.5, 12.0, 0.85, 4.7).energies(VOLUMES)
    for equation in EQUATIONS:
        found = fit_state(VOLUMES, energies, equation)
        assert found.volume == pytest.approx(12.0, rel=1e-3)
        assert found.modulus == pytest.approx(0.85, rel=0.03)


def test_without_a_minimum_there_is_none():
    energies = State(-3.5, 14.0, 0.85, 4.7).energies(VOLUMES)
    assert fit_state(VOLUMES, energies) is None
    assert fit_state(VOLUMES, -(VOLUMES**2)) is None


def test_bad_arguments(unchecked):
    with pytest.raises(ValueError, match="the equation is one of vinet, birch-murnaghan"):
        fit_state(VOLUMES, VOLUMES, "poirier")
    with pytest.raises(ValueError, match="needs four volumes or more, got 3"):
        fit_state(VOLUMES[:3], VOLUMES[:3])

"""What is drawn is what was given: numbers are read back from the axes."""

import numpy as np
import pytest

from euclidium import plot

T = np.linspace(0, 1000, 101)
TICKS = {"ticks": [0, 1], "labels": ["GAMMA", "L_2"]}


def test_parameters_on_a_path():
    q = np.linspace(0, 1, 10)
    parameters = np.outer(1 + q, [1.0, 2.0])
    parameters[0] = np.nan
    axes = plot.gruneisen_bands(q, parameters, **TICKS)
    drawn = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(drawn[2:, 1], parameters[1:].ravel())
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Γ", "L₂"]
    with pytest.raises(ValueError, match="1 ticks but 2 labels"):
        plot.gruneisen_bands(q, parameters, ticks=[0], labels=["GAMMA", "X"])


def test_parameters_against_frequency(unchecked):
    axes = plot.gruneisen_points(np.array([[1.0, 2.0]]), np.array([[0.5, 2.5]]), 1.5, "meV")
    drawn = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(drawn, [[4.1357, 0.5], [8.2713, 2.5]], rtol=1e-4)
    assert axes.lines[0].get_ydata()[0] == 1.5
    with pytest.raises(ValueError, match="not a unit of frequency: 'Hz'"):
        plot.gruneisen_points(np.ones((1, 1)), np.ones((1, 1)), unit="Hz")


def test_minima_lie_on_the_curves():
    volumes = np.linspace(10, 12, 7)
    middle = 11 + T / 2e3
    energies = (volumes - middle[:, None]) ** 2 - T[:, None] / 500
    axes = plot.free_energies(volumes, energies, T, middle)
    lines = axes.lines
    assert len(lines) == 12, "eleven temperatures and the line of minima"
    np.testing.assert_allclose(lines[0].get_ydata(), energies[0])
    np.testing.assert_allclose(lines[-1].get_xdata()[[0, -1]], middle[[0, -1]])
    np.testing.assert_allclose(lines[-1].get_ydata()[[0, -1]], -T[[0, -1]] / 500, atol=1e-9)
    nowhere = plot.free_energies(volumes, energies, T, np.full(101, np.nan))
    assert len(nowhere.lines) == 11


def test_expansion_and_moduli():
    axes = plot.thermal_expansion(T, 1e-8 * T, reference=(T[::10], 2e-8 * T[::10]))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 1e-2 * T)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 2e-2 * T[::10])
    axes = plot.bulk_modulus(T, {"isothermal": 140 - T / 50, "adiabatic": 140 - T / 80})
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 140 - T / 80)
    with pytest.raises(ValueError, match="there is no curve to draw"):
        plot.bulk_modulus(T, {})


def test_equal_directions_are_one_line():
    kappa = (1000 / T[1:])[:, None, None] * np.diag([1.0, 1.0, 2.0])
    axes = plot.heat_conduction(T[1:], kappa)
    assert [line.get_label() for line in axes.lines] == ["xy", "z"]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 2000 / T[1:])
    assert axes.get_xscale() == axes.get_yscale() == "log"

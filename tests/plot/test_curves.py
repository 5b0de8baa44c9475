"""What is drawn is what was given: numbers are read back from the axes."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from scipy.integrate import trapezoid

from euclidium import plot
from euclidium.units import GAS_CONSTANT, THZ_TO_CM1, THZ_TO_MEV

Q = np.linspace(0, 2, 40)
BANDS = 5 * np.sin(np.outer(Q, [0.5, 0.7, 0.9]))
TICKS = {"ticks": [0, 1, 2], "labels": ["GAMMA", "X|K", "L_2"]}


def is_png(axes):
    """The figure can be written, and is not empty."""
    file = io.BytesIO()
    axes.figure.savefig(file, format="png", dpi=60)
    file.seek(0)
    pixels = mpl.image.imread(file)
    return np.ptp(pixels) > 0.5


def test_bands_are_drawn_in_the_unit_asked_for():
    for unit, scale in {"THz": 1, "cm⁻¹": THZ_TO_CM1, "meV": THZ_TO_MEV}.items():
        axes = plot.bands(Q, BANDS, **TICKS, unit=unit)
        drawn = np.stack([line.get_ydata() for line in axes.lines], axis=1)
        np.testing.assert_allclose(drawn, BANDS * scale)
        assert unit in axes.get_ylabel()
        assert axes.get_ylim()[0] == 0


def test_names_of_points_are_set_as_they_are_written():
    axes = plot.bands(Q, BANDS, **TICKS)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Γ", "X|K", "L₂"]
    np.testing.assert_allclose(axes.get_xticks(), [0, 1, 2])


def test_no_line_crosses_a_break_of_the_path():
    axes = plot.bands(Q, BANDS, **TICKS, breaks=[15, 30])
    lengths = [len(line.get_xdata()) for line in axes.lines]
    assert lengths == [15] * 6 + [10] * 3


def test_imaginary_frequencies_are_shown():
    axes = plot.bands(Q, BANDS - 2.0, **TICKS)
    assert axes.get_ylim()[0] < -2
    assert "imaginary" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("points", [5, 40])
def test_bands_beside_a_reference(points):
    q = np.linspace(0, 2, points)
    axes = plot.bands(Q, BANDS, **TICKS, reference=(q, 1.5 * np.outer(q, [1.0, 2.0])))
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"potential", "reference"}
    assert axes.get_ylim()[1] > 6, "the reference is higher, and must be seen"
    assert is_png(axes)


def test_bands_need_a_label_for_each_tick_and_a_known_unit():
    with pytest.raises(ValueError, match="2 ticks but 1 labels: give each tick one label"):
        plot.bands(Q, BANDS, ticks=[0, 1], labels=["GAMMA"])


def test_unknown_unit(unchecked):
    with pytest.raises(ValueError, match="not a unit of frequency: 'kayser'; use THz, cm⁻¹, meV"):
        plot.bands(Q, BANDS, **TICKS, unit="kayser")


@pytest.mark.parametrize("sideways", [False, True])
@pytest.mark.parametrize("unit", ["THz", "cm⁻¹", "meV"])
def test_density_of_states_keeps_its_integral(unit, sideways):
    frequencies = np.linspace(0, 10, 300)
    density = frequencies**2 * (10 - frequencies)
    axes = plot.dos(frequencies, density, unit=unit, sideways=sideways)
    x, y = axes.lines[0].get_data()
    x, y = (y, x) if sideways else (x, y)
    np.testing.assert_allclose(trapezoid(y, x), trapezoid(density, frequencies))
    assert is_png(axes)


def test_density_of_states_beside_a_reference():
    frequencies = np.linspace(0, 10, 50)
    axes = plot.dos(frequencies, frequencies, reference=(frequencies, 2 * frequencies))
    assert axes.get_ylim()[1] > 20
    assert len(axes.get_legend().get_texts()) == 2


@pytest.mark.parametrize("points", [10, 100])
def test_heat_capacity_has_the_limit_of_dulong_and_petit(points):
    temperatures = np.linspace(0, 1000, points)
    values = 6 * GAS_CONSTANT * temperatures / (temperatures + 100)
    axes = plot.heat_capacity(temperatures, values, (temperatures, values), n_atoms=2)
    assert axes.lines[0].get_ydata()[0] == pytest.approx(49.887, abs=1e-3)
    assert axes.texts[0].get_text() == "2 × 3R"
    assert axes.get_ylim()[1] > 49.9
    assert is_png(axes)


def test_heat_capacity_without_a_limit():
    axes = plot.heat_capacity(np.array([0.0, 100.0]), np.array([0.0, 5.0]), n_atoms=None)
    assert len(axes.lines) == 1
    assert not axes.texts


@pytest.mark.parametrize("n", [10, 3000])
def test_parity_states_its_errors(n):
    reference = np.linspace(-3, 3, n)
    error = np.where(np.arange(n) % 2, 0.1, -0.3)
    axes = plot.parity(reference, reference + error, error_unit=("meV/Å", 1000))
    assert axes.texts[0].get_text() == f"MAE 200 meV/Å\nRMSE {1000 * np.sqrt(0.05):.3g} meV/Å"
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 1], reference + error)
    assert axes.get_xlim() == axes.get_ylim()
    assert is_png(axes)


def test_parity_of_equal_values():
    assert is_png(plot.parity(np.array([2.0]), np.array([2.0])))


@pytest.mark.parametrize(("n", "m"), [(0, 0), (2, 3)])
def test_parity_needs_pairs(unchecked, n, m):
    with pytest.raises(ValueError, match=f"{n} reference values and {m} predictions: give as many"):
        plot.parity(np.zeros(n), np.zeros(m))


def test_drift_is_the_slope_of_the_energy():
    time = np.arange(0, 10_001, 5.0)
    energy = -163.0 + 8 * 3e-6 * time / 1000 + 1e-6 * np.sin(time)
    axes = plot.energy_drift(time, energy, n_atoms=8)
    assert "drift 0.03 meV/atom in 10 ps (0.003 meV/atom/ps)" in axes.texts[0].get_text()
    assert is_png(axes)


def test_drift_of_a_constant_energy():
    axes = plot.energy_drift(np.array([0.0, 1.0]), np.array([-1.0, -1.0]), n_atoms=1)
    assert is_png(axes)


def test_drift_needs_two_frames():
    with pytest.raises(ValueError, match="a drift needs at least two frames, got 1"):
        plot.energy_drift(np.array([0.0]), np.array([1.0]), n_atoms=1)


def test_temperature_has_its_mean():
    axes = plot.temperature(np.arange(4.0), np.array([290.0, 310, 320, 280]), target=300)
    assert axes.lines[1].get_ydata()[0] == 300
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["mean 300 K", "target 300 K"]
    assert is_png(axes)


def test_learning_curve_leaves_out_what_was_not_measured():
    epochs = np.arange(6)
    validation = np.array([1, np.nan, 0.5, np.nan, 0.2, np.nan])
    axes = plot.learning_curve(epochs, {"train": np.exp(-epochs / 2), "validation": validation})
    assert axes.lines[1].get_xdata().tolist() == [0, 2, 4]
    assert axes.get_yscale() == "log"
    assert is_png(axes)


def test_learning_curve_needs_a_curve():
    with pytest.raises(ValueError, match="there is no curve to draw"):
        plot.learning_curve(np.arange(3), {})


def test_curves_can_be_drawn_into_axes_that_exist():
    left, right = plot.canvas(columns=2, share_y=True)
    assert plot.bands(Q, BANDS, **TICKS, axes=left) is left
    assert plot.dos(Q, Q, sideways=True, axes=right) is right
    assert is_png(left)


def test_the_look_is_not_left_behind():
    before = dict(mpl.rcParams)
    plot.learning_curve(np.arange(3), {"train": np.ones(3)})
    assert dict(mpl.rcParams) == before

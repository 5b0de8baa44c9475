"""Spectra: what is drawn is what was given."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.integrate import trapezoid

from euclidium.plot.canvas import COLORS
from euclidium.plot.spectra import QUARTILES, formula, quartile_panel, spectrum
from euclidium.units import CM1_TO_MEV, CM1_TO_THZ

W = np.linspace(-100.0, 900.0, 501)
MG = 3 * np.exp(-(((W - 250) / 40) ** 2)) / 150
O = 2 * np.exp(-(((W - 480) / 60) ** 2)) / 150


def pixels(figure):
    """The figure as it is written to a file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    return mpl.image.imread(file)


@pytest.mark.parametrize(
    ("unit", "scale"), [("cm⁻¹", 1.0), ("THz", CM1_TO_THZ), ("meV", CM1_TO_MEV)]
)
def test_the_integral_stays_in_every_unit(unit: str, scale: float):
    axes = spectrum(W, MG, unit=unit)
    x, y = axes.lines[0].get_data()
    assert trapezoid(y, x) == pytest.approx(trapezoid(MG, W))
    assert x[0] == pytest.approx(-100 * scale)
    assert axes.get_xlabel() == f"frequency ({unit})"
    assert axes.get_ylabel() == f"density of states (1/{unit})"


def test_elements_stand_on_each_other():
    axes = spectrum(W, MG + O, {"Mg": MG, "O": O}, reference=(W, 0.9 * (MG + O)))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["predicted", "Mg", "O", "reference"]
    oxygen = axes.collections[1].get_paths()[0].vertices
    assert oxygen[:, 1].max() == pytest.approx((MG + O).max())
    assert oxygen[np.abs(oxygen[:, 0] - 480) < 1, 1].min() == pytest.approx(MG[W == 480][0])
    assert {to_hex(c.get_facecolor()[0]) for c in axes.collections}.isdisjoint({COLORS[0]})
    assert axes.lines[-1].get_linestyle() == "--"
    assert np.ptp(pixels(axes.figure)) > 0.5


def test_elements_as_lines_with_more_of_them_than_colours():
    many = {f"E{n}": MG / 11 for n in range(11)}
    axes = spectrum(W, MG, many, stacked=False)
    assert len(axes.lines) == 12
    np.testing.assert_allclose(axes.lines[3].get_ydata(), MG / 11)


def test_the_band_is_one_deviation_and_never_negative():
    axes = spectrum(W, MG, band=0.2 * MG + 1e-4)
    (band,) = axes.collections
    y = band.get_paths()[0].vertices[:, 1]
    assert y.min() == 0
    assert y.max() == pytest.approx(1.2 * MG.max() + 1e-4)
    assert axes.get_ylim()[1] > y.max()


def test_the_axis_ends_where_the_curves_do():
    axes = spectrum(W, MG)
    assert axes.get_xlim()[0] == 0, "the tail of a broad curve is no imaginary mode"
    assert 340 < axes.get_xlim()[1] < 400
    wider = spectrum(W, MG, reference=(W, O))
    assert wider.get_xlim()[1] > 600


def test_imaginary_modes_are_shown():
    soft = MG + np.exp(-(((W + 60) / 10) ** 2)) / 100
    axes = spectrum(W, soft)
    assert axes.get_xlim()[0] < -60
    assert [text.get_text() for text in axes.texts] == ["imaginary"]


def test_an_unknown_unit(unchecked: None):
    with pytest.raises(ValueError, match="not a unit of frequency: 'kayser'; use cm⁻¹, THz, meV"):
        spectrum(W, MG, unit="kayser")


def test_quartiles():
    """Crystals whose error is known from their curves stand in the row of their quarter."""
    rng = np.random.default_rng(0)
    errors = rng.permutation(np.geomspace(1e-4, 0.1, 40))
    grid = np.linspace(0, 1000, 51)
    reference = np.ones((40, 51))
    predicted = reference - errors[:, None]
    names = [f"C{n}" for n in range(40)]
    figure = quartile_panel(grid, predicted, reference, errors, names, columns=3)
    *small, histogram = figure.axes
    assert len(small) == 12
    shown = []
    for n, axes in enumerate(small):
        low, high = np.quantile(errors, [n // 3 / 4, (n // 3 + 1) / 4])
        error = 1 - axes.lines[1].get_ydata()[0]
        shown.append(error)
        assert low * 0.999 <= error <= high * 1.001
        assert axes.lines[1].get_color() == QUARTILES[n // 3]
        (name,) = [f"C{k}" for k in range(40) if errors[k] == pytest.approx(error)]
        assert axes.get_title("left") == formula(name)
        assert float(axes.get_title("right")) == pytest.approx(error, rel=0.06)
    assert shown == sorted(shown)
    assert sum(patch.get_width() for patch in histogram.patches) == 40
    words = [text.get_text() for text in histogram.texts]
    assert words[1] == f"median: {np.median(errors):.2g}"
    assert np.ptp(pixels(figure)) > 0.5


def test_too_few_for_four_rows():
    curves = np.ones((7, 51))
    with pytest.raises(ValueError, match="four rows of 2 spectra need 8 crystals, got 7"):
        quartile_panel(W[:51], curves, curves, curves[:, 0], ["Si"] * 7, columns=2)


def test_a_perfect_model_has_a_histogram():
    curves = np.ones((4, 51))
    figure = quartile_panel(W[:51], curves, curves, np.zeros(4), ["Si"] * 4, columns=1)
    assert np.ptp(pixels(figure)) > 0.5

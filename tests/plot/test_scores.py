"""Parity, rankings, classes and uncertainties: numbers are read back from the axes."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text

from euclidium.plot.scores import (
    calibration_curve,
    density_parity,
    measured_parity,
    ranking_bars,
    roc_curve,
)

RNG = np.random.default_rng(0)


def is_png(axes):
    """The figure can be written, and is not empty."""
    file = io.BytesIO()
    axes.figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    return np.ptp(mpl.image.imread(file)) > 0.5


@pytest.mark.parametrize("n", [5, 500, 4000])
def test_parity_draws_every_crystal(n: int):
    reference = RNG.normal(20, 3, size=n)
    predicted = reference + np.where(np.arange(n) % 2, 0.1, -0.3)
    axes = density_parity(reference, predicted, sigma=np.full(n, 0.2) if n < 10 else None)
    points = axes.collections[-1].get_offsets()
    assert sorted(points[:, 1]) == pytest.approx(sorted(predicted))
    errors = np.abs(predicted - reference)
    text = axes.texts[0].get_text().splitlines()
    assert text[0] == f"MAE {errors.mean():.3g} J/(K mol-atom)"
    assert text[2] == f"{n} crystals"
    assert axes.get_xlim() == axes.get_ylim()
    assert is_png(axes)


def test_crowded_places_have_the_warm_colours():
    crowd = 10 + 0.01 * RNG.normal(size=300)
    alone = np.linspace(0, 8, 20)
    values = np.concatenate([crowd, alone])
    points = density_parity(values, values).collections[-1]
    density = np.asarray(points.get_array())
    x = points.get_offsets()[:, 0]
    assert density[x > 9].min() > density[x < 9].max()
    assert x[-1] > 9, "the crowd is drawn last, over the others"


def test_outliers_are_not_under_the_words():
    reference = np.linspace(5.0, 24.0, 30)
    predicted = reference.copy()
    assert density_parity(reference, predicted).texts[0].get_position()[0] < 0.5
    predicted[0] = 24.0  # the upper left corner, where the words would be
    axes = density_parity(reference, predicted)
    assert axes.texts[0].get_position()[0] > 0.5
    assert axes.texts[0].get_zorder() < axes.collections[-1].get_zorder()


def test_parity_needs_pairs(unchecked: None):
    with pytest.raises(ValueError, match="2 reference values and 1 predictions"):
        density_parity(np.ones(2), np.ones(1))


def test_measured_values(unchecked: None):
    names = ["Si", "MgO", "Al2O3", "NaCl"]
    measured = np.array([20.0, 18.6, 15.8, 25.25])
    predicted = measured * [1.0, 0.9, 1.02, 1.0]
    computed = measured * 0.98
    axes = measured_parity(names, measured, predicted, computed, labels=2)
    assert {text.get_text() for text in axes.texts} == {"MgO", "Al₂O₃"}
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["model: mean deviation 3.0 %", "DFT: mean deviation 2.0 %"]
    assert is_png(axes)
    with pytest.raises(ValueError, match="4 names, 4 measured and 3 predicted values"):
        measured_parity(names, measured, predicted[:3])


def test_names_lie_on_nothing():
    """Neither on each other nor on points, and inside of the axes."""
    rng = np.random.default_rng(1)
    measured = np.concatenate([np.full(6, 25.0), rng.uniform(10, 26, 40)])
    predicted = np.concatenate([20 + 0.01 * np.arange(6), measured[6:] - 1])
    axes = measured_parity([f"A{n}" for n in range(46)], measured, predicted, labels=9)
    file = io.BytesIO()
    axes.figure.savefig(file, dpi=100)  # only then is known how large a word is
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without arrows
    points = axes.transData.transform(np.stack([measured, predicted], axis=1))
    for n, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:n])
        assert not any(box.contains(*point) for point in points)
        assert axes.bbox.containsx(box.x0)
        assert axes.bbox.containsx(box.x1)


def test_ranking_from_the_top(unchecked: None):
    values = np.array([3500.0, 1200.0, 900.0])
    reference = np.array([3600.0, np.nan, 880.0])
    axes = ranking_bars(["LiBH4", "MgO", "Si"], values, np.array([50.0, 10.0, 5.0]), reference)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["LiBH₄", "MgO", "Si"]
    assert [bar.get_width() for bar in axes.patches] == values.tolist()
    bottom, top = axes.get_ylim()
    assert bottom > top, "the first is on top"
    assert axes.get_xlim()[0] == 0
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["predicted", "± σ", "reference"]
    assert is_png(axes)
    assert ranking_bars(["Si"], values[:1]).get_legend() is None
    with pytest.raises(ValueError, match="1 names and 3 values"):
        ranking_bars(["Si"], values)


def test_area_below_a_curve():
    false, true = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.6, 1.0])
    axes = roc_curve({"model": (false, true)})
    assert axes.get_legend().get_texts()[0].get_text() == "model: area 0.800"
    assert axes.get_xlabel() == "stable crystals called unstable"
    with pytest.raises(ValueError, match="there is no curve to draw"):
        roc_curve({})


def test_calibration():
    p = np.linspace(0, 1, 11)
    axes = calibration_curve(p, {"heat capacity": p, "last peak": p**0.5})
    assert len(axes.lines) == 3
    np.testing.assert_allclose(axes.lines[2].get_ydata(), p**0.5)
    with pytest.raises(ValueError, match="there is no curve to draw"):
        calibration_curve(p, {})

"""What is drawn of an alloy is what was given: curves stand on their compositions."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from euclidium.plot.alloys import alloy_sweep
from euclidium.units import CM1_TO_MEV, CM1_TO_THZ

X = np.array([0.0, 0.2, 0.5, 1.0])
W = np.linspace(0.0, 300.0, 61)
CURVES = np.exp(-np.square((W - 200 + 80 * X[:, None]) / 30)) / 20
HEAT = 24 + 0.5 * X


def picture(axes: tuple) -> np.ndarray:
    file = io.BytesIO()
    axes[0].figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    return mpl.image.imread(file)


@pytest.mark.parametrize(
    ("unit", "scale"), [("cm⁻¹", 1.0), ("THz", CM1_TO_THZ), ("meV", CM1_TO_MEV)]
)
def test_each_curve_stands_on_its_composition(unit: Any, scale: float):
    left, right = alloy_sweep(X, W, CURVES, HEAT, unit=unit)
    assert len(left.lines) == len(X)
    heights = []
    for line, fraction, curve in zip(left.lines, X, CURVES, strict=True):
        np.testing.assert_allclose(line.get_xdata(), W * scale)
        heights.append(((line.get_ydata() - fraction) / curve)[np.argmax(curve)])
        np.testing.assert_allclose(line.get_ydata(), fraction + heights[-1] * curve, atol=1e-12)
    # one scale for all, in which heights can be compared
    np.testing.assert_allclose(heights, heights[0], rtol=1e-12)
    np.testing.assert_allclose(right.lines[0].get_xdata(), HEAT)
    np.testing.assert_allclose(right.lines[0].get_ydata(), X)
    assert unit in left.get_xlabel()
    assert max(left.get_yticks()) < 1.0 + 1e-9
    assert np.ptp(picture((left, right))) > 0.5


def test_references_are_on_the_same_scale():
    left, right = alloy_sweep(
        X, W, CURVES, HEAT, sigma=0.1 + 0 * X, references={0.5: CURVES[2]}, measured={0.5: 24.4}
    )
    (dashed,) = (line for line in left.lines if line.is_dashed() and len(line.get_xdata()))
    np.testing.assert_allclose(dashed.get_ydata(), left.lines[2].get_ydata())
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["reference"]
    named = [text.get_text() for text in right.get_legend().get_texts()]
    assert named == ["predicted", "± σ", "reference"]


def test_a_map_has_the_values():
    left, right = alloy_sweep(X, W, CURVES, HEAT, kind="map")
    np.testing.assert_allclose(left.collections[0].get_array().reshape(CURVES.shape), CURVES)
    assert left.get_ylim() == (0.0, 1.0)
    assert np.ptp(picture((left, right))) > 0.5


def test_what_cannot_be_drawn(unchecked: None):
    with pytest.raises(ValueError, match="two or more compositions that increase"):
        alloy_sweep(X[:1], W, CURVES[:1], HEAT[:1])
    with pytest.raises(ValueError, match="two or more compositions that increase"):
        alloy_sweep(X[::-1], W, CURVES, HEAT)
    for wrong in ({"unit": "kayser"}, {"kind": "pie"}):
        with pytest.raises(ValueError, match="give cm⁻¹, THz or meV, and lines or map"):
            alloy_sweep(X, W, CURVES, HEAT, **wrong)

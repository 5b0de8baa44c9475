"""What is drawn of degrees is what was given."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from euclidium.plot.hierarchy import (
    errors_by_degree,
    errors_through_training,
    knock_outs,
    learning_curves,
    path_weights,
    sizes_through_training,
)
from euclidium.plot.page import figure_html

STEPS = np.array([0.0, 1.0, 10.0, 100.0])


def drawn(figure: Any) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    assert figure_html(figure).startswith("<svg")
    return mpl.image.imread(file)


def test_a_power_law_is_a_straight_line():
    sizes = [30, 60, 120]
    means = [30**-0.3, 60**-0.3, 120**-0.3]
    axes = learning_curves({"l = 0": (sizes, means, means, means)}, "ε (%)")
    drawn(axes.figure)
    points = axes.transData.transform(np.column_stack([sizes, means]))
    assert points[1] == pytest.approx((points[0] + points[2]) / 2, abs=1e-6)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["30", "60", "120"]


def test_each_degree_has_a_line_from_isolated_atoms():
    errors = {0: np.array([0.5, 0.3]), 2: np.array([0.4, 0.1])}
    axes = errors_by_degree(errors, "error (%)", isolated=np.array([7.0, 5.0]))
    drawn(axes.figure)
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 2]
    whole = [line.get_ydata() for line in lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(whole, [[0.5, 0.4], [0.3, 0.1]])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "1"]
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["isolated\natoms", "l = 0", "l ≤ 2"]


def test_half_of_the_gain_is_marked_on_the_line():
    errors = np.array([[8.0, 2.0], [4.0, 2.0], [2.0, 1.9], [2.0, 1.8]])
    axes = errors_through_training(STEPS, errors, [0.75, None])
    drawn(axes.figure)
    rings = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert len(rings) == 1
    assert rings[0].get_ydata() == pytest.approx(0.625)
    assert 0.5 < rings[0].get_xdata()[0] < 1.0
    lines = [line.get_ydata() for line in axes.get_lines() if len(line.get_xdata()) == 4]
    np.testing.assert_allclose(lines, (errors / errors[0]).T)


def test_a_layer_shows_the_degrees_that_it_has():
    features = np.ones((4, 2, 3))
    features[:, 1, 1:] = np.nan
    figure = sizes_through_training(STEPS, features, 0.1 * features)
    drawn(figure)
    counts = [sum(len(line.get_xdata()) == 4 for line in own.get_lines()) for own in figure.axes]
    assert counts == [3, 1, 3, 1]


def test_numbers_stand_where_they_belong():
    errors = np.array([[0.5, 9.0, np.nan], [0.4, 7.0, 3.0]])
    axes = knock_outs(errors, ["l = 0", "l ≤ 1"], ["none", "0", "1"], "ε (%)")
    drawn(axes.figure)
    found = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert found == {(0, 0): "0.50", (1, 0): "9.0", (0, 1): "0.40", (1, 1): "7.0", (2, 1): "3.0"}
    with pytest.raises(ValueError, match="give one name for each"):
        knock_outs(errors, ["l = 0"], ["none"], "ε")


def test_paths_by_layer():
    layers = [{(0, 0, 0): 1.0, (0, 1, 1): 0.5}, {(1, 1, 0): 2.0, (1, 1, 2): 0.25}]
    figure = path_weights(layers)
    drawn(figure)
    one, other = figure.axes
    assert [text.get_text() for text in one.get_xticklabels()] == ["0", "1"]
    assert [text.get_text() for text in other.get_yticklabels()] == ["1 ⊗ 1"]
    assert [text.get_text() for text in other.texts] == ["2.0", "0.25"]

"""Slopes of power laws, intervals that hold them, and times to half."""

import numpy as np
import pytest

from euclidium.analyze.learning_curves import (
    half_time,
    learning_slope,
    log_slope,
    matched_channels,
)

SIZES = np.array([30.0, 60.0, 120.0, 240.0])


@pytest.mark.parametrize("power", [-0.5, -0.1, 0.0])
def test_slope_of_a_power_law(power: float):
    assert log_slope(SIZES, 3.0 * SIZES**power) == pytest.approx(power, abs=1e-12)


def test_interval_holds_the_slope_of_noisy_curves():
    held = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = np.exp(rng.normal(scale=0.15, size=(6, 4, 1)))
        errors = noise * (SIZES**-0.3)[:, None] * rng.uniform(0.5, 2.0, size=10)
        slope = learning_slope(SIZES, errors, draws=200)
        assert slope.low < slope.value < slope.high
        held += slope.low <= -0.3 <= slope.high
    assert held >= 28  # of 40; six seeds make the interval a little too narrow


def test_structures_that_are_hard_everywhere_do_not_widen_it():
    errors = (SIZES**-0.4)[None, :, None] * np.geomspace(0.1, 10, 8)
    slope = learning_slope(SIZES, errors)
    assert (slope.low, slope.high) == pytest.approx((-0.4, -0.4), abs=1e-9)


def test_bad_curves_get_a_sentence():
    with pytest.raises(ValueError, match="two sizes or more"):
        log_slope(np.array([30.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="are positive"):
        log_slope(SIZES, np.array([1.0, 0.5, 0.0, 0.2]))


def test_half_of_an_exponential():
    steps = np.linspace(0, 100, 2001)
    errors = 2.0 + 6.0 * np.exp(-steps / 20)
    assert half_time(steps, errors, floor=2.0) == pytest.approx(20 * np.log(2), abs=1e-2)
    assert half_time(steps, errors) == pytest.approx(20 * np.log(3), abs=1e-2)
    assert half_time(steps, errors, floor=9.0) is None
    assert half_time(steps, 1.0 + 0 * steps) is None


def test_channels_are_the_nearest():
    count = lambda n: 7 * n + 3 * n * n  # noqa: E731
    for wanted in (10, 11, 500, 12345):
        best = min(range(1, 200), key=lambda n: abs(count(n) - wanted))
        assert matched_channels(count, wanted) == best
    with pytest.raises(ValueError, match="fewer than"):
        matched_channels(lambda n: n, wanted=10**6, most=64)

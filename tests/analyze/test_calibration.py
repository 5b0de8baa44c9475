"""Uncertainties that hold what they say."""

import numpy as np
import pytest

from euclidium.analyze.calibration import calibrate


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_two_thirds_of_the_errors_are_within_one_sigma(rng):
    spread = rng.lognormal(size=3000)
    errors = (0.3 + 1.7 * spread) * rng.standard_t(4, size=3000)
    a, b = calibrate(spread, errors)
    assert (np.abs(errors) < a + b * spread).mean() == pytest.approx(0.6827, abs=0.01)


def test_a_disagreement_that_says_nothing_gives_one_sigma_for_all(rng):
    a, b = calibrate(np.zeros(5000), rng.normal(scale=2.0, size=5000))
    assert a == pytest.approx(2.0, rel=0.05)
    assert b == 0.0


def test_too_few_errors_are_refused():
    with pytest.raises(ValueError, match="ten finite errors"):
        calibrate(np.ones(3), np.ones(3))

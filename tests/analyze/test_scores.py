"""Scores of two classes and of uncertainties, against their definitions."""

import numpy as np
import pytest
from scipy import stats

from euclidium.analyze.scores import auroc, coverage, reliability, roc, spearman

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_area_is_the_probability_of_the_right_order(digits: int):
    score = RNG.normal(size=60).round(digits)  # rounded to whole numbers there are many ties
    positive = RNG.random(60) < 0.3
    pairs = score[positive][:, None] - score[~positive][None]
    assert auroc(score, positive) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_area_of_one_class_is_none():
    assert auroc(np.ones(3), np.ones(3, bool)) is None
    assert auroc(np.ones(3), np.zeros(3, bool)) is None
    with pytest.raises(ValueError, match="all 3 crystals are of one class: a curve needs two"):
        roc(np.ones(3), np.ones(3, bool))


@pytest.mark.parametrize("digits", [0, 8])
def test_the_curve_has_the_area(digits: int):
    score = RNG.normal(size=80).round(digits)
    positive = RNG.random(80) < stats.norm.cdf(score)
    false, true = roc(score, positive)
    assert np.trapezoid(true, false) == pytest.approx(auroc(score, positive))
    assert (np.diff(false) >= 0).all()
    assert (np.diff(true) >= 0).all()
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert len(false) == len(np.unique(score)) + 1, "one point for each threshold"


def test_rank_correlation():
    a, b = RNG.normal(size=(2, 40)).round(1)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert spearman(a, -(a**3)) == pytest.approx(-1)
    assert spearman(a[:2], b[:2]) is None
    assert spearman(a, np.ones(40)) is None


def test_honest_uncertainties_cover_what_they_should():
    sigma = RNG.uniform(0.5, 2.0, size=20_000)
    error = RNG.normal(size=20_000) * sigma
    levels = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(coverage(error, sigma, levels), levels, atol=0.02)
    found = reliability(error, sigma)
    assert found.within_1_sigma == pytest.approx(0.6827, abs=0.01)
    assert found.within_2_sigma == pytest.approx(0.9545, abs=0.01)
    assert found.spearman > 0.2
    assert found.auroc > 0.6
    assert found.mean_sigma == pytest.approx(1.25, abs=0.02)


def test_uncertainties_that_are_too_small():
    error = RNG.normal(size=5000)
    found = reliability(error, np.full(5000, 0.5))
    assert found.within_1_sigma == pytest.approx(0.383, abs=0.02)
    assert found.spearman is None, "a constant cannot sort"
    assert found.auroc == 0.5


def test_certain_interval_and_certain_prediction():
    """Infinite intervals and zero deviations do not make NaN."""
    ends = np.array([0.0, 1.0])
    assert coverage(np.array([0.0, 1.0]), np.array([0.0, 1.0]), ends).tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match="there are no errors"):
        coverage(np.zeros(0), np.zeros(0), ends)


def test_missing_uncertainties_do_not_count():
    nan = np.array([np.nan, np.nan])
    assert reliability(np.ones(2), nan) is None
    found = reliability(np.ones(3), np.array([np.nan, 2.0, 0.6]))
    assert (found.n, found.within_1_sigma, found.within_2_sigma) == (2, 0.5, 1.0)

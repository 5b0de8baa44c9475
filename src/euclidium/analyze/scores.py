"""How well numbers sort crystals into two classes, and how honest uncertainties are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtri

FEWEST = 3  # pairs for which a correlation of ranks says something


@dataclass(frozen=True)
class Calibration:
    """How a model's standard deviations compare with its errors.

    ``within_1_sigma`` and ``within_2_sigma`` are shares of the crystals whose error is at most one
    and two standard deviations (0.683 and 0.954 for Gaussian errors). ``spearman`` is the rank
    correlation of the error's size with the standard deviation, ``auroc`` the probability that of
    two crystals the one with an error above the median has the larger standard deviation; None
    where they have no meaning. ``mean_sigma`` is in the unit of the quantity.
    """

    n: int
    within_1_sigma: float
    within_2_sigma: float
    spearman: float | None
    auroc: float | None
    mean_sigma: float


def auroc(score: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> float | None:
    """The area under the receiver operating characteristic of a score.

    P(score of a positive > score of a negative), with ties counted half. None if there are only
    positives, or only negatives.

    Hanley and McNeil, Radiology 143, 29 (1982), https://doi.org/10.1148/radiology.143.1.7063747

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    above = _ranks(score)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def roc(
    score: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """The receiver operating characteristic: shares of negatives and of positives called positive.

    One point for each value of the score, the strictest first, from (0, 0) to (1, 1); the area
    below the straight lines between them is :func:`auroc`. Raises ``ValueError`` if there is only
    one class.

    >>> false, true = roc(np.array([0.1, 0.4, 0.8]), np.array([False, True, True]))
    >>> false.tolist(), true.tolist()
    ([0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    if positive.all() or not positive.any():
        raise ValueError(f"all {len(positive)} crystals are of one class: a curve needs two")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    true = np.cumsum(positive[order])[ends]
    false = ends + 1 - true
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def spearman(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float | None:
    """The rank correlation of two lists; None for fewer than three pairs, or a constant list.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    if len(a) < FEWEST:
        return None
    x, y = (ranks - ranks.mean() for ranks in (_ranks(a), _ranks(b)))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else None


def coverage(
    error: Float[np.ndarray, " n"],
    sigma: Float[np.ndarray, " n"],
    levels: Float[np.ndarray, " level"],
) -> Float[np.ndarray, " level"]:
    """Share of the errors inside the central intervals of a Gaussian with given probabilities.

    Uncertainties are honest where it equals ``levels``. Raises ``ValueError`` without errors.

    Kuleshov, Fenner and Ermon, ICML 2018, https://doi.org/10.48550/arXiv.1807.00263

    >>> coverage(np.array([0.5, -1.5]), np.array([1.0, 1.0]), np.array([0.5, 0.7, 0.9])).tolist()
    [0.5, 0.5, 1.0]
    """
    if not len(error):
        raise ValueError("there are no errors to compare with uncertainties")
    width = np.minimum(ndtri((1 + levels) / 2), 1e9)  # finite for a certain interval, too
    return np.asarray((np.abs(error)[None] <= width[:, None] * sigma[None]).mean(axis=1))


def reliability(
    error: Float[np.ndarray, " n"], sigma: Float[np.ndarray, " n"]
) -> Calibration | None:
    """How standard deviations compare with errors; None if no crystal has both.

    >>> found = reliability(np.array([0.1, -0.9, 3.0]), np.array([0.2, 1.0, 2.0]))
    >>> round(found.within_1_sigma, 3), found.within_2_sigma, found.spearman
    (0.667, 1.0, 1.0)
    """
    known = np.isfinite(sigma) & np.isfinite(error)
    size, width = np.abs(error[known]), sigma[known]
    if not len(size):
        return None
    return Calibration(
        n=len(size),
        within_1_sigma=float((size <= width).mean()),
        within_2_sigma=float((size <= 2 * width).mean()),
        spearman=spearman(size, width),
        auroc=auroc(width, size > np.median(size)),
        mean_sigma=float(width.mean()),
    )


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks from 1, equal values share their mean; scipy.stats has it, and loads for long."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places.ravel()]

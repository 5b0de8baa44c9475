"""Learning curves: slopes with intervals, times to half of an error, and networks of one size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

DRAWS = 2000
INTERVAL = (2.5, 97.5)  # percent


@dataclass(frozen=True)
class Slope:
    """The slope of a learning curve, and the ends of its 95 % interval.

    −0.5 says that four times the data halve the error.
    """

    value: float
    low: float
    high: float


def log_slope(sizes: Float[np.ndarray, " size"], errors: Float[np.ndarray, " size"]) -> float:
    """The slope of log error against log size, by least squares.

    Raises ``ValueError`` for fewer than two sizes, and for what has no logarithm.

    >>> round(log_slope(np.array([10.0, 40.0, 160.0]), np.array([4.0, 2.0, 1.0])), 9)
    -0.5
    """
    if len(set(sizes.tolist())) < 2:
        raise ValueError(f"a slope needs two sizes or more, got {sizes.tolist()}")
    if not (sizes > 0).all() or not (errors > 0).all():
        raise ValueError("sizes and errors of a learning curve are positive: look for empty cells")
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def learning_slope(
    sizes: Float[np.ndarray, " size"],
    errors: Float[np.ndarray, "seed size structure"],
    draws: int = DRAWS,
) -> Slope:
    """The slope of a learning curve, with an interval by the bootstrap.

    At each size seeds are drawn anew, with replacement, and the same test structures at all sizes,
    so that a hard structure is hard everywhere. With two or three seeds the interval is too narrow.

    Raises ``ValueError`` as :func:`log_slope` does.

    >>> errors = np.array([4.0, 2.0, 1.0])[None, :, None] * np.linspace(0.9, 1.1, 5)
    >>> slope = learning_slope(np.array([10.0, 40.0, 160.0]), errors)
    >>> round(slope.low, 6), round(slope.high, 6)
    (-0.5, -0.5)
    """
    seeds, n, structures = errors.shape
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        own = errors[:, :, generator.integers(structures, size=structures)].mean(axis=2)
        drawn = own[generator.integers(seeds, size=(seeds, n)), np.arange(n)].mean(axis=0)
        found.append(log_slope(sizes, drawn))
    low, high = np.percentile(found, INTERVAL)
    return Slope(log_slope(sizes, errors.mean(axis=(0, 2))), float(low), float(high))


def half_time(
    steps: Float[np.ndarray, " time"], errors: Float[np.ndarray, " time"], floor: float = 0.0
) -> float | None:
    """When an error has come half the way from its first value to a floor; None if never.

    Between two measurements the error falls in a straight line.

    >>> half_time(np.array([0.0, 10.0, 20.0]), np.array([4.0, 3.0, 1.0]))
    15.0
    >>> half_time(np.array([0.0, 10.0]), np.array([4.0, 3.0])) is None
    True
    """
    half = (errors[0] + floor) / 2
    below = np.flatnonzero(errors <= half)
    if errors[0] <= floor or len(below) == 0:
        return None
    n = int(below[0])
    share = (errors[n - 1] - half) / (errors[n - 1] - errors[n])
    return float(steps[n - 1] + share * (steps[n] - steps[n - 1]))


def matched_channels(parameters: Callable[[int], int], wanted: int, most: int = 1024) -> int:
    """How many channels give a network the number of parameters nearest to that wanted.

    ``parameters`` counts those of a network with so many channels, and grows with them. Raises
    ``ValueError`` if even ``most`` channels are too few.

    >>> matched_channels(lambda channels: 100 + channels**2, wanted=500)
    20
    """
    low, high = 1, 2
    while parameters(high) < wanted:
        low, high = high, 2 * high
        if low > most:
            raise ValueError(f"{most} channels have fewer than {wanted} parameters")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(middle) < wanted else (low, middle)
    return min(low, high, key=lambda channels: abs(parameters(channels) - wanted))

"""How large the errors of a model are where its members disagree."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

ONE_SIGMA = 0.6827  # share of the errors within one standard deviation


def calibrate(
    disagreement: Float[np.ndarray, " item"], errors: Float[np.ndarray, " item"]
) -> tuple[float, float]:
    """The line from the disagreement of members to a standard deviation, σ = a + b s.

    The line is that of least squares through |error| with a, b ≥ 0, and is then scaled so that 68 %
    of the errors are within one σ: a statement about data like those it was fitted to, which should
    not be those that the members were trained on. Raises ``ValueError`` for fewer than ten errors,
    and for numbers that are not finite.

    >>> rng = np.random.default_rng(0)
    >>> spread = rng.uniform(1.0, 3.0, 4000)
    >>> a, b = calibrate(spread, 2 * spread * rng.normal(size=4000))
    >>> abs(a) < 0.3, abs(b - 2) < 0.2
    (True, True)
    """
    size = np.abs(errors)
    if len(size) < 10 or not (np.isfinite(size).all() and np.isfinite(disagreement).all()):
        raise ValueError(f"a calibration needs ten finite errors or more, got {len(size)}")
    columns = np.stack([np.ones_like(size), disagreement], axis=1)
    line = nnls(columns, size)[0]
    ratios = size / np.maximum(columns @ line, 1e-12)
    scale = float(np.quantile(ratios, ONE_SIGMA))
    return scale * float(line[0]), scale * float(line[1])

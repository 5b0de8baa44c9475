"""How good predictions are: parity by density, rankings, classes, uncertainties, experiments."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import MaxNLocator

from euclidium.plot.canvas import COLORS, INK, STYLE, canvas
from euclidium.plot.curves import MOST_VECTOR_POINTS
from euclidium.plot.spectra import DASHED, formula

CROWD = LinearSegmentedColormap.from_list("crowd", ["#8ab6ea", "#2f7ed8", "#6b3fb0", "#e5582b"])
BINS = 60  # in each direction, of the density of points
FEWEST = 50  # points whose density is worth a colour


@mpl.rc_context(STYLE)
def density_parity(
    reference: Float[np.ndarray, " crystal"],
    predicted: Float[np.ndarray, " crystal"],
    quantity: str = "heat capacity",
    unit: str = "J/(K mol-atom)",
    sigma: Float[np.ndarray, " crystal"] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Predictions against references, one point a crystal, coloured by how many points are near.

    Writes mean absolute error, root mean square error and the number of crystals. ``sigma`` draws
    thin error bars, for few points. Raises ``ValueError`` if there is nothing to draw or the
    lengths differ.

    >>> axes = density_parity(np.array([20.0, 24.0]), np.array([21.0, 23.0]))
    >>> print(axes.texts[0].get_text())
    MAE 1 J/(K mol-atom)
    RMSE 1 J/(K mol-atom)
    2 crystals
    """
    if len(reference) != len(predicted) or not len(reference):
        raise ValueError(
            f"{len(reference)} reference values and {len(predicted)} predictions: give as many, "
            "and at least one"
        )
    axes = axes or canvas(size=(4.5, 4.3))[0]
    ends = _diagonal(axes, reference, predicted)
    if sigma is not None:
        axes.errorbar(
            reference, predicted, sigma, fmt="none", ecolor=COLORS[0], elinewidth=0.7, alpha=0.5
        )
    many = len(reference) > MOST_VECTOR_POINTS
    crowd = _crowd(reference, predicted, ends)
    order = np.argsort(crowd, kind="stable")
    size = float(np.clip(900 / len(reference), 4, 20))
    style: dict[str, Any] = {"color": COLORS[0], "alpha": 0.75}
    if len(reference) >= FEWEST:
        style = {"c": crowd[order], "cmap": CROWD, "norm": LogNorm(1, max(2.0, crowd.max()))}
    axes.scatter(
        reference[order], predicted[order], s=size, lw=0, rasterized=many, zorder=2, **style
    )
    error = predicted - reference
    mae, rmse = float(np.abs(error).mean()), float(np.sqrt(np.square(error).mean()))
    text = f"MAE {mae:.3g} {unit}\nRMSE {rmse:.3g} {unit}\n{len(error)} crystals"
    above = (predicted - ends[0]) / (ends[1] - ends[0]) > 0.8
    left = (reference - ends[0]) / (ends[1] - ends[0]) < 0.5
    # in the corner that is empty, and never over a point
    x, y, side = (0.96, 0.03, "right") if (above & left).any() else (0.04, 0.97, "left")
    axes.text(
        x, y, text, transform=axes.transAxes, ha=side, va="bottom" if y < 0.5 else "top",
        multialignment="left", fontsize=9, linespacing=1.35, zorder=1.5,
        bbox={"fc": "white", "alpha": 0.75, "lw": 0, "pad": 2},
    )  # fmt: skip
    axes.set(xlabel=f"reference {quantity} ({unit})", ylabel=f"predicted {quantity} ({unit})")
    return axes


@mpl.rc_context(STYLE)
def measured_parity(
    names: Sequence[str],
    measured: Float[np.ndarray, " solid"],
    predicted: Float[np.ndarray, " solid"],
    computed: Float[np.ndarray, " solid"] | None = None,
    labels: int = 12,
    sources: tuple[str, str] = ("model", "DFT"),
    axes: Axes | None = None,
) -> Axes:
    """Predicted C_v against measured C_p, in J/(K mol-atom), beside what was computed.

    Each solid has a filled point for ``predicted`` and an open one for ``computed``; the formulas
    of those that are farthest from the measurement are written. Raises ``ValueError`` if there is
    nothing to draw or the lengths differ.

    >>> axes = measured_parity(["Si"], np.array([20.0]), np.array([19.8]), np.array([19.9]))
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['model: mean deviation 1.0 %', 'DFT: mean deviation 0.5 %']
    """
    if not len(names) == len(measured) == len(predicted) or not len(names):
        raise ValueError(
            f"{len(names)} names, {len(measured)} measured and {len(predicted)} predicted values: "
            "give as many, and at least one"
        )
    axes = axes or canvas(size=(5.4, 5.2))[0]
    _diagonal(axes, measured, predicted if computed is None else np.append(predicted, computed))
    if computed is not None:
        axes.vlines(measured, predicted, computed, color=COLORS[0], lw=0.6, alpha=0.5)
    axes.scatter(
        measured, predicted, s=26, color=COLORS[0], lw=0, alpha=0.85, zorder=3,
        label=f"{sources[0]}: mean deviation {_deviation(predicted, measured)}",
    )  # fmt: skip
    if computed is not None:
        axes.scatter(
            measured, computed, s=26, facecolors="none", edgecolors=INK, lw=0.9, zorder=4,
            label=f"{sources[1]}: mean deviation {_deviation(computed, measured)}",
        )  # fmt: skip
    worst = np.argsort(-np.abs(predicted / measured - 1), kind="stable")[:labels]
    columns = [predicted] if computed is None else [predicted, computed]
    points = np.concatenate([np.stack([measured, column], axis=1) for column in columns])
    places = np.stack([measured, predicted], axis=1)[worst]
    _labels(axes, [formula(names[n]) for n in worst], places, points)
    axes.set(xlabel="measured C$_p$ at 298 K (J/(K mol-atom))")
    axes.set(ylabel="C$_v$ at 298 K (J/(K mol-atom))")
    axes.legend(loc="upper left", handletextpad=0.3, borderaxespad=0.1)
    return axes


@mpl.rc_context(STYLE)
def ranking_bars(
    names: Sequence[str],
    values: Float[np.ndarray, " crystal"],
    sigma: Float[np.ndarray, " crystal"] | None = None,
    reference: Float[np.ndarray, " crystal"] | None = None,
    quantity: str = "heat capacity",
    unit: str = "J/(K kg)",
    sources: tuple[str, str] = ("predicted", "reference"),
    axes: Axes | None = None,
) -> Axes:
    """Crystals from the first to the last, each with a bar, its uncertainty and a reference mark.

    ``names`` are formulas; ``reference`` is NaN where there is none. Raises ``ValueError`` if there
    is nothing to draw or the lengths differ.

    >>> axes = ranking_bars(
    ...     ["LiH", "MgO"], np.array([3500.0, 920.0]), sigma=np.array([100.0, 20.0])
    ... )
    >>> [text.get_text() for text in axes.get_yticklabels()]
    ['LiH', 'MgO']
    """
    if len(names) != len(values) or not len(names):
        raise ValueError(
            f"{len(names)} names and {len(values)} values: give as many, and at least one"
        )
    axes = axes or canvas(size=(6.2, 0.9 + 0.27 * len(names)))[0]
    rows = np.arange(len(names))
    shown: dict[str, Any] = {}
    shown[sources[0]] = axes.barh(rows, values, height=0.68, color=COLORS[0], alpha=0.8, lw=0)
    if sigma is not None:
        shown["± σ"] = axes.errorbar(
            values, rows, xerr=sigma, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.2
        )
    if reference is not None:
        (shown[sources[1]],) = axes.plot(
            reference, rows, "D", ms=4.6, mfc=COLORS[1], mec="white", mew=0.7
        )
    axes.set_yticks(rows, [formula(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=min(0.0, float(np.nanmin(values))))
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{quantity} ({unit})")
    if len(shown) > 1:
        where: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3}
        axes.legend(list(shown.values()), list(shown), borderaxespad=0.2, **where)
    return axes


@mpl.rc_context(STYLE)
def roc_curve(
    curves: Mapping[str, tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]],
    classes: tuple[str, str] = ("stable", "unstable"),
    axes: Axes | None = None,
) -> Axes:
    """Receiver operating characteristics by name, with their areas.

    Each is the share of crystals of the first class that are taken for the second, and of those of
    the second that are. Raises ``ValueError`` if there is no curve.

    >>> ends = np.array([0.0, 1.0])
    >>> axes = roc_curve({"coin": (ends, ends)})
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['coin: area 0.500']
    """
    if not curves:
        raise ValueError("there is no curve to draw: give at least one, by name")
    axes = axes or canvas(size=(4.5, 4.3))[0]
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9, ls=DASHED, alpha=0.7)
    for (name, (false, true)), color in zip(curves.items(), COLORS * len(curves), strict=False):
        area = float(np.diff(false) @ (true[1:] + true[:-1]) / 2)
        axes.plot(false, true, color=color, lw=1.9, label=f"{name}: area {area:.3f}")
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    axes.set_xlabel(f"{classes[0]} crystals called {classes[1]}")
    axes.set_ylabel(f"{classes[1]} crystals called {classes[1]}")
    axes.legend(loc="lower right")
    return axes


@mpl.rc_context(STYLE)
def calibration_curve(
    levels: Float[np.ndarray, " level"],
    observed: Mapping[str, Float[np.ndarray, " level"]],
    axes: Axes | None = None,
) -> Axes:
    """Share of the references inside intervals against the probability of the intervals.

    Above the diagonal uncertainties are too large, below it too small. Raises ``ValueError`` if
    there is no curve.

    >>> p = np.linspace(0, 1, 5)
    >>> calibration_curve(p, {"heat capacity": p**2}).get_xlabel()
    'probability of the interval'
    """
    if not observed:
        raise ValueError("there is no curve to draw: give at least one, by name")
    axes = axes or canvas(size=(4.5, 4.3))[0]
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9, ls=DASHED, alpha=0.7)
    for (name, values), color in zip(observed.items(), COLORS * len(observed), strict=False):
        axes.plot(levels, values, color=color, lw=1.9, label=name)
    for x, y, text in ((0.05, 0.66, "too cautious"), (0.62, 0.3, "too sure")):
        axes.text(x, y, text, fontsize=9, alpha=0.6, style="italic")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="probability of the interval", ylabel="share of the references in it")
    axes.legend(loc="upper left")
    return axes


def _diagonal(axes: Axes, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Equal limits that hold all points, and the line of perfect predictions; the limits."""
    both = np.concatenate([x, y])
    pad = 0.04 * float(np.ptp(both)) or 0.5
    ends = (float(both.min()) - pad, float(both.max()) + pad)
    axes.plot(ends, ends, color=INK, lw=0.9, alpha=0.7, zorder=1)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    return ends


def _crowd(x: np.ndarray, y: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """How many points are near each point: counts in squares, smoothed over their neighbours."""
    edges = np.linspace(*ends, BINS + 1)
    counts = np.histogram2d(x, y, bins=(edges, edges))[0]
    padded = np.pad(counts, 1)
    smooth = sum(
        weight * padded[1 + dx : 1 + dx + BINS, 1 + dy : 1 + dy + BINS]
        for dx, dy, weight in (
            (0, 0, 1.0), (1, 0, 0.5), (-1, 0, 0.5), (0, 1, 0.5), (0, -1, 0.5),
        )
    )  # fmt: skip
    cell = [np.clip(np.searchsorted(edges, v, side="right") - 1, 0, BINS - 1) for v in (x, y)]
    return np.asarray(np.asarray(smooth)[cell[0], cell[1]])


def _deviation(values: np.ndarray, measured: np.ndarray) -> str:
    """The mean absolute deviation in percent."""
    return f"{100 * float(np.abs(values / measured - 1).mean()):.1f} %"


def _labels(
    axes: Axes, names: Sequence[str], places: np.ndarray, points: np.ndarray, size: float = 7.5
) -> None:
    """Names beside their places, as near as they find room between points, names and borders."""
    low, high = axes.get_ylim()
    figure: Any = axes.figure
    inches = min(figure.get_size_inches()) - 1.0  # what is left of the figure for the axes
    unit = (high - low) / (72 * inches)  # of the data, in one point of the text
    height, width = 1.25 * size * unit, 0.66 * size * unit
    taken: list[np.ndarray] = []  # boxes: lower and upper corners
    turns = np.deg2rad([0, -30, -60, -90, -120, -150, 180, 30, 60, 90, 120, 150])
    for name, place in zip(names, places, strict=True):
        half = np.array([width * (len(name) + 0.5), height]) / 2
        for distance, turn in itertools.product(np.arange(4.0, 60.0, 4.0) * unit, turns):
            toward = np.array([np.cos(turn), np.sin(turn)])
            middle = place + toward * (distance + half)
            box = np.array([middle - half, middle + half])
            free = (
                box.min() >= low
                and box.max() <= high
                and not _inside(points, box, 2.5 * unit).any()
                and not any(_overlap(box, other) for other in taken)
            )
            if free:
                break
        taken.append(box)
        axes.annotate(
            name, place, middle, fontsize=size, ha="center", va="center", color=INK, zorder=5,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": INK, "alpha": 0.5, "shrinkB": 3}
            if distance > 6 * unit
            else None,
        )  # fmt: skip


def _inside(points: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    """Which points lie in a box, or no farther from it than the margin."""
    return np.asarray(((points > box[0] - margin) & (points < box[1] + margin)).all(axis=1))


def _overlap(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes have a part in common."""
    return bool((box[0] < other[1]).all() and (other[0] < box[1]).all())

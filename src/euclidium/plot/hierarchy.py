"""What each degree l does: learning curves, errors and features by degree, and path weights."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from euclidium.plot.canvas import COLORS, GRID, INK, STYLE, canvas

SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#9cc4ee", COLORS[0], INK])
TICKS = (1, 2, 5)  # of each decade


@mpl.rc_context(STYLE)
def learning_curves(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float], Sequence[float], Sequence[float]]],
    quantity: str,
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Errors against the number of structures to learn from, both axes logarithmic.

    Each of ``curves`` are sizes, and mean, lowest and highest errors, by what its network is;
    ``quantity`` names the error with its unit.

    >>> curves = {"l ≤ 0": ([30, 120], [0.9, 0.8], [0.8, 0.7], [1.0, 0.9])}
    >>> learning_curves(curves, "error (%)").get_xscale()
    'log'
    """
    axes = axes or canvas()[0]
    for n, (name, (sizes, mean, low, high)) in enumerate(curves.items()):
        color = COLORS[n % len(COLORS)]
        axes.fill_between(sizes, low, high, color=color, alpha=0.16, lw=0)
        axes.plot(sizes, mean, color=color, marker="o", ms=4.5, label=name)
    axes.set(xscale="log", yscale="log", xlabel="structures to learn from", ylabel=quantity)
    axes.set_title(title, loc="left")
    shown = sorted({size for sizes, *_ in curves.values() for size in sizes})
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    _plain_logarithm(axes)
    axes.legend(
        title="hidden\nfeatures", title_fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    return axes


@mpl.rc_context(STYLE)
def errors_by_degree(
    errors: Mapping[int, Float[np.ndarray, " degree"]],
    quantity: str,
    isolated: Float[np.ndarray, " degree"] | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """The error of each degree of the output against the largest degree of hidden features.

    ``errors`` by that largest degree; ``isolated`` are those of isolated atoms, drawn on the left.

    >>> errors = {0: np.array([0.5, 0.3]), 1: np.array([0.4, 0.1])}
    >>> [line.get_label() for line in errors_by_degree(errors, "error (%)").get_lines()]
    ['0', '1']
    """
    axes = axes or canvas()[0]
    hidden = sorted(errors)
    places = list(range(len(hidden)))
    for l in range(len(errors[hidden[0]])):
        color = COLORS[l % len(COLORS)]
        values = [float(errors[h][l]) for h in hidden]
        axes.plot(places, values, color=color, marker="o", ms=4.5, label=str(l))
        if isolated is not None:
            axes.plot([-1, 0], [isolated[l], values[0]], color=color, lw=1.0, ls=(0, (2, 2)))
            axes.plot(-1, isolated[l], color=color, marker="s", ms=4.0)
    names = [f"l ≤ {h}" if h else "l = 0" for h in hidden]
    if isolated is not None:
        places, names = [-1, *places], ["isolated\natoms", *names]
    axes.set_xticks(places, names)
    axes.set(yscale="log", xlabel="hidden features", ylabel=quantity)
    axes.set_title(title, loc="left")
    _plain_logarithm(axes)
    handles = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    axes.legend(
        handles=handles, title="degree of\nthe output", title_fontsize=9, loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )  # fmt: skip
    return axes


@mpl.rc_context(STYLE)
def errors_through_training(
    steps: Float[np.ndarray, " time"],
    errors: Float[np.ndarray, "time degree"],
    halves: Sequence[float | None] = (),
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """The error of each degree of the output through training, over that of the start.

    A ring marks where half of what is gained in the end is gained, at the steps ``halves``. What is
    right from the start has no line.

    >>> steps, errors = np.array([0.0, 10.0]), np.array([[2.0, 1.0], [1.0, 0.8]])
    >>> errors_through_training(steps, errors, [5.0, 5.0]).get_xlabel()
    'step'
    """
    axes = axes or canvas()[0]
    shares = errors / np.where(errors[0] > 0, errors[0], np.nan)
    x = _shifted(steps)
    for l, own in enumerate(shares.T):
        color = COLORS[l % len(COLORS)]
        axes.plot(x, own, color=color, label=str(l))
        if l < len(halves) and halves[l] is not None:
            at = float(np.interp(float(halves[l] or 0.0), steps, x))
            axes.plot(at, (1 + own[-1]) / 2, "o", mfc="none", mec=color, mew=1.6, ms=8)
    axes.set(ylabel="error / error at the start", yscale="log")
    axes.set_title(title, loc="left")
    _step_axis(axes, steps)
    _plain_logarithm(axes)
    axes.legend(
        title="degree of\nthe output", title_fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    return axes


@mpl.rc_context(STYLE)
def sizes_through_training(
    steps: Float[np.ndarray, " time"],
    features: Float[np.ndarray, "time layer degree"],
    gradients: Float[np.ndarray, "time layer degree"],
) -> Figure:
    """Root mean squares of features and of gradients by them: a column for each layer.

    One line for each degree; NaN where a layer has no such features.

    >>> values = np.ones((3, 2, 2))
    >>> len(sizes_through_training(np.array([0.0, 1.0, 9.0]), values, values).axes)
    4
    """
    n = features.shape[1]
    figure = Figure(figsize=(2.0 + 2.5 * n, 5.2), layout="constrained")
    axes = figure.subplots(2, n, sharex=True, sharey="row", squeeze=False)
    x = _shifted(steps)
    rows = ((features, "features, RMS"), (gradients, "gradient of the loss, RMS"))
    for row, (values, words) in zip(axes, rows, strict=True):
        for layer, own in enumerate(row):
            for l in range(values.shape[2]):
                line = values[:, layer, l]
                seen = np.isfinite(line) & (line > 0)
                label = str(l) if own is axes[0, 0] or layer == n - 1 else None
                own.plot(x[seen], line[seen], color=COLORS[l % len(COLORS)], label=label)
            own.set_yscale("log")
            if own in axes[0]:
                own.set_title(f"layer {layer + 1}", loc="left")
            _step_axis(own, steps, named=own in axes[1])
        row[0].set_ylabel(words)
        if values is features:
            _plain_logarithm(row[0])
    handles, labels = _handles([own for row in axes for own in row])
    figure.legend(handles, labels, title="degree", title_fontsize=9, loc="outside right center")
    return figure


@mpl.rc_context(STYLE)
def knock_outs(
    errors: Float[np.ndarray, "network removed"],
    networks: Sequence[str],
    removed: Sequence[str],
    quantity: str,
    axes: Axes | None = None,
) -> Axes:
    """The errors of networks (rows) without some of their features (columns), in shades.

    NaN where a network has no such features.

    Raises ``ValueError`` if the names do not fit.

    >>> axes = knock_outs(np.array([[0.5, 9.0]]), ["l = 0"], ["none", "0"], "error (%)")
    >>> [text.get_text() for text in axes.texts]
    ['0.50', '9.0']
    """
    if errors.shape != (len(networks), len(removed)):
        raise ValueError(
            f"{len(networks)} networks and {len(removed)} columns do not name errors of the shape "
            f"{errors.shape}: give one name for each"
        )
    axes = axes or canvas(size=(2.4 + 0.85 * len(removed), 1.3 + 0.5 * len(networks)))[0]
    _heat(axes, errors)
    axes.set_xticks(range(len(removed)), list(removed))
    axes.set_yticks(range(len(networks)), list(networks))
    axes.set(xlabel="hidden degree set to zero", ylabel="hidden features")
    axes.set_title(quantity, loc="left")
    return axes


@mpl.rc_context(STYLE)
def path_weights(layers: Sequence[Mapping[tuple[int, int, int], float]]) -> Figure:
    """The sizes of the weights of each layer's paths l₁ ⊗ l₂ → l₃, as shades and numbers.

    Rows are the degrees of features and of edges, columns those of the result.

    >>> figure = path_weights([{(0, 0, 0): 1.0, (0, 1, 1): 0.5}])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['0 ⊗ 0', '0 ⊗ 1']
    """
    rows = [sorted({key[:2] for key in layer}) for layer in layers]
    columns = [sorted({key[2] for key in layer}) for layer in layers]
    height = 1.3 + 0.3 * max(map(len, rows))
    figure = Figure(figsize=(1.0 + 0.9 * len(layers) + 0.5 * sum(map(len, columns)), height))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, len(layers), squeeze=False, width_ratios=[len(c) for c in columns])[0]
    sizes = [size for layer in layers for size in layer.values()]
    for n, (own, layer) in enumerate(zip(axes, layers, strict=True)):
        values = np.full((len(rows[n]), len(columns[n])), np.nan)
        for (first, second, third), size in layer.items():
            values[rows[n].index((first, second)), columns[n].index(third)] = size
        _heat(own, values, (min(sizes), max(sizes)), 7.5)
        own.set_ylim(max(map(len, rows)) - 0.5, -0.5)  # rows of one height in all layers
        own.set_yticks(range(len(rows[n])), [f"{a} ⊗ {b}" for a, b in rows[n]], fontsize=8)
        own.set_xticks(range(len(columns[n])), [str(l) for l in columns[n]])
        own.set_title(f"layer {n + 1}", loc="left")
        own.set_xlabel("degree of the sum")
    axes[0].set_ylabel("feature ⊗ edge")
    return figure


def _heat(
    axes: Axes,
    values: np.ndarray,
    limits: tuple[float, float] | None = None,
    size: float = 9.0,
) -> None:
    """A table of shades, logarithmic, with a number in each cell."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = limits or (float(known.min()), float(known.max()))
    norm = LogNorm(low / 1.2, high * 1.6)
    axes.imshow(np.where(values > 0, values, np.nan), cmap=SHADES, norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value > 0 and norm(value) > 0.55
            text = f"{value:.2f}" if value < 0.995 else f"{value:.1f}"
            color = "#ffffff" if dark else "#1c2530"  # stays dark where the page's ink is light
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _shifted(steps: np.ndarray) -> np.ndarray:
    """Steps on a logarithmic axis that also has the start."""
    return np.where(steps > 0, steps, 0.5)


def _step_axis(axes: Axes, steps: np.ndarray, named: bool = True) -> None:
    """A logarithmic axis of steps, with the start on its left."""
    axes.set_xscale("log")
    decades = [10**n for n in range(0, 9) if 10**n <= steps.max()]
    axes.set_xticks([0.5, *decades], ["0", *(f"{n}" for n in decades)])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(0.7, color=GRID, lw=0.8, ls=(0, (2, 2)))
    if named:
        axes.set_xlabel("step")


def _plain_logarithm(axes: Axes) -> None:
    """Plain numbers on a logarithmic vertical axis, enough of them also within a decade."""
    low, high = axes.get_ylim()
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    parts: Sequence[float] = TICKS
    if high / low < 6:
        parts = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)
    ticks = [t * 10.0**n for n in decades for t in parts]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _handles(axes: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """Each label once, in order."""
    found: dict[str, Artist] = {}
    for own in axes:
        for handle, label in zip(*own.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    names = sorted(found)
    return [found[name] for name in names], names

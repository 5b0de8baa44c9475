"""Phonon spectra: one crystal with its elements, and many against their references by error."""

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from euclidium.plot.canvas import COLORS, INK, STYLE, canvas
from euclidium.units import CM1_TO_MEV, CM1_TO_THZ

UNITS = {"cm⁻¹": 1.0, "THz": CM1_TO_THZ, "meV": CM1_TO_MEV}
SpectrumUnit = Literal["cm⁻¹", "THz", "meV"]
DASHED = (0, (4, 2))
NOTHING = 2e-3  # of the highest value: what is not worth a place on the axis
# from the best quarter of the crystals to the worst
QUARTILES = ("#1f9e78", "#2f7ed8", "#d99a00", "#e5582b")
ROWS = ("best quarter", "second", "third", "worst quarter")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@mpl.rc_context(STYLE)
def spectrum(
    frequencies: Float[np.ndarray, " point"],
    density: Float[np.ndarray, " point"],
    partial: Mapping[str, Float[np.ndarray, " point"]] | None = None,
    band: Float[np.ndarray, " point"] | None = None,
    reference: tuple[Float[np.ndarray, " p2"], Float[np.ndarray, " p2"]] | None = None,
    names: tuple[str, str] = ("predicted", "reference"),
    stacked: bool = True,
    unit: SpectrumUnit = "cm⁻¹",
    axes: Axes | None = None,
) -> Axes:
    """A phonon density of states with the shares of its elements, over that of a reference.

    ``frequencies`` in cm⁻¹, imaginary ones negative; ``density`` in modes for each atom and cm⁻¹.
    ``partial`` are the densities of the elements, on top of each other or as lines; ``band`` is the
    standard deviation of the density. The axis ends where the curves do; imaginary frequencies lie
    on a shaded ground. Raises ``ValueError`` for an unknown unit.

    >>> w = np.linspace(0, 500, 200)
    >>> axes = spectrum(w, w / 1e5, {"Mg": 0.4 * w / 1e5, "O": 0.6 * w / 1e5})
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['predicted', 'Mg', 'O']
    """
    if unit not in UNITS:
        raise ValueError(f"not a unit of frequency: {unit!r}; use {', '.join(UNITS)}")
    axes = axes or canvas(size=(6.4, 3.6))[0]
    scale = UNITS[unit]
    x, total = frequencies * scale, density / scale
    axes.plot(x, total, color=COLORS[0], lw=1.8, label=names[0], zorder=4)
    if partial:
        _elements(axes, x, {name: curve / scale for name, curve in partial.items()}, stacked)
    elif band is None:
        axes.fill_between(x, 0, total, color=COLORS[0], alpha=0.18, lw=0)
    if band is not None:
        low, high = np.maximum(total - band / scale, 0.0), total + band / scale
        axes.fill_between(x, low, high, color=COLORS[0], alpha=0.28, lw=0, zorder=3, label="± σ")
    curves = [(x, total if band is None else total + band / scale)]
    if reference is not None:
        curves.append((reference[0] * scale, reference[1] / scale))
        axes.plot(*curves[-1], color=INK, lw=1.2, ls=DASHED, label=names[1], zorder=5)
    _limits(axes, curves, imaginary=5.0 * scale)
    axes.set(xlabel=f"frequency ({unit})", ylabel=f"density of states (1/{unit})")
    if partial or band is not None or reference is not None:
        axes.legend(handlelength=1.6, frameon=True, framealpha=0.8, edgecolor="none")
    return axes


@mpl.rc_context(STYLE)
def quartile_panel(
    grid: Float[np.ndarray, " point"],
    predicted: Float[np.ndarray, "crystal point"],
    reference: Float[np.ndarray, "crystal point"],
    errors: Float[np.ndarray, " crystal"],
    names: Sequence[str],
    columns: int = 5,
    quantity: str = "mean square error",
) -> Figure:
    """Spectra of a test set in four rows, the best quarter on top, and a histogram of the errors.

    ``grid`` in cm⁻¹; the curves are scaled to a maximum of one. Each row shows crystals at equal
    distances in the order of ``errors``, so that nobody chose them; ``names`` are formulas. As in
    Chen et al., Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214.

    Raises ``ValueError`` for fewer than four crystals for each column.

    >>> curves = np.abs(np.random.default_rng(0).normal(size=(8, 51)))
    >>> figure = quartile_panel(
    ...     np.linspace(0, 1000, 51), curves, curves[::-1], curves[:, 0], ["MgO"] * 8, columns=2
    ... )
    >>> len(figure.axes)
    9
    """
    if len(errors) < 4 * columns:
        raise ValueError(
            f"four rows of {columns} spectra need {4 * columns} crystals, got {len(errors)}"
        )
    order = np.argsort(errors, kind="stable")
    figure = Figure(figsize=(1.9 * columns + 2.6, 6.6), layout=ConstrainedLayoutEngine(h_pad=0.05))
    places = figure.add_gridspec(4, columns + 1, width_ratios=[*[1.0] * columns, 1.25])
    for row, quarter in enumerate(np.array_split(order, 4)):
        ranks = np.linspace(0, len(quarter) - 1, 2 * columns + 1)[1::2].round().astype(int)
        for column, crystal in enumerate(quarter[ranks]):
            axes = figure.add_subplot(places[row, column])
            _small(axes, grid, predicted[crystal], reference[crystal], QUARTILES[row])
            _heading(axes, formula(names[crystal]), f"{errors[crystal]:.2g}")
            axes.tick_params(labelbottom=row == 3, labelleft=False, length=2)
            if column == 0:
                axes.set_ylabel(ROWS[row], color=QUARTILES[row], weight="bold")
            if row == 3 and column == columns // 2:
                axes.set_xlabel("frequency (cm⁻¹)")
    _error_histogram(figure.add_subplot(places[:, columns]), errors, quantity)
    handles = [Line2D([], [], color=c, lw=w) for c, w in ((QUARTILES[1], 1.8), (INK, 0.9))]
    figure.legend(handles, ["predicted", "reference"], loc="outside upper left", ncols=2)
    return figure


def formula(text: str) -> str:
    """A chemical formula with its numbers as subscripts.

    >>> formula("Mg3Bi2")
    'Mg₃Bi₂'
    """
    return text.translate(SUBSCRIPTS)


def _elements(axes: Axes, x: np.ndarray, partial: Mapping[str, np.ndarray], stacked: bool) -> None:
    """The shares of the elements, in colours that the total does not have."""
    colors = [*COLORS[1:], "#6b7686", "#8fb8e8", "#8a5a3c"]
    colors = colors * (1 + len(partial) // len(colors))
    if stacked:
        axes.stackplot(
            x, *partial.values(), labels=list(partial), colors=colors, alpha=0.42, lw=0, zorder=2
        )
        return
    for (name, curve), color in zip(partial.items(), colors, strict=False):
        axes.plot(x, curve, color=color, lw=1.3, label=name, zorder=3)


def _limits(axes: Axes, curves: Sequence[tuple[np.ndarray, np.ndarray]], imaginary: float) -> None:
    """Both axes from zero to where the curves end; imaginary frequencies if there are any."""
    top = max(float(y.max()) for _, y in curves) or 1.0
    seen = [x[y > NOTHING * top] for x, y in curves]
    low = min((float(x.min()) for x in seen if len(x)), default=0.0)
    high = max((float(x.max()) for x in seen if len(x)), default=1.0)
    # the tail of a smooth curve that ends at zero is no imaginary mode
    bottom = low - 0.02 * (high - low) if low < -8 * imaginary else 0.0
    if bottom < 0:
        axes.axvspan(bottom, 0, color=COLORS[1], alpha=0.10, lw=0, zorder=0)
        axes.axvline(0, color=INK, lw=0.8)
        axes.annotate(
            "imaginary", (bottom, 0.97), (3, 0), xycoords=axes.get_xaxis_transform(),
            textcoords="offset points", color=COLORS[1], fontsize=8.5, va="top", rotation=90,
        )  # fmt: skip
    axes.set(xlim=(bottom, high + 0.03 * (high - bottom)), ylim=(0, 1.08 * top))


def _small(
    axes: Axes, grid: np.ndarray, predicted: np.ndarray, reference: np.ndarray, color: str
) -> None:
    """One of many small spectra."""
    axes.fill_between(grid, 0, reference, color=INK, alpha=0.10, lw=0)
    axes.plot(grid, reference, color=INK, lw=0.9)
    axes.plot(grid, predicted, color=color, lw=1.6)
    axes.set(xlim=(grid[0], grid[-1]), ylim=(0, 1.12), yticks=[])
    axes.set_xticks([0, 500, 1000] if grid[-1] == 1000 else np.linspace(grid[0], grid[-1], 3))
    axes.tick_params(labelsize=8)
    axes.grid(False)


def _heading(axes: Axes, name: str, error: str) -> None:
    """A formula on the left above the axes, its error on the right; long formulas get smaller."""
    size = 8.5 if len(name) <= 12 else max(5.5, 8.5 * 12 / len(name))
    axes.set_title(name, loc="left", fontsize=size, pad=3)
    axes.set_title(error, loc="right", fontsize=7.5, pad=3, color=INK, alpha=0.65)


def _error_histogram(axes: Axes, errors: np.ndarray, quantity: str) -> None:
    """Errors on a logarithmic axis, downwards, in the colours of their quarters."""
    positive = np.maximum(errors, max(float(errors.max()) * 1e-6, 1e-12))
    low, high = float(positive.min()), float(positive.max())
    bins = np.geomspace(low / 1.05, high * 1.05, 41)
    parts = [positive[part] for part in np.array_split(np.argsort(positive, kind="stable"), 4)]
    axes.hist(
        parts, bins=list(bins), stacked=True, orientation="horizontal", color=list(QUARTILES),
        alpha=0.85, lw=0,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(bins[-1], bins[0])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.spines[["left", "right"]].set_visible(False)
    axes.grid(False, axis="x")
    axes.set(xlabel="crystals", ylabel=quantity)
    edge = 1.9 * axes.get_xlim()[1]  # room for words beside the bars
    axes.set_xlim(0, edge)
    for share, text in ((0.25, "25 %"), (0.5, "median"), (0.75, "75 %")):
        value = float(np.quantile(positive, share))
        axes.axhline(value, color=INK, lw=0.7, ls=DASHED)
        axes.annotate(
            f"{text}: {value:.2g}", (edge, value), (0, 2), textcoords="offset points",
            ha="right", va="bottom", fontsize=8,
        )  # fmt: skip

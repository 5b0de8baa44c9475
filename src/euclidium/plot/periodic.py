"""A number for each element, where it stands in the periodic table."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator

from euclidium.atoms.elements import atomic_number, chemical_symbol
from euclidium.plot.canvas import GRID, INK, STYLE, canvas

SHADES = LinearSegmentedColormap.from_list(
    "shades", ["#eaf1fb", "#9cc3ee", "#2f7ed8", "#234a8f", "#141f3d"]
)
LAST = 103  # lawrencium
# the first atomic number of each row, and the column where its second part begins
ROWS = ((1, 18), (3, 13), (11, 13), (19, 3), (37, 3), (55, 3), (87, 3))


@mpl.rc_context(STYLE)
def periodic_table(
    values: Mapping[str, float],
    counts: Mapping[str, int] | None = None,
    quantity: str = "error",
    unit: str = "",
    log: bool = False,
    limits: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """The periodic table with a value and a count for each element; elements without are grey.

    ``values`` by symbol, in ``unit``; ``counts`` are written below them. ``limits`` are the values
    at the ends of the colours, by default the smallest and the largest; ``log`` makes their scale
    logarithmic.

    Raises ``ValueError`` without values, and for a symbol of no element.

    >>> axes = periodic_table({"Mg": 0.1, "O": 0.3}, {"Mg": 12, "O": 40})
    >>> len(axes.patches)
    103
    """
    known = {atomic_number(name): value for name, value in values.items() if np.isfinite(value)}
    if not known:
        raise ValueError("there is no value to draw: give numbers by the symbols of elements")
    axes = axes or canvas(size=(10.2, 5.8))[0]
    low, high = limits or (min(known.values()), max(known.values()))
    if high <= low:
        low, high = low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0)
    norm = LogNorm(low, high) if log else Normalize(low, high)
    for number in range(1, LAST + 1):
        symbol = chemical_symbol(number)
        count = None if counts is None else counts.get(symbol)
        _cell(axes, symbol, place(number), known.get(number), count, norm)
    _color_bar(axes, norm, f"{quantity} ({unit})" if unit else quantity)
    _rest(axes)
    return axes


def place(number: int) -> tuple[float, float]:
    """Row and column of an element in the table of eighteen columns, from one.

    Lanthanides and actinides stand below, from column four.

    >>> place(1), place(8), place(26), place(58), place(72)
    ((1, 1), (2, 16), (4, 8), (8.5, 4), (6, 4))
    """
    if 58 <= number <= 71:
        return 8.5, number - 54
    if 90 <= number <= 103:
        return 9.5, number - 86
    row = max(n for n, (first, _) in enumerate(ROWS, 1) if number >= first)
    first, second = ROWS[row - 1]
    column = number - first + 1
    before = 1 if row == 1 else 2
    if column > before:
        column += second - before - 1
    if row >= 6 and column > 3:
        column -= 14
    return row, column


def _cell(
    axes: Axes,
    symbol: str,
    where: tuple[float, float],
    value: float | None,
    count: int | None,
    norm: Normalize,
) -> None:
    """One element: a square of the colour of its value, with words that can be read on it."""
    row, column = where
    color = GRID if value is None else SHADES(norm(value))
    alpha = 0.45 if value is None else 1.0
    axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fc=color, alpha=alpha, lw=0))
    dark = value is not None and sum(np.array(color[:3]) * (0.3, 0.59, 0.11)) < 0.55
    ink = "#ffffff" if dark else INK
    style = {"ha": "center", "va": "center", "color": ink}
    if value is None:
        axes.text(column, row, symbol, fontsize=10, alpha=0.45, **style)  # type: ignore[arg-type]
        return
    up = 0.2 if count is not None else 0.12
    axes.text(column, row - up, symbol, fontsize=10.5, weight="bold", **style)  # type: ignore[arg-type]
    axes.text(column, row + 0.13, _short(value), fontsize=7, **style)  # type: ignore[arg-type]
    if count is not None:
        axes.text(column, row + 0.35, f"{count}", fontsize=5.8, alpha=0.75, **style)  # type: ignore[arg-type]


def _color_bar(axes: Axes, norm: Normalize, label: str) -> None:
    """The colours and their values, in the gap above the transition metals."""
    left, right, top, bottom = 3.4, 11.6, 1.55, 1.85
    shades = np.linspace(0, 1, 256)[None]
    axes.imshow(shades, SHADES, extent=(left, right, bottom, top), aspect="auto", vmin=0, vmax=1)
    axes.text((left + right) / 2, top - 0.18, label, ha="center", va="bottom", fontsize=10)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    locator = LogLocator(subs=(1, 2, 5)) if isinstance(norm, LogNorm) else MaxNLocator(6)
    for value in locator.tick_values(low, high):
        if low <= value <= high:
            x = left + (right - left) * float(norm(value))
            axes.plot([x, x], [bottom, bottom + 0.1], color=INK, lw=0.8)
            axes.text(x, bottom + 0.18, f"{value:.4g}", ha="center", va="top", fontsize=8.5)


def _short(value: float) -> str:
    """A number that fits into a cell."""
    if 0 < abs(value) < 0.095:
        return f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.0e}".replace("e-0", "e-")
    if abs(value) < 9.95:
        return f"{value:.2f}"
    return f"{value:.0f}" if abs(value) < 1e4 else f"{value:.0e}".replace("e+0", "e")


def _rest(axes: Axes) -> None:
    """Nothing but the cells."""
    axes.set(xlim=(0.4, 18.7), ylim=(10.05, 0.4), aspect="equal", xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)

"""Figures before anything is drawn: one look, no global state."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib import rcsetup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1b2430"  # text and axes; the colour of the page's text in a report
GRID = "#d3d8df"  # grid lines; the colour of the page's lines in a report
# Told apart by readers with any colour vision, and visible on white and on black.
COLORS = ("#2f7ed8", "#e5582b", "#1f9e78", "#9b63d6", "#d99a00", "#c2497a")

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.9,
    "axes.prop_cycle": rcsetup.cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.color": INK,
    "ytick.labelsize": 9.5,
}


def canvas(
    columns: int = 1,
    widths: Sequence[float] | None = None,
    size: tuple[float, float] | None = None,
    share_y: bool = False,
) -> tuple[Axes, ...]:
    """Empty axes in a row, in the look of this package.

    ``widths`` are the relative widths of the columns, ``size`` is that of the figure in inches. The
    figure belongs to nobody: no window opens, and it is freed with its axes.

    Raises ``ValueError`` if there is not one width for each column.

    >>> left, right = canvas(columns=2, widths=(3, 1), share_y=True)
    >>> left.figure is right.figure
    True
    """
    if columns < 1 or (widths is not None and len(widths) != columns):
        given = "no widths" if widths is None else f"{len(widths)} widths"
        raise ValueError(f"{columns} columns with {given}: give each column one width")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size or (5.2 + 3.4 * (columns - 1), 3.6), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, sharey=share_y, width_ratios=widths)
    return tuple(axes[0])

"""Alloys: phonon spectra against the composition, with the heat capacity beside them."""

from collections.abc import Mapping
from typing import Literal

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from euclidium.plot.canvas import COLORS, INK, STYLE, canvas
from euclidium.units import CM1_TO_MEV, CM1_TO_THZ

UNITS = {"cm⁻¹": 1.0, "THz": CM1_TO_THZ, "meV": CM1_TO_MEV}
OVERLAP = 1.7  # height of the highest curve, in the mean distance of compositions
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", COLORS[0], INK])
BETWEEN = LinearSegmentedColormap.from_list("between", [COLORS[0], COLORS[1]])


@mpl.rc_context(STYLE)
def alloy_sweep(
    fractions: Float[np.ndarray, " fraction"],
    frequencies: Float[np.ndarray, " point"],
    curves: Float[np.ndarray, "fraction point"],
    heat_capacity: Float[np.ndarray, " fraction"],
    sigma: Float[np.ndarray, " fraction"] | None = None,
    references: Mapping[float, Float[np.ndarray, " point"]] | None = None,
    measured: Mapping[float, float] | None = None,
    kind: Literal["lines", "map"] = "lines",
    label: str = "x",
    names: tuple[str, str] = ("predicted", "reference"),
    temperature: float = 300.0,
    unit: Literal["cm⁻¹", "THz", "meV"] = "cm⁻¹",
    axes: tuple[Axes, Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Densities of states against the composition, and the heat capacity beside them.

    ``frequencies`` in cm⁻¹, ``curves`` in modes for each atom and cm⁻¹, one for each of the
    ``fractions``, whose base stands at its composition (``kind`` lines) or as a map of shades;
    ``heat_capacity`` in J/(K mol) for a mole of atoms at the ``temperature`` (K), with standard
    deviations ``sigma`` where they are known. ``references`` are further curves at some fractions,
    drawn dashed on the same base, and ``measured`` are heat capacities, drawn as points. ``label``
    is the composition axis; the two axes share it.

    Raises ``ValueError`` for fewer than two compositions, for an unknown unit or kind, and for
    compositions that do not increase.

    >>> w = np.linspace(0.0, 300.0, 100)
    >>> x = np.array([0.0, 0.5, 1.0])
    >>> curves = np.exp(-np.square((w - 200 + 80 * x[:, None]) / 30)) / 20
    >>> left, right = alloy_sweep(x, w, curves, 24 + 0.5 * x, label="x in Cu₁₋ₓAuₓ")
    >>> left.get_xlabel(), left.get_ylabel()
    ('frequency (cm⁻¹)', 'x in Cu₁₋ₓAuₓ')
    """
    if unit not in UNITS or kind not in ("lines", "map"):
        raise ValueError(
            f"unit and kind are {unit!r} and {kind!r}: give cm⁻¹, THz or meV, and lines or map"
        )
    if len(fractions) < 2 or not (np.diff(fractions) > 0).all():
        raise ValueError("a sweep is drawn over two or more compositions that increase")
    left, right = axes or canvas(2, widths=(2.4, 1), size=(8.2, 4.6), share_y=True)
    x = frequencies * UNITS[unit]
    step = float(np.diff(fractions).mean())
    overlays = references or {}
    if kind == "map":
        shades = left.pcolormesh(
            x, fractions, curves / UNITS[unit], cmap=SHADES, shading="gouraud", rasterized=True
        )
        left.figure.colorbar(shades, ax=left, label=f"density of states (1/{unit})", pad=0.01)
        low, high = float(fractions[0]), float(fractions[-1])
    else:
        top = max(float(curve.max()) for curve in (*curves, *overlays.values()))
        scale = OVERLAP * step / top
        _ridges(left, fractions, x, curves * scale)
        for fraction, curve in overlays.items():
            left.plot(x, fraction + scale * curve, color=INK, lw=1.2, ls=(0, (4, 2)), zorder=60)
        low, high = float(fractions[0]) - 0.06 * step, float(fractions[-1]) + 1.04 * OVERLAP * step
    _capacities(right, fractions, heat_capacity, sigma, measured or {}, names)
    left.set(xlabel=f"frequency ({unit})", ylabel=label, xlim=(x[0], x[-1]), ylim=(low, high))
    right.set(xlabel=f"$C_v$ at {temperature:g} K (J/(K mol))")
    ticks = left.get_yticks()
    inside = (ticks >= fractions[0] - 1e-9) & (ticks <= fractions[-1] + 1e-9)
    left.set_yticks(ticks[inside])
    if overlays and kind == "lines":
        left.plot([], [], color=INK, lw=1.2, ls=(0, (4, 2)), label=names[1])
        left.legend(loc="upper right")
    return left, right


def _ridges(axes: Axes, fractions: np.ndarray, x: np.ndarray, heights: np.ndarray) -> None:
    """Curves on their compositions, the lower ones in front."""
    span = float(fractions[-1] - fractions[0])
    for number, (fraction, curve) in enumerate(zip(fractions, heights, strict=True)):
        color = BETWEEN((fraction - fractions[0]) / span)
        order = 50 - number
        axes.fill_between(x, fraction, fraction + curve, color="white", lw=0, zorder=order)
        axes.fill_between(x, fraction, fraction + curve, color=color, alpha=0.3, lw=0, zorder=order)
        axes.plot(x, fraction + curve, color=color, lw=1.4, zorder=order)
    axes.grid(False, axis="y")


def _capacities(
    axes: Axes,
    fractions: np.ndarray,
    values: np.ndarray,
    sigma: np.ndarray | None,
    measured: Mapping[float, float],
    names: tuple[str, str],
) -> None:
    """The heat capacity, upwards along the composition."""
    axes.plot(values, fractions, color=COLORS[0], marker="o", ms=3.5, label=names[0])
    if sigma is not None and np.isfinite(sigma).any():
        axes.fill_betweenx(
            fractions, values - sigma, values + sigma, color=COLORS[0], alpha=0.2, lw=0, label="± σ"
        )
    if measured:
        axes.plot(list(measured.values()), list(measured), "D", color=INK, ms=5, label=names[1])
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="best")
    axes.tick_params(labelleft=True)

"""Curves: phonon bands and densities of states, heat capacities, parity, energy drift, learning."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes

from euclidium.plot.canvas import COLORS, GRID, INK, STYLE, canvas
from euclidium.units import GAS_CONSTANT, THZ_TO_CM1, THZ_TO_MEV

FREQUENCY_UNITS = {"THz": 1.0, "cm⁻¹": THZ_TO_CM1, "meV": THZ_TO_MEV}
FrequencyUnit = Literal["THz", "cm⁻¹", "meV"]
# One more point than this, and a scatter plot becomes a picture inside the drawing.
MOST_VECTOR_POINTS = 1500


@mpl.rc_context(STYLE)
def bands(
    distances: Float[np.ndarray, " q"],
    frequencies: Float[np.ndarray, "q band"],
    ticks: Sequence[float],
    labels: Sequence[str],
    breaks: Sequence[int] = (),
    reference: tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p band2"]] | None = None,
    names: tuple[str, str] = ("potential", "reference"),
    unit: FrequencyUnit = "THz",
    axes: Axes | None = None,
) -> Axes:
    """Phonon bands along a path, with a reference underneath.

    ``distances`` along the path (1/Å) and ``frequencies`` (THz, imaginary ones negative); ``ticks``
    and ``labels`` are the special points. A line ends before each index in ``breaks``, where the
    path jumps. ``reference`` holds distances and frequencies on the same path, drawn as a thick
    line if it is dense, as points if it is not. Imaginary frequencies lie on a shaded ground.

    Raises ``ValueError`` if the numbers of ticks and labels differ, or for an unknown unit.

    >>> q = np.linspace(0, 1, 20)
    >>> axes = bands(q, 4 * np.sin(np.outer(q, [1.0, 1.5])), ticks=[0, 1], labels=["GAMMA", "X"])
    >>> [text.get_text() for text in axes.get_xticklabels()]
    ['Γ', 'X']
    """
    if len(ticks) != len(labels):
        raise ValueError(f"{len(ticks)} ticks but {len(labels)} labels: give each tick one label")
    axes = axes or canvas(size=(6.4, 4.0))[0]
    scale = _scale(unit)
    if reference is not None:
        _reference_bands(axes, *reference, scale, names[1], breaks, len(distances))
    for n, part in enumerate(np.split(np.arange(len(distances)), list(breaks))):
        lines = axes.plot(distances[part], frequencies[part] * scale, color=COLORS[0], lw=1.4)
        if n == 0:
            lines[0].set_label(names[0])
    axes.set_xticks(list(ticks), [_pretty(label) for label in labels])
    axes.set_xlim(float(distances[0]), float(distances[-1]))
    axes.xaxis.grid(True, color=INK, lw=0.5, alpha=0.45)
    axes.tick_params(axis="x", length=0)
    _frequency_floor(axes, frequencies * scale)
    axes.set_ylabel(f"frequency ({unit})")
    if reference is not None:
        _legend_above(axes)
    return axes


@mpl.rc_context(STYLE)
def dos(
    frequencies: Float[np.ndarray, " frequency"],
    density: Float[np.ndarray, " frequency"],
    reference: tuple[Float[np.ndarray, " f2"], Float[np.ndarray, " f2"]] | None = None,
    names: tuple[str, str] = ("potential", "reference"),
    unit: FrequencyUnit = "THz",
    sideways: bool = False,
    axes: Axes | None = None,
) -> Axes:
    """Phonon density of states, filled, over that of a reference.

    ``frequencies`` in THz, ``density`` in states per THz; ``sideways`` puts the frequency on the
    vertical axis, beside bands. Raises ``ValueError`` for an unknown unit.

    >>> f = np.linspace(0, 5, 50)
    >>> dos(f, f**2, unit="meV").get_xlabel()
    'frequency (meV)'
    """
    axes = axes or canvas()[0]
    scale = _scale(unit)
    fill = axes.fill_betweenx if sideways else axes.fill_between
    fill(frequencies * scale, density / scale, color=COLORS[0], alpha=0.18, lw=0)
    _curve(axes, frequencies * scale, density / scale, sideways, color=COLORS[0], label=names[0])
    if reference is not None:
        x, y = reference[0] * scale, reference[1] / scale
        _curve(axes, x, y, sideways, color=INK, lw=1.1, ls=(0, (4, 2)), label=names[1])
    top = max(float(curve.max()) / scale for curve in (density, *(reference or ())[1:]))
    low, high = float(frequencies[0]) * scale, float(frequencies[-1]) * scale
    if sideways:
        axes.set(xlabel=f"DOS (1/{unit})", xlim=(0, 1.08 * top or 1))
    else:
        axes.set(xlabel=f"frequency ({unit})", ylabel=f"density of states (1/{unit})")
        axes.set(xlim=(low, high), ylim=(0, 1.08 * top or 1))
        if reference is not None:
            axes.legend()
    return axes


@mpl.rc_context(STYLE)
def heat_capacity(
    temperatures: Float[np.ndarray, " temperature"],
    values: Float[np.ndarray, " temperature"],
    reference: tuple[Num[np.ndarray, " t2"], Num[np.ndarray, " t2"]] | None = None,
    names: tuple[str, str] = ("potential", "reference"),
    n_atoms: int | None = 1,
    axes: Axes | None = None,
) -> Axes:
    """Heat capacity against temperature, with the limit of Dulong and Petit, 3R per atom.

    ``values`` in J/(K mol), of cells or formula units with ``n_atoms`` atoms each; None draws no
    limit.

    >>> heat_capacity(np.array([10.0, 300.0]), np.array([0.1, 20.0])).get_xlabel()
    'temperature (K)'
    """
    axes = axes or canvas()[0]
    if n_atoms is not None:
        limit = 3 * n_atoms * GAS_CONSTANT
        axes.axhline(limit, color=INK, lw=0.9, ls=(0, (1, 2)))
        text = "3R" if n_atoms == 1 else f"{n_atoms} × 3R"
        axes.annotate(
            text, (0.01, limit), xycoords=("axes fraction", "data"), va="bottom", fontsize=9
        )
    axes.plot(temperatures, values, color=COLORS[0], lw=2, label=names[0])
    if reference is not None:
        many = len(reference[0]) > 40
        style: dict[str, Any] = (
            {"ls": (0, (4, 2)), "lw": 1.1} if many else {"ls": "", "marker": "o", "ms": 3.6}
        )
        axes.plot(*reference, color=INK, label=names[1], **style)
        axes.legend(loc="lower right")
    axes.set(xlabel="temperature (K)", ylabel="heat capacity (J/(K mol))")
    axes.set_xlim(0, float(np.max(temperatures)))
    axes.set_ylim(0, 1.04 * float(axes.dataLim.y1))
    return axes


@mpl.rc_context(STYLE)
def parity(
    reference: Float[np.ndarray, " value"],
    predicted: Float[np.ndarray, " value"],
    quantity: str = "force",
    unit: str = "eV/Å",
    error_unit: tuple[str, float] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Predictions against reference values, with mean absolute and root mean square errors.

    ``error_unit`` is the unit of the errors and its number in one ``unit``, such as
    ``("meV/Å", 1000)``.

    Raises ``ValueError`` if there is nothing to draw or the lengths differ.

    >>> axes = parity(np.array([0.0, 1.0]), np.array([0.1, 0.9]), error_unit=("meV/Å", 1000))
    >>> print(axes.texts[0].get_text())
    MAE 100 meV/Å
    RMSE 100 meV/Å
    """
    if len(reference) != len(predicted) or not len(reference):
        raise ValueError(
            f"{len(reference)} reference values and {len(predicted)} predictions: give as many, "
            "and at least one"
        )
    axes = axes or canvas(size=(4.2, 4.0))[0]
    both = np.concatenate([reference, predicted])
    pad = 0.04 * float(np.ptp(both)) or 0.5
    ends = (float(both.min()) - pad, float(both.max()) + pad)
    axes.plot(ends, ends, color=INK, lw=0.9, alpha=0.7, zorder=1)
    many = len(reference) > MOST_VECTOR_POINTS
    axes.scatter(
        reference,
        predicted,
        s=7 if many else 14,
        color=COLORS[0],
        alpha=0.35 if many else 0.6,
        lw=0,
        rasterized=many,
        zorder=2,
    )
    error = predicted - reference
    name, scale = error_unit or (unit, 1.0)
    mae, rmse = float(np.abs(error).mean()) * scale, float(np.sqrt((error**2).mean())) * scale
    text = f"MAE {mae:.3g} {name}\nRMSE {rmse:.3g} {name}"
    axes.text(0.05, 0.95, text, transform=axes.transAxes, va="top", fontsize=9.5)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel=f"reference {quantity} ({unit})", ylabel=f"predicted {quantity} ({unit})")
    return axes


@mpl.rc_context(STYLE)
def energy_drift(
    time: Float[np.ndarray, " frame"],
    energy: Float[np.ndarray, " frame"],
    n_atoms: int,
    axes: Axes | None = None,
) -> Axes:
    """A conserved energy during a run, and the straight line through it.

    ``time`` in fs, ``energy`` in eV of all ``n_atoms`` atoms. The text gives the change along the
    line over the run, in meV/atom, and its slope.

    Raises ``ValueError`` with fewer than two frames.

    >>> axes = energy_drift(np.array([0.0, 1000.0]), np.array([0.0, 0.002]), n_atoms=2)
    >>> print(axes.texts[0].get_text())
    drift 1 meV/atom in 1 ps (1 meV/atom/ps)
    """
    if len(time) < 2:
        raise ValueError(f"a drift needs at least two frames, got {len(time)}")
    axes = axes or canvas(size=(6.4, 3.2))[0]
    t, e = time / 1000, 1000 * (energy - energy[0]) / n_atoms
    slope, start = np.polyfit(t, e, 1)
    axes.plot(t, e, color=COLORS[0], lw=0.8, rasterized=len(t) > 20 * MOST_VECTOR_POINTS)
    axes.plot(t[[0, -1]], start + slope * t[[0, -1]], color=COLORS[1], lw=1.8)
    span = float(t[-1] - t[0])
    text = f"drift {slope * span:.2g} meV/atom in {span:.3g} ps ({slope:.2g} meV/atom/ps)"
    axes.text(0.02, 0.96, text, transform=axes.transAxes, va="top", fontsize=9.5)
    axes.set(xlabel="time (ps)", ylabel="energy − start (meV/atom)", xlim=(t[0], t[-1]))
    low, high = float(e.min()), float(e.max())
    pad = 0.1 * (high - low) or 1e-6
    axes.set_ylim(low - pad, high + 2.5 * pad)  # room for the text
    return axes


@mpl.rc_context(STYLE)
def temperature(
    time: Float[np.ndarray, " frame"],
    values: Float[np.ndarray, " frame"],
    target: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Temperature (K) during a run against time (fs), with its mean and its target.

    >>> temperature(np.array([0.0, 1.0]), np.array([290.0, 310.0]), target=300).get_ylabel()
    'temperature (K)'
    """
    axes = axes or canvas(size=(6.4, 3.2))[0]
    axes.plot(time / 1000, values, color=COLORS[0], lw=0.9)
    mean = float(np.mean(values))
    axes.axhline(mean, color=COLORS[1], lw=1.8, label=f"mean {mean:.0f} K")
    if target is not None:
        axes.axhline(target, color=INK, lw=1.0, ls=(0, (4, 2)), label=f"target {target:g} K")
    axes.set(xlabel="time (ps)", ylabel="temperature (K)")
    axes.set_xlim(float(time[0]) / 1000, float(time[-1]) / 1000)
    _legend_above(axes)
    return axes


@mpl.rc_context(STYLE)
def learning_curve(
    epochs: Num[np.ndarray, " epoch"],
    curves: Mapping[str, Float[np.ndarray, " epoch"]],
    quantity: str = "loss",
    axes: Axes | None = None,
) -> Axes:
    """Errors or losses against the epoch, on a logarithmic axis; NaN where one was not measured.

    Raises ``ValueError`` if there is no curve.

    >>> learning_curve(np.arange(3), {"train": np.array([1.0, 0.3, 0.1])}).get_yscale()
    'log'
    """
    if not curves:
        raise ValueError("there is no curve to draw: give at least one, by name")
    axes = axes or canvas()[0]
    for (name, values), color in zip(curves.items(), COLORS * len(curves), strict=False):
        seen = np.isfinite(values)
        marker: dict[str, Any] = {"marker": "o", "ms": 3} if seen.sum() <= 30 else {}
        axes.plot(epochs[seen], values[seen], color=color, label=name, **marker)
    axes.set_yscale("log")
    axes.grid(True, which="minor", axis="y", color=GRID, lw=0.35)
    axes.set(xlabel="epoch", ylabel=quantity)
    axes.legend()
    return axes


def _scale(unit: str) -> float:
    if unit not in FREQUENCY_UNITS:
        raise ValueError(f"not a unit of frequency: {unit!r}; use {', '.join(FREQUENCY_UNITS)}")
    return FREQUENCY_UNITS[unit]


def _pretty(label: str) -> str:
    """Greek letters and subscripts for the names of points in reciprocal space."""
    greek = {"GAMMA": "Γ", "G": "Γ", "DELTA": "Δ", "SIGMA": "Σ", "LAMBDA": "Λ"}
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    parts = []
    for name in label.split("|"):
        head, _, number = name.partition("_")
        parts.append(greek.get(head, head) + number.translate(subscripts))
    return "|".join(parts)


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, sideways: bool, **style: Any) -> None:
    """A line, or the same mirrored at the diagonal."""
    axes.plot(*((y, x) if sideways else (x, y)), **style)


def _reference_bands(
    axes: Axes,
    distances: np.ndarray,
    frequencies: np.ndarray,
    scale: float,
    name: str,
    breaks: Sequence[int],
    n_path: int,
) -> None:
    """Reference bands below the others: thick pale lines where dense, points where sparse."""
    label = None if axes.get_legend_handles_labels()[1] else name
    if len(distances) == n_path:
        for part in np.split(np.arange(len(distances)), list(breaks)):
            lines = axes.plot(
                distances[part], frequencies[part] * scale, color=INK, alpha=0.28, lw=3.6
            )
            lines[0].set_label(label)
            label = None
        return
    points = axes.plot(
        distances, frequencies * scale, "o", color=INK, ms=3.2, mew=0, alpha=0.7, zorder=3
    )
    points[0].set_label(label)


def _frequency_floor(axes: Axes, frequencies: np.ndarray) -> None:
    """The axis starts at zero, or shows imaginary frequencies on a shaded ground."""
    low, high = float(frequencies.min()), float(axes.dataLim.y1)
    pad = 0.05 * (high - min(low, 0.0)) or 1.0
    imaginary = low < -0.01 * high
    bottom = low - pad if imaginary else 0.0
    axes.set_ylim(bottom, high + pad)
    if imaginary:
        axes.axhspan(bottom, 0, color=COLORS[1], alpha=0.10, lw=0, zorder=0)
        axes.axhline(0, color=INK, lw=0.8)
        text = "imaginary"
        axes.text(0.01, 0.015, text, transform=axes.transAxes, color=COLORS[1], fontsize=9)


def _legend_above(axes: Axes) -> None:
    """The legend over the axes, where it hides nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2)

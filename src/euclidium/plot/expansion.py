"""What harmonic crystals do not do: Grüneisen parameters, thermal expansion, heat conduction."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from euclidium.plot.canvas import COLORS, GRID, INK, STYLE, canvas
from euclidium.plot.curves import FREQUENCY_UNITS, FrequencyUnit, _pretty

# Lines of free energy in one picture.
MOST_LINES = 11


@mpl.rc_context(STYLE)
def gruneisen_bands(
    distances: Float[np.ndarray, " q"],
    parameters: Float[np.ndarray, "q band"],
    ticks: Sequence[float],
    labels: Sequence[str],
    axes: Axes | None = None,
) -> Axes:
    """Mode Grüneisen parameters along a path, as points: bands cross, and NaN is left out.

    Raises ``ValueError`` if the numbers of ticks and labels differ.

    >>> q = np.linspace(0, 1, 20)
    >>> axes = gruneisen_bands(q, np.outer(1 + q, [1.0, 1.5]), ticks=[0, 1], labels=["GAMMA", "X"])
    >>> axes.get_ylabel()
    'Grüneisen parameter'
    """
    if len(ticks) != len(labels):
        raise ValueError(f"{len(ticks)} ticks but {len(labels)} labels: give each tick one label")
    axes = axes or canvas(size=(6.4, 4.0))[0]
    places = np.broadcast_to(distances[:, None], parameters.shape)
    axes.scatter(places, parameters, s=5, color=COLORS[0], lw=0)
    axes.axhline(0, color=INK, lw=0.7, alpha=0.6)
    axes.set_xticks(list(ticks), [_pretty(label) for label in labels])
    axes.set_xlim(float(distances[0]), float(distances[-1]))
    axes.xaxis.grid(True, color=INK, lw=0.5, alpha=0.45)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Grüneisen parameter")
    return axes


@mpl.rc_context(STYLE)
def gruneisen_points(
    frequencies: Float[np.ndarray, "q band"],
    parameters: Float[np.ndarray, "q band"],
    mean: float | None = None,
    unit: FrequencyUnit = "THz",
    axes: Axes | None = None,
) -> Axes:
    """Mode Grüneisen parameters against frequency (THz), and their mean.

    Raises ``ValueError`` for an unknown unit.

    >>> axes = gruneisen_points(np.array([[1.0, 2.0]]), np.array([[2.1, 1.9]]), mean=2.0)
    >>> axes.get_legend().get_texts()[0].get_text()
    'mean 2.00'
    """
    if unit not in FREQUENCY_UNITS:
        raise ValueError(f"not a unit of frequency: {unit!r}; use {', '.join(FREQUENCY_UNITS)}")
    axes = axes or canvas(size=(5.2, 3.6))[0]
    x, y = frequencies.ravel() * FREQUENCY_UNITS[unit], parameters.ravel()
    axes.scatter(x, y, s=8, color=COLORS[0], alpha=0.5, lw=0, rasterized=len(x) > 1500)
    if mean is not None:
        axes.axhline(mean, color=COLORS[1], lw=1.4, label=f"mean {mean:.2f}")
        axes.legend()
    axes.set(xlabel=f"frequency ({unit})", ylabel="Grüneisen parameter")
    return axes


@mpl.rc_context(STYLE)
def free_energies(
    volumes: Float[np.ndarray, " volume"],
    energies: Float[np.ndarray, "temperature volume"],
    temperatures: Float[np.ndarray, " temperature"],
    equilibrium: Float[np.ndarray, " temperature"] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Free energy (eV) against volume (Å³) at several temperatures (K), with its minima.

    Of many temperatures some are drawn. Energies are given from the lowest drawn.

    >>> v = np.linspace(10, 12, 5)
    >>> axes = free_energies(v, (v - 11) ** 2 - np.array([[0.0], [0.1]]), np.array([0.0, 300.0]))
    >>> [text.get_text() for text in axes.texts]
    ['0 K', '300 K']
    """
    axes = axes or canvas(size=(4.6, 4.0))[0]
    rows = np.unique(np.linspace(0, len(temperatures) - 1, MOST_LINES).round().astype(int))
    minima = []
    for row in rows:
        axes.plot(volumes, energies[row], "o-", color=COLORS[0], ms=3, lw=1.0, alpha=0.75)
        axes.annotate(
            f"{temperatures[row]:.0f} K",
            (volumes[-1], energies[row, -1]),
            xytext=(4, -3),
            textcoords="offset points",
            fontsize=8,
        )
        if equilibrium is not None and np.isfinite(equilibrium[row]):
            curve = np.polynomial.Polynomial.fit(volumes, energies[row], min(4, len(volumes) - 1))
            minima.append((equilibrium[row], float(curve(equilibrium[row]))))
    if minima:
        axes.plot(*np.transpose(minima), "x-", color=COLORS[1], ms=5, lw=1.2)
    axes.margins(x=0.12)
    axes.set(xlabel="volume (Å³)", ylabel="free energy (eV)")
    return axes


@mpl.rc_context(STYLE)
def thermal_expansion(
    temperatures: Float[np.ndarray, " temperature"],
    expansion: Float[np.ndarray, " temperature"],
    reference: tuple[Float[np.ndarray, " t2"], Float[np.ndarray, " t2"]] | None = None,
    names: tuple[str, str] = ("potential", "reference"),
    axes: Axes | None = None,
) -> Axes:
    """Thermal expansion of the volume (1/K) against temperature (K); a reference as points.

    >>> axes = thermal_expansion(np.array([0.0, 300.0]), np.array([0.0, 5e-5]))
    >>> axes.get_ylabel()
    'thermal expansion (10⁻⁶/K)'
    """
    axes = axes or canvas()[0]
    axes.plot(temperatures, 1e6 * expansion, color=COLORS[0], label=names[0])
    if reference is not None:
        axes.plot(reference[0], 1e6 * reference[1], "o", color=INK, ms=3.5, label=names[1])
        axes.legend()
    axes.set(xlabel="temperature (K)", ylabel="thermal expansion (10⁻⁶/K)")
    return axes


@mpl.rc_context(STYLE)
def bulk_modulus(
    temperatures: Float[np.ndarray, " temperature"],
    curves: Mapping[str, Float[np.ndarray, " temperature"]],
    axes: Axes | None = None,
) -> Axes:
    """Bulk moduli (GPa) by name, isothermal and adiabatic ones for example, against temperature.

    Raises ``ValueError`` if there is no curve.

    >>> bulk_modulus(np.array([0.0, 300.0]), {"isothermal": np.array([140.0, 135.0])}).get_ylabel()
    'bulk modulus (GPa)'
    """
    if not curves:
        raise ValueError("there is no curve to draw: give at least one, by name")
    axes = axes or canvas()[0]
    for color, (name, values) in zip(COLORS, curves.items(), strict=False):
        axes.plot(temperatures, values, color=color, label=name)
    axes.legend()
    axes.set(xlabel="temperature (K)", ylabel="bulk modulus (GPa)")
    return axes


@mpl.rc_context(STYLE)
def heat_conduction(
    temperatures: Float[np.ndarray, " temperature"],
    conductivity: Float[np.ndarray, "temperature 3 3"],
    axes: Axes | None = None,
) -> Axes:
    """Thermal conductivity (W/(m K)) along x, y and z against temperature, both logarithmic.

    Directions of one conductivity are one line.

    >>> kappa = np.array([200.0, 100.0])[:, None, None] * np.eye(3)
    >>> [line.get_label() for line in heat_conduction(np.array([200.0, 400.0]), kappa).lines]
    ['xyz']
    """
    axes = axes or canvas()[0]
    diagonal = np.einsum("tii->ti", conductivity)
    lines: dict[str, np.ndarray] = {}
    for name, values in zip("xyz", diagonal.T, strict=True):
        same = [k for k, other in lines.items() if np.allclose(other, values, rtol=1e-3)]
        if same:
            lines[same[0] + name] = lines.pop(same[0])
        else:
            lines[name] = values
    for color, (name, values) in zip(COLORS, lines.items(), strict=False):
        axes.plot(temperatures, values, "o-", ms=3, color=color, label=name)
    if len(lines) > 1:
        axes.legend()
    axes.set(xscale="log", yscale="log")
    axes.grid(True, which="minor", color=GRID, lw=0.35)
    axes.set(xlabel="temperature (K)", ylabel="thermal conductivity (W/(m K))")
    return axes

"""Pictures of electron densities: a slice, the potential on a surface, errors by degree."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import LightSource, LinearSegmentedColormap, Normalize, SymLogNorm
from matplotlib.figure import Figure

from euclidium.plot.canvas import COLORS, INK, STYLE, canvas

# fewer electrons, none, more; red, white, blue as in electrostatics
DIVERGING = LinearSegmentedColormap.from_list(
    "electrons", ["#b5341c", "#e5582b", "#f6c9b6", "#fbfbfb", "#bcd6f3", "#2f7ed8", "#174a87"]
)
LINEAR = 0.02  # of the largest value, below which the colours of a slice are linear


@mpl.rc_context(STYLE)
def density_slice(
    x: Float[np.ndarray, " x"],
    y: Float[np.ndarray, " y"],
    values: Float[np.ndarray, "y x"],
    atoms: Float[np.ndarray, "atom 2"] | None = None,
    symbols: Sequence[str] = (),
    label: str = "Δρ (e/Å³)",
    axes: Axes | None = None,
) -> Axes:
    """A change of the density on a plane: where there are more electrons it is blue.

    ``x`` and ``y`` are lengths in the plane (Å), ``values`` the density there. ``atoms`` are the
    places of those atoms that are drawn, with their ``symbols``. The colours are logarithmic above
    a fiftieth of the largest value, so that cores do not hide bonds.

    >>> x = np.linspace(-1, 1, 20)
    >>> axes = density_slice(x, x, np.outer(x, x))
    >>> axes.get_aspect()
    1.0
    """
    axes = axes or canvas(size=(5.4, 4.6))[0]
    top = float(np.percentile(np.abs(values), 99.8)) or 1.0
    scale = SymLogNorm(LINEAR * top, vmin=-top, vmax=top)
    shown = axes.pcolormesh(
        x, y, values, cmap=DIVERGING, norm=scale, shading="gouraud", rasterized=True
    )
    levels = top * np.geomspace(LINEAR, 1.0, 5)
    lines = [*(-levels[::-1]), *levels]
    axes.contour(x, y, values, levels=lines, colors=INK, linewidths=0.45, alpha=0.45)
    if atoms is not None:
        axes.plot(*atoms.T, "o", ms=3.2, mfc="white", mec=INK, mew=0.9, zorder=5)
        for place, symbol in zip(atoms, symbols, strict=False):
            axes.annotate(symbol, place, (4, 4), textcoords="offset points", fontsize=8.5, zorder=6)
    axes.set(xlabel="x (Å)", ylabel="y (Å)", aspect="equal")
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes.grid(False)
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.02, shrink=0.9)
    bar.set_label(label)
    ticks = [sign * s for s in (0.1, 1.0) for sign in (-1, 1)]
    bar.set_ticks([-top, *(t * top for t in ticks[:2]), 0.0, top])
    bar.ax.set_yticklabels([f"{v:.1g}".replace("-", "−") if v else "0" for v in bar.get_ticks()])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return axes


@mpl.rc_context(STYLE)
def surface_potential(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    potential: Float[np.ndarray, " vertex"],
    view: Float[np.ndarray, "3 3"] | None = None,
    figure: Figure | None = None,
    place: tuple[int, int, int] = (1, 1, 1),
    title: str = "",
) -> Axes:
    """The electrostatic potential on a surface: red where it is negative, blue where positive.

    ``vertices`` in Å, ``potential`` in V. ``view`` are three axes as rows, of which the last points
    at the reader; by default the surface is seen along its shortest extent. It is drawn into a
    ``place`` of a ``figure``, as ``Figure.add_subplot`` takes it.

    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> sides = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    >>> axes = surface_potential(corners, sides, np.array([-1.0, 0.0, 0.5, 1.0]))
    >>> len(axes.collections)
    1
    """
    figure = figure or Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.add_subplot(*place, projection="3d")
    centred = vertices - vertices.mean(axis=0)
    if view is None:
        view = np.linalg.svd(centred, full_matrices=False)[2]
    turned = centred @ view.T
    corners, normals, values = _smooth(turned, triangles, potential)
    top = float(np.abs(potential).max()) or 1.0
    scale = Normalize(-top, top)
    light = LightSource(azdeg=315, altdeg=50).shade_normals(normals, fraction=1.0)
    colors = DIVERGING(scale(values))
    colors[:, :3] *= (0.62 + 0.38 * np.clip(light, 0, 1))[:, None]
    flat = corners.reshape(-1, 3)
    faces = np.arange(len(flat)).reshape(-1, 3)
    drawn = axes.plot_trisurf(*flat.T, triangles=faces, shade=False)
    drawn.set(facecolors=colors, edgecolors=colors, linewidths=0.2)
    size = 0.66 * np.abs(turned).max(axis=0).max()
    for name in "xyz":
        getattr(axes, f"set_{name}lim")(-size, size)
    axes.set_box_aspect((1, 1, 1))
    axes.view_init(elev=90, azim=-90)
    axes.set_axis_off()
    axes.set_title(title)
    shown = mpl.cm.ScalarMappable(scale, DIVERGING)
    bar = figure.colorbar(shown, ax=axes, shrink=0.72, pad=0.0)
    bar.set_label("potential (V)")
    bar.outline.set_visible(False)
    return axes


@mpl.rc_context(STYLE)
def density_panel(
    x: Float[np.ndarray, " x"],
    y: Float[np.ndarray, " y"],
    values: Float[np.ndarray, "y x"],
    atoms: Float[np.ndarray, "atom 2"],
    symbols: Sequence[str],
    surface: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    view: Float[np.ndarray, "3 3"] | None = None,
    label: str = "Δρ (e/Å³)",
    title: str = "",
) -> Figure:
    """A :func:`density_slice`, and beside it the :func:`surface_potential` if there is one.

    ``surface`` are vertices (Å), triangles and potential (V), ``view`` the axes of the slice and
    the one towards the reader.

    >>> x = np.linspace(-1, 1, 20)
    >>> figure = density_panel(x, x, np.outer(x, x), np.zeros((1, 2)), ["H"])
    >>> figure.axes[0].get_xlabel()
    'x (Å)'
    """
    count = 1 if surface is None else 2
    figure = Figure(figsize=(5.8 if surface is None else 11.0, 4.7), layout="constrained")
    axes = figure.add_subplot(1, count, 1)
    density_slice(x, y, values, atoms, symbols, label, axes)
    axes.set_title(title)
    if surface is not None:
        surface_potential(*surface, view, figure, (1, 2, 2))
    return figure


@mpl.rc_context(STYLE)
def degree_errors(
    errors: dict[str, Float[np.ndarray, " degree"]],
    total: dict[str, float] | None = None,
    floor: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Errors of a density by the degree of the functions, of one model or of several.

    ``errors`` are 100 ∫|Δρ_l| / N in percent by name, ``total`` the errors of the whole densities.
    ``floor`` is the error of the labels themselves, below which no error against the calculation
    can be.

    >>> axes = degree_errors({"model": np.array([0.5, 0.4, 0.3])}, floor=1.1)
    >>> axes.get_yscale()
    'log'
    """
    axes = axes or canvas(size=(5.6, 3.6))[0]
    width = 0.8 / len(errors)
    for n, (name, values) in enumerate(errors.items()):
        color = COLORS[n % len(COLORS)]
        places = np.arange(len(values)) + (n - (len(errors) - 1) / 2) * width
        axes.bar(places, values, width * 0.92, color=color, label=name, lw=0)
        if total and name in total:
            axes.axhline(total[name], color=color, lw=1.2, ls=(0, (4, 2)))
    if floor is not None:
        axes.axhline(floor, color=INK, lw=1.0, ls=(0, (1, 1.5)), label="floor of the labels")
    axes.set(yscale="log", xlabel="degree l", ylabel="ε (% of the electrons)")
    axes.set_xticks(range(max(map(len, errors.values()))))
    axes.grid(False, axis="x")
    if len(errors) > 1 or floor is not None:
        axes.legend()
    return axes


def _smooth(
    vertices: np.ndarray, triangles: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each triangle in four: corners, normals between those of the corners, values."""
    corners = vertices[triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # outwards, whichever way the triangles turn
    if (flat * corners.mean(axis=1)).sum() < 0:
        flat = -flat
    normals = np.zeros_like(vertices)
    for n in range(3):
        np.add.at(normals, triangles[:, n], flat)
    parts = []
    for field in (corners, normals[triangles], values[triangles][..., None]):
        a, b, c = field[:, 0], field[:, 1], field[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        parts.append(np.concatenate([np.stack(piece, axis=1) for piece in pieces]))
    turned = parts[1].mean(axis=1)
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return parts[0], turned, parts[2].mean(axis=(1, 2))

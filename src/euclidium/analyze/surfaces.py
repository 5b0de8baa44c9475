"""The surface of a molecule, where its density has some value, and the potential on it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from euclidium.analyze.electrostatics import potential_at
from euclidium.analyze.grids import grid_of
from euclidium.atoms.density import Density
from euclidium.atoms.problem import DataError
from euclidium.units import BOHR

MARGINS = (3.0, 4.5, 6.0, 9.0)  # Å of the grid beyond the atoms, until it holds the surface
FACES = tuple(np.s_[(slice(None),) * n + (end,)] for n in range(3) for end in (0, -1))


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of a surface, Å, and the electrostatic potential at their corners, V.

    >>> corners = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> Surface(corners, np.array([[0, 1, 2]]), np.array([0.3, 0.6, 0.6])).statistics()["mean"]
    0.5
    """

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    potential: Float[np.ndarray, " vertex"]

    @property
    def areas(self) -> Float[np.ndarray, " triangle"]:
        """Area of each triangle, Å²."""
        a, b, c = (self.vertices[self.triangles[:, n]] for n in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2

    def statistics(self) -> dict[str, float]:
        """What the potential is like, weighted by area: V, V² and Å².

        ``area``, ``minimum``, ``maximum``, ``mean``; the means ``positive`` and ``negative`` of
        either sign and their variances ``positive_variance``, ``negative_variance``; and their
        ``balance`` ν = σ₊² σ₋² / (σ₊² + σ₋²)², at most ¼.

        Murray et al., J. Mol. Struct. THEOCHEM 307, 55 (1994),
        https://doi.org/10.1016/0166-1280(94)80117-7
        """
        areas = self.areas
        values = self.potential[self.triangles].mean(axis=1)
        found = {
            "area": float(areas.sum()),
            "minimum": float(self.potential.min()),
            "maximum": float(self.potential.max()),
            "mean": float(np.average(values, weights=areas)),
        }
        variances = []
        for name, some in (("positive", values > 0), ("negative", values < 0)):
            mean = float(np.average(values[some], weights=areas[some])) if some.any() else 0.0
            spread = (values[some] - mean) ** 2
            variances.append(float(np.average(spread, weights=areas[some])) if some.any() else 0.0)
            found[name], found[f"{name}_variance"] = mean, variances[-1]
        total = sum(variances)
        found["balance"] = variances[0] * variances[1] / total**2 if total > 0 else 0.0
        return found


def surface_of(density: Density, value: float = 0.002, spacing: float = 0.2) -> Surface:
    """Where the density has some value, with the electrostatic potential there.

    ``value`` in e/bohr³, as it is quoted; 0.002 is about the surface that other molecules touch.
    ``spacing`` (Å) is that of the grid whose cubes are marched through. Needs scikit-image, of the
    extra ``density``.

    Raises ``DataError`` without it, for a periodic structure, and for a value that does not occur.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> sphere = surface_of(Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.15])))
    >>> r = np.linalg.norm(sphere.vertices, axis=1)
    >>> bool(np.ptp(r) < 0.02)
    True
    """
    if density.structure.pbc.any():
        raise DataError(f"{density.structure.origin} is periodic: surfaces are those of molecules")
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise DataError("surfaces need scikit-image: pip install 'euclidium[density]'") from error
    for margin in MARGINS:
        volume = grid_of(density, spacing, margin)
        values = volume.values * BOHR**3
        if max(values[index].max() for index in FACES) < value:
            break
    else:
        raise DataError(
            f"the surface of {value:g} e/bohr³ is more than {margin:g} Å away from the atoms: "
            "choose a larger value"
        )
    if not values.min() < value < values.max():
        raise DataError(
            f"the density is between {values.min():.2g} and {values.max():.2g} e/bohr³ on the grid,"
            f" and nowhere {value:g}"
        )
    # of the logarithm, which is nearly linear where the density ends
    field = np.log(np.maximum(values, 1e-3 * value) / value)
    corners, triangles, _, _ = marching_cubes(field, 0.0)
    steps = volume.box / np.array(values.shape)[:, None]
    vertices = corners.astype(float) @ steps + volume.origin
    return Surface(vertices, triangles.astype(np.int64), potential_at(density, vertices))

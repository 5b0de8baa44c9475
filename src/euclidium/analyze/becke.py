"""Grids that integrate functions with a cusp at each nucleus: spheres about every atom."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import lebedev_rule
from scipy.spatial import cKDTree

from euclidium.analyze.images import lattice_images
from euclidium.atoms.centers import without_bond_centers
from euclidium.atoms.structure import Structure
from euclidium.units import BOHR

# Of each level: radial points of hydrogen and helium, more of them with each further row of the
# periodic table, and the degree to which the sphere is integrated exactly.
LEVELS = {
    0: (20, 5, 13),
    1: (30, 8, 17),
    2: (40, 12, 23),
    3: (50, 20, 29),
    4: (70, 20, 35),
    5: (90, 25, 41),
}
# Parts of the sphere's degree that are enough close to a nucleus, below these distances in Å.
PRUNING = ((0.13, 7), (0.26, 15))
ROWS = (2, 10, 18, 36, 54, 86, 118)  # last element of each row
FARTHEST = 22.0  # bohr, the end of the radial grids
NEGLECTED = 10.0  # bohr beyond the nearest atom, where an atom has no share in a point


class Grid(NamedTuple):
    """Points (Å) and weights (Å³): ∫f is about Σ w f."""

    points: Float[np.ndarray, "point 3"]
    weights: Float[np.ndarray, " point"]


def becke_grid(structure: Structure, level: int = 3) -> Grid:
    """Points and weights that integrate a density over space, or over the cell of a crystal.

    ∫f = Σ_A ∫ w_A f,   w_A = p_A / Σ_B p_B,   p = η exp(−2 d) / d³ with d in bohr

    Each atom has spheres about it, the middle of a bond has none. The fuzzy cells w are those of
    Franchini et al., with η = 0.3 for hydrogen and 1 else, whose cost grows with the number of
    atoms and not with its square; the radial grid is that of Mura and Knowles, and the spheres are
    those of Lebedev. ``level`` is 0 (coarse) to 5: with 3 the electrons of water are right to
    1e-6 of them.

    Raises ``ValueError`` for another level.

    Becke, J. Chem. Phys. 88, 2547 (1988), https://doi.org/10.1063/1.454033
    Franchini et al., J. Comput. Chem. 34, 1819 (2013), https://doi.org/10.1002/jcc.23323
    Mura and Knowles, J. Chem. Phys. 104, 9848 (1996), https://doi.org/10.1063/1.471749

    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
    >>> points, weights = becke_grid(hydrogen)
    >>> round(float(weights @ np.exp(-(points**2).sum(axis=1))) / np.pi**1.5, 5)
    1.0
    """
    if level not in LEVELS:
        raise ValueError(f"levels of grids are 0 to {max(LEVELS)}, got {level}")
    structure = without_bond_centers(structure)
    shares = _Shares(structure)
    points, weights = [], []
    for atom, z in enumerate(structure.species.tolist()):
        for r, directions, own in _spheres(int(z), level):
            at = (r[:, None, None] * directions).reshape(-1, 3)
            share = shares(atom, at, float(r[-1]))
            kept = share > 1e-14
            points.append(at[kept] * BOHR + structure.positions[atom])
            weights.append((own.ravel() * share)[kept] * BOHR**3)
    return Grid(np.concatenate(points), np.concatenate(weights))


class _Shares:
    """The shares w of an atom in points around it."""

    def __init__(self, structure: Structure) -> None:
        far = np.full(structure.n_atoms, (2 * FARTHEST + NEGLECTED) * BOHR)
        owners, places = lattice_images(structure, structure.positions, far)
        self.places = places / BOHR
        self.sizes = np.where(structure.species[owners] == 1, 0.3, 1.0)
        self.home = structure.positions / BOHR
        self.tree = cKDTree(self.places)

    def __call__(self, atom: int, vectors: np.ndarray, radius: float) -> np.ndarray:
        """At vectors from the atom (bohr), none longer than the radius."""
        near = self.tree.query_ball_point(self.home[atom], 2 * radius + NEGLECTED)
        away = self.places[near] - self.home[atom]
        itself = int(np.argmin((away**2).sum(axis=1)))
        squares = (
            (vectors**2).sum(axis=1)[:, None] - 2 * vectors @ away.T + (away**2).sum(axis=1)[None]
        )
        d = np.sqrt(np.maximum(squares, 1e-12))
        # relative to the nearest, so that nothing underflows
        logarithms = np.log(self.sizes[near]) - 2 * d - 3 * np.log(d)
        logarithms -= logarithms.max(axis=1, keepdims=True)
        p = np.exp(logarithms)
        return p[:, itself] / p.sum(axis=1)


@cache
def _spheres(z: int, level: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Spheres about a nucleus in groups: radii (bohr), directions, weights (bohr³)."""
    n, more, degree = LEVELS[level]
    n += more * int(np.searchsorted(ROWS, z))
    x = (np.arange(n) + 0.5) / n
    alpha = 7.0 if z in (3, 4, 11, 12, 19, 20, 37, 38, 55, 56, 87, 88) else 5.0
    r = -alpha * np.log1p(-(x**3))
    weights = alpha * 3 * x**2 / (1 - x**3) * r**2 / n
    inner = [radius / BOHR for radius, _ in PRUNING]
    zone = np.searchsorted(inner, r, side="right")
    degrees = [min(degree, small) for _, small in PRUNING] + [degree]
    found = []
    # outer spheres in two groups: those far away look at more atoms
    bounds = [*inner, 4.0, FARTHEST]
    group = np.searchsorted(bounds, r, side="right")
    for k in range(len(bounds)):
        some = np.flatnonzero(group == k)
        if len(some):
            directions, angular = lebedev_rule(degrees[zone[some[0]]])
            own = weights[some, None] * angular[None]
            found.append((r[some], np.ascontiguousarray(directions.T), own))
    return found

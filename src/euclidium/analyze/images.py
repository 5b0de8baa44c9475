"""The lattice that a density of a crystal is summed over."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

from euclidium.atoms.structure import Structure


def lattice_images(
    structure: Structure, points: np.ndarray, reaches: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms and their periodic images that reach one of the points: atom, position (Å).

    ``reaches`` (Å) says how far each atom counts; without periodic axes all atoms are returned.

    >>> from ase.build import bulk
    >>> copper = Structure.from_ase(bulk("Cu"))
    >>> owners, places = lattice_images(copper, np.zeros((1, 3)), [2.6])
    >>> len(places)
    13
    """
    positions, owners = structure.positions, np.arange(structure.n_atoms)
    if not structure.pbc.any() or len(points) == 0:
        return owners, positions.copy()
    vectors = structure.cell[structure.pbc]
    dual = np.linalg.pinv(vectors)  # rows of coordinates times this are fractional
    low, high = points.min(axis=0), points.max(axis=0)
    largest = float(np.max(reaches))
    corners = np.array(list(product(*zip(low - largest, high + largest, strict=True)))) @ dual
    own = positions @ dual
    first = np.floor(corners.min(axis=0) - own.max(axis=0)).astype(int)
    last = np.ceil(corners.max(axis=0) - own.min(axis=0)).astype(int)
    steps = np.array(list(product(*(range(a, b + 1) for a, b in zip(first, last, strict=True)))))
    places = positions[None] + (steps @ vectors)[:, None]
    away = np.maximum(np.maximum(low - places, places - high), 0.0)
    near = np.linalg.norm(away, axis=-1) < np.asarray(reaches)[None]
    return np.broadcast_to(owners, near.shape)[near], places[near]


def wrapped(
    structure: Structure, points: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, "point 3"]:
    """The points in the cell at the origin, along periodic axes; Å.

    >>> from ase.build import bulk
    >>> cell = Structure.from_ase(bulk("Cu", cubic=True))
    >>> wrapped(cell, cell.positions + cell.cell[0]).round(3)[0]
    array([0., 0., 0.])
    """
    if not structure.pbc.any():
        return np.ascontiguousarray(points)
    vectors = structure.cell[structure.pbc]
    return points - np.floor(points @ np.linalg.pinv(vectors)) @ vectors

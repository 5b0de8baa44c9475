"""Supercells of structures, and the most compact one of a given size."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from jaxtyping import Float, Int

from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure


def repeated(structure: Structure, matrix: Int[np.ndarray, "3 3"]) -> Structure:
    """The supercell whose vectors are the rows of ``matrix`` times the cell; labels are left out.

    The atoms of each unit cell stand together, in the order of the structure. Occupations and
    inputs are repeated. Raises ``DataError`` for a matrix without volume, and for a structure that
    is not periodic along all axes.

    >>> from ase.build import bulk
    >>> repeated(Structure.from_ase(bulk("Cu")), np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]))
    Structure(Cu4, periodic: abc)
    """
    n = round(abs(float(np.linalg.det(matrix))))
    if n == 0 or not structure.pbc.all():
        what = f"the matrix {matrix.tolist()} has no volume" if n == 0 else "it is not a crystal"
        raise DataError(f"{structure.origin} has no such supercell: {what}")
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T @ matrix
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)))
    points = np.stack(grid, axis=-1).reshape(-1, 3)
    inside = points @ np.linalg.inv(matrix)
    points = points[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    points = points[np.lexsort(points.T[::-1])]
    positions = (structure.positions[None] + (points @ structure.cell)[:, None]).reshape(-1, 3)
    occupations = structure.occupations
    return replace(
        structure,
        species=np.tile(structure.species, n),
        positions=positions,
        cell=matrix @ structure.cell,
        labels={},
        per_atom=frozenset({"forces"}),
        inputs={k: np.tile(v, (n, *(1,) * (v.ndim - 1))) for k, v in structure.inputs.items()},
        occupations=None if occupations is None else np.tile(occupations, (n, 1)),
    )


def compact_supercell(cell: Float[np.ndarray, "3 3"], n: int) -> Int[np.ndarray, "3 3"]:
    """The supercell of ``n`` unit cells whose periodic images are farthest apart, as a matrix.

    Among all superlattices of the index ``n``, given by their Hermite normal forms, the one with
    the longest shortest vector; of equals the widest. Its vectors are reduced (Minkowski). Raises
    ``DataError`` for fewer than one unit cell.

    >>> compact_supercell(np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), 8).tolist()
    [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    """
    return compact_supercells(cell, n)[0]


def compact_supercells(
    cell: Float[np.ndarray, "3 3"], n: int, count: int = 1, shape: float = 0.0
) -> list[Int[np.ndarray, "3 3"]]:
    """Different supercells of ``n`` unit cells, the most compact first, as matrices.

    At most ``count``, whose shortest vector is at least ``shape`` of the longest there is. Of
    superlattices with the same distances of images only one is given. Raises ``DataError`` as
    :func:`compact_supercell`.

    >>> fcc = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    >>> [len(compact_supercells(fcc, n, count=10, shape=0.7)) for n in (1, 4, 8)]
    [1, 7, 9]
    """
    if n < 1:
        raise DataError(f"a supercell has one unit cell or more, got {n}")
    reduced = minkowski_reduce(cell)[1]
    # the shortest vector of a lattice of this volume is no longer than 2^(1/6) ∛V
    reach = 1.5 * np.cbrt(n * abs(np.linalg.det(cell)))
    heights = 1 / np.linalg.norm(np.linalg.inv(reduced @ cell), axis=0)
    spans = [np.arange(-int(reach / h) - 1, int(reach / h) + 2) for h in heights]
    vectors = np.stack(np.meshgrid(*spans), axis=-1).reshape(-1, 3) @ reduced
    lengths = np.linalg.norm(vectors @ cell, axis=1)
    order = np.argsort(lengths, kind="stable")[1:]
    vectors, lengths = vectors[order], lengths[order].round(6)
    found: dict[tuple[float, ...], np.ndarray] = {}
    for form in _hermite(n):
        own = lengths[_contains(form, vectors)]
        found.setdefault(tuple(own[own < reach]), form)
    longest = max(signature[0] for signature in found)
    cells = [
        (signature[0], _reduced(form, cell))
        for signature, form in found.items()
        if signature[0] >= shape * longest
    ]
    cells.sort(key=lambda item: (-item[0], -round(_width(item[1] @ cell), 6)))
    return [matrix for _, matrix in cells[:count]]


def _hermite(n: int) -> Iterator[np.ndarray]:
    """The Hermite normal forms of determinant ``n``: one for each superlattice."""
    for a in (d for d in range(1, n + 1) if n % d == 0):
        for b in (d for d in range(1, n // a + 1) if (n // a) % d == 0):
            c = n // (a * b)
            for d in range(b):
                for e in range(c):
                    for f in range(c):
                        yield np.array([[a, d, e], [0, b, f], [0, 0, c]])


def _contains(form: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Which vectors, in unit cells, belong to the superlattice; its last rows are multiples."""
    a, b, c = np.diag(form)
    x, left = np.divmod(vectors[:, 0], a)
    y, middle = np.divmod(vectors[:, 1] - x * form[0, 1], b)
    right = (vectors[:, 2] - x * form[0, 2] - y * form[1, 2]) % c
    return np.asarray((left == 0) & (middle == 0) & (right == 0))


def _reduced(form: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The same superlattice with short vectors, right-handed as the cell."""
    matrix = minkowski_reduce(form @ cell)[1] @ form
    matrix = matrix if np.linalg.det(matrix) > 0 else -matrix
    return np.asarray(np.rint(matrix).astype(np.int64))


def _width(cell: np.ndarray) -> float:
    """The smallest distance between opposite faces."""
    return float((1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min())

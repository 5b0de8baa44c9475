"""Coefficients of densities in the orders of other programs: PySCF, Psi4 and e3nn.

Ours is channel-last: inside the block of a degree first the components m in the axes and order of
:mod:`euclidium.o3`, then the shells. PySCF and Psi4 have shell after shell, in each the harmonics
about the z axis.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.o3.convention import to_e3nn_permutation
from euclidium.o3.wigner import wigner_D_of_matrix

Coefficients = Float[np.ndarray, " function"]
Species = Sequence[int] | np.ndarray
# (x, y, z) to (y, z, x): the axis of our harmonics is y, that of the textbooks z
CYCLE = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


@cache
def standard_harmonics(l: int) -> Float[np.ndarray, "component component"]:
    """The matrix Q_l that brings our components to the harmonics about z with m = -l ... l.

    Y_standard(r) = Q_l Y_ours(r)

    Both are orthonormal and real, without the Condon-Shortley phase.

    >>> standard_harmonics(1).round(12) + 0.0  # m = -1, 0, 1 are y, z, x
    array([[0., 1., 0.],
           [0., 0., 1.],
           [1., 0., 0.]])
    """
    found = wigner_D_of_matrix(l, CYCLE)
    found.flags.writeable = False
    return found


def to_pyscf(coefficients: Coefficients, basis: DensityBasis, species: Species) -> Coefficients:
    """Coefficients in PySCF's order: atom, shell, component (x, y, z for l = 1, else -l ... l).

    The shells are those of the basis, by degree and then by falling exponent; functions are
    normalised in both, so that units stay e/bohr^1.5.

    Raises ``DataError`` if the number of coefficients is not that of the basis.

    >>> basis = DensityBasis("p", {1: ((1, 2.0), (1, 1.0))})
    >>> to_pyscf(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), basis, [1]).round(12)
    array([1., 3., 5., 2., 4., 6.])
    """
    return _convert(coefficients, basis, species, lambda z: _shellwise(basis, z, _pyscf))


def from_pyscf(coefficients: Coefficients, basis: DensityBasis, species: Species) -> Coefficients:
    """Coefficients out of PySCF's order; the inverse of :func:`to_pyscf`, raises as it does.

    >>> basis = DensityBasis("p", {1: ((1, 2.0), (1, 1.0))})
    >>> from_pyscf(np.array([1.0, 3.0, 5.0, 2.0, 4.0, 6.0]), basis, [1]).round(12)
    array([1., 2., 3., 4., 5., 6.])
    """
    return _convert(coefficients, basis, species, lambda z: _shellwise(basis, z, _pyscf).T)


def to_psi4(
    coefficients: Coefficients,
    basis: DensityBasis,
    species: Species,
    signs: Mapping[int, Float[np.ndarray, " shell"]] | None = None,
) -> Coefficients:
    """Coefficients in Psi4's order: atom, shell, component m = 0, 1, -1, 2, -2, ...

    Psi4 keeps the sign of a contraction coefficient in the normalised function: ``signs`` are those
    of each element's shells (anything of that sign, such as the norms themselves), + by default.

    Raises ``DataError`` as :func:`to_pyscf` does, and for a shell without sign.

    >>> basis = DensityBasis("p", {1: ((1, 1.0),)})
    >>> to_psi4(np.array([1.0, 2.0, 3.0]), basis, [1]).round(12)  # z, x, y
    array([3., 1., 2.])
    """
    return _convert(coefficients, basis, species, lambda z: _shellwise(basis, z, _psi4, signs))


def from_psi4(
    coefficients: Coefficients,
    basis: DensityBasis,
    species: Species,
    signs: Mapping[int, Float[np.ndarray, " shell"]] | None = None,
) -> Coefficients:
    """Coefficients out of Psi4's order; the inverse of :func:`to_psi4`, raises as it does.

    >>> basis = DensityBasis("p", {1: ((1, 1.0),)})
    >>> from_psi4(np.array([3.0, 1.0, 2.0]), basis, [1], {1: np.array([-2.5])}).round(12)
    array([-1., -2., -3.])
    """
    return _convert(coefficients, basis, species, lambda z: _shellwise(basis, z, _psi4, signs).T)


def to_e3nn(coefficients: Coefficients, basis: DensityBasis, species: Species) -> Coefficients:
    """Coefficients of each atom as a feature of ``basis.irreps(z)`` in e3nn's layout.

    e3nn has the same components in the same order, but shell after shell. Raises ``DataError`` as
    :func:`to_pyscf` does.

    >>> basis = DensityBasis("p", {1: ((1, 2.0), (1, 1.0))})
    >>> to_e3nn(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), basis, [1])
    array([1., 3., 5., 2., 4., 6.])
    """
    return _convert(coefficients, basis, species, lambda z: _e3nn(basis, z))


def from_e3nn(coefficients: Coefficients, basis: DensityBasis, species: Species) -> Coefficients:
    """Coefficients out of e3nn's layout; the inverse of :func:`to_e3nn`, raises as it does.

    >>> basis = DensityBasis("p", {1: ((1, 2.0), (1, 1.0))})
    >>> from_e3nn(np.array([1.0, 3.0, 5.0, 2.0, 4.0, 6.0]), basis, [1])
    array([1., 2., 3., 4., 5., 6.])
    """
    return _convert(coefficients, basis, species, lambda z: _e3nn(basis, z).T)


def from_standard(
    coefficients: Coefficients, basis: DensityBasis, species: Species
) -> Coefficients:
    """Coefficients out of the textbooks' order: atom, shell, m = -l ... l about the z axis.

    >>> basis = DensityBasis("p", {1: ((1, 1.0),)})
    >>> from_standard(np.array([2.0, 3.0, 1.0]), basis, [1]).round(12)  # they were y, z, x
    array([1., 2., 3.])
    """
    return _convert(
        coefficients, basis, species, lambda z: _shellwise(basis, z, standard_harmonics).T
    )


def _pyscf(l: int) -> np.ndarray:
    """Q_l with rows in PySCF's order: that of p is x, y, z."""
    return np.eye(3) if l == 1 else standard_harmonics(l)


def _psi4(l: int) -> np.ndarray:
    """Q_l with rows in Psi4's order: m = 0, 1, -1, 2, -2, ..."""
    order = [0, *(sign * m for m in range(1, l + 1) for sign in (1, -1))]
    return standard_harmonics(l)[[l + m for m in order]]


def _shellwise(
    basis: DensityBasis,
    z: int,
    harmonics: Callable[[int], np.ndarray],
    signs: Mapping[int, np.ndarray] | None = None,
) -> np.ndarray:
    """The orthogonal matrix from our order to shell after shell with other harmonics."""
    signs_of = _signs(basis, z, signs)
    matrix = np.zeros((basis.size(z), basis.size(z)))
    start = shell = 0
    for l, exponents in basis.exponents(z).items():
        n = len(exponents)
        for k in range(n):
            first = start + k * (2 * l + 1)
            matrix[first : first + 2 * l + 1, start + k : start + n * (2 * l + 1) : n] = signs_of[
                shell
            ] * harmonics(l)
            shell += 1
        start += n * (2 * l + 1)
    return matrix


def _signs(basis: DensityBasis, z: int, signs: Mapping[int, np.ndarray] | None) -> np.ndarray:
    """A sign for each shell of an element."""
    n_shells = len(basis.of(z))
    if signs is None:
        return np.ones(n_shells)
    found = np.sign(np.asarray(signs.get(z, ()), dtype=float))
    if found.shape != (n_shells,) or not found.all():
        raise DataError(
            f"expected a sign for each of the {n_shells} shells of {chemical_symbol(z)}, "
            f"got {len(found)}: give the norms of Psi4"
        )
    return found


def _e3nn(basis: DensityBasis, z: int) -> np.ndarray:
    """The permutation to e3nn's layout as a matrix."""
    return np.eye(basis.size(z))[to_e3nn_permutation(basis.irreps(z))]


def _convert(
    coefficients: np.ndarray,
    basis: DensityBasis,
    species: Species,
    matrix_of: Callable[[int], np.ndarray],
) -> np.ndarray:
    """The matrix of its element applied to the coefficients of each atom."""
    offsets = basis.offsets([int(z) for z in species])
    if np.shape(coefficients) != (offsets[-1],):
        raise DataError(
            f"these {len(species)} atoms have {offsets[-1]} functions in the basis {basis.name}, "
            f"but the coefficients have the shape {np.shape(coefficients)}"
        )
    matrices = {int(z): matrix_of(int(z)) for z in set(np.asarray(species).tolist())}
    parts = [
        matrices[int(z)] @ coefficients[offsets[i] : offsets[i + 1]] for i, z in enumerate(species)
    ]
    return np.concatenate([np.zeros(0), *parts])

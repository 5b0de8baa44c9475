"""The electron density at points, with its derivatives, and how much two densities differ."""

import numpy as np
import torch
from jaxtyping import Float

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.images import lattice_images, wrapped
from euclidium.atoms.basis import DensityBasis, radial_norm
from euclidium.atoms.centers import without_bond_centers
from euclidium.atoms.density import Density
from euclidium.atoms.problem import DataError
from euclidium.ops.gaussian_sums import Contraction, gaussian_sums, reach
from euclidium.units import BOHR

# e/bohr³; a shell is left out where it is below
TOLERANCE = 1e-10
# what the values, gradients and Laplacians in atomic units are multiplied by
UNITS = np.array([1.0, *[1 / BOHR] * 3, 1 / BOHR**2]) / BOHR**3


def density_at(
    density: Density,
    points: Float[np.ndarray, "point 3"],
    derivative: int = 0,
    spin: bool = False,
    tolerance: float = TOLERANCE,
    device: str = "cpu",
) -> Float[np.ndarray, "*row point"]:
    """The electron density at points, e/Å³; of a crystal the sum over all its cells.

    ρ(r) = Σ c χ(r)

    ``points`` in Å. With ``derivative`` 0 one number a point; with 1 the rows are ρ and the three
    components of ∇ρ (e/Å⁴), with 2 also ∇²ρ (e/Å⁵). ``spin`` gives ρ↑ − ρ↓ instead. A shell is left
    out where it is below ``tolerance``, in e/bohr³. ``device`` is where to compute.

    Raises ``DataError`` where the spin is asked for and unknown, ``ValueError`` for another
    derivative.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.5]))
    >>> density_at(density, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])).round(4)
    array([1.4299, 0.2398])
    """
    rows = density_by_degree(density, points, derivative, spin, tolerance, device).sum(axis=0)
    return rows[0] if derivative == 0 else rows


def density_by_degree(
    density: Density,
    points: Float[np.ndarray, "point 3"],
    derivative: int = 0,
    spin: bool = False,
    tolerance: float = TOLERANCE,
    device: str = "cpu",
) -> Float[np.ndarray, "degree column point"]:
    """What the functions of each degree add to the density and its derivatives at points.

    The columns are those of :func:`density_at`, as are units and errors.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("two", {1: ((0, 0.5), (1, 0.5))})
    >>> density = Density(atom, basis, np.array([0.5, 0.0, 0.0, 0.1]))
    >>> density_by_degree(density, np.array([[0.0, 0.0, 1.0]])).round(4).ravel()
    array([0.2398, 0.1282])
    """
    coefficients = density.spin if spin else density.coefficients
    if coefficients is None:
        raise DataError(f"the density of {density.structure.formula} has no spin: it is unknown")
    structure = density.structure
    atoms = contractions(density.basis, structure.species, coefficients)
    inside = wrapped(structure, points)
    owners, centres = lattice_images(structure, inside, np.array(reach(atoms, tolerance)) * BOHR)
    found = gaussian_sums(
        atoms,
        torch.from_numpy(owners).to(device),
        torch.from_numpy(centres / BOHR).to(device),
        torch.from_numpy(inside / BOHR).to(device),
        derivative,
        tolerance,
    )
    found *= torch.from_numpy(UNITS[: found.shape[1], None]).to(found)
    return found.cpu().numpy()


def epsilon(density: Density, reference: Density, level: int = 2) -> float:
    """How much of the electrons is elsewhere, in percent of their number.

    ε = 100 ∫|ρ − ρ_ref| / N

    N is the number of electrons of the reference, and the integral one over :func:`becke_grid` of
    ``level``, of a crystal over one cell; 2 gives three digits of ε. Raises ``DataError`` for
    densities of different atoms.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> one, other = (Density(atom, basis, np.array([c])) for c in (0.505, 0.5))
    >>> round(epsilon(one, other), 6)
    1.0
    """
    return float(epsilons(density, reference, level)[0])


def epsilon_by_degree(
    density: Density, reference: Density, level: int = 2
) -> Float[np.ndarray, " degree"]:
    """The same for the functions of each degree: 100 ∫|ρ_l − ρ_ref,l| / N, in percent.

    Raises as :func:`epsilon` does.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("two", {1: ((0, 0.5), (1, 0.5))})
    >>> one = Density(atom, basis, np.array([0.5, 0.0, 0.0, 0.0]))
    >>> other = Density(atom, basis, np.array([0.5, 0.0, 0.01, 0.0]))
    >>> epsilon_by_degree(one, other, level=3).round(1)
    array([0. , 2.3])
    """
    return epsilons(density, reference, level)[1:]


def epsilons(
    density: Density, reference: Density, level: int = 2
) -> Float[np.ndarray, " total_and_degrees"]:
    """:func:`epsilon`, and behind it :func:`epsilon_by_degree`, by one pass over the grid.

    Raises as they do.
    """
    check_same_atoms(density, reference)
    points, weights = becke_grid(reference.structure, level)
    if _same_functions(density, reference):
        change = density.coefficients - reference.coefficients
        between = Density(reference.structure, reference.basis, change)
        parts = density_by_degree(between, points)[:, 0]
    else:
        one, other = (density_by_degree(d, points)[:, 0] for d in (density, reference))
        parts = np.zeros((max(len(one), len(other)), len(points)))
        parts[: len(one)] += one
        parts[: len(other)] -= other
    rows = np.concatenate([parts.sum(axis=0, keepdims=True), parts])
    return 100 * np.abs(rows) @ weights / reference.electrons


def _same_functions(density: Density, reference: Density) -> bool:
    """Whether two densities of the same atoms are sums of the same functions."""
    one, other = density.structure, reference.structure
    return (
        density.basis.shells == reference.basis.shells
        and one.n_atoms == other.n_atoms
        and bool(np.abs(one.positions - other.positions).max() < 1e-6)
    )


def contractions(
    basis: DensityBasis, species: np.ndarray, coefficients: Float[np.ndarray, " function"]
) -> list[Contraction]:
    """Exponents and coefficients of each atom, the norms of the functions multiplied in.

    In atomic units, as :func:`~euclidium.ops.gaussian_sums.gaussian_sums` takes them. Raises
    ``DataError`` for an element that the basis lacks.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> [[(exponents, values)]] = contractions(basis, np.array([1]), np.array([0.5]))
    >>> values.round(4)
    array([[0.7511]])
    """
    parts = np.split(coefficients, basis.offsets(species.tolist())[1:-1])
    return [_contraction(basis.exponents(int(z)), c) for z, c in zip(species, parts, strict=True)]


def _contraction(exponents: dict[int, np.ndarray], coefficients: np.ndarray) -> Contraction:
    found: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    for l in range(max(exponents) + 1):
        a = exponents.get(l, np.zeros(0))
        norm = radial_norm(l, a)
        stop = start + len(a) * (2 * l + 1)
        # components run slow, shells fast
        block = coefficients[start:stop].reshape(2 * l + 1, len(a))
        found.append((a, np.ascontiguousarray((block * norm).T)))
        start = stop
    return found


def check_same_atoms(density: Density, reference: Density) -> None:
    """Two densities are of the same atoms, whatever the centres of their bonds.

    Raises ``DataError`` if elements differ, or positions and lattices by more than 1e-6 Å.
    """
    one, other = (without_bond_centers(d.structure) for d in (density, reference))
    if one.formula != other.formula or not np.array_equal(one.species, other.species):
        raise DataError(
            f"densities of {one.formula} and {other.formula} cannot be compared: the atoms differ"
        )
    lattices = [np.where(s.pbc[:, None], s.cell, 0.0) for s in (one, other)]
    if not np.array_equal(one.pbc, other.pbc) or np.abs(np.subtract(*lattices)).max() > 1e-6:
        raise DataError(
            f"two densities of {one.formula} cannot be compared: their lattices are not the same"
        )
    if np.abs(one.positions - other.positions).max() > 1e-6:
        raise DataError(
            f"two densities of {one.formula} cannot be compared: their atoms are at different "
            "positions"
        )

"""From a density back to quantum chemistry: its energy in one step, and where to go on from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from euclidium.atoms.density import Density
from euclidium.atoms.density_orders import to_pyscf
from euclidium.atoms.problem import DataError
from euclidium.simulate.quantum import (
    converged,
    coulomb_matrix,
    functions,
    grid_parts,
    mean_field,
)
from euclidium.units import HARTREE

PURE = "PBE"  # where the exact exchange of a hybrid functional comes from, to begin with
Matrix = Float[np.ndarray, "orbital orbital"]


@dataclass(frozen=True, eq=False)
class OneStep:
    """An energy by one Kohn-Sham step, and the density matrix that it belongs to.

    ``energy`` in eV; ``matrix`` in PySCF's order of the orbitals. ``diagonalisations`` is one, or
    one more for each matrix of exact exchange of a hybrid functional.

    >>> OneStep(-31.7, np.eye(1), 1).energy
    -31.7
    """

    energy: float
    matrix: Matrix
    diagonalisations: int


@dataclass(frozen=True)
class Restart:
    """A self-consistent energy (eV), and how many cycles it took.

    ``cycles`` from the density that was given, ``default_cycles`` from PySCF's own guess (None if
    that was not asked for), ``step_energy`` what was known before the first cycle.
    ``exchanges`` are the matrices of exact exchange that the start itself took, for a hybrid
    functional each nearly the work of a cycle.
    """

    energy: float
    cycles: int
    default_cycles: int | None
    step_energy: float
    exchanges: int = 0

    @property
    def saved(self) -> float | None:
        """The share of cycles that the density saves; the exchanges are not counted.

        >>> Restart(-1.0, 6, 10, -1.0).saved
        0.4
        """
        if self.default_cycles is None:
            return None
        return 1 - self.cycles / self.default_cycles


def one_step(
    density: Density, method: str = "PBE0", orbital_basis: str = "def2-TZVP", steps: int = 1
) -> OneStep:
    """The energy of a fitted or predicted density by one diagonalisation.

    F[ρ] = h + J[ρ] + v_xc[ρ],   F C = S C ε,   D = 2 C C†,   E = E[D]

    J has the three-centre integrals of the density's functions, v_xc their values and gradients on
    the Becke grid; E is the functional of the orbitals' density matrix, and its error is of second
    order in that of ρ. A **hybrid** functional has exact exchange, which no density but only
    orbitals give: they are first those of the pure functional PBE in the field of ρ, and then the
    Kohn-Sham matrix of the hybrid itself, with their exchange, is diagonalised once more; with
    ``steps`` > 1 the exchange is renewed and that repeated (ρ stays in J and v_xc).

    Raises ``DataError`` for unpaired electrons, functionals that need more than ρ and ∇ρ, and as
    :func:`euclidium.simulate.label` does.

    >>> from euclidium.atoms.structure import Structure
    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.simulate.quantum import label
    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    >>> basis = DensityBasis("s", {1: ((0, 4.0), (0, 1.0), (0, 0.3))})
    >>> record = label(hydrogen, basis, "PBE", "sto-3g", forces=False)
    >>> bool(abs(one_step(record.density, "PBE", "sto-3g").energy - record.energy) < 1e-6)
    True
    """
    return _one_step(_field_of(density, method, orbital_basis), density, steps)


def scf_from(
    density: Density,
    method: str = "PBE0",
    orbital_basis: str = "def2-TZVP",
    steps: int = 2,
    compare: bool = True,
    tolerance: float = 1e-9,
) -> Restart:
    """Self-consistency that starts from a density, by way of :func:`one_step`, and its cycles.

    ``tolerance`` of the energy in hartree; ``steps`` as there. With ``compare`` the cycles from
    PySCF's default guess (superposed atoms in a minimal basis) are counted too. Raises as
    :func:`one_step` does.

    >>> from euclidium.atoms.structure import Structure
    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.simulate.quantum import label
    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    >>> basis = DensityBasis("s", {1: ((0, 4.0), (0, 1.0), (0, 0.3))})
    >>> record = label(hydrogen, basis, "PBE", "sto-3g", forces=False)
    >>> scf_from(record.density, "PBE", "sto-3g", compare=False).cycles < 4
    True
    """
    field = _field_of(density, method, orbital_basis)
    field.conv_tol = tolerance
    first = _one_step(field, density, steps)
    energy = float(converged(field, first.matrix).e_tot)
    cycles, other = int(field.cycles), None
    if compare:
        plain = _field_of(density, method, orbital_basis)
        plain.conv_tol = tolerance
        converged(plain)
        other = int(plain.cycles)
    return Restart(energy * HARTREE, cycles, other, first.energy, first.diagonalisations - 1)


def _field_of(density: Density, method: str, orbital_basis: str) -> Any:
    """The mean field of the density's molecule, if one step can be made for it."""
    if density.spin is not None:
        raise DataError(
            f"{density.structure.formula} has unpaired electrons: one Kohn-Sham step is known for "
            "paired ones only"
        )
    field = mean_field(density.structure, method, orbital_basis, round(density.charge))
    kind = field._numint._xc_type(method)
    if kind not in ("LDA", "GGA", "HF"):
        raise DataError(
            f"{method} needs more than a density and its gradient: choose an LDA, a GGA or a "
            "hybrid of them, such as PBE0"
        )
    return field


def _one_step(field: Any, density: Density, steps: int) -> OneStep:
    """The step with a mean field that is there."""
    omega, alpha, hybrid = field._numint.rsh_and_hybrid_coeff(field.xc)
    bare = field.get_hcore() + coulomb_matrix(density, field.mol)
    overlap = field.get_ovlp()
    if not hybrid and not omega:
        matrix = _diagonalise(field, bare + exchange_correlation(density, field, field.xc), overlap)
        return OneStep(float(field.energy_tot(dm=matrix)) * HARTREE, matrix, 1)
    matrix = _diagonalise(field, bare + exchange_correlation(density, field, PURE), overlap)
    semilocal = bare + exchange_correlation(density, field, field.xc)
    for _ in range(steps):
        exchange = hybrid * field.get_k(dm=matrix)
        if omega:
            exchange = exchange + (alpha - hybrid) * field.get_k(dm=matrix, omega=omega)
        matrix = _diagonalise(field, semilocal - 0.5 * exchange, overlap)
    return OneStep(float(field.energy_tot(dm=matrix)) * HARTREE, matrix, 1 + steps)


def exchange_correlation(density: Density, field: Any, functional: str) -> Matrix:
    """The local part of the exchange-correlation potential of a density, between orbitals; hartree.

    Where the fitted density is below zero, in its tails, it counts as zero.
    """
    numint, mole = field._numint, field.mol
    gradients = numint._xc_type(functional) == "GGA"
    kind = "GTOval_sph_deriv1" if gradients else "GTOval_sph"
    fit = functions(density.structure, density.basis)
    coefficients = to_pyscf(density.coefficients, density.basis, density.structure.species)
    found = np.zeros((mole.nao, mole.nao))
    if numint._xc_type(functional) == "HF":
        return found
    for points, weights in grid_parts(field):
        own = np.asarray(fit.eval_gto(kind, points)) @ coefficients
        orbitals = np.asarray(mole.eval_gto(kind, points))
        potential = numint.eval_xc_eff(
            functional, own, deriv=1, xctype="GGA" if gradients else "LDA"
        )[1]
        potential = weights * potential
        if gradients:
            potential[0] *= 0.5  # the other half comes with the transpose
            found += orbitals[0].T @ np.einsum("xgi,xg->gi", orbitals, potential)
        else:
            found += orbitals.T @ (0.5 * potential[0][:, None] * orbitals)
    return found + found.T


def _diagonalise(field: Any, fock: np.ndarray, overlap: np.ndarray) -> Matrix:
    """The density matrix of the lowest orbitals, each with two electrons."""
    _, orbitals = scipy.linalg.eigh(fock, overlap)
    lowest = orbitals[:, : field.mol.nelectron // 2]
    return 2 * lowest @ lowest.T

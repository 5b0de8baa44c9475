"""From a density back to quantum chemistry: its energy in one step, and where to go on from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from euclidium.atoms.density import Density, electrons_of
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
# of restricted orbitals, or of those with spin up and those with spin down
Matrix = Float[np.ndarray, "*spin orbital orbital"]


@dataclass(frozen=True, eq=False)
class OneStep:
    """An energy by one Kohn-Sham step, and the density matrix that it belongs to.

    ``energy`` in eV; ``matrix`` in PySCF's order of the orbitals, two of them where electrons are
    unpaired. ``diagonalisations`` is one, or one more for each matrix of exact exchange of a hybrid
    functional.

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
    ``steps`` > 1 the exchange is renewed and that repeated (ρ stays in J and v_xc). A density with
    spin has a matrix F for each spin, with v_xc[ρ↑, ρ↓], and as many unpaired electrons as its spin
    has, to the nearest whole number.

    Raises ``DataError`` for functionals that need more than ρ and ∇ρ, and as
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
    charge, unpaired = round(density.charge), 0
    if density.spin is not None:
        own = electrons_of(density.basis, density.structure.species)
        unpaired = round(float(own @ density.spin))
    field = mean_field(density.structure, method, orbital_basis, charge, unpaired)
    if density.spin is not None:
        field = field.to_uks()
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
    share = 0.5 if density.spin is None else 1.0  # of exchange that an orbital of one spin feels
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
        matrix = _diagonalise(field, semilocal - share * exchange, overlap)
    return OneStep(float(field.energy_tot(dm=matrix)) * HARTREE, matrix, 1 + steps)


def exchange_correlation(density: Density, field: Any, functional: str) -> Matrix:
    """The local part of the exchange-correlation potential of a density, between orbitals; hartree.

    One matrix, or for a density with spin one for each spin. Where the fitted density is below
    zero, in its tails, it counts as zero.
    """
    numint, mole = field._numint, field.mol
    kind = numint._xc_type(functional)
    gradients = kind == "GGA"
    name = "GTOval_sph_deriv1" if gradients else "GTOval_sph"
    fit = functions(density.structure, density.basis)
    spins = _spins(density)
    found = np.zeros((len(spins), mole.nao, mole.nao))
    if kind != "HF":
        for points, weights in grid_parts(field):
            values = np.asarray(fit.eval_gto(name, points))
            own = np.stack([values @ coefficients for coefficients in spins])
            orbitals = np.asarray(mole.eval_gto(name, points))
            orbitals = orbitals if gradients else orbitals[None]
            given = own if density.spin is not None else own[0]
            potential = numint.eval_xc_eff(functional, given, deriv=1, xctype=kind)[1]
            potential = weights * potential.reshape(len(spins), len(orbitals), -1)
            potential[:, 0] *= 0.5  # the other half comes with the transpose
            for matrix, factors in zip(found, potential, strict=True):
                matrix += orbitals[0].T @ np.einsum("xgi,xg->gi", orbitals, factors)
    found = found + found.transpose(0, 2, 1)
    return found if density.spin is not None else found[0]


def _spins(density: Density) -> list[np.ndarray]:
    """Coefficients of the density in PySCF's order, or those of spin up and of spin down."""
    parts = [density.coefficients]
    if density.spin is not None:
        parts = [(density.coefficients + sign * density.spin) / 2 for sign in (1, -1)]
    return [to_pyscf(part, density.basis, density.structure.species) for part in parts]


def _diagonalise(field: Any, fock: Matrix, overlap: np.ndarray) -> Matrix:
    """The density matrix of the lowest orbitals, each with two electrons, or one of its spin."""
    if fock.ndim == 2:
        return 2 * _lowest(fock, overlap, field.mol.nelectron // 2)
    counts = field.mol.nelec
    return np.stack([_lowest(one, overlap, n) for one, n in zip(fock, counts, strict=True)])


def _lowest(fock: np.ndarray, overlap: np.ndarray, count: int) -> np.ndarray:
    """The projector on the lowest orbitals."""
    orbitals = scipy.linalg.eigh(fock, overlap)[1][:, :count]
    return orbitals @ orbitals.T

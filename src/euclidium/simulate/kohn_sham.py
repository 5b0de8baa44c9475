"""From a density back to quantum chemistry: its energy in one step, and where to go on from it."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from euclidium.analyze.fields import density_at
from euclidium.atoms.density import Density, electrons_of
from euclidium.atoms.problem import DataError
from euclidium.simulate.quantum import converged, coulomb_matrix, grid_parts, mean_field
from euclidium.units import BOHR, HARTREE

PURE = "PBE"  # where the exact exchange of a hybrid functional comes from, to begin with
# of restricted orbitals, or of those with spin up and those with spin down
Matrix = Float[np.ndarray, "*spin orbital orbital"]


@dataclass(frozen=True, eq=False)
class OneStep:
    """An energy by one Kohn-Sham step, and the density matrix that it belongs to.

    ``energy`` in eV; ``matrix`` in PySCF's order of the orbitals, two of them where electrons are
    unpaired. ``diagonalisations`` is one, two of a hybrid functional, and one more for a renewal.

    >>> OneStep(-31.7, np.eye(1), 1).energy
    -31.7
    """

    energy: float
    matrix: Matrix
    diagonalisations: int


@dataclass(frozen=True)
class Restart:
    """A self-consistent energy (eV), and how many cycles and seconds it took.

    ``cycles`` and ``seconds`` from the density that was given, the making of the first orbitals
    included in the seconds; ``default_cycles`` and ``default_seconds`` from PySCF's own guess (None
    if that was not asked for); ``step_energy`` what was known before the first cycle.
    """

    energy: float
    cycles: int
    default_cycles: int | None
    step_energy: float
    seconds: float
    default_seconds: float | None

    @property
    def saved(self) -> float | None:
        """The share of cycles that the density saves.

        >>> Restart(-1.0, 6, 10, -1.0, 6.5, 10.0).saved
        0.4
        """
        if self.default_cycles is None:
            return None
        return 1 - self.cycles / self.default_cycles


def one_step(
    density: Density, method: str = "PBE0", orbital_basis: str = "def2-TZVP", renewals: int = 0
) -> OneStep:
    """The energy of a fitted or predicted density by one diagonalisation.

    F[ρ] = h + J[ρ] + v_xc[ρ],   F C = S C ε,   D = 2 C C†,   E = E[D]

    J has the three-centre integrals of the density's functions, v_xc their values and gradients on
    the Becke grid; E is the functional of the orbitals' density matrix, and its error is of second
    order in that of ρ. A **hybrid** functional has exact exchange, which no density but only
    orbitals give: they are first those of the pure functional PBE in the field of ρ, and then the
    Kohn-Sham matrix of the hybrid itself, with their exchange, is diagonalised once more.

    ``renewals`` repeat the step with J and exchange of the orbitals that it gave, extrapolated by
    DIIS, while v_xc stays that of ρ: self-consistency without grids, in which an error of ρ is
    screened as a charge is. Integrals of exchange and of renewed J are fitted, those of E are not.
    A density with spin has a matrix F for each spin, with v_xc[ρ↑, ρ↓], and as many unpaired
    electrons as its spin has, to the nearest whole number.

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
    field = _field_of(density, method, orbital_basis)
    matrix, diagonalisations = _first_matrix(field, density, renewals)
    energy = float(field.energy_tot(dm=matrix)) * HARTREE
    return OneStep(energy, np.asarray(matrix), diagonalisations)


def scf_from(
    density: Density,
    method: str = "PBE0",
    orbital_basis: str = "def2-TZVP",
    renewals: int = 4,
    compare: bool = True,
    tolerance: float = 1e-9,
) -> Restart:
    """Self-consistency that starts from a density, by way of :func:`one_step`, and its cycles.

    ``tolerance`` of the energy in hartree; ``renewals`` as there. With ``compare`` the cycles from
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
    energies: list[float] = []

    def run(start: bool) -> tuple[float, int, float]:
        """Energy in hartree, cycles and seconds."""
        began = time.perf_counter()
        field = _field_of(density, method, orbital_basis)
        field.conv_tol = tolerance
        if start:
            field.callback = lambda cycle: energies.append(float(cycle["last_hf_e"]))
            done = converged(field, _first_matrix(field, density, renewals)[0])
        else:
            done = converged(field)
        return float(done.e_tot), int(field.cycles), time.perf_counter() - began

    energy, cycles, seconds = run(start=True)
    default_cycles, default_seconds = run(start=False)[1:] if compare else (None, None)
    return Restart(
        energy * HARTREE, cycles, default_cycles, energies[0] * HARTREE, seconds, default_seconds
    )


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


def _first_matrix(field: Any, density: Density, renewals: int) -> tuple[Matrix, int]:
    """The density matrix of one step and renewals, and the number of diagonalisations."""
    from pyscf import df, scf

    overlap, bare, fit = field.get_ovlp(), field.get_hcore(), df.DF(field.mol)
    coulomb = coulomb_matrix(density, field.mol)
    omega, _, hybrid = field._numint.rsh_and_hybrid_coeff(field.xc)
    exact = bool(omega or hybrid)
    names = (PURE, field.xc) if exact else (field.xc,)
    *pure, local = exchange_correlation(density, field, *names)
    matrix = _diagonalise(field, bare + coulomb + (pure[0] if exact else local), overlap)
    if exact:
        fock = bare + coulomb + local - _exchange(field, fit, matrix)
        matrix = _diagonalise(field, fock, overlap)
    mixing = scf.diis.CDIIS(field)
    for _ in range(renewals):
        fock = bare + _coulomb(fit, matrix) + local
        if exact:
            fock = fock - _exchange(field, fit, matrix)
        matrix = _diagonalise(field, mixing.update(overlap, matrix, fock), overlap)
    return matrix, len(names) + renewals


def _coulomb(fit: Any, matrix: Matrix) -> Float[np.ndarray, "orbital orbital"]:
    """The Coulomb potential of a density matrix, by fitted integrals."""
    found = fit.get_jk(matrix, with_k=False)[0]
    return found if matrix.ndim == 2 else found.sum(axis=0)


def _exchange(field: Any, fit: Any, matrix: Matrix) -> Matrix:
    """The exact exchange that a functional has of a density matrix, by fitted integrals."""
    omega, alpha, hybrid = field._numint.rsh_and_hybrid_coeff(field.xc)
    found = hybrid * fit.get_jk(matrix, with_j=False)[1]
    if omega:
        far = fit.get_jk(matrix, with_j=False, omega=omega)[1]
        found = found + (alpha - hybrid) * far
    return found * (0.5 if matrix.ndim == 2 else 1.0)  # of it an orbital of one spin feels


def exchange_correlation(density: Density, field: Any, *functionals: str) -> list[Matrix]:
    """The local part of exchange-correlation potentials of a density, between orbitals; hartree.

    One matrix for each functional, of a density with spin two in one array. Where the fitted
    density is below zero, in its tails, it counts as zero.
    """
    numint, mole = field._numint, field.mol
    kinds = {name: numint._xc_type(name) for name in functionals}
    local = {name: kind for name, kind in kinds.items() if kind != "HF"}
    spins = 1 if density.spin is None else 2
    found = {name: np.zeros((spins, mole.nao, mole.nao)) for name in functionals}
    gradients = "GGA" in kinds.values()
    for points, weights in grid_parts(field) if local else ():
        values = _values(density, points, gradients)
        orbitals = mole.eval_gto("GTOval_sph_deriv1" if gradients else "GTOval_sph", points)
        orbitals = np.reshape(orbitals, (-1, len(points), mole.nao))
        for name, kind in local.items():
            rows = 4 if kind == "GGA" else 1
            given = values[:, :rows] if spins == 2 else values[0, :rows]
            potential = numint.eval_xc_eff(name, given, deriv=1, xctype=kind)[1]
            potential = weights * potential.reshape(spins, rows, -1)
            potential[:, 0] *= 0.5  # the other half comes with the transpose
            for matrix, factors in zip(found[name], potential, strict=True):
                matrix += orbitals[0].T @ np.einsum("xgi,xg->gi", orbitals[:rows], factors)
    both = [matrix + matrix.transpose(0, 2, 1) for matrix in found.values()]
    return both if spins == 2 else [matrix[0] for matrix in both]


def _values(
    density: Density, points: Float[np.ndarray, "point 3"], gradients: bool
) -> Float[np.ndarray, "spin row point"]:
    """The density at points (bohr), or those of spin up and of spin down; in atomic units."""
    units = BOHR ** np.array([3.0, 4.0, 4.0, 4.0])[: 4 if gradients else 1, None]

    def at(spin: bool) -> np.ndarray:
        found = density_at(density, points * BOHR, int(gradients), spin)
        return np.reshape(found, (len(units), -1)) * units

    if density.spin is None:
        return at(spin=False)[None]
    total, difference = at(spin=False), at(spin=True)
    return np.stack([total + difference, total - difference]) / 2


def _diagonalise(field: Any, fock: Matrix, overlap: np.ndarray) -> Matrix:
    """The density matrix of the lowest orbitals, which it knows: that makes exchange cheaper."""
    energies, orbitals = field.eig(fock, overlap)
    return field.make_rdm1(orbitals, field.get_occ(energies, orbitals))

"""Electron densities by density-functional theory, with PySCF, fitted by Gaussians.

Needs the extra ``density``. Sun et al., J. Chem. Phys. 153, 024109 (2020),
https://doi.org/10.1063/5.0006074
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import CENTER, centered, without_bond_centers
from euclidium.atoms.density import Density, DensityRecord, electrons_of
from euclidium.atoms.density_orders import from_pyscf, to_pyscf
from euclidium.atoms.elements import chemical_symbol, site_symbol
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import BOHR, HARTREE, HARTREE_PER_BOHR

METRICS = {"coulomb": ("int2c2e", "int3c2e"), "overlap": ("int1e_ovlp", "int3c1e")}
POINTS, FUNCTIONS = 10_000, 200  # at a time


def label(
    structure: Structure,
    basis: DensityBasis,
    method: str = "PBE0",
    orbital_basis: str = "def2-TZVP",
    charge: int = 0,
    spin: int = 0,
    metric: str = "coulomb",
    forces: bool = True,
    name: str = "",
) -> DensityRecord:
    """The electron density of a molecule by Kohn-Sham theory, fitted in a basis.

    min (ρ − ρ_fit | ρ − ρ_fit)   with   ∫ρ_fit = N

    ``metric`` is that of the scalar product, ``coulomb`` or ``overlap``. ``spin`` is N↑ − N↓; with
    unpaired electrons the calculation is unrestricted, and ρ↑ − ρ↓ is fitted too. ``method`` is a
    functional of PySCF's, or HF. Energy in eV, forces in eV/Å, dipole of the calculation in e·Å,
    and ``fit_error`` = 100 ∫|ρ − ρ_fit| / N on the Becke grid, in percent. A basis with functions
    for the middle of bonds has them there, see :func:`~euclidium.atoms.centers.centered`.

    Raises ``DataError`` for a crystal, a functional, orbital basis or element that is not known,
    electrons that do not fit charge and spin, and a calculation that does not converge.

    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    >>> basis = DensityBasis("s", {1: ((0, 4.0), (0, 1.0), (0, 0.3))})
    >>> record = label(hydrogen, basis, "LDA", "sto-3g", forces=False)
    >>> round(record.density.electrons, 10), round(record.energy, 2)
    (2.0, -27.89)
    """
    if metric not in METRICS:
        raise DataError(f"the metric of a fit is coulomb or overlap, not {metric!r}")
    structure = centered(structure, basis)
    for z in set(structure.species.tolist()):
        basis.of(z)
    field = converged(mean_field(structure, method, orbital_basis, charge, spin))
    matrices = np.asarray(field.make_rdm1())
    up_and_down = matrices if matrices.ndim == 3 else matrices[None]
    total = up_and_down.sum(axis=0)
    mole, electrons = field.mol, float(field.mol.nelectron)
    coefficients = fit_density(structure, basis, mole, total, electrons, metric)
    spins = None
    if matrices.ndim == 3:
        difference = matrices[0] - matrices[1]
        spins = fit_density(structure, basis, mole, difference, float(spin), metric)
    density = Density(structure, basis, coefficients, spins)
    return DensityRecord(
        name,
        density,
        charge,
        energy=float(field.e_tot) * HARTREE,
        forces=_forces(field, structure) if forces else None,
        dipole=_dipole(structure, mole, total),
        fit_error=fit_error(density, field, total),
        info={"method": f"{method}/{orbital_basis}", "metric": metric, "spin": spin},
    )


def fit_density(
    structure: Structure,
    basis: DensityBasis,
    mole: Any,
    matrix: Float[np.ndarray, "orbital orbital"],
    electrons: float,
    metric: str = "coulomb",
) -> Float[np.ndarray, " function"]:
    """Coefficients of the fit of a density matrix, with exactly this many electrons.

    The bordered equations, with the electrons of each function as the border, are scaled to a unit
    diagonal. Eichkorn et al., Chem. Phys. Lett. 240, 283 (1995),
    https://doi.org/10.1016/0009-2614(95)00621-A; Dunlap et al., J. Chem. Phys. 71, 3396 (1979),
    https://doi.org/10.1063/1.438728. Orbitals in PySCF's order, ``mole`` a molecule of PySCF.

    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("s", {1: ((0, 1.0),)})
    >>> mole = molecule(atom, "sto-3g", -1)
    >>> float((fit_density(atom, basis, mole, 2 * np.eye(1), 2.0) * 3.9685).round(3)[0])
    2.0
    """
    two, three = METRICS[metric]
    fit = functions(structure, basis)
    right = np.concatenate(
        [_packed(matrix) @ block for _, block in _three_centre(mole, fit, three)]
    )
    border = to_pyscf(electrons_of(basis, structure.species), basis, structure.species)
    square = fit.intor(two)
    size = len(right)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = square
    system[:size, size] = system[size, :size] = border
    scale = np.append(1 / np.sqrt(np.diag(square)), 1.0)
    system *= scale[:, None] * scale
    found = scale * np.linalg.solve(system, scale * np.append(right, electrons))
    return from_pyscf(found[:size], basis, structure.species)


def fit_atoms(
    basis: DensityBasis,
    method: str = "PBE0",
    orbital_basis: str = "def2-TZVP",
    ions: Sequence[int] = (),
) -> DensityBasis:
    """The basis with the densities of its isolated, spherical, neutral atoms, and of some ions.

    Restricted orbitals, whose open shells are occupied by fractions so that the density is a
    sphere; fitted by the s functions in the Coulomb metric with exactly the right number of
    electrons. ``ions`` are charges, which those elements have that have the electrons; an ion is
    occupied as the neutral atom with as many electrons. Anions that do not bind their electrons
    are as large as the orbital basis and the s functions let them be.

    Raises ``DataError`` as :func:`label` does, and for an element without s functions.

    >>> basis = fit_atoms(DensityBasis("s", {1: ((0, 4.0), (0, 1.0), (0, 0.3))}), "LDA", "sto-3g")
    >>> round(float(basis.atoms[1] @ electrons_of(basis, np.array([1]))), 10)
    1.0
    """
    atoms, charged = {}, {}
    for z in basis.elements:
        if z == CENTER:
            continue
        spheres = DensityBasis("s", {z: tuple(s for s in basis.of(z) if s[0] == 0)})
        if not spheres.of(z):
            raise DataError(f"the basis {basis.name} has no s functions for {chemical_symbol(z)}")
        atoms[z] = _sphere(spheres, z, 0, method, orbital_basis)
        charged[z] = {
            charge: _sphere(spheres, z, charge, method, orbital_basis)
            for charge in ions
            if charge != 0 and charge <= z
        }
    return replace(basis, atoms=atoms | basis.empty, ions=charged if ions else basis.ions)


def _sphere(
    spheres: DensityBasis, z: int, charge: int, method: str, orbital_basis: str
) -> Float[np.ndarray, " s"]:
    """The coefficients of an isolated atom or ion."""
    if charge == z:
        return np.zeros(spheres.size(z))
    atom = Structure(np.array([z]), np.zeros((1, 3)))
    electrons = z - charge
    mole = molecule(atom, orbital_basis, charge, electrons % 2)
    from pyscf.scf.atom_ks import AtomSphAverageRKS

    with _silence():
        field = _quiet(AtomSphAverageRKS(mole))
        field.xc, field.conv_tol = _functional(method), 1e-11
        occupation = list(field.atomic_configuration)
        occupation[z] = occupation[electrons]
        field.atomic_configuration = occupation
        field.kernel()
    if not field.converged:
        raise DataError(
            f"no self-consistency of the atom {chemical_symbol(z)} with the charge {charge} by "
            f"{method}"
        )
    return fit_density(atom, spheres, mole, field.make_rdm1(), float(electrons))


def fit_error(density: Density, field: Any, matrix: Float[np.ndarray, "orbital orbital"]) -> float:
    """100 ∫|ρ − ρ_fit| / N in percent, on the Becke grid of a calculation.

    Becke, J. Chem. Phys. 88, 2547 (1988), https://doi.org/10.1063/1.454033
    """
    fit = functions(density.structure, density.basis)
    coefficients = to_pyscf(density.coefficients, density.basis, density.structure.species)
    difference = total = 0.0
    for points, weights in grid_parts(field):
        orbitals = field.mol.eval_gto("GTOval_sph", points)
        exact = np.einsum("gi,gi->g", orbitals @ matrix, orbitals)
        difference += weights @ np.abs(exact - fit.eval_gto("GTOval_sph", points) @ coefficients)
        total += weights @ exact
    return float(100 * difference / total)


def mean_field(
    structure: Structure,
    method: str = "PBE0",
    orbital_basis: str = "def2-TZVP",
    charge: int = 0,
    spin: int = 0,
) -> Any:
    """PySCF's Kohn-Sham object of a molecule, restricted where all electrons are paired.

    Raises ``DataError`` as :func:`label` does.

    >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    >>> mean_field(hydrogen, "HF", "sto-3g").mol.nelectron
    2
    """
    mole = molecule(structure, orbital_basis, charge, spin)
    from pyscf import dft

    field = dft.RKS(mole) if spin == 0 else dft.UKS(mole)
    field.xc = _functional(method)
    return _quiet(field)


def converged(field: Any, start: np.ndarray | None = None) -> Any:
    """The mean field with its self-consistent orbitals; by Newton's method where need be.

    Raises ``DataError`` if it does not converge.
    """
    with _silence():
        field.kernel(dm0=start)
        if field.converged:
            return field
        second = field.newton()
        second.verbose = 0
        second.kernel(dm0=field.make_rdm1())
    if not second.converged:
        raise DataError(
            f"no self-consistency of {field.mol.nelectron} electrons by {field.xc}: "
            "check the geometry, the charge and the spin"
        )
    return second


def molecule(structure: Structure, orbital_basis: str, charge: int = 0, spin: int = 0) -> Any:
    """PySCF's molecule with the orbital basis, on atoms alone; lengths are bohr there.

    Raises ``DataError`` as :func:`label` does.

    >>> hydride = Structure(np.array([1]), np.zeros((1, 3)))
    >>> molecule(hydride, "sto-3g", charge=-1).nelectron
    2
    """
    try:
        from pyscf import gto
    except ImportError as error:
        raise DataError(
            "calculations of densities need PySCF: pip install 'euclidium[density]'"
        ) from error
    if structure.pbc.any():
        raise DataError(f"{structure.origin} is periodic: only molecules and clusters are computed")
    electrons = int(structure.species.sum()) - charge
    if electrons <= 0 or (electrons - spin) % 2 or not 0 <= spin <= electrons:
        raise DataError(
            f"{structure.origin}: {structure.formula} with the charge {charge} has {electrons} "
            f"electrons, of which {spin} cannot be unpaired: change charge or spin"
        )
    structure = without_bond_centers(structure)
    symbols = [chemical_symbol(int(z)) for z in structure.species]
    _check_orbitals(orbital_basis, sorted(set(symbols)))
    atoms = list(zip(symbols, (structure.positions / BOHR).tolist(), strict=True))
    return gto.M(atom=atoms, unit="Bohr", basis=orbital_basis, charge=charge, spin=spin, verbose=0)


def functions(structure: Structure, basis: DensityBasis) -> Any:
    """PySCF's molecule with the functions of a density basis in place of orbitals.

    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> functions(atom, DensityBasis("s", {1: ((0, 1.0), (1, 0.5))})).nao
    4
    """
    from pyscf import gto

    symbols = [site_symbol(int(z)) for z in structure.species]
    shells = {
        site_symbol(z): [[l, [a, 1.0]] for l, a in basis.of(z)]
        for z in set(structure.species.tolist())
    }
    atoms = list(zip(symbols, (structure.positions / BOHR).tolist(), strict=True))
    return gto.M(atom=atoms, unit="Bohr", basis=shells, spin=None, verbose=0)


def coulomb_matrix(density: Density, mole: Any) -> Float[np.ndarray, "orbital orbital"]:
    """The potential of a fitted density between the orbitals, (ij|ρ) in hartree.

    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> density = Density(atom, DensityBasis("s", {1: ((0, 1.0),)}), np.zeros(1))
    >>> coulomb_matrix(density, molecule(atom, "sto-3g", -1))
    array([[0.]])
    """
    fit = functions(density.structure, density.basis)
    coefficients = to_pyscf(density.coefficients, density.basis, density.structure.species)
    packed = np.zeros(mole.nao * (mole.nao + 1) // 2)
    for where, block in _three_centre(mole, fit, "int3c2e"):
        packed += block @ coefficients[where]
    full = np.zeros((mole.nao, mole.nao))
    i, j = np.tril_indices(mole.nao)
    full[i, j] = full[j, i] = packed
    return full


def grid_parts(
    field: Any,
) -> Iterator[tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, " point"]]]:
    """The Becke grid of a calculation in parts: points in bohr, and weights."""
    if field.grids.coords is None:
        field.grids.build()
    points, weights = field.grids.coords, field.grids.weights
    for start in range(0, len(weights), POINTS):
        yield points[start : start + POINTS], weights[start : start + POINTS]


def _three_centre(mole: Any, fit: Any, name: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Integrals of pairs of orbitals i ≥ j with some of the functions: where, (pair, function)."""
    from pyscf import gto

    one, other = (mole._atm, mole._bas, mole._env), (fit._atm, fit._bas, fit._env)
    both = gto.mole.conc_env(*one, *other)
    places, start, n = fit.ao_loc, 0, mole.nbas
    while start < fit.nbas:
        stop = int(np.searchsorted(places, places[start] + FUNCTIONS, side="right")) - 1
        stop = min(max(stop, start + 1), fit.nbas)
        part = (0, n, 0, n, n + start, n + stop)
        block = gto.moleintor.getints(f"{name}_sph", *both, part, aosym="s2ij")
        yield slice(int(places[start]), int(places[stop])), block
        start = stop


def _packed(matrix: np.ndarray) -> np.ndarray:
    """The lower triangle, so that its product with packed integrals is a trace."""
    i, j = np.tril_indices(len(matrix))
    return matrix[i, j] * np.where(i == j, 1.0, 2.0)


def _forces(field: Any, structure: Structure) -> np.ndarray:
    """Forces in eV/Å, with the response of the grid; none on the middle of a bond."""
    gradient = field.nuc_grad_method()
    gradient.grid_response, gradient.verbose = True, 0
    with _silence():
        found = np.zeros((structure.n_atoms, 3))
        found[structure.species != CENTER] = -np.asarray(gradient.kernel()) * HARTREE_PER_BOHR
    return found


def _dipole(structure: Structure, mole: Any, matrix: np.ndarray) -> np.ndarray:
    """The dipole of nuclei and electrons, e·Å; of an ion about the centre of nuclear charge."""
    nuclei = structure.species.astype(float)
    centre = np.zeros(3)
    if mole.charge != 0:
        centre = nuclei @ structure.positions / nuclei.sum()
    with mole.with_common_origin(centre / BOHR):
        electrons = np.einsum("xij,ij->x", mole.intor("int1e_r"), matrix)
    return nuclei @ (structure.positions - centre) - electrons * BOHR


def _functional(method: str) -> str:
    """The name, if PySCF knows it."""
    from pyscf import dft

    try:
        dft.libxc.parse_xc(method)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"PySCF knows no functional {method!r}: write for example PBE0, PBE, B3LYP or HF"
        ) from error
    return method


def _check_orbitals(orbital_basis: str, symbols: list[str]) -> None:
    """Every element has orbitals, and none hides its core in a pseudopotential."""
    from pyscf import gto

    for symbol in symbols:
        try:
            with _silence():
                gto.basis.load(orbital_basis, symbol)
        except Exception as error:  # PySCF has one of its own for each kind of file
            raise DataError(
                f"PySCF has no orbital basis {orbital_basis!r} for {symbol}: write for example "
                "def2-TZVP, cc-pVDZ or sto-3g"
            ) from error
        with contextlib.suppress(Exception), _silence():
            core = gto.basis.load_ecp(orbital_basis, symbol)
            if core:
                break
    else:
        return
    raise DataError(
        f"{orbital_basis} replaces the core of {symbol} by a potential, and a density without "
        "core is not fitted: choose an orbital basis for all electrons"
    )


def _quiet(field: Any) -> Any:
    """The field, without words and without a file for its steps."""
    field.verbose, field.chkfile = 0, None
    file = getattr(field, "_chkfile", None)
    if file is not None:
        file.close()
        field._chkfile = None
    return field


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """PySCF warns of its own innards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

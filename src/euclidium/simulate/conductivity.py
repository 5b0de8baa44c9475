"""Thermal conductivity of a lattice: phonons that scatter phonons, through phono3py."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float

from euclidium.simulate.calculator import Calculator, Model
from euclidium.simulate.lattice import alike, ase_atoms, check_crystal, unit_cell
from euclidium.simulate.record import load_record, save_record
from euclidium.simulate.relax import relax as relaxed
from euclidium.simulate.supercell import supercell_matrix
from euclidium.units import COULOMB

THZ_ANGSTROM = 100.0  # m/s
VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))  # of phono3py's xx, yy, zz, yz, xz, xy
# Imaginary modes below this are an instability, THz.
UNSTABLE = 0.1


@dataclass(frozen=True)
class Conductivity:
    """Thermal conductivity of a lattice, and the phonons that conduct.

    The point q stands for ``weights`` points of the mesh. A mode without damping has a lifetime of
    infinity. ``modes`` are the shares of modes, Σ_qν modes = kappa.

    >>> one, tensor = np.ones((1, 1)), 6.0 * np.eye(3)
    >>> still = np.zeros((1, 1, 3))
    >>> room, alone = np.array([300.0]), np.ones(1)
    >>> curves = alone, one, still, one[None], tensor[None, None, None]
    >>> found = Conductivity("rta", False, (1, 1, 1), room, tensor[None], still[0], *curves)
    >>> found.isotropic.tolist()
    [6.0]
    """

    method: str  # rta or lbte
    isotopes: bool
    mesh: tuple[int, ...]
    temperatures: Float[np.ndarray, " temperature"]  # K
    kappa: Float[np.ndarray, "temperature 3 3"]  # W/(m K)
    q: Float[np.ndarray, "q 3"]  # in reciprocal vectors of the primitive cell
    weights: Float[np.ndarray, " q"]
    frequencies: Float[np.ndarray, "q band"]  # THz
    velocities: Float[np.ndarray, "q band 3"]  # of groups, m/s
    lifetimes: Float[np.ndarray, "temperature q band"]  # ps
    modes: Float[np.ndarray, "temperature q band 3 3"]  # W/(m K)

    @property
    def isotropic(self) -> Float[np.ndarray, " temperature"]:
        """The mean over directions, that of a polycrystal: a third of the trace, W/(m K)."""
        return np.einsum("tii->t", self.kappa) / 3

    def accumulated(
        self, temperature: float
    ) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
        """Mean free paths (nm), ascending, and the conductivity of modes with paths up to each.

        What a crystal of this size conducts; the mean over directions, at the nearest of the
        temperatures (K).
        """
        at = int(np.argmin(np.abs(self.temperatures - temperature)))
        speeds = np.linalg.norm(self.velocities, axis=2)
        paths = np.where(np.isfinite(self.lifetimes[at]), self.lifetimes[at], 0) * speeds / 1000
        order = np.argsort(paths, axis=None)
        shares = np.einsum("qbii->qb", self.modes[at]).ravel() / 3
        return paths.ravel()[order], np.cumsum(shares[order])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a NumPy archive, or as JSON to a name that ends with ``.json``."""
        return save_record(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Conductivity":
        """Read an archive that ``save`` has written. Raises ``ValueError`` for another file."""
        return load_record(cls, path)


def conductivity(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray = 8.0,
    *,
    large: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray | None = None,
    mesh: Sequence[int] = (11, 11, 11),
    temperatures: Sequence[float] | np.ndarray = (300.0,),
    method: Literal["rta", "lbte"] = "rta",
    isotopes: bool = True,
    displacement: float = 0.03,
    cutoff: float | None = None,
    relax: bool = True,
    born_charges: Float[np.ndarray, "primitive 3 3"] | None = None,
    dielectric: Float[np.ndarray, "3 3"] | None = None,
    symprec: float = 1e-5,
    observe: Callable[[int, int], None] | None = None,
) -> Conductivity:
    """Thermal conductivity of a crystal's lattice, from third-order force constants.

    κ = 1/(N V) Σ_qν c_qν v_qν ⊗ v_qν τ_qν,    1/τ = 2Γ_phonons + 2Γ_isotopes

    Pairs of atoms move by ``displacement`` (Å) in a ``supercell``, a pair no farther apart than
    ``cutoff`` (Å) if that is given; harmonic force constants are of a ``large`` one, or of the
    same. Both are what ``phonons`` takes. ``mesh`` is three numbers of q points. The ``method`` is
    ``rta``, the relaxation-time approximation, or ``lbte``, the solution of the linearised
    Boltzmann equation. ``isotopes`` scatter with their natural abundance. ``observe`` is called
    with the number of supercells done and their total.

    Needs phono3py: ``pip install euclidium[conductivity]``. Raises ``ValueError`` without it, for
    arguments that make no sense, for atoms of one element with different masses, and for an
    unstable crystal.
    Togo, Chaput and Tanaka, Phys. Rev. B 91, 094306 (2015),
    https://doi.org/10.1103/PhysRevB.91.094306; Chaput, Phys. Rev. Lett. 110, 265506 (2013),
    https://doi.org/10.1103/PhysRevLett.110.265506.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> conductivity(molecule("H2"), EMT())
    Traceback (most recent call last):
    ValueError: heat conduction needs a crystal, periodic along all axes: set its cell and pbc
    """
    T = np.asarray(temperatures, dtype=np.float64)
    _check(atoms, mesh, T, method, displacement)
    if (born_charges is None) != (dielectric is None):
        raise ValueError("give both Born charges and the dielectric tensor, or neither")
    calculator = model if isinstance(model, BaseCalculator) else Calculator(model, dtype="float64")
    kind = _phono3py()
    crystal = relaxed(atoms, calculator, fmax=1e-4).atoms if relax else atoms.copy()
    matrix = supercell_matrix(crystal, supercell, symprec)
    second = None if large is None else supercell_matrix(crystal, large, symprec)
    cell, primitive = unit_cell(crystal, symprec)
    phono3py = kind(  # its matrices have vectors in columns
        cell,
        matrix.T,
        primitive_matrix=primitive,
        phonon_supercell_matrix=None if second is None else second.T,
        symprec=symprec,
        log_level=0,
    )
    phono3py.generate_displacements(distance=displacement, cutoff_pair_distance=cutoff)
    _forces(phono3py, calculator, observe)
    phono3py.produce_fc3()
    phono3py.symmetrize_fc3()
    phono3py.produce_fc2()
    phono3py.symmetrize_fc2()
    if born_charges is not None:
        phono3py.nac_params = {"born": born_charges, "dielectric": dielectric, "factor": COULOMB}
    phono3py.mesh_numbers = [int(n) for n in mesh]
    phono3py.init_phph_interaction()
    phono3py.run_thermal_conductivity(
        is_LBTE=method == "lbte", temperatures=T, is_isotope=isotopes, log_level=0
    )
    return _result(phono3py.thermal_conductivity, method, isotopes, mesh, T)


def _check(
    atoms: Atoms, mesh: Sequence[int], T: np.ndarray, method: str, displacement: float
) -> None:
    """A crystal, and arguments that make sense."""
    check_crystal(atoms, "heat conduction needs")
    if not alike(atoms.numbers, atoms.get_masses()):
        raise ValueError(
            "atoms of one element have different masses, which phono3py's symmetry does not see: "
            "give them the mean; with isotopes=True the natural ones scatter"
        )
    if method not in ("rta", "lbte"):
        raise ValueError(f"the method is rta or lbte, got {method!r}")
    if np.shape(mesh) != (3,) or not all(int(n) == n > 0 for n in mesh):
        raise ValueError(f"the mesh is three numbers of q points, got {mesh}")
    if T.ndim != 1 or not len(T) or not (T > 0).all():
        raise ValueError(f"temperatures are a list of numbers in K above zero, got {T.tolist()}")
    if not displacement > 0:
        raise ValueError(f"the displacement is a length in Å above zero, got {displacement}")


def _phono3py() -> Any:
    """The class of phono3py."""
    try:
        from phono3py import Phono3py
    except ImportError as error:
        raise ValueError(
            "thermal conductivity needs the package phono3py, which is not installed: "
            "pip install euclidium[conductivity]"
        ) from error
    return Phono3py


def _forces(
    phono3py: Any, calculator: BaseCalculator, observe: Callable[[int, int], None] | None
) -> None:
    """Give phono3py the forces in all displaced supercells, less those in the perfect ones."""
    sets = {"forces": (phono3py.supercell, phono3py.supercells_with_displacements)}
    if phono3py.phonon_supercell_matrix is not None:
        cells = phono3py.phonon_supercells_with_displacements
        sets["phonon_forces"] = (phono3py.phonon_supercell, cells)
    total, done = sum(len(cells) for _, cells in sets.values()), 0
    for name, (perfect, cells) in sets.items():
        atoms = ase_atoms(perfect)
        atoms.calc = calculator
        residual = atoms.get_forces()
        forces = []
        for displaced in cells:
            if displaced is None:  # a pair beyond the cutoff
                forces.append(np.zeros_like(residual))
            else:
                atoms.positions = displaced.positions
                forces.append(atoms.get_forces() - residual)
            done += 1
            if observe is not None:
                observe(done, total)
        setattr(phono3py, name, np.array(forces))


def _result(
    found: Any, method: str, isotopes: bool, mesh: Sequence[int], T: np.ndarray
) -> Conductivity:
    """What phono3py has found, with one width of all Gaussians, as tetrahedra have."""
    frequencies = np.array(found.frequencies)
    if frequencies.min() < -UNSTABLE:
        raise ValueError(
            f"the crystal is unstable: its lowest frequency is {frequencies.min():.2f} THz; relax "
            "it, or take a larger supercell"
        )
    damping = np.array(found.gamma)[0]
    if isotopes and found.gamma_isotope is not None:
        damping = damping + np.array(found.gamma_isotope)[0]
    with np.errstate(divide="ignore"):
        lifetimes = np.where(damping > 0, 1 / (4 * np.pi * damping), np.inf)
    kappa, modes = np.array(found.kappa)[0], np.array(found.mode_kappa)[0]
    return Conductivity(
        method=method,
        isotopes=isotopes,
        mesh=tuple(int(n) for n in mesh),
        temperatures=T,
        kappa=kappa[..., VOIGT],
        q=np.array(found.qpoints),
        weights=np.asarray(found.grid_weights, dtype=np.float64),
        frequencies=frequencies,
        velocities=np.array(found.group_velocities) * THZ_ANGSTROM,
        lifetimes=lifetimes,
        modes=modes[..., VOIGT] / np.prod([int(n) for n in mesh]),
    )

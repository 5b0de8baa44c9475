"""Phonons of a crystal: force constants by displacements, and what follows from them."""

import io
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float, Int

from euclidium.simulate.calculator import Calculator, Model
from euclidium.simulate.hessian import differentiable, find_force_constants
from euclidium.simulate.lattice import ase_atoms, atom_kinds, check_crystal, lattice, mesh_options
from euclidium.simulate.record import write_file
from euclidium.simulate.relax import relax as relaxed
from euclidium.simulate.supercell import supercell_matrix
from euclidium.units import COULOMB, EV_TO_KJ_PER_MOL, GAS_CONSTANT, K_B, THZ_TO_MEV

# Frequencies of this size and less are zero: the acoustic modes at Γ.
ZERO = 1e-2  # THz
# Imaginary frequencies beyond this are an instability, not numerical noise.
NOISE = 0.1  # THz


@dataclass(frozen=True)
class Bands:
    """Frequencies along the standard path through the Brillouin zone.

    ``labels[n]`` is the name of the point at the distance ``ticks[n]``, such as ``GAMMA`` or, where
    the path jumps, ``U|K``. Before each index in ``breaks`` the path jumps.
    """

    q: Float[np.ndarray, "q 3"]  # in reciprocal lattice vectors of the primitive cell
    distances: Float[np.ndarray, " q"]  # 1/Å, without 2π
    frequencies: Float[np.ndarray, "q band"]  # THz, imaginary ones negative
    ticks: Float[np.ndarray, " tick"]
    labels: tuple[str, ...]
    breaks: tuple[int, ...]


@dataclass(frozen=True)
class DensityOfStates:
    """States per THz of one primitive cell; the integral is three times its number of atoms."""

    frequencies: Float[np.ndarray, " frequency"]  # THz, imaginary ones negative
    density: Float[np.ndarray, " frequency"]  # 1/THz


@dataclass(frozen=True)
class Thermal:
    """Harmonic thermodynamics at constant volume, per mole of primitive cells.

    Modes with imaginary frequencies are left out; ``Phonons.imaginary`` says how many they are.
    """

    temperatures: Float[np.ndarray, " temperature"]  # K
    free_energy: Float[np.ndarray, " temperature"]  # kJ/mol, with the zero-point energy
    entropy: Float[np.ndarray, " temperature"]  # J/(K mol)
    heat_capacity: Float[np.ndarray, " temperature"]  # J/(K mol)


@dataclass(frozen=True)
class Phonons:
    """Phonons of a crystal.

    The primitive cell and force constants between it and the supercell (eV/Å²) determine the rest.
    Frequencies in THz; imaginary ones are negative numbers. ``imaginary`` is the fraction of modes
    whose frequency is below −0.1 THz, and ``lowest`` the lowest frequency on the mesh and the path:
    a crystal with imaginary modes is not at a minimum of its energy.
    """

    numbers: Int[np.ndarray, " atom"]
    cell: Float[np.ndarray, "3 3"]
    positions: Float[np.ndarray, "atom 3"]  # in lattice vectors
    masses: Float[np.ndarray, " atom"]  # amu
    supercell: Int[np.ndarray, "3 3"]  # in unit cells, the rows are vectors
    primitive: Float[np.ndarray, "3 3"]  # phonopy's primitive matrix
    force_constants: Float[np.ndarray, "primitive super 3 3"]
    mesh_frequencies: Float[np.ndarray, "q band"]
    mesh_weights: Float[np.ndarray, " q"]  # of one
    bands: Bands
    dos: DensityOfStates
    thermal: Thermal
    born_charges: Float[np.ndarray, "primitive 3 3"] | None = None
    dielectric: Float[np.ndarray, "3 3"] | None = None

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the primitive cell."""
        return len(self.force_constants)

    @property
    def lowest(self) -> float:
        """Lowest frequency in THz, negative if imaginary."""
        return float(min(self.mesh_frequencies.min(), self.bands.frequencies.min()))

    @property
    def imaginary(self) -> float:
        """Fraction of modes on the mesh with a frequency below −0.1 THz."""
        unstable = (self.mesh_frequencies < -NOISE).mean(axis=1)
        return float(unstable @ self.mesh_weights)

    @property
    def is_stable(self) -> bool:
        """Whether no frequency is imaginary beyond numerical noise."""
        return self.lowest > -NOISE

    @property
    def zero_point_energy(self) -> float:
        """Energy of the ground state of the vibrations, eV per primitive cell."""
        positive = np.where(self.mesh_frequencies > ZERO, self.mesh_frequencies, 0.0)
        return float(positive.sum(axis=1) @ self.mesh_weights) * THZ_TO_MEV / 2000

    def frequencies_at(
        self, q: Float[np.ndarray, "q 3"], direction: Sequence[float] | None = None
    ) -> Float[np.ndarray, "q band"]:
        """Frequencies in THz at points given in reciprocal vectors of the primitive cell.

        With Born charges, ``direction`` is that from which Γ is approached.

        >>> from ase.build import bulk
        >>> from ase.calculators.emt import EMT
        >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
        >>> copper.frequencies_at(np.array([[0.0, 0.5, 0.5]])).round(1)
        array([[5.5, 5.5, 8.1]])
        """
        self._phonopy.run_qpoints(q, nac_q_direction=direction)
        return np.array(self._phonopy.qpoints.frequencies)

    def thermal_at(self, temperatures: Sequence[float] | np.ndarray) -> Thermal:
        """Thermodynamics at other temperatures (K).

        F = Σ ħω/2 + kT ln(1 − e^(−x)),    S = k Σ x/(e^x − 1) − ln(1 − e^(−x)),
        C = k Σ x² e^x/(e^x − 1)²,    x = ħω/kT, mean over the mesh.

        Raises ``ValueError`` for a negative temperature.
        """
        _check_samples(1.0, temperatures)
        return _thermal(self.mesh_frequencies, self.mesh_weights, temperatures)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a NumPy archive (``.npz``), under a temporary name first."""
        arrays = {k: v for k, v in asdict(self).items() if isinstance(v, np.ndarray)}
        text = json.dumps({"labels": self.bands.labels, "breaks": self.bands.breaks})
        for name in ("bands", "dos", "thermal"):
            record = asdict(getattr(self, name))
            arrays |= {f"{name}.{k}": v for k, v in record.items() if isinstance(v, np.ndarray)}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, text=np.array(text), **arrays)
        return write_file(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Phonons":
        """Read what ``save`` has written. Raises ``ValueError`` for another file."""
        try:
            with open(path, "rb") as file, np.load(file) as archive:
                arrays = {name: archive[name] for name in archive.files}
            text = json.loads(str(arrays.pop("text")))
            parts: dict[str, dict[str, Any]] = {"bands": {}, "dos": {}, "thermal": {}, "": {}}
            for name, value in arrays.items():
                part, _, key = name.rpartition(".")
                parts[part][key] = value
            labels, breaks = (tuple(text[key]) for key in ("labels", "breaks"))
            bands = Bands(**parts["bands"], labels=labels, breaks=breaks)
            dos, thermal = DensityOfStates(**parts["dos"]), Thermal(**parts["thermal"])
            return cls(**parts[""], bands=bands, dos=dos, thermal=thermal)
        except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise ValueError(
                f"{path} does not hold phonons: give a file that save() wrote"
            ) from error

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write bands, density of states and thermodynamics as JSON, for other programs to read."""
        units = {"frequencies": "THz", "free_energy": "kJ/mol", "entropy": "J/(K mol)"}
        content = {
            "units": {**units, "heat_capacity": "J/(K mol)", "temperatures": "K"},
            "n_atoms": self.n_atoms,
            "formula": Atoms(numbers=self.numbers).get_chemical_formula("hill"),
            "supercell": self.supercell,
            "lowest_frequency": self.lowest,
            "imaginary_fraction": self.imaginary,
            "zero_point_energy": self.zero_point_energy,
            **{name: asdict(getattr(self, name)) for name in ("bands", "dos", "thermal")},
        }
        text = json.dumps(content, default=lambda array: array.tolist(), indent=1)
        return write_file(path, f"{text}\n".encode())

    @cached_property
    def _phonopy(self) -> Any:
        crystal = Atoms(self.numbers, scaled_positions=self.positions, cell=self.cell, pbc=True)
        crystal.set_masses(self.masses)
        phonopy = lattice(crystal, self.supercell, self.primitive)
        phonopy.force_constants = self.force_constants
        if self.born_charges is not None:
            phonopy.nac_params = _nac(self.born_charges, self.dielectric)
        return phonopy


def phonons(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray = 10.0,
    *,
    method: Literal["displacement", "hessian"] = "displacement",
    displacement: float = 0.01,
    mesh: float | Sequence[int] = 60.0,
    temperatures: Sequence[float] | np.ndarray | None = None,
    relax: bool = True,
    born_charges: Float[np.ndarray, "primitive 3 3"] | None = None,
    dielectric: Float[np.ndarray, "3 3"] | None = None,
    symprec: float = 1e-5,
    observe: Callable[[int, int], None] | None = None,
) -> Phonons:
    """Phonons of a crystal by displacements or derivatives in a supercell, through phonopy.

    D(q) = Σ_R Φ(0, R) exp(2πi q·R) / √(m m'),    D e = ω² e,    Φ = −∂F/∂u

    ``model`` is a potential, the path of one (both are evaluated in float64), or an ASE calculator.
    Atoms and cell are relaxed first unless ``relax`` is False; the input stays as it is.
    ``supercell`` is three numbers of repetitions, a matrix whose rows are its vectors in unit
    cells, or a length in Å: the smallest supercell of the crystal's symmetry that is at least so
    wide. Symmetry-distinct atoms move by ``displacement`` (Å); residual forces are subtracted, and
    the acoustic sum rule is imposed. With the ``method`` ``hessian`` force constants are exact
    second derivatives of a potential's energy instead, as by ``force_constants``. ``mesh`` is three
    numbers of q points, or a length in Å, n = length/|a|. ``temperatures`` in K are by default 0 to
    1000. With ``born_charges`` (e) of the primitive cell and the ``dielectric`` tensor,
    longitudinal and transverse optical modes split.
    ``observe`` is called with the number of supercells done and their total.

    Raises ``ValueError`` for what is not periodic along all axes, for sites that elements share,
    for a supercell, mesh, displacement or method that makes no sense, for derivatives of what is no
    potential, for one of charges and tensor without the other, and if the relaxation fails.
    Togo and Tanaka, Scr. Mater. 108, 1 (2015), https://doi.org/10.1016/j.scriptamat.2015.07.021;
    path: Hinuma et al., Comput. Mater. Sci. 128, 140 (2017),
    https://doi.org/10.1016/j.commatsci.2016.10.015.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
    >>> copper.is_stable, copper.bands.labels[:3]
    (True, ('GAMMA', 'X', 'U|K'))
    """
    check_crystal(atoms)
    if temperatures is None:
        temperatures = np.arange(0.0, 1001.0, 10.0)
    _check_samples(mesh, temperatures)
    calculator = calculator_for(model, method)
    crystal = relaxed(atoms, calculator, fmax=1e-4).atoms if relax else atoms.copy()
    matrix = supercell_matrix(crystal, supercell, symprec)
    phonopy = lattice(crystal, matrix, None, symprec)
    n_primitive = len(phonopy.primitive)
    _check_charges(born_charges, dielectric, n_primitive)
    if isinstance(calculator, Calculator) and method == "hessian":
        find_force_constants(phonopy, calculator, observe)
    else:
        _displace(phonopy, calculator, displacement, observe)
    if born_charges is not None:
        phonopy.nac_params = _nac(born_charges, dielectric)
    bands = _bands(phonopy)
    frequencies, weights, dos = _on_mesh(phonopy, mesh)
    return Phonons(
        numbers=np.asarray(crystal.numbers, dtype=np.int64),
        cell=np.array(crystal.cell.array),
        positions=crystal.get_scaled_positions(wrap=False),
        masses=crystal.get_masses(),
        supercell=matrix,
        primitive=np.array(phonopy.primitive_matrix, dtype=np.float64),
        force_constants=np.array(phonopy.force_constants),
        mesh_frequencies=frequencies,
        mesh_weights=weights,
        bands=bands,
        dos=dos,
        thermal=_thermal(frequencies, weights, temperatures),
        born_charges=born_charges,
        dielectric=dielectric,
    )


def calculator_for(
    model: Model | BaseCalculator | str | os.PathLike[str], method: str
) -> BaseCalculator:
    """The calculator of forces, one that the method can use."""
    if method not in ("displacement", "hessian"):
        raise ValueError(f"the method is displacement or hessian, got {method!r}")
    if method == "hessian":
        return differentiable(model)
    return model if isinstance(model, BaseCalculator) else Calculator(model, dtype="float64")


def _displace(
    phonopy: Any,
    calculator: BaseCalculator,
    distance: float,
    observe: Callable[[int, int], None] | None,
) -> None:
    """Give phonopy force constants from displaced supercells, residual forces subtracted."""
    if distance <= 0:
        raise ValueError(f"the displacement is a length in Å above zero, got {distance}")
    phonopy.generate_displacements(distance=distance)
    atoms = ase_atoms(phonopy.supercell)
    atoms.calc = calculator
    residual = atoms.get_forces()
    cells = phonopy.supercells_with_displacements or []
    forces = []
    for n, displaced in enumerate(cells, 1):
        atoms.positions = displaced.positions
        forces.append(atoms.get_forces() - residual)
        if observe is not None:
            observe(n, len(cells))
    phonopy.forces = forces
    phonopy.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    phonopy.symmetrize_force_constants(show_drift=False)


def _check_charges(
    born_charges: np.ndarray | None, dielectric: np.ndarray | None, n_primitive: int
) -> None:
    """Charges and tensor come together, and fit the primitive cell."""
    if (born_charges is None) != (dielectric is None):
        raise ValueError("give both Born charges and the dielectric tensor, or neither")
    if born_charges is not None and born_charges.shape != (n_primitive, 3, 3):
        raise ValueError(
            f"Born charges have the shape {born_charges.shape}, expected ({n_primitive}, 3, 3): "
            "one tensor for each atom of the primitive cell"
        )


def _check_samples(mesh: float | Sequence[int], temperatures: Sequence[float] | np.ndarray) -> None:
    """A mesh and temperatures that make sense."""
    points = np.asarray(mesh)
    if points.shape not in ((), (3,)) or not (points > 0).all():
        raise ValueError(f"the mesh is three numbers of q points or a length in Å, got {mesh}")
    T = np.asarray(temperatures)
    if T.ndim != 1 or not (T >= 0).all():
        raise ValueError(f"temperatures are a list of numbers in K, zero or more: {temperatures}")


def _nac(born_charges: np.ndarray, dielectric: np.ndarray | None) -> dict[str, Any]:
    """The parameters of phonopy for the non-analytical term."""
    return {"born": born_charges, "dielectric": dielectric, "factor": COULOMB}


def _bands(phonopy: Any, spacing: float = 0.005) -> Bands:
    """Frequencies along seekpath's path, with points ``spacing`` (1/Å) apart."""
    import seekpath

    primitive = phonopy.primitive
    crystal = (primitive.cell, primitive.scaled_positions, atom_kinds(primitive))
    with warnings.catch_warnings():  # that isotopes are ordered in a cell smaller than this one
        warnings.simplefilter("ignore", seekpath.SupercellWarning)
        path = seekpath.get_path_orig_cell(crystal)
    reciprocal = np.linalg.inv(primitive.cell).T
    q: list[np.ndarray] = []
    distances, frequencies, breaks = [], [], []
    ticks, labels = [0.0], [path["path"][0][0]]
    for start, end in path["path"]:
        if labels[-1] != start:
            breaks.append(sum(len(part) for part in q))
            labels[-1] = f"{labels[-1]}|{start}"
        first, last = (np.array(path["point_coords"][name]) for name in (start, end))
        length = float(np.linalg.norm((last - first) @ reciprocal))
        fractions = np.linspace(0, 1, max(round(length / spacing), 2) + 1)
        q.append(first + fractions[:, None] * (last - first))
        phonopy.run_qpoints(q[-1], nac_q_direction=last - first)
        frequencies.append(np.array(phonopy.qpoints.frequencies))
        distances.append(ticks[-1] + length * fractions)
        ticks.append(ticks[-1] + length)
        labels.append(end)
    return Bands(
        q=np.concatenate(q),
        distances=np.concatenate(distances),
        frequencies=np.concatenate(frequencies),
        ticks=np.array(ticks),
        labels=tuple(labels),
        breaks=tuple(breaks),
    )


def _on_mesh(
    phonopy: Any, mesh: float | Sequence[int]
) -> tuple[np.ndarray, np.ndarray, DensityOfStates]:
    """Frequencies on a mesh, their weights, and the density of states by tetrahedra."""
    points = mesh if isinstance(mesh, float | int) else [int(n) for n in mesh]
    phonopy.run_mesh(points, **mesh_options(phonopy))
    frequencies = np.array(phonopy.mesh.frequencies)
    if np.abs(frequencies).max() < ZERO:
        raise ValueError(
            "all frequencies are zero: take a supercell in which an atom is not its own neighbour, "
            "and a mesh with more than one point"
        )
    weights = np.asarray(phonopy.mesh.weights, dtype=np.float64)
    low, high = float(frequencies.min()), float(frequencies.max())
    low = 1.05 * low if low < -NOISE else 0.0
    phonopy.run_total_dos(freq_min=low, freq_max=1.05 * high, freq_pitch=(1.05 * high - low) / 400)
    density = phonopy.total_dos
    dos = DensityOfStates(np.array(density.frequency_points), np.array(density.dos))
    return frequencies, weights / weights.sum(), dos


def _thermal(
    frequencies: np.ndarray, weights: np.ndarray, temperatures: Sequence[float] | np.ndarray
) -> Thermal:
    """Harmonic thermodynamics of modes on a mesh; what is imaginary or zero is left out."""
    T = np.asarray(temperatures, dtype=np.float64)
    if T.ndim != 1 or not (T >= 0).all():
        raise ValueError(
            f"temperatures are a list of numbers in K, zero or more, got {temperatures}"
        )
    real = frequencies > ZERO
    quantum = THZ_TO_MEV / 1000 * frequencies[real]
    weight = np.broadcast_to(weights[:, None], frequencies.shape)[real]
    zero_point = float(weight @ quantum) / 2
    F, S, C = np.full(len(T), zero_point), np.zeros(len(T)), np.zeros(len(T))
    for n in np.flatnonzero(T):
        x = quantum / (K_B * T[n])
        e = np.exp(-x)
        F[n] += K_B * T[n] * (weight @ np.log1p(-e))
        S[n] = GAS_CONSTANT * (weight @ (x * e / (1 - e) - np.log1p(-e)))
        C[n] = GAS_CONSTANT * (weight @ (x**2 * e / (1 - e) ** 2))
    return Thermal(T, F * EV_TO_KJ_PER_MOL, S, C)

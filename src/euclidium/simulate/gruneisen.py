"""Grüneisen parameters: how frequencies follow the volume."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float

from euclidium.simulate.calculator import Model
from euclidium.simulate.lattice import mesh_options
from euclidium.simulate.phonons import ZERO, Bands, Phonons, calculator_for, phonons
from euclidium.simulate.record import load_record, save_record
from euclidium.simulate.relax import relax as relaxed
from euclidium.simulate.strain import mesh_numbers, phonons_at_strains
from euclidium.simulate.supercell import supercell_matrix
from euclidium.units import GPA, K_B, SQRT_DYNAMICAL_TO_THZ, THZ_TO_MEV

# Squares of frequencies nearer than this are one degenerate set, THz².
SAME = 1e-4


@dataclass(frozen=True)
class Gruneisen:
    """Mode Grüneisen parameters γ = −∂ ln ω/∂ ln V on a path and on a mesh.

    ``bands.frequencies`` belong to ``bands_gruneisen``, ``mesh_frequencies`` to ``mesh_gruneisen``.
    Modes without a frequency, the acoustic ones at Γ, have NaN. Degenerate modes are combined such
    that each has a derivative. γ of an imaginary mode is that of its |ω|.
    """

    n_atoms: int  # of the primitive cell
    volume: float  # Å³, of the primitive cell
    strain: float  # of lengths, in both directions
    bands: Bands
    bands_gruneisen: Float[np.ndarray, "q band"]
    mesh_frequencies: Float[np.ndarray, "point band"]  # THz
    mesh_gruneisen: Float[np.ndarray, "point band"]
    mesh_weights: Float[np.ndarray, " point"]  # of one
    temperatures: Float[np.ndarray, " temperature"]  # K
    mean: Float[np.ndarray, " temperature"]  # weighted with heat capacities
    heat_capacity: Float[np.ndarray, " temperature"]  # eV/K per primitive cell

    def mean_at(
        self, temperatures: Sequence[float] | np.ndarray
    ) -> Float[np.ndarray, " temperature"]:
        """Mean γ at some temperatures (K), each mode weighted with its heat capacity.

        γ(T) = Σ γ_qν c_qν(T) / Σ c_qν(T)

        Imaginary modes are left out. NaN at 0 K, where no mode has a heat capacity.

        >>> from ase.build import bulk
        >>> from ase.calculators.emt import EMT
        >>> copper = gruneisen(bulk("Cu"), EMT(), (2, 2, 2), mesh=(4, 4, 4))
        >>> copper.mean_at([300.0]).round(1)
        array([2.2])
        """
        modes = (self.mesh_frequencies, self.mesh_gruneisen, self.mesh_weights)
        return _means(*modes, np.asarray(temperatures, dtype=np.float64))[0]

    def expansion(self, bulk_modulus: float) -> Float[np.ndarray, " temperature"]:
        """Thermal expansion of the volume (1/K) at ``temperatures``, for a bulk modulus in GPa.

        β = γ C_V / (B V)

        Grüneisen's law, which is the quasi-harmonic expansion as long as that is small.
        Raises ``ValueError`` for a modulus that is not positive.
        """
        if not bulk_modulus > 0:
            raise ValueError(f"the bulk modulus is a positive number in GPa, got {bulk_modulus}")
        weighted = np.where(self.heat_capacity > 0, self.mean * self.heat_capacity, 0.0)
        return weighted / (bulk_modulus * GPA * self.volume)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a NumPy archive, or as JSON to a name that ends with ``.json``."""
        return save_record(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Gruneisen":
        """Read an archive that ``save`` has written. Raises ``ValueError`` for another file."""
        return load_record(cls, path)


def gruneisen(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray = 10.0,
    *,
    strain: float = 0.005,
    method: Literal["displacement", "hessian"] = "displacement",
    displacement: float = 0.01,
    mesh: float | Sequence[int] = 60.0,
    temperatures: Sequence[float] | np.ndarray | None = None,
    relax: bool = True,
    symprec: float = 1e-5,
    observe: Callable[[int, int], None] | None = None,
) -> Gruneisen:
    """Mode Grüneisen parameters of a crystal, from phonons of a smaller and a larger one.

    γ_qν = −(V / 2ω²) e† ∂D/∂V e = −∂ ln ω_qν / ∂ ln V

    The derivative is a difference between lengths 1 + ``strain`` and 1 − ``strain`` times those of
    the crystal, where the shape of the cell and the atoms relax at constant volume unless ``relax``
    is False. Everything else is as for ``phonons``; ``observe`` is called with the number of
    crystals done, of three.

    Raises ``ValueError`` as ``phonons``, and for a strain that is not a small positive number.
    Method: Togo and Tanaka, Scr. Mater. 108, 1 (2015),
    https://doi.org/10.1016/j.scriptamat.2015.07.021.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> copper = gruneisen(bulk("Cu"), EMT(), (2, 2, 2), mesh=(4, 4, 4))
    >>> copper.bands_gruneisen.shape == copper.bands.frequencies.shape
    True
    """
    if not 0 < strain < 0.1:
        raise ValueError(f"the strain is a small positive number, 0.005 for example, got {strain}")
    calculator = calculator_for(model, method)
    crystal = relaxed(atoms, calculator, fmax=1e-4).atoms if relax else atoms.copy()
    options: dict[str, Any] = {"method": method, "displacement": displacement, "symprec": symprec}
    options["supercell"] = supercell_matrix(crystal, supercell, symprec)
    reference = phonons(
        crystal, calculator, mesh=mesh, temperatures=temperatures, relax=False, **options
    )
    seen = None if observe is None else (lambda n, total: observe(n + 1, total + 1))
    if observe is not None:
        observe(1, 3)
    numbers, strains = mesh_numbers(reference, mesh), (-strain, strain)
    pair = phonons_at_strains(
        crystal, calculator, strains, numbers, relax=relax, observe=seen, **options
    )
    return _gruneisen(reference, (pair[0][1], pair[1][1]), numbers, strain)


def _gruneisen(
    reference: Phonons, pair: tuple[Phonons, Phonons], mesh: Sequence[int], strain: float
) -> Gruneisen:
    """The parameters from phonons at three volumes."""
    phonopy = [found._phonopy for found in (reference, *pair)]
    volume, smaller, larger = (float(p.primitive.volume) for p in phonopy)
    change = (larger - smaller) / volume
    phonopy[0].init_mesh(mesh, **mesh_options(phonopy[0]))
    points = phonopy[0].mesh
    weights = np.asarray(points.weights, dtype=np.float64) / np.sum(points.weights)
    frequencies, parameters = _parameters(phonopy, points.qpoints, change)
    T = reference.thermal.temperatures
    mean, capacity = _means(frequencies, parameters, weights, T)
    return Gruneisen(
        n_atoms=reference.n_atoms,
        volume=volume,
        strain=strain,
        bands=reference.bands,
        bands_gruneisen=_parameters(phonopy, reference.bands.q, change)[1],
        mesh_frequencies=frequencies,
        mesh_gruneisen=parameters,
        mesh_weights=weights,
        temperatures=T,
        mean=mean,
        heat_capacity=capacity,
    )


def _parameters(
    phonopy: Sequence[Any], q: np.ndarray, change: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (THz) and Grüneisen parameters at q, for a relative change of the volume."""
    matrices = []
    for crystal in phonopy:
        crystal.run_qpoints(q, with_dynamical_matrices=True)
        matrices.append(np.array(crystal.qpoints.dynamical_matrices) * SQRT_DYNAMICAL_TO_THZ**2)
    middle, smaller, larger = matrices
    squares, vectors = np.linalg.eigh(middle)
    slopes = np.empty_like(squares)
    for n, (square, vector) in enumerate(zip(squares, vectors, strict=True)):
        for members in np.split(np.arange(len(square)), np.flatnonzero(np.diff(square) > SAME) + 1):
            e = vector[:, members]
            slopes[n, members] = np.linalg.eigvalsh(e.conj().T @ (larger[n] - smaller[n]) @ e)
    frequencies = np.sign(squares) * np.sqrt(np.abs(squares))
    with np.errstate(divide="ignore", invalid="ignore"):
        parameters = -slopes / (2 * squares * change)
    return frequencies, np.where(np.abs(frequencies) > ZERO, parameters, np.nan)


def _means(
    frequencies: np.ndarray, parameters: np.ndarray, weights: np.ndarray, T: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean Grüneisen parameters, and heat capacities (eV/K), of the modes that are real."""
    real = frequencies > ZERO
    quantum = THZ_TO_MEV / 1000 * frequencies[real]
    weight = np.broadcast_to(weights[:, None], frequencies.shape)[real]
    mean, capacity = np.full(len(T), np.nan), np.zeros(len(T))
    for n in np.flatnonzero(T > 0):
        x = quantum / (K_B * T[n])
        e = np.exp(-x)
        c = weight * x**2 * e / (1 - e) ** 2
        capacity[n] = K_B * c.sum()
        if c.sum() > 0:
            mean[n] = c @ parameters[real] / c.sum()
    return mean, capacity

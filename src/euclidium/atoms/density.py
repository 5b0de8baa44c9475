"""Electron densities as coefficients of a basis, with what else was computed for the atoms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density_metric import shells_of
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.ops.gaussians import charges, multipoles
from euclidium.units import BOHR


@dataclass(frozen=True, eq=False)
class Density:
    """The electron density of a structure in a basis of Gaussians.

    ρ(r) = Σ_A Σ_k Σ_m c_Akm χ_km(r − R_A)

    ``coefficients`` in e/bohr^1.5 run over the atoms, of each a feature of ``basis.irreps(z)``; see
    :class:`~euclidium.atoms.basis.DensityBasis`. ``spin`` are those of ρ↑ − ρ↓, None where the
    electrons are paired. ρ counts electrons, so that it is positive.

    Raises ``DataError`` for an element that the basis lacks, and coefficients that do not fit it
    or are not finite.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> proton = Structure(np.array([1]), np.zeros((1, 3)))
    >>> round(Density(proton, basis, np.array([0.5])).electrons, 4)
    3.3372
    """

    structure: Structure
    basis: DensityBasis
    coefficients: Float[np.ndarray, " function"]
    spin: Float[np.ndarray, " function"] | None = None

    def __post_init__(self) -> None:
        size = self.offsets[-1]
        for name in ("coefficients", "spin"):
            value = getattr(self, name)
            if value is None:
                continue
            if value.shape != (size,):
                raise DataError(
                    f"{self.structure.origin}: {self.structure.formula} has {size} functions in "
                    f"the basis {self.basis.name}, but {name} has the shape {value.shape}"
                )
            if not np.isfinite(value).all():
                raise DataError(f"{self.structure.origin}: {name} of the density are not finite")

    def __repr__(self) -> str:
        """Formula, basis and number of functions."""
        spin = ", with spin" if self.spin is not None else ""
        size = len(self.coefficients)
        return f"Density({self.structure.formula}, {self.basis.name}, {size} functions{spin})"

    @property
    def offsets(self) -> list[int]:
        """Where the coefficients of each atom begin, and behind the last their number."""
        return self.basis.offsets(self.structure.species.tolist())

    @property
    def electrons(self) -> float:
        """∫ρ, the number of electrons."""
        return float(self.coefficients @ electrons_of(self.basis, self.structure.species))

    @property
    def charge(self) -> float:
        """The charge of nuclei and electrons together, e."""
        return float(self.structure.species.sum()) - self.electrons

    @property
    def dipole(self) -> Float[np.ndarray, "3"]:
        """Dipole moment of nuclei and electrons, e·Å, from the negative to the positive charge.

        About the origin, or, where the nuclei and the electrons do not have the same charge to 1e-6
        of it, about the centre of the nuclear charge. Raises ``DataError`` for a periodic
        structure, which has none.
        """
        structure = self.structure
        if structure.pbc.any():
            raise DataError(f"{structure.origin} is periodic, and has no dipole moment")
        nuclei = structure.species.astype(float)
        centre = np.zeros(3)
        if abs(self.charge) > 1e-6 * nuclei.sum():
            centre = nuclei @ structure.positions / nuclei.sum()
        positions = structure.positions - centre
        moved = replace(structure, positions=positions)
        return nuclei @ positions - self.coefficients @ moments_of(self.basis, moved)

    def of_degree(self, l: int) -> "Density":
        """The part of one degree: all other coefficients are zero."""
        keep = degrees_of(self.basis, self.structure.species) == l
        spin = None if self.spin is None else np.where(keep, self.spin, 0.0)
        return replace(self, coefficients=np.where(keep, self.coefficients, 0.0), spin=spin)

    def by_atom(self) -> list[Float[np.ndarray, " function"]]:
        """The coefficients of each atom."""
        return np.split(self.coefficients, self.offsets[1:-1])

    @classmethod
    def superposition(cls, structure: Structure, basis: DensityBasis) -> "Density":
        """The densities of the isolated atoms, one beside the other.

        Raises ``DataError`` for an element whose atom the basis lacks.

        >>> basis = DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.2])})
        >>> hydrogen = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
        >>> Density.superposition(hydrogen, basis).coefficients
        array([0.2, 0.2])
        """
        return cls(structure, basis, basis.superposition(structure.species.tolist()))


@dataclass(frozen=True, eq=False)
class DensityRecord:
    """A density, and what the calculation that it is fitted to has found.

    ``charge`` of the whole in e, ``energy`` in eV, ``forces`` in eV/Å, ``dipole`` of the
    calculation itself in e·Å, and ``fit_error`` = 100 ∫|ρ − ρ_fit| / N in percent, below which no
    comparison with these labels says anything about the calculation. ``info`` is what is known
    beside, in plain values.

    Raises ``DataError`` for forces or a dipole of another shape.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> proton = Structure(np.array([1]), np.zeros((1, 3)))
    >>> DensityRecord("proton", Density(proton, basis, np.zeros(1)), charge=1).charge
    1
    """

    name: str
    density: Density
    charge: int = 0
    energy: float | None = None
    forces: Float[np.ndarray, "atom 3"] | None = None
    dipole: Float[np.ndarray, "3"] | None = None
    fit_error: float | None = None
    info: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {"forces": (self.density.structure.n_atoms, 3), "dipole": (3,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise DataError(
                    f"{self.name}: {name} has the shape {value.shape}, expected {shape}"
                )

    @property
    def structure(self) -> Structure:
        """The atoms, with their charge and number of unpaired electrons as labels, as models ask.

        >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
        >>> proton = Structure(np.array([1]), np.zeros((1, 3)))
        >>> record = DensityRecord("proton", Density(proton, basis, np.zeros(1)), charge=1)
        >>> record.structure.labels
        {'charge': array(1.), 'spin': array(0.)}
        """
        density = self.density
        charges = electrons_of(density.basis, density.structure.species)
        unpaired = 0.0 if density.spin is None else round(float(charges @ density.spin))
        labels = {"charge": np.array(float(self.charge)), "spin": np.array(float(unpaired))}
        return replace(density.structure, labels={**density.structure.labels, **labels})


def electrons_of(basis: DensityBasis, species: np.ndarray) -> Float[np.ndarray, " function"]:
    """∫χ of each function of the atoms, nonzero for l = 0: electrons per unit of coefficient.

    ∫χ = √4π N √(π)/(4 a^(3/2))

    Raises ``DataError`` for an element that the basis lacks.

    >>> electrons_of(DensityBasis("two", {1: ((0, 0.5), (1, 0.5))}), np.array([1])).round(4)
    array([6.6743, 0.    , 0.    , 0.    ])
    """
    made = {z: charges(shells_of(basis, z)).numpy() for z in {int(z) for z in species}}
    return np.concatenate([np.zeros(0), *(made[int(z)] for z in species)])


def degrees_of(basis: DensityBasis, species: np.ndarray) -> np.ndarray:
    """The degree of each function of the atoms.

    >>> degrees_of(DensityBasis("two", {1: ((0, 0.5), (1, 0.5))}), np.array([1]))
    array([0, 1, 1, 1])
    """
    parts = [
        np.repeat([ir.l for _, ir in basis.irreps(int(z))], [b.dim for b in basis.irreps(int(z))])
        for z in species
    ]
    return np.concatenate([np.zeros(0, dtype=int), *parts])


def moments_of(basis: DensityBasis, structure: Structure) -> Float[np.ndarray, "function 3"]:
    """∫ χ r d³r of each function of a structure, Å.

    Raises ``DataError`` for an element that the basis lacks.

    >>> atom = Structure(np.array([1]), np.array([[0.0, 0.0, 2.0]]))
    >>> moments_of(DensityBasis("one", {1: ((0, 0.5),)}), atom).round(3)
    array([[ 0.   ,  0.   , 13.349]])
    """
    moments = electrons_of(basis, structure.species)[:, None] * np.repeat(
        structure.positions, [basis.size(int(z)) for z in structure.species], axis=0
    )
    for z, start in zip(
        structure.species, basis.offsets(structure.species.tolist())[:-1], strict=True
    ):
        first = multipoles(shells_of(basis, int(z)), 1).numpy() * BOHR  # x, y, z
        moments[start : start + first.shape[1]] += first.T
    return moments

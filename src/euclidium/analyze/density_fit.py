"""Gaussians fitted to the density of a crystal on a grid, as plane-wave programs give it."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from euclidium.analyze.fields import density_at
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import CENTER, centered, without_bond_centers
from euclidium.atoms.density import Density, DensityRecord, electrons_of
from euclidium.atoms.density_waves import CHUNK, lattice_metric, transforms, waves_of
from euclidium.atoms.problem import DataError
from euclidium.atoms.volumetric import Volume
from euclidium.units import BOHR

RIDGE = 1e-6  # of the norm of a function


def fit_volume(
    volume: Volume, basis: DensityBasis, ridge: float = RIDGE, name: str = ""
) -> DensityRecord:
    """The Gaussians that come nearest to the density of a crystal, and what they miss.

    min over c of  ∫(ρ − Σ c χ)² d³r + ridge |c − c⁰|²   with  ∫ Σ c χ = ∫ρ

    The integral is over a cell, the Gaussians are summed over the lattice, and c⁰ are the isolated
    atoms of the basis, or zero where it has none: they settle what the density does not, because
    wide functions on neighbouring atoms do the same. The density between the points of the grid is
    its Fourier series. ``fit_error`` of the record is :func:`volume_error`, in percent. A density
    of spin is fitted too. A basis with functions for the middle of bonds has them there, see
    :func:`~euclidium.atoms.centers.centered`.

    Raises ``DataError`` for a grid that is not the cell of a crystal, and an element that the basis
    lacks.

    >>> from euclidium.atoms.structure import Structure
    >>> cell = 4 * np.eye(3)
    >>> atom = Structure(np.array([3]), np.zeros((1, 3)), cell, np.ones(3, dtype=bool))
    >>> volume = Volume(atom, np.full((8, 8, 8), 2 / 64), cell, np.zeros(3))
    >>> basis = DensityBasis("wide", {3: ((0, 0.1),)})
    >>> round(fit_volume(volume, basis).density.electrons, 9)
    2.0
    """
    _check(volume)
    structure = centered(volume.structure, basis)
    volume = replace(volume, structure=structure)
    isolated = np.zeros(basis.offsets(structure.species.tolist())[-1])
    if set(structure.species.tolist()) <= basis.atoms.keys():
        isolated = basis.superposition(structure.species.tolist())
    matrix = lattice_metric(structure, basis)
    charges = electrons_of(basis, structure.species)
    found = []
    for values, start in ((volume.values, isolated), (volume.spin, np.zeros_like(isolated))):
        if values is not None:
            total = float(values.mean()) * volume.volume
            wanted = projections(replace(volume, values=values, spin=None), basis)
            found.append(_nearest(matrix, wanted, charges, total, start, ridge))
    density = Density(structure, basis, found[0], found[1] if len(found) > 1 else None)
    info = {"metric": "overlap", "ridge": ridge, "grid": list(volume.values.shape)}
    return DensityRecord(name, density, fit_error=volume_error(density, volume), info=info)


def fit_atoms(volumes: Iterable[Volume], basis: DensityBasis, ridge: float = RIDGE) -> DensityBasis:
    """The basis with spherical atoms, whose superposition comes nearest to some densities.

    The atoms of an element have the same coefficients in all crystals, which count alike for each
    electron; the middle of a bond has no electrons. Densities of valence electrons alone have no
    isolated atoms to begin with.

    Raises ``DataError`` as :func:`fit_volume` does, and for no densities.

    >>> fit_atoms([], DensityBasis("one", {1: ((0, 0.5),)}))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there are no densities to fit atoms to
    """
    round_ones = {
        z: tuple(s for s in basis.of(z) if s[0] == 0) for z in basis.elements if z != CENTER
    }
    spherical = DensityBasis(basis.name, round_ones)
    elements = list(spherical.elements)
    starts = spherical.offsets(elements)
    matrix, wanted = np.zeros((starts[-1],) * 2), np.zeros(starts[-1])
    seen: set[int] = set()
    for volume in volumes:
        _check(volume)
        volume = replace(volume, structure=without_bond_centers(volume.structure))
        species = volume.structure.species.tolist()
        seen.update(species)
        places = [starts[elements.index(z)] + np.arange(spherical.size(z)) for z in species]
        rows = np.concatenate(places)
        own = lattice_metric(volume.structure, spherical) / volume.electrons
        np.add.at(matrix, (rows[:, None], rows[None, :]), own)
        np.add.at(wanted, rows, projections(volume, spherical) / volume.electrons)
    if not seen:
        raise DataError("there are no densities to fit atoms to")
    found = np.linalg.solve(matrix + ridge * np.eye(len(matrix)), wanted)
    parts = np.split(found, starts[1:-1])
    atoms = {z: c for z, c in zip(elements, parts, strict=True) if z in seen}
    return replace(basis, atoms=atoms | basis.empty)


def volume_error(density: Density, volume: Volume) -> float:
    """How much of the electrons on a grid is elsewhere in a density, in percent of their number.

    100 Σ|ρ − ρ_grid| / Σ|ρ_grid|

    Over the points of the grid, as the normalised mean absolute error (NMAE) of others is.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.5]))
    >>> values = np.full((1, 1, 1), 1.3)
    >>> round(volume_error(density, Volume(atom, values, np.eye(3), np.zeros(3))), 3)
    9.992
    """
    off = density_at(density, volume.points) - volume.values.ravel()
    return float(100 * np.abs(off).sum() / np.abs(volume.values).sum())


def projections(volume: Volume, basis: DensityBasis) -> Float[np.ndarray, " function"]:
    """∫χρ of each function of a crystal, over all space, in e/bohr^1.5: exact for a Fourier series.

    ∫χρ d³r = Σ_G ρ(G) χ(G)*,   χ(G) = (−i)^l N (π/a)^(3/2) (G/2a)^l exp(−G²/4a − iG·R) Y_lm(G)

    Raises ``DataError`` as :func:`fit_volume` does.

    >>> from euclidium.atoms.structure import Structure
    >>> cell = 4 * np.eye(3)
    >>> atom = Structure(np.array([3]), np.zeros((1, 3)), cell, np.ones(3, dtype=bool))
    >>> volume = Volume(atom, np.full((4, 4, 4), 2 / 64), cell, np.zeros(3))
    >>> projections(volume, DensityBasis("one", {3: ((0, 0.5), (1, 0.5))})).round(4) + 0.0
    array([0.0309, 0.    , 0.    , 0.    ])
    """
    _check(volume)
    structure = volume.structure
    shape = volume.values.shape
    steps = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij")
    waves = waves_of(np.stack([step.ravel() for step in steps], axis=1), structure)
    series = np.fft.fftn(volume.values, norm="forward").ravel() * BOHR**3
    shifted = series * np.exp(-1j * waves @ volume.origin / BOHR)
    found = np.zeros(basis.offsets(structure.species.tolist())[-1])
    for some in np.array_split(np.arange(len(waves)), -(-len(waves) // CHUNK)):
        found += (transforms(basis, structure, waves[some]).conj().T @ shifted[some]).real
    return found


def _check(volume: Volume) -> None:
    """A grid is the cell of a crystal."""
    structure = volume.structure
    if not structure.pbc.all() or not np.allclose(volume.box, structure.cell, atol=1e-6):
        raise DataError(
            f"{structure.origin}: the grid is not the cell of a crystal, which Gaussians are "
            "fitted to: fit molecules from their wave functions, with `euclidium data make density`"
        )


def _nearest(
    matrix: np.ndarray,
    wanted: np.ndarray,
    charges: np.ndarray,
    total: float,
    start: np.ndarray,
    ridge: float,
) -> Float[np.ndarray, " function"]:
    """Coefficients with the least error, near a start, that have the right number of electrons."""
    sides = np.stack([wanted - matrix @ start, charges], axis=1)
    change, way = np.linalg.solve(matrix + ridge * np.eye(len(matrix)), sides).T
    found = start + change
    return found + way * (total - charges @ found) / (charges @ way)

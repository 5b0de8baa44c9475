"""Forces on nuclei from the electron density alone, as they are and calibrated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from euclidium.analyze.electrostatics import check_molecule, shells_of
from euclidium.atoms.basis import radial_norm
from euclidium.atoms.centers import CENTER
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.ops.gaussians import potentials
from euclidium.units import BOHR, HARTREE


@dataclass(frozen=True, eq=False)
class ForceCalibration:
    """Weights of the parts of the force on a nucleus, by atomic number.

    The first weight is that of the field of all other atoms, the others are those of the functions
    of degree 1 on the atom itself, by falling exponent. ``error`` is the root mean square of what
    is left on the structures of the fit, eV/Å.
    """

    weights: Mapping[int, Float[np.ndarray, " part"]]
    error: float


def electrostatic_forces(
    density: Density, calibration: ForceCalibration | None = None
) -> Float[np.ndarray, "atom 3"]:
    """Forces on the nuclei by the theorem of Hellmann and Feynman, eV/Å.

    F_A = Z_A E(R_A)

    E is the field of the electrons and of the other nuclei. Of a fitted density these are useless
    for all but hydrogen: the polarisation of the core adds up to little from large parts, which
    the fit has not right, and the charge of the nucleus multiplies what is left (20 eV/Å for the
    oxygen of water). A ``calibration`` weights the parts, see :func:`calibrate_forces`, and takes
    away the mean force, which vanishes for an exact density.

    Feynman, Phys. Rev. 56, 340 (1939), https://doi.org/10.1103/PhysRev.56.340

    Raises ``DataError`` for a periodic structure, and an element that the calibration lacks.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> pair = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> protons = Density(pair, DensityBasis("one", {1: ((0, 0.5),)}), np.zeros(2))
    >>> electrostatic_forces(protons).round(3)[1]
    array([ 0. ,  0. , 14.4])
    """
    parts = force_parts(density)
    if calibration is None:
        return np.array([part.sum(axis=0) for part in parts])
    found = []
    species = density.structure.species
    for z, part in zip(species.tolist(), parts, strict=True):
        if z == CENTER:
            found.append(np.zeros(3))
            continue
        if z not in calibration.weights:
            known = ", ".join(chemical_symbol(n) for n in sorted(calibration.weights))
            raise DataError(
                f"the forces are calibrated for {known}, not for {chemical_symbol(z)}: "
                "calibrate them with structures that have it"
            )
        found.append(calibration.weights[z] @ part)
    forces = np.array(found)
    atoms = species != CENTER
    return np.where(atoms[:, None], forces - forces[atoms].mean(axis=0), 0.0)


def calibrate_forces(records: Iterable[DensityRecord]) -> ForceCalibration:
    """Weights with which the parts of the forces are those that a calculation has found.

    F_A = w_0 Z_A E_others(R_A) + Σ_k w_k Z_A E_k(R_A)

    A linear fit for each element with some numbers: the operator of the field at a nucleus becomes
    one that is as good outside the core and knows what the fit of the density makes of the inside.
    It holds for densities of the same basis, fitted in the same way. Forces of the records in eV/Å.

    Raises ``DataError`` if no record has forces.

    >>> from euclidium.atoms.density_file import embedded_densities
    >>> calibration = calibrate_forces(embedded_densities("water")[:12:2])
    >>> {z: len(weights) for z, weights in sorted(calibration.weights.items())}
    {1: 3, 8: 6}
    """
    rows: dict[int, list[np.ndarray]] = {}
    wanted: dict[int, list[np.ndarray]] = {}
    for record in records:
        if record.forces is None:
            continue
        species = record.density.structure.species.tolist()
        for z, part, force in zip(species, force_parts(record.density), record.forces, strict=True):
            if z == CENTER:
                continue
            rows.setdefault(z, []).append(part.T)
            wanted.setdefault(z, []).append(force)
    if not rows:
        raise DataError("forces are calibrated with densities whose forces are known, got none")
    weights, squares, count = {}, 0.0, 0
    for z in rows:
        a, b = np.concatenate(rows[z]), np.concatenate(wanted[z])
        weights[z] = np.linalg.lstsq(a, b, rcond=None)[0]
        squares += float(((a @ weights[z] - b) ** 2).sum())
        count += len(b)
    return ForceCalibration(weights, float(np.sqrt(squares / count)))


def force_parts(density: Density) -> list[Float[np.ndarray, "part 3"]]:
    """The force on each nucleus in parts, eV/Å: all other atoms, then its own shells of degree 1.

    Raises ``DataError`` for a periodic structure.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("two", {1: ((0, 0.5), (1, 0.5))})
    >>> density = Density(atom, basis, np.array([0.5, 0.0, 0.0, 0.01]))
    >>> force_parts(density)[0].round(3)[1]
    array([0.   , 0.   , 1.291])
    """
    check_molecule(density)
    species = density.structure.species.tolist()
    positions = torch.from_numpy(density.structure.positions / BOHR)
    fields = np.zeros((len(species), 3))
    for n, (z, c) in enumerate(zip(species, density.by_atom(), strict=True)):
        others = [k for k in range(len(species)) if k != n]
        if not others:
            continue
        vectors = (positions[others] - positions[n]).requires_grad_()
        electrons = potentials(shells_of(density.basis, z), vectors) @ torch.from_numpy(c)
        total = (z / vectors.norm(dim=1) - electrons).sum()
        (slope,) = torch.autograd.grad(total, vectors)
        fields[others] -= slope.numpy()
    found = []
    for z, field, c in zip(species, fields, density.by_atom(), strict=True):
        parts = np.concatenate([field[None], _own_field(density, z, c)])
        found.append(z * parts * HARTREE / BOHR)
    return found


def _own_field(density: Density, z: int, c: np.ndarray) -> np.ndarray:
    """The field at a nucleus of the functions of degree 1 there, hartree/(e bohr)."""
    exponents = density.basis.exponents(z)
    a = exponents.get(1, np.zeros(0))
    first = len(exponents.get(0, ()))
    own = c[first : first + 3 * len(a)].reshape(3, len(a))
    norm = radial_norm(1, a)
    # near the centre the potential of r exp(−a r²) Y is that of a constant field
    return (own * norm * np.sqrt(3 / (4 * np.pi)) * 2 * np.pi / (3 * a)).T

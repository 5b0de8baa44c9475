"""How atoms move at the start: thermal momenta, and what of a motion is thermal."""

import numpy as np
from ase import Atoms
from jaxtyping import Float

from euclidium.units import K_B


def thermal_momenta(
    atoms: Atoms, temperature: float, rng: np.random.Generator, free: int
) -> Float[np.ndarray, "atom 3"]:
    """Momenta drawn from the distribution of Maxwell and Boltzmann, in ASE's units √(eV amu).

    The whole is at rest and does not rotate, and the momenta are scaled so that
    Σ p²/m = n kT exactly, where n = ``free`` is the number of thermal degrees of freedom.
    """
    masses = atoms.get_masses()[:, None]
    moving = atoms.copy()
    moving.set_momenta(np.sqrt(masses) * rng.normal(size=(len(atoms), 3)))
    momenta = at_rest(moving)
    return momenta * np.sqrt(free * K_B * temperature / (momenta**2 / masses).sum())


def at_rest(atoms: Atoms, rotating: bool = False) -> Float[np.ndarray, "atom 3"]:
    """The momenta without the motion of the whole, and of a molecule without its rotation.

    Atoms that are held in space, and a single atom, keep theirs.
    """
    momenta = atoms.get_momenta()
    if atoms.constraints or len(atoms) == 1:
        return momenta
    masses = atoms.get_masses()[:, None]
    momenta = momenta - masses * momenta.sum(axis=0) / masses.sum()
    if not atoms.pbc.any() and not rotating:
        arms = atoms.positions - atoms.get_center_of_mass()
        spin = np.cross(arms, momenta).sum(axis=0)
        momenta = momenta - masses * np.cross(np.linalg.pinv(_inertia(atoms)) @ spin, arms)
    return momenta


def free_motions(atoms: Atoms, conserved: bool) -> int:
    """Number of thermal degrees of freedom: all, less constraints and, if ``conserved``, momenta.

    Forces between atoms conserve the total momentum, which leaves 3N − 3, and the angular momentum
    of a molecule: where that is zero, its two or three rotations are not thermal either.
    """
    if atoms.constraints:
        return 3 * len(atoms) - sum(int(c.get_removed_dof(atoms)) for c in atoms.constraints)
    if not conserved:
        return 3 * len(atoms)
    free = 3 * len(atoms) - 3
    return free if atoms.pbc.any() or _rotates(atoms) else free - _rotations(atoms)


def thermal_energy(atoms: Atoms, conserved: bool) -> float:
    """Kinetic energy (eV), without that of the whole if the momentum is ``conserved``."""
    kinetic = float(atoms.get_kinetic_energy())
    if not conserved or atoms.constraints:
        return kinetic
    return kinetic - float(
        (atoms.get_momenta().sum(axis=0) ** 2).sum() / 2 / atoms.get_masses().sum()
    )


def _rotates(atoms: Atoms) -> bool:
    """Whether there is angular momentum beyond round-off."""
    arms = atoms.positions - atoms.get_center_of_mass()
    momenta = at_rest(atoms, rotating=True)
    sizes = np.linalg.norm(arms, axis=1) @ np.linalg.norm(momenta, axis=1)
    return bool(np.linalg.norm(np.cross(arms, momenta).sum(axis=0)) > 1e-6 * sizes)


def _rotations(atoms: Atoms) -> int:
    """Number of independent rotations: two of a linear molecule, three of any other."""
    inertia = _inertia(atoms)
    return int(np.linalg.matrix_rank(inertia, tol=1e-6 * max(float(np.trace(inertia)), 1.0)))


def _inertia(atoms: Atoms) -> np.ndarray:
    """Tensor of inertia about the centre of mass."""
    arms = atoms.positions - atoms.get_center_of_mass()
    weighted = arms.T @ (arms * atoms.get_masses()[:, None])
    return np.trace(weighted) * np.eye(3) - weighted

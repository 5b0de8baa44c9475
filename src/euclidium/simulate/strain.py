"""A crystal at other volumes, and its phonons there."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from euclidium.simulate.lattice import mesh_options
from euclidium.simulate.phonons import Phonons, phonons


def strained(
    atoms: Atoms,
    calculator: BaseCalculator,
    strain: float,
    *,
    relax: bool = True,
    fmax: float = 1e-4,
    steps: int = 500,
) -> Atoms:
    """A crystal whose lengths are 1 + ``strain`` times as large, with its energy at hand.

    The volume is V (1 + ε)³. With ``relax`` atoms and the shape of the cell go to where forces
    vanish (below ``fmax``, eV/Å) and the stress is a pressure; the space group stays.

    Raises ``ValueError`` if ``steps`` steps are not enough.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> magnesium = bulk("Cu", "hcp", a=2.55, c=4.1)
    >>> larger = strained(magnesium, EMT(), 0.01)
    >>> round(float(larger.get_volume() / magnesium.get_volume()), 4)
    1.0303
    """
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    atoms.calc = calculator
    if relax:
        atoms.set_constraint(FixSymmetry(atoms, symprec=1e-4))
        target: Any = FrechetCellFilter(atoms, constant_volume=True)
        with BFGS(target, logfile=None, maxstep=0.1) as optimizer:
            converged = optimizer.run(fmax=fmax, steps=steps)
        if not converged:
            raise ValueError(
                f"the crystal strained by {strain:g} did not relax in {steps} steps: take smaller "
                "strains, or relax=False"
            )
        atoms.set_constraint()
    return atoms


def phonons_at_strains(
    atoms: Atoms,
    calculator: BaseCalculator,
    strains: Sequence[float] | np.ndarray,
    mesh: Sequence[int],
    *,
    relax: bool = True,
    observe: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[tuple[Atoms, Phonons]]:
    """The crystal at each of some linear strains, with its phonons on the same mesh.

    ``options`` are those of ``phonons``. ``observe`` is called with the number of strains done and
    their total.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> found = phonons_at_strains(bulk("Cu"), EMT(), [0.0, 0.02], (2, 2, 2), supercell=(2, 2, 2))
    >>> [round(float(result.mesh_frequencies.max()), 1) for _, result in found]
    [7.8, 6.6]
    """
    found = []
    for n, strain in enumerate(strains, 1):
        crystal = strained(atoms, calculator, float(strain), relax=relax)
        result = phonons(crystal, calculator, mesh=mesh, relax=False, **options)
        found.append((crystal, result))
        if observe is not None:
            observe(n, len(strains))
    return found


def mesh_numbers(found: Phonons, mesh: float | Sequence[int]) -> tuple[int, int, int]:
    """The numbers of q points that ``phonons`` takes for a mesh, which may be a length in Å.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> mesh_numbers(phonons(bulk("Cu"), EMT(), (2, 2, 2), mesh=(2, 2, 2)), 30.0)
    (14, 14, 14)
    """
    if not isinstance(mesh, int | float):
        a, b, c = (int(n) for n in mesh)
        return a, b, c
    found._phonopy.init_mesh(mesh, **mesh_options(found._phonopy))
    a, b, c = (int(n) for n in found._phonopy.mesh.mesh_numbers)
    return a, b, c

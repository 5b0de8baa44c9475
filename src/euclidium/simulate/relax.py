"""Relaxation: atoms and cell go to where the forces and the stress vanish."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from euclidium.simulate.calculator import Model, calculator_of
from euclidium.units import GPA


@dataclass(frozen=True)
class Relaxation:
    """Where a relaxation ended."""

    atoms: Atoms  # with energy and forces, and stress if the cell was relaxed
    energy: float  # eV
    largest_force: float  # eV/Å
    largest_stress: float  # GPa, apart from the pressure; NaN if the cell was kept
    steps: int


def relax(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    fmax: float = 1e-3,
    *,
    cell: bool = True,
    pressure: float = 0.0,
    symmetry: bool = True,
    steps: int = 500,
) -> Relaxation:
    """Minimise the energy, or the enthalpy E + P V, of some atoms, which stay as they are.

    ``model`` is a potential, the path of one, or an ASE calculator. Ends when no force is above
    ``fmax`` (eV/Å) and, if the ``cell`` moves, the stress times the volume per atom
    is below ``fmax`` times 1 Å too. ``pressure`` in GPa. With ``symmetry`` a crystal keeps its
    space group.

    Raises ``ValueError`` if a cell is to be relaxed that is not periodic along all axes, and if
    ``steps`` steps are not enough.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> relaxed = relax(bulk("Cu", a=3.7), EMT())
    >>> round(float(relaxed.atoms.cell[0, 1]) * 2, 2)
    3.59
    """
    if cell and not atoms.pbc.all():
        raise ValueError("a cell that is not periodic along all axes cannot relax: use cell=False")
    atoms = atoms.copy()
    if symmetry and atoms.pbc.all():
        atoms.set_constraint([*atoms.constraints, FixSymmetry(atoms, symprec=1e-4)])
    atoms.calc = calculator_of(model)
    target: Any = FrechetCellFilter(atoms, scalar_pressure=pressure * GPA) if cell else atoms
    # shorter steps than the default, which can strain a small cell more than FixSymmetry allows
    with BFGS(target, logfile=None, maxstep=0.1) as optimizer:
        converged = optimizer.run(fmax=fmax, steps=steps)
    result = _result(atoms, cell, pressure, int(optimizer.nsteps))
    if not converged:
        raise ValueError(
            f"the structure did not relax in {steps} steps: the largest force is "
            f"{result.largest_force:.3g} eV/Å; allow more steps, or an fmax above {fmax:g} eV/Å"
        )
    return result


def _result(atoms: Atoms, cell: bool, pressure: float, steps: int) -> Relaxation:
    """The end of a relaxation, without calculator and without the constraint of symmetry."""
    results = {"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces()}
    stress = np.nan
    if cell:
        results["stress"] = atoms.get_stress()
        ideal = -pressure * GPA * np.array([1, 1, 1, 0, 0, 0])
        stress = float(np.abs(results["stress"] - ideal).max()) / GPA
    still = atoms.copy()
    still.set_constraint([c for c in atoms.constraints if not isinstance(c, FixSymmetry)])
    still.calc = SinglePointCalculator(still, **results)
    largest = float(np.linalg.norm(results["forces"], axis=1).max())
    return Relaxation(still, results["energy"], largest, stress, steps)

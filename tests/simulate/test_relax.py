"""Relaxation ends at a minimum, and keeps what it should."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.spacegroup.symmetrize import check_symmetry
from scipy.optimize import minimize_scalar

from euclidium.simulate import relax
from euclidium.units import GPA


def enthalpy(model, a, pressure):
    from euclidium.simulate import Calculator

    atoms = bulk("Ar", a=a)
    atoms.calc = Calculator(model)
    return atoms.get_potential_energy() + pressure * GPA * atoms.get_volume()


@pytest.mark.parametrize("pressure", [0.0, 1.0])
def test_a_crystal_goes_to_the_minimum_of_its_enthalpy(lennard_jones, pressure):
    relaxed = relax(bulk("Ar", a=5.3), lennard_jones, fmax=1e-6, pressure=pressure)
    best = minimize_scalar(
        lambda a: enthalpy(lennard_jones, a, pressure), bracket=(4.9, 5.2), tol=1e-10
    )
    assert relaxed.atoms.cell[0, 1] * 2 == pytest.approx(best.x, rel=1e-4)
    assert relaxed.largest_stress < 1e-3
    assert relaxed.energy == pytest.approx(relaxed.atoms.get_potential_energy())


def test_the_space_group_stays(lennard_jones):
    start = bulk("Ar", "hcp", a=3.7, c=6.3)
    relaxed = relax(start, lennard_jones)
    numbers = [check_symmetry(atoms, 1e-6).number for atoms in (start, relaxed.atoms)]
    assert numbers == [194, 194]
    assert not relaxed.atoms.constraints


def test_without_symmetry_a_distorted_crystal_finds_more(lennard_jones):
    start = bulk("Ar", a=5.2, cubic=True)
    start.set_cell([5.2, 5.2, 5.6], scale_atoms=True)
    relaxed = relax(start, lennard_jones, symmetry=False)
    np.testing.assert_allclose(relaxed.atoms.cell.lengths(), relaxed.atoms.cell[0, 0], rtol=1e-2)


def test_atoms_only():
    start = molecule("H2O")
    relaxed = relax(start, EMT(), fmax=0.01, cell=False)
    assert relaxed.largest_force < 0.01
    assert np.isnan(relaxed.largest_stress)
    before = molecule("H2O")
    before.calc = EMT()
    assert relaxed.energy < before.get_potential_energy()
    np.testing.assert_array_equal(start.positions, molecule("H2O").positions)


def test_bad_input(lennard_jones):
    with pytest.raises(ValueError, match="along all axes cannot relax: use cell=False"):
        relax(molecule("H2O"), EMT())
    with pytest.raises(ValueError, match=r"did not relax in 1 steps: the largest force is .* eV/Å"):
        relax(molecule("CH4"), EMT(), cell=False, steps=1)

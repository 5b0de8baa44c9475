from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.charges import hirshfeld
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import with_bond_centers
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities


def test_water():
    """Hirshfeld charges of water are small: about −0.3 on the oxygen."""
    density = embedded_densities("water", "train")[0].density
    found = hirshfeld(density)
    assert found.charges.sum() == pytest.approx(0, abs=1e-3)
    assert -0.4 < found.charges[0] < -0.2
    assert found.charges[1] == pytest.approx(found.charges[2], abs=0.03)
    # charges and dipoles of the atoms are the dipole of the molecule
    total = found.charges @ density.structure.positions + found.dipoles.sum(axis=0)
    assert total == pytest.approx(density.dipole, abs=1e-3)


def test_isolated_atoms_have_no_charge():
    density = embedded_densities("water", "train")[0].density
    atoms = Density.superposition(density.structure, density.basis)
    found = hirshfeld(atoms, level=3)
    own = [
        z
        - Density.superposition(Structure(np.array([z]), np.zeros((1, 3))), density.basis).electrons
        for z in (8, 1, 1)
    ]
    assert found.charges == pytest.approx(own, abs=1e-4)


def test_crystals():
    """Two equal atoms of a crystal share the electrons of the cell."""
    structure = Structure.from_ase(bulk("Si"))
    basis = DensityBasis("one", {14: ((0, 0.4), (0, 0.15))}, {14: np.array([1.0, 0.5])})
    atoms = Density.superposition(structure, basis)
    found = hirshfeld(atoms, level=3)
    assert found.charges == pytest.approx([atoms.charge / 2] * 2, abs=2e-3)


def test_needs_isolated_atoms():
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="no isolated atom of H"):
        hirshfeld(Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.2])))


def test_the_middle_of_a_bond_has_no_charge():
    basis = DensityBasis("both", {0: ((0, 0.7),), 1: ((0, 0.5),)}, {1: np.array([0.15])})
    basis = replace(basis, atoms={**basis.atoms, **basis.empty})
    atoms = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.8]]))
    density = Density(with_bond_centers(atoms), basis, np.array([0.14, 0.14, 0.02]))
    found = hirshfeld(density, 3)
    assert found.charges[2] == 0
    assert found.charges.sum() == pytest.approx(density.charge, abs=1e-4)
    assert found.charges[0] == pytest.approx(found.charges[1])

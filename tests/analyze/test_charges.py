from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.charges import hirshfeld, iterative_hirshfeld
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import with_bond_centers
from euclidium.atoms.density import Density, electrons_of
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


def with_ions(density: Density) -> Density:
    """A density with ions in its basis: shells scaled by the number of electrons, made up."""
    electrons = {
        z: own @ electrons_of(density.basis, np.array([z]))[: len(own)]
        for z, own in density.basis.atoms.items()
    }
    ions = {
        z: {q: own * (electrons[z] - q) / electrons[z] for q in (-1, 1)}
        for z, own in density.basis.atoms.items()
    }
    return replace(density, basis=replace(density.basis, ions=ions))


def test_charges_of_ions_side_by_side_are_found_again():
    """The density of ions with fractional charges, far apart, has these charges."""
    density = with_ions(embedded_densities("water", "train")[0].density)
    basis = density.basis
    pair = Structure(np.array([8, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 12.0]]))
    rows = []
    for z, charge in ((8, -0.6), (1, 0.6)):
        own = np.zeros(basis.size(z))
        n = len(basis.atoms[z])
        other = basis.ions[z][-1 if charge < 0 else 1]
        own[:n] = (1 - abs(charge)) * basis.atoms[z] + abs(charge) * other
        rows.append(own)
    ionic = Density(pair, basis, np.concatenate(rows))
    found = iterative_hirshfeld(ionic, level=3)
    assert found.charges == pytest.approx([-0.6, 0.6], abs=1e-3)


def test_iterative_charges_do_not_depend_on_the_start():
    density = with_ions(embedded_densities("water", "train")[0].density)
    first = iterative_hirshfeld(density, 1)
    assert first.charges.sum() == pytest.approx(0, abs=1e-3)
    assert first.charges[0] < hirshfeld(density, 1).charges[0]
    for start in ([-1.0, 0.5, 0.5], [0.8, -0.4, -0.4]):
        found = iterative_hirshfeld(density, 1, np.array(start))
        assert found.charges == pytest.approx(first.charges, abs=5e-4)
    total = first.charges @ density.structure.positions + first.dipoles.sum(axis=0)
    assert total == pytest.approx(density.dipole, abs=3e-3)


def test_what_ions_are_missing_gets_a_sentence():
    density = embedded_densities("water", "train")[0].density
    with pytest.raises(DataError, match="no isolated ions of H, which iterative .* --ions"):
        iterative_hirshfeld(density, 0)
    few = with_ions(density)
    small = {z: {q: own for q, own in ions.items() if q < 0} for z, ions in few.basis.ions.items()}
    few = replace(few, basis=replace(few.basis, ions=small))
    with pytest.raises(DataError, match=r"atom 1 has .* ions of H from -1 to 0: fit more"):
        iterative_hirshfeld(few, 0)

"""Centres in the middle of bonds: where they are, and that they are no atoms."""

from dataclasses import replace
from pathlib import Path

import ase.build
import numpy as np
import pytest

from euclidium.atoms import (
    DataError,
    Density,
    DensityBasis,
    DensityRecord,
    Graph,
    Structure,
    read_densities,
    write_densities,
)
from euclidium.atoms.centers import (
    CenteredStructure,
    centered,
    with_bond_centers,
    with_bond_functions,
    without_bond_centers,
)

BASIS = DensityBasis("one", {z: ((0, 0.5),) for z in (1, 6, 14)})


def silicon(repeat: tuple[int, int, int] = (1, 1, 1)) -> Structure:
    return Structure.from_ase(ase.build.bulk("Si").repeat(repeat))


def test_every_bond_of_a_molecule_has_a_centre():
    ethene = Structure.from_ase(ase.build.molecule("C2H4"))
    found = with_bond_centers(ethene)
    assert found.species.tolist() == [6, 6, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(found.positions[6], ethene.positions[:2].mean(axis=0))
    assert (found.formula, found.n_atoms) == ("C2H4", 11)
    assert found.masses.sum() == pytest.approx(ethene.masses.sum())


@pytest.mark.parametrize("repeat", [(1, 1, 1), (2, 1, 1), (2, 3, 1)])
def test_bonds_across_the_cell_count_once(repeat: tuple[int, int, int]):
    structure = silicon(repeat)
    centers = with_bond_centers(structure).positions[structure.n_atoms :]
    assert len(centers) == 2 * structure.n_atoms  # four bonds an atom, two atoms a bond
    inverse = np.linalg.inv(structure.cell)
    places = {tuple(row) for row in ((centers @ inverse).round(6) % 1).round(6).tolist()}
    assert len(places) == len(centers)


def test_a_chain_of_one_atom_is_bonded_to_its_image():
    cell = np.diag([1.4, 0.0, 0.0])
    chain = Structure(np.array([6]), np.zeros((1, 3)), cell, np.array([True, False, False]))
    np.testing.assert_allclose(with_bond_centers(chain).positions[1:], [[0.7, 0.0, 0.0]])


def test_what_belongs_to_atoms_is_zero_on_centres_and_comes_back():
    pair = Structure(
        np.array([1, 1]),
        np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.8]]),
        labels={"forces": np.ones((2, 3)), "charge": np.array(1.0)},
        inputs={"marks": np.ones((2, 1))},
        info={"name": "pair"},
    )
    found = with_bond_centers(pair)
    assert found.labels["forces"][2].tolist() == [0.0, 0.0, 0.0]
    assert found.inputs["marks"].ravel().tolist() == [1.0, 1.0, 0.0]
    again = without_bond_centers(found)
    assert type(again) is Structure
    assert again.labels["forces"].shape == (2, 3)
    assert (again.labels["charge"], again.info) == (pair.labels["charge"], pair.info)
    np.testing.assert_array_equal(again.positions, pair.positions)


def test_a_basis_asks_for_centres_or_for_none():
    structure = silicon()
    both = with_bond_functions(BASIS)
    assert centered(structure, BASIS) is structure
    found = centered(structure, both)
    assert found.n_atoms == 6
    assert centered(found, both) is found
    assert centered(found, BASIS).n_atoms == 2
    wide = replace(both, bond_factor=2.0)  # also those between second neighbours
    assert centered(structure, wide).n_atoms == 18
    assert DensityBasis.from_json(wide.to_json()).bond_factor == 2.0
    assert "bond_factor" not in BASIS.to_json()


def test_centres_have_no_electrons_in_isolated_atoms():
    atoms = replace(BASIS, atoms={14: np.array([1.0])})
    found = with_bond_functions(atoms, counts=(2, 1)).superposition([14, 0])
    assert found.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_what_knows_no_centres_refuses_them():
    found = with_bond_centers(silicon())
    with pytest.raises(DataError, match="atom 2 has the atomic number 0, which is not an element"):
        Structure(found.species, found.positions)
    with pytest.raises(DataError, match="atom 2 has the atomic number 0, which is not an element"):
        Structure.from_ase(found.to_ase())
    with pytest.raises(DataError, match="has centres of bonds, which are known to models of dens"):
        Graph.from_structures([found], 5.0)
    assert Graph.from_structures([found], 5.0, centers=True).n_atoms == 6
    with pytest.raises(DataError, match="atomic number -1"):
        CenteredStructure(np.array([-1]), np.zeros((1, 3)))


def test_what_is_wrong_gets_a_sentence():
    found = with_bond_centers(silicon())
    with pytest.raises(DataError, match="has centres of bonds already"):
        with_bond_centers(found)
    square = Structure(
        np.full(4, 6), np.array([[0.0, 0, 0], [1.4, 0, 0], [1.4, 1.4, 0], [0, 1.4, 0]])
    )
    assert with_bond_centers(square).n_atoms == 8
    with pytest.raises(DataError, match="middles of bonds of up to 1.5 times .* smaller factor"):
        with_bond_centers(square, 1.5)  # the diagonals cross
    alone = Structure(np.array([1]), np.zeros((1, 3)))
    assert with_bond_centers(alone) is alone


def test_centres_of_bonds_are_kept(tmp_path: Path):
    basis = with_bond_functions(DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.2])}))
    pair = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    structure = with_bond_centers(pair)
    coefficients = np.arange(2.0 + basis.size(0))
    record = DensityRecord("pair", Density(structure, basis, coefficients))
    write_densities(tmp_path / "pair.npz", [record])
    [found] = read_densities(tmp_path / "pair.npz")
    assert found.density.structure.species.tolist() == [1, 1, 0]
    assert found.density.basis == basis
    np.testing.assert_array_equal(found.density.coefficients, coefficients)
    assert found.density.charge == pytest.approx(2 - found.density.electrons)

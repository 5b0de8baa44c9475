"""Fractions of elements on sites: masses, formulas, where ASE keeps them, and each mistake."""

import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_masses

from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read
from euclidium.atoms.sites import (
    composition,
    find_occupations,
    formula,
    majority,
    mixed,
    one_hot,
    site_masses,
)
from euclidium.atoms.structure import Structure


def row(**fractions: float) -> np.ndarray:
    """One site, such as ``row(Sb=0.75, Bi=0.25)``."""
    numbers = Atoms("".join(fractions)).numbers
    return (one_hot(numbers) * np.array(list(fractions.values()))[:, None]).sum(axis=0)


def alloy(*sites: np.ndarray) -> Structure:
    """A chain of these sites."""
    occupations = np.stack(sites)
    positions = np.arange(len(sites))[:, None] * np.array([2.0, 0.0, 0.0])
    cell = np.diag([2.0 * len(sites), 5.0, 5.0])
    return Structure(
        majority(occupations), positions, cell, np.ones(3, bool), occupations=occupations
    )


BRASS = (row(Cu=0.6, Zn=0.4), row(Cu=1.0))
DEFICIENT = (row(Fe=0.95), row(O=1.0))


def test_a_mixture_has_the_mean_mass():
    cu, zn, fe = (atomic_masses[z] for z in (29, 30, 26))
    np.testing.assert_allclose(alloy(*BRASS).masses, [0.6 * cu + 0.4 * zn, cu], rtol=1e-14)
    # what is missing weighs nothing, and the atoms that are there weigh what they weigh
    np.testing.assert_allclose(alloy(*DEFICIENT).masses[0], fe, rtol=1e-14)
    pure = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))
    np.testing.assert_array_equal(pure.masses, atomic_masses[[11, 17]])
    np.testing.assert_array_equal(site_masses(one_hot(pure.species)), pure.masses)


def test_composition_and_formula():
    assert alloy(*DEFICIENT).composition == {"O": 1.0, "Fe": 0.95}
    assert alloy(*DEFICIENT).formula == "Fe0.95O"
    assert repr(alloy(*BRASS)) == "Structure(Cu1.6Zn0.4, periodic: abc, mixed sites: 1)"
    assert composition(one_hot(np.array([6, 1, 1, 1, 1]))) == {"H": 4.0, "C": 1.0}


@pytest.mark.parametrize("symbols", ["C5H8O2", "H2O", "CHBr3", "SiO2", "Mg3Sb2", "C60", "H"])
def test_whole_formulas_are_those_of_ase(symbols: str):
    atoms = Atoms(symbols)
    assert Structure.from_ase(atoms).formula == atoms.get_chemical_formula("hill")
    assert formula({"C": 1.0, "H": 0.5}) == "CH0.5"


def test_the_lightest_of_equals_is_the_species():
    sites = np.stack([row(Au=0.5, Ag=0.5), row(Au=0.6, Ag=0.4), row(Ag=0.2)])
    assert majority(sites).tolist() == [47, 79, 47]
    assert mixed(sites).tolist() == [True, True, True]
    assert not alloy(row(Ag=1.0), row(Au=1.0)).is_mixed


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz.gz", ".traj", ".cif"])
def test_files_keep_occupations(tmp_path: Path, suffix: str):
    start = alloy(row(Sb=0.75, Bi=0.25), row(Mg=1.0), row(Fe=0.9), row(Sb=0.5, As=0.3, Bi=0.2))
    path = tmp_path / f"alloy{suffix}"
    ase.io.write(path, start.to_ase())
    (end,) = read(path)
    np.testing.assert_array_equal(end.species, start.species)
    assert end.occupations is not None
    np.testing.assert_allclose(end.occupations, start.occupations, rtol=1e-14, atol=0)


def test_supercells_of_ase_keep_occupations():
    start = alloy(*BRASS)
    large = Structure.from_ase(start.to_ase() * (2, 1, 3))
    assert large.occupations is not None
    np.testing.assert_array_equal(large.occupations, np.tile(start.occupations, (6, 1)))


def test_a_column_of_ones_is_a_pure_crystal():
    atoms = Atoms("Si2", info={"occupancy": {"0": {"Si": 1.0}, "1": {"Si": 1.0}}})
    atoms.numbers[1] = 32  # as people substitute by hand
    assert Structure.from_ase(atoms).occupations is None


def test_rounded_fractions_are_scaled_to_one():
    atoms = Atoms("Si", info={"occupancy": {0: {"Si": 0.6667, "Ge": 0.3334}}})
    found = find_occupations(atoms, "the structure")
    assert found is not None
    assert found.sum() == pytest.approx(1.0, abs=1e-15)
    assert found[0, 14] / found[0, 32] == pytest.approx(0.6667 / 0.3334, rel=1e-14)


@pytest.mark.parametrize(
    ("occupancy", "n_atoms", "sentence"),
    [
        ({"0": {"Si": 0.5}}, 2, "has 1 kinds of sites in info['occupancy'] and 2 atoms: give"),
        ({"a": {"Si": 0.5}}, 1, "info['occupancy'] has no kind 0, which atom 0 has"),
        ({"0": {"Si": 0.5, "Qq": 0.5}}, 1, "site 0 holds 'Qq', which is not an element"),
        ({"0": {"Si": 0.7, "Ge": 0.4}}, 1, "on site 0 sum to 1.1 (0.7 Si, 0.4 Ge): they must"),
        ({"0": {"Si": 0.4, "Ge": 0.6}}, 1, "species of site 0 is Si, but it holds 0.6 Ge, 0.4 Si"),
    ],
)
def test_fractions_in_ase_that_do_not_fit(occupancy: dict, n_atoms: int, sentence: str):
    atoms = Atoms(f"Si{n_atoms}", info={"occupancy": occupancy})
    with pytest.raises(DataError, match=re.escape(sentence)):
        Structure.from_ase(atoms, info={"file": "x.cif", "frame": 0})


@pytest.mark.parametrize(
    ("occupations", "sentence"),
    [
        (row(Si=1.2), "frame 3 of x.xyz: the fractions on site 0 sum to 1.2 (1.2 Si)"),
        (row(Si=1.1, Ge=-0.1), "site 0 has a fraction of an element that is negative"),
        (row(Si=np.nan), "site 0 has a fraction of an element that is negative or not a number"),
        (0 * row(Si=1.0), "site 0 is empty: leave it out"),
        (row(Si=0.4, Ge=0.6), "the species of site 0 is Si, but it holds 0.6 Ge, 0.4 Si"),
        (row(Si=1.0) + 0.1 * np.eye(1, 119)[0], "column 0 is not used"),
    ],
)
def test_each_mistake_has_its_sentence(occupations: np.ndarray, sentence: str):
    with pytest.raises(DataError, match=re.escape(sentence)):
        Structure(
            np.array([14]),
            np.zeros((1, 3)),
            info={"file": "x.xyz", "frame": 3},
            occupations=occupations[None],
        )


def test_wrong_shape(unchecked: None):
    with pytest.raises(DataError, match=re.escape("has the shape (1, 118), expected (1, 119)")):
        Structure(np.array([14]), np.zeros((1, 3)), occupations=np.ones((1, 118)))

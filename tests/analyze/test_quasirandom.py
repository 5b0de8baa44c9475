"""Quasirandom cells: the pairs of chance, whole atoms, and the structures of the first paper."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.quasirandom import special_quasirandom
from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.occupations import substitute
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

COPPER = Structure.from_ase(bulk("Cu"))
HALF = substitute(COPPER, {"Cu": {"Au": 0.5}})
SALT = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))


def pair_share(structure: Structure, distance: float) -> float:
    """The share of neighbours at a distance that are of the other element."""
    edges = neighbor_list(structure, distance + 0.1)
    near = np.abs(np.linalg.norm(edges.vectors(structure), axis=1) - distance) < 0.1
    other = structure.species[edges.senders] != structure.species[edges.receivers]
    return float(other[near].mean())


def test_sixteen_atoms_have_the_pairs_of_chance():
    found = special_quasirandom(HALF, 16, shells=2)
    assert found.structure.composition == {"Cu": 8, "Au": 8}
    assert found.structure.occupations is None
    assert found.rounding == 0.0
    assert found.mismatch < 1e-12
    # counted without the search: half of the first and second neighbours are of the other element
    for distance in found.distances:
        assert pair_share(found.structure, float(distance)) == pytest.approx(0.5, abs=1e-12)
    assert found.random.min() > 0.01
    np.testing.assert_allclose(found.distances, [3.61 / np.sqrt(2), 3.61], rtol=1e-6)


def test_deviations_are_those_of_the_structure():
    found = special_quasirandom(HALF, np.diag([2, 2, 2]), shells=3, steps=300)
    for distance, deviation in zip(found.distances, found.deviations, strict=True):
        # of a half-and-half alloy all four pair probabilities are off by the same amount
        apart = abs(pair_share(found.structure, float(distance)) / 2 - 0.25)
        assert deviation == pytest.approx(apart, abs=1e-12)


def test_it_is_better_than_chance_and_repeatable():
    alloy = substitute(COPPER, {"Cu": {"Au": 0.2, "Ag": 0.3}})
    first, again, other = (
        special_quasirandom(alloy, (2, 2, 5), shells=3, steps=4000, seed=seed) for seed in (1, 1, 2)
    )
    assert first.structure.composition == {"Cu": 10, "Ag": 6, "Au": 4}
    np.testing.assert_array_equal(first.structure.species, again.structure.species)
    assert (first.structure.species != other.structure.species).any()
    assert (first.deviations < 0.6 * first.random).all()
    np.testing.assert_allclose(first.structure.cell, np.diag([2, 2, 5]) @ COPPER.cell)


def test_pure_sites_stay_as_they_are():
    alloy = substitute(SALT, {"Na": {"K": 0.25}})
    found = special_quasirandom(alloy, 8, shells=2, steps=2000)
    assert found.structure.composition == {"Na": 6, "K": 2, "Cl": 8}
    edges = neighbor_list(found.structure, 3.0)
    pair = found.structure.species[np.stack([edges.senders, edges.receivers])]
    assert ((pair == 17).sum(axis=0) == 1).all(), "every neighbour of a metal is chlorine"


def test_two_kinds_of_sites_do_not_exchange():
    alloy = substitute(SALT, {"Na": {"K": 0.25}, "Cl": {"Br": 0.5}})
    found = special_quasirandom(alloy, 8, shells=2, steps=2000)
    assert found.structure.composition == {"Na": 6, "K": 2, "Cl": 4, "Br": 4}
    edges = neighbor_list(found.structure, 3.0)
    metal = np.isin(found.structure.species, [11, 19])
    assert (metal[edges.senders] != metal[edges.receivers]).all()


def test_atoms_are_whole():
    found = special_quasirandom(substitute(COPPER, {"Cu": {"Au": 0.3}}), 8, shells=1, steps=200)
    assert found.structure.composition == {"Cu": 6, "Au": 2}
    assert found.rounding == pytest.approx(0.05)


def test_a_vacancy_is_left_out():
    oxide = Structure.from_ase(bulk("TiO", "rocksalt", a=4.2))
    fractions = oxide.fractions
    fractions[:, 22] *= 0.75
    found = special_quasirandom(replace(oxide, occupations=fractions), 8, shells=2, steps=2000)
    assert found.structure.composition == {"Ti": 6, "O": 8}
    assert found.structure.n_atoms == 14


def test_each_mistake_has_its_sentence():
    with pytest.raises(DataError, match=r"Cu has no mixed sites: make some with substitute\(\)"):
        special_quasirandom(COPPER, 8)
    with pytest.raises(DataError, match="not periodic along all axes: an alloy is a crystal"):
        special_quasirandom(replace(HALF, pbc=np.array([True, True, False])), 8)
    with pytest.raises(DataError, match=r"the supercell is \[2, 2\]: give a number of unit cells"):
        special_quasirandom(HALF, [2, 2])
    with pytest.raises(DataError, match="has no volume"):
        special_quasirandom(HALF, [2, 2, 0])
    with pytest.raises(ValueError, match="give one shell and one step or more, got 0 and 10000"):
        special_quasirandom(HALF, 8, shells=0)

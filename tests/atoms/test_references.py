"""Reference energies: exact where they can be, of least norm where they cannot."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.atoms.references import reference_energies
from euclidium.atoms.structure import Structure

TRUE = {1: -13.6, 6: -1029.5, 8: -2041.98}


def structure(species: list[int], energy: float | None = None) -> Structure:
    z = np.array(species)
    value = sum(TRUE[s] for s in species) if energy is None else energy
    positions = 5.0 * np.arange(3.0 * len(z)).reshape(-1, 3)
    return Structure(z, positions, labels={"energy": np.array(value)})


DATA = [structure(s) for s in ([1, 1, 8], [6, 8, 8], [6, 1, 1, 1, 1], [8, 8], [6, 6, 1, 1])]


def test_sums_of_atoms_are_found_exactly():
    found = reference_energies(DATA)
    assert list(found) == [1, 6, 8]
    assert found == pytest.approx(TRUE, rel=1e-12)


def test_structures_and_graphs_agree():
    graphs = [Graph.from_structures(DATA[:2], 3.0), Graph.from_structures(DATA[2:], 3.0)]
    assert reference_energies(graphs) == pytest.approx(reference_energies(DATA), rel=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5))
def test_least_squares_per_atom(noise: list[float]):
    """The gradient of the sum of squares vanishes."""
    data = [
        structure(list(s.species), float(s.labels["energy"]) + e)
        for s, e in zip(DATA, noise, strict=True)
    ]
    found = reference_energies(data)
    counts = np.array([[np.sum(s.species == z) / s.n_atoms for z in found] for s in data])
    rest = np.array([s.labels["energy"] / s.n_atoms for s in data]) - counts @ [*found.values()]
    np.testing.assert_allclose(counts.T @ rest, 0.0, atol=1e-10)


def test_one_composition_gives_the_mean():
    data = [structure([1, 1, 8], e) for e in (-2069.0, -2070.0, -2071.0)]
    found = reference_energies(data)
    assert 2 * found[1] + found[8] == pytest.approx(-2070.0, rel=1e-12)
    assert found[1] == pytest.approx(2 * found[8])  # least norm: in proportion to the counts


def test_isolated_atoms_are_taken_as_computed():
    isolated = [structure([1], -13.0), structure([8], -2040.0)]
    found = reference_energies([structure([6, 8, 8], -5200.0)], isolated)
    assert found[1] == -13.0
    assert found[8] == -2040.0
    assert found[6] == pytest.approx(-5200.0 + 2 * 2040.0, rel=1e-12)
    assert reference_energies([], isolated) == {1: -13.0, 8: -2040.0}


def test_faults():
    bare = Structure(np.array([1]), np.zeros((1, 3)), info={"file": "x.xyz", "frame": 3})
    sentence = "frame 3 of x.xyz has no 'energy' (it has no labels) to fit references to"
    with pytest.raises(DataError, match=re.escape(sentence)):
        reference_energies([bare])
    with pytest.raises(DataError, match="is not an isolated atom: expected one atom"):
        reference_energies(DATA, isolated=DATA)

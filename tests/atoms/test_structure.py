"""Structures: to and from ASE, and the sentence for each way they can be wrong."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms


def test_from_ase_reads_what_the_calculator_says():
    atoms = copper()
    structure = Structure.from_ase(atoms)
    assert structure.labels["energy"] == atoms.get_potential_energy()
    np.testing.assert_array_equal(structure.labels["forces"], atoms.get_forces())
    np.testing.assert_array_equal(structure.labels["stress"], atoms.get_stress(voigt=False))
    np.testing.assert_array_equal(structure.positions, atoms.positions)
    assert structure.pbc.all()
    assert structure.formula == "Cu4"
    assert structure.volume == pytest.approx(atoms.get_volume(), rel=1e-12)


def test_constraints_do_not_zero_forces():
    atoms = copper()
    free = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0, 1]))
    assert not atoms.get_forces()[:2].any()
    np.testing.assert_array_equal(Structure.from_ase(atoms).labels["forces"], free)


def test_nothing_is_computed():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    assert not Structure.from_ase(atoms).labels


def test_results_of_other_positions_are_not_labels():
    atoms = copper()
    atoms.positions[0, 0] += 0.1
    sentence = "the structure: its calculator's results belong to other positions: compute them"
    with pytest.raises(DataError, match=sentence):
        Structure.from_ase(atoms)
    assert not Structure.from_ase(atoms, keys=None).labels


def test_there_and_back():
    labels = {
        "energy": np.array(-1.5),
        "forces": np.arange(9.0).reshape(3, 3),
        "stress": np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]]),
        "dipole": np.array([0.0, 0.1, 0.2]),
        "charge": np.array([-0.8, 0.4, 0.4]),
    }
    water = molecule("H2O", vacuum=3.0, pbc=[True, True, False])
    start = Structure(
        np.array(water.numbers),
        np.array(water.positions),
        np.array(water.cell.array),
        np.array(water.pbc),
        labels,
        inputs={"field": np.ones((3, 3))},
        per_atom=frozenset({"forces", "charge"}),
    )
    keys = LabelKeys(others={"dipole": "dipole", "charge": "charge"}, inputs={"field": "field"})
    end = Structure.from_ase(start.to_ase(), keys)
    for name in ("species", "positions", "cell", "pbc"):
        np.testing.assert_array_equal(getattr(end, name), getattr(start, name))
    assert end.labels.keys() == labels.keys()
    for name, value in labels.items():
        np.testing.assert_array_equal(end.labels[name], value)
    np.testing.assert_array_equal(end.inputs["field"], start.inputs["field"])
    assert end.per_atom == start.per_atom


def test_the_atoms_keep_their_own_arrays():
    atoms = copper()
    structure = Structure.from_ase(atoms)
    atoms.positions += 1.0
    atoms.calc.results["forces"] += 1.0
    assert not np.array_equal(structure.positions, atoms.positions)
    assert not np.array_equal(structure.labels["forces"], atoms.calc.results["forces"])


def test_repr_says_what_it_is():
    assert repr(Structure.from_ase(copper())) == (
        "Structure(Cu4, periodic: abc, labels: energy forces stress)"
    )


ARGON = {"species": np.array([18]), "positions": np.zeros((1, 3))}
FROM_FILE = {"info": {"file": "x.xyz", "frame": 17}}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"labels": {"energy": np.array(np.nan)}},
            "frame 17 of x.xyz: energy is nan: repair the data, or leave the structure out",
        ),
        (
            {"labels": {"forces": np.array([[0.0, np.inf, 0.0]])}},
            "frame 17 of x.xyz: forces[0, 1] is inf: repair",
        ),
        (
            {"positions": np.full((1, 3), np.nan)},
            "frame 17 of x.xyz: positions[0, 0] is nan: repair",
        ),
        ({"species": np.array([0])}, "atom 0 has the atomic number 0, which is not an element"),
        ({"species": np.array([130])}, "atom 0 has the atomic number 130, which is not an element"),
        (
            {"pbc": np.ones(3, dtype=bool)},
            "frame 17 of x.xyz is periodic along a, b, c, but its cell has no volume there",
        ),
        (
            {"pbc": np.array([True, False, True]), "cell": np.diag([3.0, 0.0, 0.0])},
            "frame 17 of x.xyz is periodic along a, c, but its cell has no volume there",
        ),
        (
            {"pbc": np.array([True, True, False]), "cell": np.ones((3, 3))},
            "frame 17 of x.xyz is periodic along a, b, but its cell has no volume there",
        ),
        (
            {"labels": {"forces": np.zeros((2, 3))}},
            "frame 17 of x.xyz: forces has the shape (2, 3), expected (1, 3)",
        ),
        (
            {"labels": {"stress": np.zeros(6)}},
            "frame 17 of x.xyz: stress has the shape (6,), expected (3, 3)",
        ),
        (
            {"inputs": {"field": np.zeros((2, 3))}},
            "'field' has the shape (2, 3), expected one row for each of the 1 atoms",
        ),
        (
            {"labels": {"charge": np.zeros(2)}, "per_atom": frozenset({"charge"})},
            "'charge' has the shape (2,), expected one row for each of the 1 atoms",
        ),
        (
            {"species": np.zeros(0, dtype=np.int64), "positions": np.zeros((0, 3))},
            "frame 17 of x.xyz has no atoms: leave it out",
        ),
    ],
)
def test_each_mistake_has_its_sentence(arguments: dict, sentence: str):
    with pytest.raises(DataError, match=re.escape(sentence)):
        Structure(**{**ARGON, **FROM_FILE, **arguments})


def test_wrong_shape_of_positions(unchecked: None):
    with pytest.raises(DataError, match=re.escape("positions has the shape (2, 3), expected (1")):
        Structure(species=np.array([18]), positions=np.zeros((2, 3)))


def test_a_surface_needs_no_third_vector():
    cell = np.diag([3.0, 4.0, 0.0])
    structure = Structure(**ARGON, cell=cell, pbc=np.array([True, True, False]))
    assert structure.volume == 0.0


def test_a_calculator_without_atoms_is_believed():
    atoms = Atoms("Ar")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    atoms.calc.atoms = None
    assert Structure.from_ase(atoms).labels["energy"] == -1.0

"""Labels are found where programs store them, or the error says what there is."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress

from euclidium.atoms.labels import LabelKeys, find_labels
from euclidium.atoms.problem import DataError

FORCES = np.arange(6.0).reshape(2, 3)


def dimer(cell: float = 4.0, results: dict | None = None, **info: object) -> Atoms:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], cell=[cell] * 3, pbc=cell > 0, info=info)
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.mark.parametrize(
    "name",
    ["energy", "Energy", "dft_energy", "REF_energy", "energy_dft", "E", "TotEnergy", "E_tot"],
)
def test_usual_names_of_the_energy(name: str):
    labels = find_labels(dimer(**{name: -1.5}), LabelKeys()).labels
    assert labels.keys() == {"energy"}
    assert labels["energy"].shape == ()
    assert labels["energy"] == -1.5


@pytest.mark.parametrize("name", ["forces", "force", "REF_forces", "dft_forces", "forces_ref"])
def test_usual_names_of_the_forces(name: str):
    atoms = dimer()
    atoms.arrays[name] = FORCES
    found = find_labels(atoms, LabelKeys())
    np.testing.assert_array_equal(found.labels["forces"], FORCES)
    assert found.per_atom == {"forces"}


@pytest.mark.parametrize("name", ["free_energy", "energies", "energy_per_atom", "formation_energy"])
def test_other_energies_are_not_the_energy(name: str):
    value = np.zeros(2) if name == "energies" else -1.0
    atoms = dimer(results={name: value}) if "_" not in name else dimer(**{name: value})
    assert not find_labels(atoms, LabelKeys()).labels


def test_an_electric_field_is_not_an_energy():
    atoms = dimer(E=np.array([0.0, 0.0, 0.1]))
    assert not find_labels(atoms, LabelKeys()).labels


def test_results_come_with_their_energy():
    results = {"energy": -1.0, "free_energy": -1.1, "forces": FORCES, "energies": np.zeros(2)}
    labels = find_labels(dimer(results=results), LabelKeys()).labels
    assert labels["energy"] == -1.0
    assert labels.keys() == {"energy", "forces"}
    chosen = find_labels(dimer(results=results), LabelKeys(energy="free_energy"))
    assert chosen.labels["energy"] == -1.1


@pytest.mark.parametrize("shape", [(6,), (9,), (3, 3)])
def test_stress_in_every_shape(shape: tuple[int, ...]):
    voigt = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    full = voigt_6_to_full_3x3_stress(voigt)
    value = voigt if shape == (6,) else full.reshape(shape)
    labels = find_labels(dimer(REF_stress=value), LabelKeys()).labels
    np.testing.assert_array_equal(labels["stress"], full)


@pytest.mark.parametrize("name", ["virial", "virials", "REF_virial"])
def test_a_virial_becomes_a_stress(name: str):
    """σ = −W/V: under pressure the virial is positive and the stress negative."""
    virial = 6.4 * np.eye(3)
    labels = find_labels(dimer(cell=4.0, **{name: virial}), LabelKeys()).labels
    np.testing.assert_allclose(labels["stress"], -0.1 * np.eye(3), rtol=1e-14)


def test_a_virial_needs_a_volume():
    assert not find_labels(dimer(cell=0.0, virial=np.eye(3)), LabelKeys()).labels
    with pytest.raises(DataError, match="'virial' is a virial, but the cell has no volume"):
        find_labels(dimer(cell=0.0, virial=np.eye(3)), LabelKeys(stress="virial"))


def test_stress_and_virial_must_agree():
    stress = 0.1 * np.eye(3)
    same = dimer(stress=stress, virial=-64.0 * stress)
    np.testing.assert_array_equal(find_labels(same, LabelKeys()).labels["stress"], stress)
    sentence = "two different stresses, 'stress' and 'virial': choose one with stress_key"
    with pytest.raises(DataError, match=sentence):
        find_labels(dimer(stress=stress, virial=64.0 * stress), LabelKeys())


def test_two_energies_that_differ_are_an_error():
    sentence = (
        "frame 3 of x.xyz has two different energies, 'energy' (-1) and 'REF_energy' (-2): "
        "choose one with energy_key"
    )
    atoms = dimer(results={"energy": -1.0}, REF_energy=-2.0)
    with pytest.raises(DataError, match=re.escape(sentence)):
        find_labels(atoms, LabelKeys(), "frame 3 of x.xyz")
    assert find_labels(atoms, LabelKeys(energy="REF_energy")).labels["energy"] == -2.0


def test_two_energies_that_agree_are_one():
    atoms = dimer(results={"energy": -1.0}, REF_energy=-1.0)
    assert find_labels(atoms, LabelKeys()).labels["energy"] == -1.0


def test_one_name_in_two_places():
    atoms = dimer(results={"energy": -1.0}, energy=-2.0)
    sentence = "has 'energy' twice, in the calculator's results and in info, with different values"
    with pytest.raises(DataError, match=sentence):
        find_labels(atoms, LabelKeys())
    assert find_labels(dimer(results={"energy": -1.0}, energy=-1.0), LabelKeys()).labels


def test_an_absent_key_says_what_there_is():
    atoms = dimer(E_pbe=-1.0)
    atoms.arrays["F_pbe"] = FORCES
    sentence = "frame 3 of x.xyz has no 'E_pbe0' (it has E_pbe, F_pbe); did you mean 'E_pbe'"
    with pytest.raises(DataError, match=re.escape(sentence)):
        find_labels(atoms, LabelKeys(energy="E_pbe0"), "frame 3 of x.xyz")


def test_an_absent_label_that_is_required():
    sentence = "the structure has no 'stress' (it has energy); name another with stress_key"
    with pytest.raises(DataError, match=re.escape(sentence)):
        find_labels(dimer(results={"energy": -1.0}), LabelKeys(require=("energy", "stress")))
    with pytest.raises(DataError, match=re.escape("has no 'energy' (it has no labels)")):
        find_labels(dimer(), LabelKeys(require=("energy",)))


def test_further_labels_and_their_level():
    atoms = dimer(results={"dipole": np.array([0.0, 0.0, 1.0]), "charges": np.array([1.0, -1.0])})
    atoms.info["alpha"] = np.eye(3)
    others = {"dipole": "dipole", "charge": "charges", "polarizability": "alpha"}
    found = find_labels(atoms, LabelKeys(others=others))
    assert {name: value.shape for name, value in found.labels.items()} == {
        "dipole": (3,),
        "charge": (2,),
        "polarizability": (3, 3),
    }
    assert found.per_atom == {"charge"}


def test_inputs_have_one_row_per_atom():
    atoms = dimer(field=np.array([0.0, 0.0, 1.0]))
    atoms.arrays["spin"] = np.array([1.0, -1.0])
    found = find_labels(atoms, LabelKeys(inputs={"field": "field", "spin": "spin"}))
    np.testing.assert_array_equal(found.inputs["field"], [[0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(found.inputs["spin"], [[1], [-1]])


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ({"energy": "low"}, "'energy' is 'low', expected numbers"),
        ({"energy": np.zeros(3)}, "'energy' has the shape (3,), expected () or (1,)"),
        ({"stress": np.zeros(5)}, "'stress' has the shape (5,), expected (3, 3) or (9,) or (6,)"),
        ({"forces": np.zeros((3, 2))}, "'forces' has the shape (3, 2), expected (2, 3)"),
    ],
)
def test_wrong_shapes_and_types(info: dict, sentence: str):
    with pytest.raises(DataError, match=re.escape(sentence)):
        find_labels(dimer(**info), LabelKeys())

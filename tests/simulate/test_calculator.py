"""The calculator gives what the model gives, with or without a skin, in ASE's conventions."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.stress import voigt_6_to_full_3x3_stress

from euclidium.models.config import NequIPConfig, PotentialConfig, RadialConfig
from euclidium.models.potential import Potential
from euclidium.models.storage import save
from euclidium.simulate import Calculator, Model

NETWORK = NequIPConfig(channels=4, lmax=1, layers=2, radial=RadialConfig(hidden=(8,), knots=None))


def network(**changes):
    torch.manual_seed(3)
    config = {"species": ("Si",), "cutoff": 4.0, "network": NETWORK, "dtype": "float64", **changes}
    return Potential(PotentialConfig(**config))


def rattled(element="Ar", a=5.4, seed=0):
    atoms = bulk(element, a=a, cubic=True) * (2, 1, 1)
    atoms.set_cell(atoms.cell.array @ [[1, 0.03, 0], [0.01, 1.02, 0], [0, -0.02, 0.98]], True)
    atoms.rattle(0.1, seed=seed)
    return atoms


@pytest.fixture(params=["lennard-jones", "network"])
def crystal(request, lennard_jones):
    if request.param == "network":
        atoms = rattled("Si", 5.43)
        atoms.calc = Calculator(network())
    else:
        atoms = rattled()
        atoms.calc = Calculator(lennard_jones)
    return atoms


def test_forces_are_derivatives_of_the_energy(crystal):
    forces, h = crystal.get_forces(), 1e-4
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        energies = []
        for step in (h, -2 * h):
            crystal.positions[atom, axis] += step
            energies.append(crystal.get_potential_energy())
        crystal.positions[atom, axis] += h
        slope = (energies[0] - energies[1]) / (2 * h)
        assert forces[atom, axis] == pytest.approx(-slope, rel=1e-5, abs=1e-7)


def test_stress_is_the_derivative_with_respect_to_strain(crystal):
    cell, h = crystal.cell.array.copy(), 1e-4
    stress = voigt_6_to_full_3x3_stress(crystal.get_stress())
    volume = crystal.get_volume()
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] += sign * h / 2
            strain[j, i] += sign * h / 2
            crystal.set_cell(cell @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(crystal.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * h)
        assert stress[i, j] * volume == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_parts_add_up(crystal):
    crystal.get_stress()
    results = crystal.calc.results
    assert results["energy"] == results["free_energy"]
    assert results["energies"].sum() == pytest.approx(results["energy"], rel=1e-12)
    assert np.abs(results["forces"].sum(axis=0)).max() < 1e-12
    assert all(np.asarray(value).dtype == np.float64 for value in results.values())


def test_an_atom_moved_by_a_lattice_vector_changes_nothing(crystal):
    energy, forces, stress = crystal.get_potential_energy(), crystal.get_forces(), None
    stress = crystal.get_stress()
    crystal.positions[2] += crystal.cell[0] - 2 * crystal.cell[2]
    assert crystal.get_potential_energy() == pytest.approx(energy, abs=1e-11)
    np.testing.assert_allclose(crystal.get_forces(), forces, atol=1e-11)
    np.testing.assert_allclose(crystal.get_stress(), stress, atol=1e-12)


@pytest.mark.parametrize("skin", [0.3, 0.5, 2.0])
def test_reuse_of_the_list_changes_no_bit(crystal, skin):
    model = crystal.calc.model
    old, new = Calculator(model, skin=skin), Calculator(model, skin=0.0)
    rng = np.random.default_rng(0)
    for step in range(12):
        crystal.positions += 0.02 * rng.normal(size=crystal.positions.shape)
        if step % 4 == 3:
            crystal.set_cell(crystal.cell.array * (1 + 0.01 * rng.normal()), scale_atoms=True)
        results = []
        for calculator in (old, new):
            crystal.calc = calculator
            results.append((crystal.get_potential_energy(), crystal.get_forces()))
        assert results[0][0] == results[1][0]
        np.testing.assert_array_equal(results[0][1], results[1][1])
    assert old.n_lists < new.n_lists == 12


def test_one_calculator_for_many_structures(lennard_jones):
    calculator = Calculator(lennard_jones)
    for atoms in (rattled(), rattled(seed=1)[:3], Atoms("Ar2", [(0, 0, 0), (0, 0, 3.7)])):
        atoms.calc = calculator
        first = atoms.get_potential_energy()
        atoms.calc = Calculator(lennard_jones)
        assert atoms.get_potential_energy() == first


def test_stress_is_computed_once_for_those_who_ask_for_it(crystal):
    counted = CountedCalls(crystal.calc.model)
    crystal.calc.model = counted
    for _ in range(3):
        crystal.positions += 0.01
        crystal.get_forces()
        crystal.get_stress()
    assert counted.n == 4, "once more at the first step, when it was not known to be wanted"


class CountedCalls:
    """A model that counts how often it is asked."""

    def __init__(self, model):
        self.model, self.cutoff, self.species, self.n = model, model.cutoff, model.species, 0

    def __call__(self, *args, **kwargs):
        self.n += 1
        return self.model(*args, **kwargs)


def test_a_copy_of_the_model_is_kept():
    model = network(dtype="float32").train()
    calculator = Calculator(model, dtype="float64")
    assert model.training
    assert model.dtype == torch.float32
    assert calculator.model.dtype == torch.float64
    assert not calculator.model.training


def test_a_model_file_will_do(tmp_path):
    save(network(), tmp_path / "si.euclidium")
    atoms = rattled("Si", 5.43)
    atoms.calc = Calculator(tmp_path / "si.euclidium")
    energy = atoms.get_potential_energy()
    atoms.calc = Calculator(str(tmp_path / "si.euclidium"), dtype="float32")
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-5)
    assert atoms.get_potential_energy() != energy
    atoms.calc = Calculator(network())
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-13)


def test_tables_of_the_radial_functions(tmp_path):
    """Nearly the same results, of which the forces are derivatives of the energy."""
    save(network(), tmp_path / "si.euclidium")
    atoms = rattled("Si", 5.43)
    results = []
    for calculator in (
        Calculator(network()),
        Calculator(network(), radial_tolerance=1e-6),
        Calculator(tmp_path / "si.euclidium", radial_tolerance=1e-6),
    ):
        atoms.calc = calculator
        results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for got, same, expected in zip(results[1], results[2], results[0], strict=True):
        np.testing.assert_array_equal(got, same)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        assert np.any(got != expected)
    energies, h = [], 1e-4
    for step in (h, -2 * h):
        atoms.positions[3, 1] += step
        energies.append(atoms.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * h)
    assert results[1][1][3, 1] == pytest.approx(-slope, rel=1e-5, abs=1e-7)


def test_inputs_are_read_from_the_arrays():
    atoms = rattled("Si", 5.43)
    atoms.calc = Calculator(network(inputs={"field": "1o"}))
    with pytest.raises(ValueError, match=r"reads the atomic input 'field'.*set atoms.arrays"):
        atoms.get_potential_energy()
    atoms.set_array("field", np.zeros((len(atoms), 3)))
    without = atoms.get_potential_energy()
    atoms = atoms.copy()
    atoms.calc = Calculator(network(inputs={"field": "1o"}))
    atoms.arrays["field"][:, 0] = 1.0
    assert atoms.get_potential_energy() != without


def test_the_contract_can_be_asked_for(lennard_jones):
    assert isinstance(lennard_jones, Model)
    assert isinstance(network(), Model)
    assert not isinstance(torch.nn.Linear(1, 1), Model)


def test_unknown_element():
    atoms = bulk("Ge")
    atoms.calc = Calculator(network())
    with pytest.raises(ValueError, match="the potential does not know Ge: it was trained on Si"):
        atoms.get_potential_energy()


def test_stress_of_a_molecule():
    water = molecule("H2O")
    water.calc = Calculator(network(species=("H", "O")))
    assert water.get_forces().shape == (3, 3)
    with pytest.raises(ValueError, match="stress needs a cell with a volume"):
        water.get_stress()


def test_bad_arguments(unchecked, tmp_path, lennard_jones):
    with pytest.raises(ValueError, match=r"the skin is a length in Å, zero or more, got -0\.1"):
        Calculator(lennard_jones, skin=-0.1)
    with pytest.raises(ValueError, match="dtype is float32 or float64, got 'half'"):
        Calculator(lennard_jones, dtype="half")
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        Calculator(tmp_path / "absent.euclidium")
    with pytest.raises(ValueError, match="the tolerance is a positive number, got -1"):
        Calculator(network(), radial_tolerance=-1.0)
    with pytest.raises(ValueError, match="LennardJones has no radial network"):
        Calculator(lennard_jones, radial_tolerance=1e-5)

"""Phonons of crystals whose dynamical matrix can be written down."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from euclidium.simulate import Calculator, Phonons, phonons
from euclidium.units import COULOMB, GAS_CONSTANT, K_B, KJ_PER_MOL, SQRT_DYNAMICAL_TO_THZ

A = 5.2
MIXED = bulk("Cu")
MIXED.arrays["spacegroup_kinds"] = np.zeros(1, dtype=int)
MIXED.info["occupancy"] = {"0": {"Cu": 0.75, "Au": 0.25}}
Q = np.array([[0.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0.1, 0.2, 0.35], [0.02, 0, 0]])


def pair_frequencies(model, atoms, q):
    """Frequencies (THz) of a crystal with one atom per cell and forces between pairs.

    D = 1/m Σ_R [φ'' n⊗n + φ'/r (1 − n⊗n)] (1 − cos 2π q·R)
    """
    shifts = np.stack(np.meshgrid(*[range(-4, 5)] * 3), axis=-1).reshape(-1, 3)
    vectors = shifts @ atoms.cell.array
    lengths = np.linalg.norm(vectors, axis=1)
    near = (lengths > 1e-9) & (lengths < model.cutoff)
    shifts, vectors, lengths = shifts[near], vectors[near], lengths[near]
    r = torch.tensor(lengths, requires_grad=True)
    (first,) = torch.autograd.grad(model.phi(r).sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    along = np.einsum("ri,rj->rij", vectors, vectors) / lengths[:, None, None] ** 2
    k = second.numpy()[:, None, None] * along
    k += (first.detach().numpy() / lengths)[:, None, None] * (np.eye(3) - along)
    phases = 1 - np.cos(2 * np.pi * q @ shifts.T)
    matrices = np.einsum("qr,rij->qij", phases, k) / atoms.get_masses()[0]
    squares = np.linalg.eigvalsh(matrices)
    return np.sign(squares) * np.sqrt(np.abs(squares)) * SQRT_DYNAMICAL_TO_THZ


@pytest.fixture(scope="module")
def argon(lennard_jones):
    return phonons(
        bulk("Ar", a=A), lennard_jones, (4, 4, 4), displacement=1e-3, mesh=(12, 12, 12), relax=False
    )


def test_springs_between_neighbours(springs):
    """At X: ω_L = √(8k/m), ω_T = √(4k/m)."""
    k, argon = 0.7, bulk("Ar", a=A)
    result = phonons(argon, springs(k, A / 2**0.5, 4.2), (2, 2, 2), mesh=(4, 4, 4), relax=False)
    at_x = result.frequencies_at(np.array([[0.5, 0.5, 0.0]]))[0]
    expected = np.sqrt(np.array([4, 4, 8]) * k / argon.get_masses()[0]) * SQRT_DYNAMICAL_TO_THZ
    np.testing.assert_allclose(at_x, expected, rtol=1e-4)


def test_frequencies_are_those_of_the_dynamical_matrix(argon, lennard_jones):
    expected = pair_frequencies(lennard_jones, bulk("Ar", a=A), Q)
    np.testing.assert_allclose(argon.frequencies_at(Q), expected, atol=3e-5)
    on_path = pair_frequencies(lennard_jones, bulk("Ar", a=A), argon.bands.q)
    np.testing.assert_allclose(argon.bands.frequencies, on_path, atol=3e-5)


def test_acoustic_sum_rule(argon):
    np.testing.assert_allclose(argon.frequencies_at(np.zeros((1, 3))), 0, atol=1e-5)
    assert argon.is_stable
    assert argon.imaginary == 0


def test_the_choice_of_cell_does_not_matter(argon, lennard_jones):
    rotated = bulk("Ar", a=A, cubic=True)
    rotated.rotate(30, (1, 1, 2), rotate_cell=True)
    other = phonons(
        rotated, lennard_jones, (2, 2, 2), displacement=1e-3, mesh=(12, 12, 12), relax=False
    )
    assert other.n_atoms == 1
    np.testing.assert_allclose(
        np.sort(other.mesh_frequencies.ravel())[-5:],
        np.sort(argon.mesh_frequencies.ravel())[-5:],
        rtol=2e-3,
    )
    np.testing.assert_allclose(
        other.thermal.heat_capacity[5:], argon.thermal.heat_capacity[5:], rtol=2e-3
    )


def test_path_is_the_standard_one(argon):
    assert argon.bands.labels == ("GAMMA", "X", "U|K", "GAMMA", "L", "W", "X")
    assert len(argon.bands.ticks) == 7
    assert argon.bands.ticks[1] == pytest.approx(1 / A)
    jump = argon.bands.breaks[0]
    assert argon.bands.distances[jump] == argon.bands.distances[jump - 1] == argon.bands.ticks[2]
    assert (np.diff(argon.bands.distances) >= 0).all()


def test_density_of_states_counts_the_modes(argon):
    step = np.diff(argon.dos.frequencies)[0]
    assert argon.dos.density.sum() * step == pytest.approx(3, rel=2e-3)
    assert (argon.dos.density >= 0).all()
    assert argon.dos.frequencies[0] == 0
    assert argon.mesh_weights.sum() == pytest.approx(1)


def test_heat_capacity_has_its_limits(argon):
    hot, cold = argon.thermal_at([3000.0]), argon.thermal_at([0.0, 1.0])
    assert hot.heat_capacity[0] == pytest.approx(3 * GAS_CONSTANT, rel=1e-3)
    assert cold.heat_capacity[0] == cold.entropy[0] == 0
    assert cold.heat_capacity[1] < 0.01
    zero_point = argon.zero_point_energy / KJ_PER_MOL
    assert cold.free_energy[0] == pytest.approx(zero_point, rel=1e-12)


def test_thermodynamics_is_consistent(argon):
    """S = −dF/dT and C = T dS/dT."""
    T, h = 80.0, 0.01
    low, mid, high = argon.thermal_at([T - h, T, T + h]), argon.thermal_at([T]), None
    high = low
    entropy = -(high.free_energy[2] - low.free_energy[0]) / (2 * h) * 1000
    assert mid.entropy[0] == pytest.approx(entropy, rel=1e-6)
    capacity = T * (high.entropy[2] - low.entropy[0]) / (2 * h)
    assert mid.heat_capacity[0] == pytest.approx(capacity, rel=1e-6)


def test_heat_capacity_of_einstein_oscillators():
    """The formula of one frequency, from modes that all have it."""
    from euclidium.simulate.phonons import _thermal

    frequencies, weights = np.full((2, 3), 6.0), np.array([0.25, 0.75])
    x = 6.0 * 4.135667696e-3 / (K_B * 300)
    expected = 3 * GAS_CONSTANT * x**2 * np.exp(x) / (np.exp(x) - 1) ** 2
    thermal = _thermal(frequencies, weights, [300.0])
    assert thermal.heat_capacity[0] == pytest.approx(expected, rel=1e-9)


def test_imaginary_frequencies_are_negative_and_counted(springs):
    """Springs that are compressed buckle sideways."""
    model = springs(1.0, 1.6 * A / 2**0.5, 4.2)
    crystal = bulk("Ar", a=A)
    result = phonons(crystal, model, (2, 2, 2), mesh=(8, 8, 8), relax=False)
    assert not result.is_stable
    assert result.lowest < -0.3
    assert result.imaginary > 0.1
    assert result.dos.frequencies[0] < 0
    low = pair_frequencies(model, crystal, np.array([[0.5, 0.5, 0.0]]))
    assert low[0, 0] < 0
    np.testing.assert_allclose(
        result.frequencies_at(np.array([[0.5, 0.5, 0.0]])), low, rtol=1e-3, atol=1e-3
    )


def test_longitudinal_and_transverse_modes_split(springs):
    """ω_L² − ω_T² = 4π e² Z² / (ε V μ) of a crystal with two ions."""
    salt = bulk("NaCl", "rocksalt", a=5.64)
    charges = 1.1 * np.array([np.eye(3), -np.eye(3)])
    result = phonons(
        salt,
        springs(2.0, 2.82, 3.5, species=(11, 17)),
        (2, 2, 2),
        mesh=(4, 4, 4),
        relax=False,
        born_charges=charges,
        dielectric=2.4 * np.eye(3),
    )
    gamma = np.zeros((1, 3))
    low, high = result.frequencies_at(gamma)[0, 3:], result.frequencies_at(gamma, (1, 0, 0))[0, 3:]
    np.testing.assert_allclose(low, low[0], rtol=1e-6)
    masses = salt.get_masses()
    reduced = masses.prod() / masses.sum()
    split = 4 * np.pi * COULOMB * 1.1**2 / (2.4 * salt.get_volume() * reduced)
    assert high[2] ** 2 - low[0] ** 2 == pytest.approx(split * SQRT_DYNAMICAL_TO_THZ**2, rel=1e-4)
    np.testing.assert_allclose(high[:2], low[:2], rtol=1e-4)
    first = result.bands.frequencies[0]
    assert first[5] == pytest.approx(high[2], rel=1e-6), "the path starts in a direction"


def test_relaxation_comes_first(lennard_jones):
    relaxed = phonons(bulk("Ar", a=5.35), lennard_jones, (2, 2, 2), mesh=(4, 4, 4))
    a = relaxed.cell[0, 1] * 2
    assert a == pytest.approx(5.2133, abs=0.01)
    fixed = phonons(bulk("Ar", a=5.35), lennard_jones, (2, 2, 2), mesh=(4, 4, 4), relax=False)
    assert fixed.cell[0, 1] * 2 == pytest.approx(5.35)
    assert fixed.bands.frequencies.max() < relaxed.bands.frequencies.max()


def test_only_distinct_atoms_are_displaced(lennard_jones):
    seen = []
    phonons(
        bulk("Ar", a=A, cubic=True),
        lennard_jones,
        (1, 1, 1),
        mesh=(2, 2, 2),
        relax=False,
        observe=lambda *done: seen.append(done),
    )
    assert seen == [(1, 1)]


def test_one_neighbour_list_for_all_displacements(lennard_jones):
    calculator = Calculator(lennard_jones)
    phonons(bulk("Ar", "hcp", a=3.7), calculator, (2, 2, 2), mesh=(2, 2, 2), relax=False)
    assert calculator.n_lists == 1


def test_what_is_saved_is_loaded(argon, tmp_path):
    path = argon.save(tmp_path / "new" / "argon.npz")
    loaded = Phonons.load(path)
    np.testing.assert_array_equal(loaded.bands.frequencies, argon.bands.frequencies)
    assert loaded.bands.labels == argon.bands.labels
    assert loaded.bands.breaks == argon.bands.breaks
    np.testing.assert_allclose(loaded.frequencies_at(Q), argon.frequencies_at(Q), atol=1e-9)
    np.testing.assert_array_equal(loaded.thermal.entropy, argon.thermal.entropy)
    assert loaded.born_charges is None
    assert [p.name for p in path.parent.iterdir()] == ["argon.npz"]


def test_json_can_be_read_by_others(argon, tmp_path):
    content = json.loads(argon.to_json(tmp_path / "argon.json").read_text())
    assert content["formula"] == "Ar"
    np.testing.assert_allclose(content["bands"]["frequencies"], argon.bands.frequencies)
    assert content["thermal"]["heat_capacity"][-1] == argon.thermal.heat_capacity[-1]
    assert content["units"]["frequencies"] == "THz"


def test_files_that_hold_no_phonons(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    np.savez(tmp_path / "words.npz", text=np.array("{}"))
    (tmp_path / "text.npz").write_text("nothing")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    for name in ("other.npz", "words.npz", "text.npz", "cut.npz"):
        with pytest.raises(ValueError, match=f"{name} does not hold phonons"):
            Phonons.load(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"atoms": molecule("H2O")}, "phonons need a crystal, periodic along all axes"),
        ({"atoms": Atoms(pbc=True)}, "phonons need a crystal"),
        ({"atoms": MIXED}, "sites that elements share or that are empty in part"),
        ({"method": "magic"}, "the method is displacement or hessian, got 'magic'"),
        ({"method": "hessian"}, "second derivatives need a euclidium potential, EMT has none"),
        ({"displacement": 0.0}, "the displacement is a length in Å above zero, got 0.0"),
        ({"mesh": (4, 4)}, "the mesh is three numbers of q points or a length in Å"),
        ({"mesh": 0.0}, "the mesh is three numbers of q points or a length in Å, got 0.0"),
        ({"temperatures": [-1.0]}, "temperatures are a list of numbers in K, zero or more: "),
        ({"supercell": (1, 1)}, "give three integers"),
        ({"born_charges": np.zeros((1, 3, 3))}, "give both Born charges and the dielectric"),
        (
            {"born_charges": np.zeros((2, 3, 3)), "dielectric": np.eye(3)},
            r"Born charges have the shape \(2, 3, 3\), expected \(1, 3, 3\)",
        ),
    ],
)
def test_bad_arguments(unchecked, changes, sentence):
    arguments = {"atoms": bulk("Cu"), "model": EMT(), "supercell": (1, 1, 1), "relax": False}
    with pytest.raises(ValueError, match=sentence):
        phonons(**{"mesh": (2, 2, 2), **arguments, **changes})


def test_a_mesh_knows_that_isotopes_break_the_symmetry():
    """Layers of light and heavy copper: every wave of the mesh counts, as computed one by one."""
    layers = bulk("Cu", cubic=True)
    layers.set_masses([30.0, 30.0, 120.0, 120.0])
    found = phonons(layers, EMT(), (2, 2, 2), mesh=(3, 3, 3), relax=False)
    waves = np.stack(np.meshgrid(*[np.arange(3) / 3] * 3, indexing="ij"), -1).reshape(-1, 3)
    found._phonopy.run_qpoints(waves)
    one_by_one = np.array(found._phonopy.qpoints.frequencies)
    mean = found.mesh_weights @ found.mesh_frequencies.mean(axis=1)
    assert mean == pytest.approx(one_by_one.mean(), abs=1e-9)
    assert len(found.mesh_weights) == 27

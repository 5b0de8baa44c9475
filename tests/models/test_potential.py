from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.conftest import NETWORK, make_potential

from euclidium import o3
from euclidium.atoms import Graph, Structure
from euclidium.models import Potential, PotentialConfig

POTENTIALS = {name: make_potential(dtype=name) for name in ("float32", "float64")}


def predict(potential, *structures, stress=True):
    return potential(Graph.from_structures(structures, potential.cutoff), stress=stress)


def cell_of(seed):
    """A random crystal of hydrogen, oxygen and silicon in a skewed cell."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    cell = 3.5 * np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3))
    return Structure(
        species=rng.choice([1, 8, 14], n),
        positions=rng.random((n, 3)) @ cell,
        cell=cell,
        pbc=np.array([True, True, True]),
    )


def relative(a, b):
    return float((a - b).norm() / b.norm().clamp_min(1e-9))


@given(st.integers(0, 2**31), st.sampled_from([1, -1]), st.sampled_from(sorted(POTENTIALS)))
def test_rotation_inversion_and_translation(seed, improper, dtype):
    potential, tolerance = POTENTIALS[dtype], {"float32": 2e-5, "float64": 1e-12}[dtype]
    structure = cell_of(seed)
    matrix = improper * o3.rand_matrix(rng=np.random.default_rng(seed))
    shift = np.random.default_rng(seed).normal(size=3)
    turned = replace(
        structure, positions=structure.positions @ matrix.T + shift, cell=structure.cell @ matrix.T
    )
    a, b = predict(potential, structure), predict(potential, turned)
    r = torch.as_tensor(matrix)
    scale = float(a.energies.abs().max())
    torch.testing.assert_close(b.energies, a.energies, rtol=0, atol=tolerance * scale)
    floor = 1e-3  # forces of a lone atom vanish: compare on the scale of usual forces
    assert (
        float((b.forces - a.forces @ r.T).norm())
        < tolerance * max(float(a.forces.norm()), floor) * 10
    )
    expected = r @ a.stress[0] @ r.T
    assert float((b.stress[0] - expected).norm()) < tolerance * float(expected.norm()) * 10


@given(st.integers(0, 2**31))
def test_permutation_and_lattice_vectors(seed):
    potential, structure = POTENTIALS["float64"], cell_of(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(structure.species))
    moves = rng.integers(-2, 3, (len(order), 3)) @ structure.cell
    other = replace(
        structure,
        species=structure.species[order],
        positions=(structure.positions + moves)[order],
    )
    a, b = predict(potential, structure), predict(potential, other)
    torch.testing.assert_close(b.energy, a.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(b.forces, a.forces[order], rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(b.stress, a.stress, rtol=1e-10, atol=1e-12)


def test_a_batch_is_its_structures(potential, silicon, water):
    together = predict(potential, silicon, water, silicon, stress=False)
    alone = [predict(potential, s, stress=False) for s in (silicon, water, silicon)]
    torch.testing.assert_close(together.energy, torch.cat([p.energy for p in alone]))
    torch.testing.assert_close(
        together.forces, torch.cat([p.forces for p in alone]), rtol=1e-10, atol=1e-12
    )


def test_a_supercell_has_the_energy_of_its_cells(potential, silicon):
    doubled = Structure.from_ase(silicon.to_ase().repeat((2, 1, 1)))
    one, two = predict(potential, silicon), predict(potential, doubled)
    torch.testing.assert_close(two.energy, 2 * one.energy, rtol=1e-12, atol=0)
    torch.testing.assert_close(two.stress, one.stress, rtol=1e-9, atol=1e-12)


def test_forces_are_the_derivative_of_the_energy(potential, silicon):
    forces = predict(potential, silicon).forces
    step = 1e-4
    for atom in range(2):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                positions = silicon.positions.copy()
                positions[atom, axis] += sign * step
                energies.append(predict(potential, replace(silicon, positions=positions)).energy)
            numeric = -(energies[0] - energies[1]) / (2 * step)
            assert float(forces[atom, axis]) == pytest.approx(float(numeric), rel=1e-6, abs=1e-7)


def test_stress_is_the_derivative_by_strain(potential, silicon):
    stress = predict(potential, silicon).stress[0]
    volume = abs(np.linalg.det(silicon.cell))
    step = 1e-5
    for i, j in ((0, 0), (1, 1), (0, 1), (1, 2)):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            deform = np.eye(3) + strain
            strained = replace(
                silicon, positions=silicon.positions @ deform, cell=silicon.cell @ deform
            )
            energies.append(float(predict(potential, strained).energy))
        numeric = (energies[0] - energies[1]) / (2 * step) / volume
        assert float(stress[i, j]) == pytest.approx(numeric, rel=1e-5, abs=1e-8)
    torch.testing.assert_close(stress, stress.T)


def test_forces_sum_to_zero(potential, silicon, water):
    for structure in (silicon, water):
        total = predict(potential, structure, stress=False).forces.sum(0)
        torch.testing.assert_close(total, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_training_differentiates_the_forces(water):
    potential = make_potential().train()
    prediction = predict(potential, water, stress=False)
    prediction.forces.square().sum().backward()
    gradients = [p.grad for name, p in potential.named_parameters() if p.grad is not None]
    assert len(gradients) > 10
    assert all(bool(g.isfinite().all()) for g in gradients)
    # the same derivative by finite differences of one weight
    weight = potential.readout.weights["0e"]
    values = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight[1, 0] += step
        values.append(float(predict(potential, water, stress=False).forces.detach().square().sum()))
        with torch.no_grad():
            weight[1, 0] -= step
    assert float(weight.grad[1, 0]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_energies_alone(training, water):
    potential = make_potential().train(training)
    graph = Graph.from_structures([water], potential.cutoff)
    prediction = potential(graph, forces=False)
    assert prediction.forces is prediction.stress is None
    assert prediction.energy.requires_grad == training


def test_under_no_grad_there_are_forces_all_the_same(potential, water):
    expected = predict(potential, water, stress=False).forces
    with torch.no_grad():
        got = predict(potential, water, stress=False).forces
    torch.testing.assert_close(got, expected)
    assert not got.requires_grad


def test_reference_energies_are_exact_in_float64(water):
    reference = -123456.789012345
    potential = make_potential(species=("H", "O"), dtype="float32")
    shifted = Potential(
        potential.config.model_copy(update={"reference_energies": {"O": reference}})
    ).eval()
    shifted.load_state_dict(potential.state_dict())
    difference = (
        predict(shifted, water, stress=False).energy
        - predict(potential, water, stress=False).energy
    )
    assert float(difference) == pytest.approx(reference, abs=1e-9)


def test_smooth_at_the_cutoff():
    potential = POTENTIALS["float64"]
    pair = [
        Structure(
            species=np.array([14, 8]),
            positions=np.array([[0.0, 0, 0], [0, 0, distance]]),
            cell=np.zeros((3, 3)),
            pbc=np.zeros(3, dtype=bool),
        )
        for distance in (3.99, 3.9999, 4.0001, 5.0)
    ]
    forces = [float(predict(potential, p, stress=False).forces.norm()) for p in pair]
    assert forces[2] == forces[3] == 0.0
    assert forces[1] < 1e-4 * max(forces[0], 1e-3)
    apart = predict(potential, pair[3], stress=False).energy
    torch.testing.assert_close(predict(potential, pair[1], stress=False).energy, apart)


def test_an_unknown_species_is_named(water):
    with pytest.raises(ValueError, match="the potential does not know H, O: it was trained on Si"):
        predict(make_potential(species=("Si",)), water, stress=False)


def test_mixed_sites_are_refused(potential, silicon):
    one = silicon.fractions
    plain = predict(potential, silicon).energy
    same = predict(potential, replace(silicon, occupations=one)).energy
    torch.testing.assert_close(same, plain, rtol=0, atol=0)
    with pytest.raises(ValueError, match="the potential knows pure sites only, and a structure"):
        predict(potential, replace(silicon, occupations=0.9 * one))


def test_stress_of_a_molecule_is_refused(potential, water):
    with pytest.raises(ValueError, match="stress needs a cell with a volume"):
        predict(potential, water)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"species": ["Sj"]}, "'Sj' is not a chemical symbol"),
        ({"species": []}, "list each species once"),
        ({"species": ["Si", "Si"]}, "list each species once"),
        ({"species": ["Si"], "reference_energies": {"O": 1.0}}, "species that are not listed"),
    ],
)
def test_a_bad_configuration(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Potential(PotentialConfig(**arguments))


@pytest.mark.usefixtures("unchecked")
def test_compiled_with_forces_inside_and_trained_outside(silicon):
    """The whole potential: torch.func.grad inside torch.compile, backward to weights outside."""
    small = NETWORK.model_copy(update={"lmax": 1, "channels": 2})
    potential = make_potential(species=("Si",), network=small).train()
    graph = Graph.from_structures([silicon], potential.cutoff)

    def energy(positions):
        return potential.atomic_energies(graph, positions).sum()

    def loss(positions):
        return torch.func.grad(energy)(positions).square().sum()

    weights = [p for p in potential.parameters() if p.requires_grad]
    expected = torch.autograd.grad(loss(graph.positions), weights, allow_unused=True)
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    got = torch.autograd.grad(compiled(graph.positions), weights, allow_unused=True)
    for a, b in zip(got, expected, strict=True):
        if b is not None and float(b.norm()) > 0:
            torch.testing.assert_close(a, b)
    assert sum(b is not None for b in expected) > 10


def test_hessian(potential, water):
    """Second derivatives of the energy by torch.func equal differences of forces."""
    graph = Graph.from_structures([water], potential.cutoff)

    def energy(positions):
        return potential.atomic_energies(graph, positions).sum()

    hessian = torch.func.hessian(energy)(graph.positions)
    step = 1e-4
    positions = [water.positions.copy() for _ in range(2)]
    positions[0][1, 2] += step
    positions[1][1, 2] -= step
    plus, minus = (
        predict(potential, replace(water, positions=p), stress=False).forces for p in positions
    )
    torch.testing.assert_close(hessian[1, 2], -(plus - minus) / (2 * step), rtol=1e-6, atol=1e-7)

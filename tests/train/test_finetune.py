"""A potential that has lost its way finds it again, from second derivatives alone."""

import copy

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.models.config import NequIPConfig, PotentialConfig, RadialConfig
from euclidium.models.potential import Potential
from euclidium.simulate.hessian import hessian
from euclidium.train.finetune import FinetuneSettings, finetune
from euclidium.train.force_constants import Vibrations
from euclidium.train.state import TrainingError

CELL = bulk("Si")
CELL.set_cell(CELL.cell.array @ np.diag([1.0, 1.0, 1.05]), scale_atoms=True)
SUPERCELL = CELL.repeat((2, 1, 1))


def network(dtype="float64"):
    torch.manual_seed(5)
    config = PotentialConfig(
        species=("Si",),
        cutoff=3.0,
        network=NequIPConfig(
            channels=4, lmax=1, layers=1, radial=RadialConfig(size=4, hidden=(8,))
        ),
        mean_neighbors=4.0,
        scale=2.0,
        dtype=dtype,
    )
    return Potential(config)


@pytest.fixture(scope="module")
def teacher():
    return network().eval()


@pytest.fixture
def student(teacher):
    """The teacher, with its weights a little off."""
    model = copy.deepcopy(teacher)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.15 * p.std(unbiased=False) * torch.randn(p.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def rows(teacher):
    """The rows of the teacher's Hessian, of a crystal that is longer along z."""
    return hessian(teacher, SUPERCELL, [0, 1])


@pytest.fixture(scope="module")
def constants(rows):
    """Force constants of the teacher."""
    return vibrations(force_constants=rows.transpose(0, 2, 1, 3))


@pytest.fixture(scope="module")
def frequencies(rows):
    """Frequencies of the teacher, of the waves that fit into the supercell."""
    q = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    known = vibrations(q=q, frequencies=np.ones((2, 6)))
    squares = known.squares(torch.from_numpy(rows)).numpy()
    return vibrations(q=q, frequencies=np.sign(squares) * np.sqrt(np.abs(squares)))


def vibrations(**known):
    structure = Structure.from_ase(SUPERCELL, keys=None)
    return Vibrations(structure, np.array([0, 1]), CELL.cell.array, **known)


def test_force_constants_are_learned(student, constants):
    first = {name: value.clone() for name, value in student.state_dict().items()}
    seen = []
    settings = FinetuneSettings(steps=30, learning_rate=3e-3, directions=3, check=10)
    found = finetune(student, [constants], settings=settings, observe=lambda *a: seen.append(a))
    assert found.after.force_constants < 0.3 * found.before.force_constants
    assert found.best_step in (10, 20, 30)
    assert len(found.losses) == 30
    assert seen[-1][:2] == (30, 30)
    for name, value in student.state_dict().items():
        torch.testing.assert_close(value, first[name], rtol=0, atol=0)
    assert not found.model.training


def test_frequencies_are_learned(student, frequencies):
    settings = FinetuneSettings(steps=30, learning_rate=1e-2, check=10)
    found = finetune(student, [frequencies], settings=settings)
    assert found.after.frequencies < 0.3 * found.before.frequencies
    assert np.isnan(found.after.force_constants)


def test_the_type_of_the_model_stays(constants, student):
    single = copy.deepcopy(student).float()
    settings = FinetuneSettings(steps=20, learning_rate=3e-3, check=10)
    found = finetune(single, [constants], settings=settings)
    assert found.model.dtype == torch.float32
    assert found.after.force_constants < 0.5 * found.before.force_constants


def test_structures_hold_what_is_good(teacher, student, constants):
    """Energies of other arrangements come near their labels while curvature is learned."""
    structures = []
    for seed in range(3):
        atoms = CELL.copy()
        atoms.rattle(0.2, seed=seed)
        plain = Structure.from_ase(atoms, keys=None)
        prediction = teacher(Graph.from_structures([plain], teacher.cutoff))
        labels = {"energy": prediction.energy[0].numpy(), "forces": prediction.forces.numpy()}
        structures.append(
            Structure(plain.species, plain.positions, plain.cell, plain.pbc, labels=labels)
        )
    settings = FinetuneSettings(steps=30, learning_rate=1e-2, check=10, batch_size=3)
    found = finetune(student, [constants], structures, settings)

    def error(model):
        graph = Graph.from_structures(structures, model.cutoff)
        change = model(graph, forces=False).energy - graph.labels["energy"]
        return float(change.square().mean().sqrt())

    assert error(found.model) < 0.5 * error(student)
    assert found.after.force_constants < found.before.force_constants


def test_runs_can_be_repeated(student, constants):
    settings = FinetuneSettings(steps=6, directions=2, check=3)
    one, two = (finetune(student, [constants], settings=settings) for _ in range(2))
    np.testing.assert_array_equal(one.losses, two.losses)
    other = FinetuneSettings(steps=6, directions=2, check=3, seed=1)
    other = finetune(student, [constants], settings=other)
    assert (one.losses != other.losses).any()


def test_a_perfect_model_keeps_its_weights(teacher, constants):
    found = finetune(teacher, [constants], settings=FinetuneSettings(steps=3, check=1))
    assert found.best_step == 0
    assert found.after.force_constants == found.before.force_constants


def test_bad_arguments(unchecked, student, constants):
    with pytest.raises(ValueError, match="there are no vibrations to learn from"):
        finetune(student, [])
    with pytest.raises(ValueError, match="steps is a number above zero, got 0"):
        finetune(student, [constants], settings=FinetuneSettings(steps=0))
    with pytest.raises(ValueError, match="have no energy, forces or stress to learn from"):
        finetune(student, [constants], [constants.structure])
    argon = Structure(
        np.full(4, 18), constants.structure.positions, constants.structure.cell, np.ones(3, bool)
    )
    other = Vibrations(argon, np.array([0, 1]), CELL.cell.array, np.zeros((2, 4, 3, 3)))
    with pytest.raises(ValueError, match="the potential does not know Ar"):
        finetune(student, [other])
    with pytest.raises(TrainingError, match="diverged at step"):
        finetune(student, [constants], settings=FinetuneSettings(steps=20, learning_rate=1e200))

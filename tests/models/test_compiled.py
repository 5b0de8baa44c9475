"""A potential with tables is the potential within the tolerance, and as good a potential."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.conftest import make_potential

from euclidium import o3
from euclidium.atoms import Graph, Structure
from euclidium.models import compile_radial, save
from euclidium.nn import RadialNetwork, TabulatedRadial

COMPILED = compile_radial(make_potential(), 1e-6)


def predict(potential, *structures, stress=True):
    return potential(Graph.from_structures(structures, potential.cutoff), stress=stress)


def relative(a, b):
    return float((a - b).detach().norm() / b.detach().norm())


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_the_same_potential_within_the_tolerance(dtype, tolerance, silicon, water):
    potential = make_potential(dtype=dtype)
    fast = compile_radial(potential, tolerance)
    assert fast.dtype == potential.dtype
    for structure in (silicon, water):
        periodic = bool(structure.pbc.any())
        a = predict(potential, structure, stress=periodic)
        b = predict(fast, structure, stress=periodic)
        assert relative(b.forces, a.forces) < 100 * tolerance
        assert relative(b.energies, a.energies) < 100 * tolerance
        if periodic:
            assert relative(b.stress, a.stress) < 100 * tolerance


def test_forces_and_stress_are_derivatives_of_the_energy(silicon):
    found, h = predict(COMPILED, silicon), 1e-5
    for atom, axis in ((0, 0), (1, 2)):
        step = np.zeros_like(silicon.positions)
        step[atom, axis] = h
        up, down = (
            float(predict(COMPILED, replace(silicon, positions=silicon.positions + s)).energy)
            for s in (step, -step)
        )
        slope = (up - down) / (2 * h)
        assert float(found.forces[atom, axis]) == pytest.approx(-slope, rel=1e-7, abs=1e-8)
    up, down = (
        float(
            predict(
                COMPILED,
                replace(
                    silicon,
                    positions=silicon.positions * (1 + s),
                    cell=silicon.cell * (1 + s),
                ),
            ).energy
        )
        for s in (h, -h)
    )
    trace = float(found.stress[0].trace()) * abs(np.linalg.det(silicon.cell))
    assert trace == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-7)


def test_energy_and_forces_reach_the_cutoff_smoothly():
    """Two atoms drawn apart: nothing is left at the cutoff, and nothing jumps on the way."""

    def pair(r):
        positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, r]])
        atoms = Structure(np.array([14, 8]), positions, np.zeros((3, 3)), np.zeros(3, dtype=bool))
        return predict(COMPILED, atoms, stress=False)

    cutoff = COMPILED.cutoff
    alone = float(pair(cutoff + 1.0).energy)
    for r in (cutoff - 1e-6, cutoff, cutoff + 1e-6):
        found = pair(r)
        assert float(found.energy) == pytest.approx(alone, abs=1e-12)
        assert float(found.forces.abs().max()) < 1e-9
    apart = [float(pair(r).energy) for r in np.linspace(cutoff - 0.01, cutoff, 50)]
    assert max(abs(np.diff(apart))) < 1e-6


@pytest.mark.parametrize("improper", [1, -1])
def test_rotation_and_inversion(improper, silicon):
    matrix = improper * o3.rand_matrix(rng=np.random.default_rng(2))
    turned = replace(silicon, positions=silicon.positions @ matrix.T, cell=silicon.cell @ matrix.T)
    a, b, r = predict(COMPILED, silicon), predict(COMPILED, turned), torch.as_tensor(matrix)
    torch.testing.assert_close(b.energy, a.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(b.forces, a.forces @ r.T, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(b.stress[0], r @ a.stress[0] @ r.T, rtol=1e-9, atol=1e-11)


def test_a_batch_is_its_structures(silicon, water):
    together = predict(COMPILED, silicon, water, stress=False)
    alone = [predict(COMPILED, s, stress=False) for s in (silicon, water)]
    torch.testing.assert_close(together.energy, torch.cat([p.energy for p in alone]))
    torch.testing.assert_close(together.forces, torch.cat([p.forces for p in alone]))


def test_second_derivatives_are_those_of_the_potential(water):
    """Continuous and close: phonons work."""
    potential = make_potential()
    graph = Graph.from_structures([water], potential.cutoff)

    def hessian(model):
        return torch.func.hessian(lambda r: model.atomic_energies(graph, r).sum())(graph.positions)

    assert relative(hessian(COMPILED), hessian(potential)) < 1e-3


def test_the_radial_networks_are_gone_and_the_model_is_untouched():
    potential = make_potential().train()
    before = {name: values.clone() for name, values in potential.state_dict().items()}
    fast = compile_radial(potential, 1e-3)
    assert not any(isinstance(module, RadialNetwork) for module in fast.modules())
    tables = [module for module in fast.modules() if isinstance(module, TabulatedRadial)]
    assert len(tables) == len(potential.backbone.layers)
    assert not fast.training
    assert not any(p.requires_grad for p in fast.parameters())
    assert not [name for name, _ in fast.named_parameters() if "radial" in name]
    assert potential.training
    assert all(torch.equal(potential.state_dict()[name], before[name]) for name in before)
    assert all(p.requires_grad for p in potential.parameters())


def test_a_network_in_two_places_has_one_table():
    potential = make_potential()
    first, second = potential.backbone.layers
    shared = torch.nn.ModuleList([torch.nn.Sequential(first.convolution.radial) for _ in range(2)])
    shared.append(torch.nn.Sequential(second.convolution.radial))
    fast = compile_radial(shared, 1e-3)
    assert fast[0][0] is fast[1][0]
    assert fast[0][0] is not fast[2][0]


def test_what_a_compiled_model_refuses(tmp_path):
    with pytest.raises(ValueError, match="cannot be trained: train the model they were made from"):
        COMPILED.train()
    COMPILED.eval()
    with pytest.raises(ValueError, match="not stored: save the model they were made from"):
        save(COMPILED, tmp_path / "model.euclidium")
    assert not list(tmp_path.iterdir())


def test_bad_arguments():
    with pytest.raises(ValueError, match="Linear has no radial network that could be tabulated"):
        compile_radial(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="the tolerance is a positive number, got 0"):
        compile_radial(make_potential(), 0.0)

"""Losses: values by hand, and gradients against finite differences."""

import numpy as np
import pytest
import torch

from euclidium.train.loss import (
    Term,
    energy_term,
    forces_term,
    penalty,
    stress_term,
    total_loss,
)

KINDS = ("mse", "huber", "mae")


def test_penalties_by_hand():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 3.0], dtype=torch.float64)
    assert penalty(x, "mse").tolist() == [4, 0.25, 0, 0.25, 9]
    assert penalty(x, "mae").tolist() == [2, 0.5, 0, 0.5, 3]
    # a parabola within 1, a line of slope 1 outside
    assert penalty(x, "huber", delta=1.0).tolist() == [1.5, 0.125, 0, 0.125, 2.5]


def test_huber_is_smooth_where_it_turns():
    x = torch.tensor([0.1 - 1e-9, 0.1 + 1e-9], dtype=torch.float64, requires_grad=True)
    values = penalty(x, "huber", delta=0.1)
    (slopes,) = torch.autograd.grad(values.sum(), x)
    assert abs(float(values.detach().diff())) < 1e-9
    assert abs(float(slopes.diff())) < 1e-8


def test_another_penalty():
    with pytest.raises(ValueError, match="not a penalty: 'mes', choose mse, huber or mae"):
        penalty(torch.zeros(1), "mes")


def test_the_energy_counts_per_atom():
    predicted, reference = torch.tensor([3.0, 8.0]), torch.tensor([1.0, 0.0])
    term = energy_term(predicted, reference, torch.tensor([2, 4]), weight=10.0)
    assert float(term.value) == pytest.approx(10 * (1 + 4) / 2)


def test_a_supercell_has_the_loss_of_its_cell():
    one = energy_term(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([2]))
    eight = energy_term(torch.tensor([8.0]), torch.tensor([0.0]), torch.tensor([16]))
    assert one.value == eight.value


def test_forces_and_stress_count_by_component():
    rng = np.random.default_rng(0)
    forces, stress = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 2, 3, 3))
    term = forces_term(*torch.from_numpy(forces), weight=2.0)
    assert float(term.value) == pytest.approx(2 * np.mean((forces[0] - forces[1]) ** 2))
    term = stress_term(*torch.from_numpy(stress), weight=3.0, kind="mae")
    assert float(term.value) == pytest.approx(3 * np.mean(np.abs(stress[0] - stress[1])))


def test_terms_of_batches_add_up():
    """An epoch's loss is the mean over its structures, not over batches of different sizes."""
    x = torch.arange(7.0).reshape(7, 1) * torch.ones(3)
    whole = forces_term(x, torch.zeros(7, 3))
    parts = [forces_term(part, torch.zeros_like(part)) for part in (x[:5], x[5:])]
    total, count = sum(p.total for p in parts), sum(p.count for p in parts)
    assert float(total) / count == pytest.approx(float(whole.value))


def test_the_loss_is_the_sum_of_its_terms():
    terms = {"a": Term(2.0, torch.tensor(6.0), 3), "b": Term(0.5, torch.tensor(1.0), 1)}
    assert float(total_loss(terms)) == 4.5


def test_no_values_no_loss():
    assert float(forces_term(torch.zeros(0, 3), torch.zeros(0, 3)).value) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_finite_differences(kind):
    rng = torch.Generator().manual_seed(1)
    inputs = [
        torch.randn(*shape, generator=rng, dtype=torch.float64)
        for shape in ((2,), (5, 3), (2, 3, 3))
    ]
    inputs = [x.requires_grad_() for x in inputs]
    n_atoms = torch.tensor([2, 3])

    def loss(energy, forces, stress):
        how = {"kind": kind, "delta": 0.3}
        return total_loss(
            {
                "energy": energy_term(energy, torch.zeros(2).double(), n_atoms, 10.0, **how),
                "forces": forces_term(forces, torch.zeros(5, 3).double(), 1.0, **how),
                "stress": stress_term(stress, torch.zeros(2, 3, 3).double(), 100.0, **how),
            }
        )

    assert torch.autograd.gradcheck(loss, inputs)

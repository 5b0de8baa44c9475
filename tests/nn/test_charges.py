"""Charges that flow, and what they do to atoms far away."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.special import erf

from euclidium.nn.charges import ChargeField, ChargeFlow
from euclidium.nn.radial import BesselBasis, Enveloped, PolynomialEnvelope
from euclidium.ops.segments import Edges

BASIS = Enveloped(BesselBasis(6, 4.0), PolynomialEnvelope(4.0, 6))
WIDTHS = (0.8, 1.7)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def molecules(*sizes: int) -> dict[str, torch.Tensor]:
    """Random neutral molecules, not periodic."""
    structure = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return {
        "charges": drawn(sum(sizes), 2),
        "positions": 2 * drawn(sum(sizes), 3, seed=1),
        "structure": structure,
        "cell": torch.zeros(len(sizes), 3, 3, dtype=torch.float64),
        "pbc": torch.zeros(len(sizes), 3, dtype=torch.bool),
    }


def crystal() -> dict[str, torch.Tensor]:
    """Four neutral atoms in a skew cell."""
    charges = drawn(4, 2)
    cell = torch.tensor([[[5.0, 0.3, 0], [1.2, 4.5, 0.2], [-0.4, 0.8, 6.0]]]).double()
    return {
        "charges": charges - charges.mean(0),
        "positions": drawn(4, 3, seed=1) + 2 * torch.arange(4)[:, None],
        "structure": torch.zeros(4, dtype=torch.long),
        "cell": cell,
        "pbc": torch.ones(1, 3, dtype=torch.bool),
    }


def test_the_charges_that_flow_add_up_to_nothing_and_turn_no_sign():
    flow = ChargeFlow(5, BASIS, channels=3, size=1.0)
    edges = Edges.from_receivers(torch.tensor([1, 2, 0, 0]), torch.tensor([0, 0, 1, 2]), 3)
    scalars = torch.randn(3, 5)
    distances = torch.tensor([1.0, 1.5, 1.0, 1.5])
    found = flow(scalars, distances, edges)
    assert found.shape == (3, 3)
    assert found.abs().max() > 0.1
    torch.testing.assert_close(found.sum(0), torch.zeros(3), atol=1e-5, rtol=0)
    alike = flow(scalars[[1, 1, 1]], distances, edges)  # equal atoms have nothing to give
    torch.testing.assert_close(alike, torch.zeros(3, 3), atol=1e-6, rtol=0)


def test_potential_field_and_gradient_are_derivatives_of_each_other():
    """Of the potential at a probe without charge, by finite differences."""
    given = molecules(5)
    given["charges"][0] = 0.0
    field = ChargeField(2, WIDTHS)

    def potential(shift: torch.Tensor) -> torch.Tensor:
        moved = torch.cat([given["positions"][:1] + shift, given["positions"][1:]])
        return field(**{**given, "positions": moved})[0, :4]

    at = field(**given)[0].split([4, 12, 20])
    distances = (given["positions"][0] - given["positions"][1:]).norm(dim=1).numpy()
    by_hand = (erf(distances / np.sqrt(2) / WIDTHS[0]) / distances) @ given["charges"][1:].numpy()
    np.testing.assert_allclose(at[0][:2], by_hand, rtol=1e-12)
    zero = torch.zeros(3, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(potential, zero)
    np.testing.assert_allclose(at[1].view(3, 4), -np.sqrt(3) * slope.T, atol=1e-10)
    curvature = [
        torch.autograd.functional.hessian(lambda x, n=n: potential(x)[n], zero) for n in range(4)
    ]
    expected = [(h[1, 1] - (h[0, 0] + h[2, 2]) / 2) * np.sqrt(5) for h in curvature]
    np.testing.assert_allclose(at[2].view(5, 4)[2], torch.stack(expected), atol=1e-10)


def test_molecules_of_a_batch_do_not_see_each_other():
    given, field = molecules(3, 1, 4), ChargeField(2, WIDTHS)
    together = field(**given)
    for n, own in enumerate(given["structure"] == k for k in range(3)):
        alone = {k: v[own] for k, v in given.items() if k not in ("cell", "pbc", "structure")}
        structure = torch.zeros(int(own.sum()), dtype=torch.long)
        cell, pbc = given["cell"][n : n + 1], given["pbc"][n : n + 1]
        torch.testing.assert_close(
            field(**alone, structure=structure, cell=cell, pbc=pbc), together[own]
        )
    assert together[3].abs().max() == 0  # an atom alone


def test_many_rows_are_as_few(monkeypatch: pytest.MonkeyPatch):
    field = ChargeField(2, WIDTHS)
    before = [field(**given) for given in (molecules(7, 5), crystal())]
    monkeypatch.setattr("euclidium.nn.charges.PAIRS", 60)
    after = [field(**given) for given in (molecules(7, 5), crystal())]
    torch.testing.assert_close(after, before)


def test_a_crystal_is_the_limit_of_its_pieces():
    """Cells with charges but no moments to the fourth, added up in growing cubes."""
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 2.0]).double()] * 3)
    signs = torch.tensor([(-1.0) ** int(c.sum() / 2) for c in corners]).double()[:, None]
    cell = 4 * torch.eye(3).double()[None]
    field = ChargeField(1, [0.7])
    one = torch.zeros(8, dtype=torch.long)
    lattice = field(signs, corners, one, cell, torch.ones(1, 3, dtype=torch.bool))
    cells = torch.cartesian_prod(*[torch.arange(-2, 3).double()] * 3)
    cells = cells[cells.abs().sum(1).argsort()]  # the cell of the corners comes first
    many = (4 * cells[:, None] + corners).flatten(0, 1)
    piece = field(
        signs.repeat(len(cells), 1),
        many,
        torch.zeros(len(many), dtype=torch.long),
        torch.zeros(1, 3, 3).double(),
        torch.zeros(1, 3, dtype=torch.bool),
    )[:8]
    torch.testing.assert_close(lattice, piece, atol=1e-3, rtol=0)
    assert lattice[0, 0].abs() > 0.1


def test_a_larger_cell_of_the_same_crystal_sees_the_same():
    given, field = crystal(), ChargeField(2, WIDTHS)
    twice = {
        **given,
        "charges": given["charges"].repeat(2, 1),
        "positions": torch.cat([given["positions"], given["positions"] + given["cell"][0, 1]]),
        "structure": torch.zeros(8, dtype=torch.long),
        "cell": given["cell"] * torch.tensor([1.0, 2.0, 1.0])[:, None],
    }
    torch.testing.assert_close(field(**twice), field(**given).repeat(2, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("given", [molecules(6), crystal()], ids=["molecule", "crystal"])
def test_what_atoms_see_turns_with_them(given: dict[str, torch.Tensor], sign: float):
    field = ChargeField(2, WIDTHS)
    turn = sign * torch.from_numpy(Rotation.random(random_state=3).as_matrix())
    turned = {
        **given,
        "positions": given["positions"] @ turn.T + 1.5,
        "cell": given["cell"] @ turn.T,
    }
    matrix = torch.from_numpy(field.irreps.D_from_matrix(turn.numpy()))
    torch.testing.assert_close(field(**turned), field(**given) @ matrix.T)


@pytest.mark.parametrize("given", [molecules(2, 3), crystal()], ids=["molecules", "crystal"])
def test_gradients_by_finite_differences(given: dict[str, torch.Tensor]):
    """First and second, by charges, positions and cell."""
    field = ChargeField(2, [1.2])

    def value(charges: torch.Tensor, positions: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        return field(charges, positions, given["structure"], cell, given["pbc"]).sum(0)

    periodic = bool(given["pbc"].any())
    leaves = (
        given["charges"].clone().requires_grad_(),
        given["positions"].clone().requires_grad_(),
        given["cell"].clone().requires_grad_(periodic),
    )
    assert torch.autograd.gradcheck(value, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(value, leaves, fast_mode=True)


def test_a_slab_gets_a_sentence():
    given = crystal()
    given["pbc"] = torch.tensor([[True, True, False]])
    with pytest.raises(ValueError, match="one or two directions have no field: make it periodic"):
        ChargeField(2, WIDTHS)(**given)

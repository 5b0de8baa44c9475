"""A table is its network within the tolerance, in values and slopes, and cannot be trained."""

import copy
import math

import pytest
import torch

from euclidium.nn import (
    BesselBasis,
    ChebyshevBasis,
    CosineEnvelope,
    Enveloped,
    GaussianBasis,
    PolynomialEnvelope,
    RadialNetwork,
    TabulatedRadial,
    XPLOREnvelope,
)

CUTOFF = 4.7  # no fraction of powers of two
BASES = [
    Enveloped(BesselBasis(8, CUTOFF), PolynomialEnvelope(CUTOFF)),
    Enveloped(BesselBasis(5, CUTOFF, trainable=True), CosineEnvelope(CUTOFF)),
    Enveloped(GaussianBasis(8, CUTOFF), PolynomialEnvelope(CUTOFF, p=2)),
    Enveloped(ChebyshevBasis(6, CUTOFF), XPLOREnvelope(CUTOFF, onset=3.3)),
]


def network_of(basis=BASES[0], hidden=(16, 16), n_weights=20, seed=0):
    torch.manual_seed(seed)
    return RadialNetwork(copy.deepcopy(basis), hidden, n_weights).double()


def derivatives(function, r, order=1):
    """The function and its derivatives, column by column."""
    r = r.detach().requires_grad_()
    found = [function(r)]
    for _ in range(order):
        function = derivative(function)
        found.append(function(r))
    return [values.detach() for values in found]


def derivative(f):
    """Of each column by the distance: the derivative by the cotangent of a backward pass."""

    def slope(r):
        values = f(r)
        cotangent = torch.zeros_like(values, requires_grad=True)
        (back,) = torch.autograd.grad(values, r, cotangent, create_graph=True)
        return torch.autograd.grad(back, cotangent, torch.ones_like(r), create_graph=True)[0]

    return slope


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-6])
@pytest.mark.parametrize("basis", BASES, ids=lambda b: type(b.envelope).__name__)
def test_values_and_slopes_are_within_the_tolerance(basis, tolerance):
    """At other distances than those at which it was measured."""
    network = network_of(basis)
    table = TabulatedRadial(network, tolerance)
    assert max(table.error, table.slope_error) <= tolerance
    r = torch.rand(20000, dtype=torch.float64) * CUTOFF
    exact, got = derivatives(network, r), derivatives(table, r)
    for a, b, stated in zip(exact, got, (table.error, table.slope_error), strict=True):
        error = float((a - b).abs().max() / a.abs().max())
        assert error < 1.2 * stated + 1e-12
    assert table.n_intervals == 64 or not _met(network, table.n_intervals // 2, tolerance)


def _met(network, n_intervals, tolerance):
    """Whether fewer intervals would have done."""
    coarse = TabulatedRadial(network, tolerance)
    coarse.n_intervals = n_intervals
    return max(coarse._errors(network, coarse._fill(network))) <= tolerance


def test_where_atoms_are_the_error_is_far_smaller():
    network = network_of()
    table = TabulatedRadial(network, 1e-5)
    r = 2 + torch.rand(2000, dtype=torch.float64) * (CUTOFF - 2)
    for a, b in zip(derivatives(network, r), derivatives(table, r), strict=True):
        assert float((a - b).abs().max() / a.abs().max()) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("basis", BASES, ids=lambda b: type(b.envelope).__name__)
def test_zero_with_zero_slope_at_and_beyond_the_cutoff(basis, dtype):
    table = TabulatedRadial(network_of(basis).to(dtype), 1e-3)
    for r in (CUTOFF, CUTOFF + 0.1, 3 * CUTOFF):
        values, slopes, curvatures = derivatives(table, torch.tensor([r], dtype=dtype), 2)
        assert not bool(values.any())
        assert not bool(slopes.any())
        assert not bool(curvatures.any())


def test_finite_down_to_zero():
    network = network_of()
    table = TabulatedRadial(network, 1e-5)
    r = torch.tensor([0.0, 1e-12, 1e-3, 0.05], dtype=torch.float64)
    for a, b in zip(derivatives(network, r), derivatives(table, r), strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-5 * float(a.abs().max()) * 10)


def test_two_continuous_derivatives():
    table = TabulatedRadial(network_of(), 1e-3)
    knots = torch.arange(1, table.n_knots, dtype=torch.float64) * table.spacing
    left, right = (derivatives(table, knots + side, 2) for side in (-1e-9, 1e-9))
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 * float(a.abs().max()))


def test_float32_is_as_good_as_the_network_in_float32():
    network = network_of()
    single = copy.deepcopy(network).float()
    table = TabulatedRadial(single, 1e-6)
    assert table.table.dtype == torch.float32
    r = (1 + torch.rand(2000) * (CUTOFF - 1)).double()
    exact = derivatives(network, r.float().double())
    for a, b, c in zip(
        exact, derivatives(table, r.float()), derivatives(single, r.float()), strict=True
    ):
        of_table, of_network = ((a - x.double()).abs().max() / a.abs().max() for x in (b, c))
        assert float(of_table) < 4 * float(of_network) + 1e-6


def test_a_trained_network_is_tabulated_as_it_is():
    network = network_of(BASES[1])
    before = TabulatedRadial(network, 1e-4)
    with torch.no_grad():
        network.basis.basis.roots.mul_(1.1)
        network.matrices[0].mul_(0.5)
    r = torch.linspace(0.5, CUTOFF, 50, dtype=torch.float64)
    after = TabulatedRadial(network, 1e-4)
    torch.testing.assert_close(after(r), network(r).detach(), rtol=0, atol=1e-2)
    assert float((before(r) - after(r)).abs().max()) > 0.1


def test_it_says_what_it_is():
    table = TabulatedRadial(network_of(), 1e-3)
    assert table.n_bytes == 8 * 64 * 4 * (table.n_knots + 1)
    assert table.spacing == pytest.approx(CUTOFF / (table.n_knots - 1))
    assert f"20 functions, {table.n_knots} knots up to 4.7 Å, error" in repr(table)


def test_it_has_nothing_to_train():
    table = TabulatedRadial(network_of(), 1e-3)
    assert not table.training
    assert not list(table.parameters())
    assert not table.eval().training
    with pytest.raises(ValueError, match="cannot be trained: train the model they were made from"):
        table.train()
    with pytest.raises(ValueError, match="cannot be trained"):
        torch.nn.Sequential(table).train()


def test_it_is_copied_but_not_stored():
    table = TabulatedRadial(network_of(), 1e-3)
    r = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert torch.equal(copy.deepcopy(table)(r), table(r))
    with pytest.raises(ValueError, match="not stored: save the model they were made from, and"):
        torch.nn.Sequential(table).state_dict()


def test_a_table_is_made_wherever_gradients_are_switched_off():
    network = network_of()
    r = torch.tensor([1.0, 2.0], dtype=torch.float64)
    expected = TabulatedRadial(network, 1e-3)(r)
    with torch.no_grad():
        assert torch.equal(TabulatedRadial(network, 1e-3)(r), expected)
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("n_weights", [0, 1])
def test_few_functions(n_weights):
    network = network_of(n_weights=1)
    network.matrices[-1] = torch.nn.Parameter(network.matrices[-1][:, :n_weights].detach())
    table = TabulatedRadial(network, 1e-3)
    assert table(torch.ones(3, dtype=torch.float64)).shape == (3, n_weights)


def test_a_network_of_zeros():
    network = network_of(hidden=(4,), n_weights=2)
    with torch.no_grad():
        network.matrices[-1].zero_()
    table = TabulatedRadial(network)
    assert table.error == table.slope_error == 0
    assert not bool(table(torch.ones(3, dtype=torch.float64)).any())


def test_bad_arguments():
    network = network_of(hidden=(4,), n_weights=2)
    for tolerance in (0.0, -1.0, math.nan):
        with pytest.raises(
            ValueError, match=f"the tolerance is a positive number, got {tolerance}"
        ):
            TabulatedRadial(network, tolerance)
    sentence = r"16384 intervals leave errors of .* and .* in their slopes: allow a tolerance above"
    with pytest.raises(ValueError, match=sentence):
        TabulatedRadial(network, 1e-18)

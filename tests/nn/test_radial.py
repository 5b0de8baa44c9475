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
    XPLOREnvelope,
)
from euclidium.nn.radial import sphere_quadrature

CUTOFF = 5.0
BASES = [
    BesselBasis(8, CUTOFF),
    BesselBasis(8, CUTOFF, trainable=True),
    GaussianBasis(8, CUTOFF),
    ChebyshevBasis(8, CUTOFF),
]
ENVELOPES = [
    PolynomialEnvelope(CUTOFF),
    PolynomialEnvelope(CUTOFF, p=3),
    CosineEnvelope(CUTOFF),
    XPLOREnvelope(CUTOFF, onset=3.5),
    XPLOREnvelope(CUTOFF, onset=0.0),
]


def derivatives(function, r, order):
    """The function and its derivatives, each by automatic differentiation."""
    r = r.clone().requires_grad_()
    values = [function(r)]
    for _ in range(order):
        values.append(torch.autograd.grad(values[-1].sum(), r, create_graph=True)[0])
    return [v.detach() for v in values]


def id_of(module):
    return type(module).__name__


@pytest.mark.parametrize("envelope", ENVELOPES, ids=id_of)
def test_an_envelope_reaches_zero_with_two_derivatives(envelope):
    points = torch.tensor([CUTOFF - 1e-4, CUTOFF, CUTOFF + 1e-4, 2 * CUTOFF], dtype=torch.float64)
    for order, values in enumerate(derivatives(envelope, points, 2)):
        assert float(values[0].abs()) < 1e-2 ** (3 - order) * 10
        assert values[2:].tolist() == [0.0, 0.0]
        assert abs(float(values[1])) < 1e-12


@pytest.mark.parametrize("envelope", ENVELOPES, ids=id_of)
def test_an_envelope_is_smooth_everywhere(envelope):
    """The second derivative has no jump, also where a switch begins."""
    r = torch.linspace(0.01, CUTOFF + 0.5, 20001, dtype=torch.float64)
    _, first, second = derivatives(envelope, r, 2)
    assert float((second[1:] - second[:-1]).abs().max()) < 0.05
    numeric = (envelope(r[2:]) - envelope(r[:-2])) / (r[2:] - r[:-2])
    torch.testing.assert_close(first[1:-1], numeric, rtol=0, atol=1e-6)


def test_an_envelope_is_one_at_zero():
    for envelope in ENVELOPES:
        assert float(envelope(torch.zeros(1, dtype=torch.float64))) == 1.0


def test_bessel_by_the_formula():
    r = torch.linspace(1e-6, CUTOFF, 50, dtype=torch.float64)
    for n in range(1, 9):
        k = n * math.pi / CUTOFF
        expected = math.sqrt(2 / 3) * CUTOFF * torch.sin(k * r) / r
        torch.testing.assert_close(BASES[0](r)[:, n - 1], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("basis", BASES, ids=id_of)
def test_derivatives_are_finite_and_right_down_to_zero(basis):
    r = torch.tensor([0.0, 1e-9, 4.9e-4, 5.1e-4, 0.3, 2.0, CUTOFF], dtype=torch.float64)
    for values in derivatives(lambda r: basis(r).sum(-1), r, 2):
        assert bool(values.isfinite().all())
    r = r[2:].requires_grad_()
    assert torch.autograd.gradcheck(basis, r, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("basis", BASES, ids=id_of)
def test_unit_mean_square_over_neighbours(basis):
    r, share = sphere_quadrature(CUTOFF)
    square = share @ basis(r).detach().square()
    assert 0.5 < float(square.min()) <= float(square.max()) < 1.5
    enveloped = Enveloped(basis, PolynomialEnvelope(CUTOFF))
    mean = float((share @ enveloped(r).detach().square()).mean())
    assert mean == pytest.approx(1, abs=1e-6)


def test_the_radial_network_vanishes_at_the_cutoff_with_two_derivatives():
    network = RadialNetwork(Enveloped(BASES[0], ENVELOPES[0]), [16, 16], 3).double()
    points = torch.tensor([CUTOFF, CUTOFF + 1.0], dtype=torch.float64)
    for values in derivatives(lambda r: network(r).sum(-1), points, 2):
        assert float(values.abs().max()) < 1e-12


def test_the_radial_network_starts_with_mean_zero_and_unit_mean_square():
    network = RadialNetwork(Enveloped(BASES[0], ENVELOPES[0]), [64, 64], 10)
    r, share = sphere_quadrature(CUTOFF)
    outputs = network(r.float()).detach().double()
    ones = torch.ones(10, dtype=torch.float64)
    torch.testing.assert_close(share @ outputs.square(), ones, rtol=1e-4, atol=0)
    torch.testing.assert_close(share @ outputs, 0 * ones, rtol=0, atol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="the onset lies between 0 and the cutoff 5.0 Å, got 6.0"):
        XPLOREnvelope(5.0, onset=6.0)
    with pytest.raises(ValueError, match="needs p of at least 2, got 1"):
        PolynomialEnvelope(5.0, p=1)
    with pytest.raises(ValueError, match="at least 2 functions, got 1"):
        GaussianBasis(1, 5.0)


def splined(knots, trainable=False, n_weights=70):
    torch.manual_seed(0)
    basis = Enveloped(BesselBasis(6, CUTOFF, trainable), PolynomialEnvelope(CUTOFF))
    return RadialNetwork(basis, [16], n_weights, knots=knots).double()


@pytest.mark.parametrize("trainable", [False, True])
def test_splines_through_the_network(trainable):
    """Their error falls with the fourth power of the spacing."""
    r = (0.3 + 0.7 * torch.rand(500, dtype=torch.float64)) * CUTOFF
    errors = []
    for knots in (64, 128, 256):
        network = splined(knots, trainable)
        errors.append(float((network(r) - network.exact(r)).detach().abs().max()))
    assert 8 < errors[0] / errors[1] < 24
    assert 10 < errors[1] / errors[2] < 24


def test_splines_end_with_two_zero_derivatives():
    network = splined(64)
    h = network.spacing
    r = CUTOFF - h * torch.tensor([0.02, 0.01, 0.0, -0.5], dtype=torch.float64)
    size = network(r).detach().norm(dim=1)
    assert size[2] == size[3] == 0.0
    assert 7.9 < size[0] / size[1] < 8.1  # the third power


def test_splines_learn_through_the_knots():
    """Derivatives by distances and parameters, and both after one another."""
    network = splined(16, n_weights=3)
    r = torch.tensor([1.1, 2.3, 3.2], dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in network.named_parameters()]

    def weights(r, *parameters):
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(network, given, (r,))

    inputs = (r, *(p.detach().requires_grad_() for p in network.parameters()))
    assert torch.autograd.gradcheck(weights, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(weights, inputs, fast_mode=True)


def test_splines_move_and_convert_without_loss():
    """Float64 after float32 is not float32: what is constant is made anew."""
    network, converted = splined(32), splined(32).float().double()
    for target, source in zip(converted.parameters(), network.parameters(), strict=True):
        target.data.copy_(source.data)
    r = torch.linspace(1, CUTOFF, 9, dtype=torch.float64)
    assert torch.equal(network(r), converted(r))


def test_too_few_knots():
    with pytest.raises(ValueError, match="splines need at least 8 knots, got 3"):
        splined(3)

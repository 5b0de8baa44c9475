import pytest
import torch
from e3nn import o3 as e3nn

from euclidium.nn import Linear, from_e3nn_weights, to_e3nn_weights
from euclidium.ops import to_e3nn
from euclidium.testing import assert_equivariant

IRREPS_IN, IRREPS_OUT = "4x0e+3x1o+2x0e+5x2e+2x0o", "3x1o+2x0e+1x2e+4x0e+2x1e"


def test_equal_to_e3nn():
    ours = Linear(IRREPS_IN, IRREPS_OUT).double()
    theirs = e3nn.Linear(IRREPS_IN, IRREPS_OUT).double()
    theirs.weight.data.copy_(to_e3nn_weights(ours))
    x = torch.randn(7, ours.irreps_in.dim, dtype=torch.float64)
    expected = theirs(to_e3nn(x, IRREPS_IN))
    torch.testing.assert_close(to_e3nn(ours(x), IRREPS_OUT), expected, rtol=1e-10, atol=1e-10)


def test_weights_go_there_and_back():
    ours, copy = Linear(IRREPS_IN, IRREPS_OUT), Linear(IRREPS_IN, IRREPS_OUT)
    from_e3nn_weights(copy, to_e3nn_weights(ours))
    x = torch.randn(2, ours.irreps_in.dim)
    torch.testing.assert_close(copy(x), ours(x))
    with pytest.raises(ValueError, match="the module has 50 weights, got 3"):
        from_e3nn_weights(ours, torch.zeros(3))


@pytest.mark.parametrize("bias", [True, False])
def test_equivariance(bias):
    linear = Linear(IRREPS_IN, IRREPS_OUT, bias=bias)
    if bias:
        torch.nn.init.normal_(linear.bias)
    assert_equivariant(linear, [linear.irreps_in], linear.irreps_out)


def test_each_species_has_its_own_weights():
    linear = Linear("4x0e+2x1o", "3x0e+2x1o", bias=True, n_species=3)
    torch.nn.init.normal_(linear.bias)
    x, species = torch.randn(6, 10), torch.tensor([0, 2, 1, 1, 0, 2])
    result = linear(x, species)
    for s in range(3):
        alone = Linear("4x0e+2x1o", "3x0e+2x1o", bias=True)
        for name, weights in linear.weights.items():
            alone.weights[name].data.copy_(weights[s])
        alone.bias.data.copy_(linear.bias[s])
        torch.testing.assert_close(result[species == s], alone(x[species == s]))


def test_species_must_be_given_where_they_are_expected():
    x, species = torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="this Linear expects the species of each item"):
        Linear("4x0e", "1x0e", n_species=2)(x)
    with pytest.raises(ValueError, match="this Linear expects no species"):
        Linear("4x0e", "1x0e")(x, species)
    with pytest.raises(ValueError, match="no Linear with weights for each species"):
        to_e3nn_weights(Linear("4x0e", "1x0e", n_species=2))


def test_a_wrong_last_dimension_says_what_was_expected():
    message = r"Linear expects a last dimension of 10 \(4x0e\+2x1o\), got 6"
    with pytest.raises(ValueError, match=message):
        Linear("4x0e+2x1o", "1x0e")(torch.zeros(3, 6))


def test_irreps_without_a_source_are_zero():
    result = Linear("4x0e", "2x0e+3x1o")(torch.randn(5, 4))
    assert torch.equal(result[:, 2:], torch.zeros(5, 9))
    assert bool((result[:, :2] != 0).all())


def test_component_variance_is_kept():
    linear = Linear("64x0e+64x1o+64x2e", "32x0e+32x1o+32x2e")
    result = linear(torch.randn(500, linear.irreps_in.dim))
    for where in linear.irreps_out.slices():
        assert 0.85 < float(result[:, where].detach().square().mean()) < 1.15


def test_gradients():
    linear = Linear("2x0e+2x1o", "1x0e+2x1o", bias=True).double()
    x = torch.randn(2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(linear, x)

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from euclidium.nn import ACTIVATIONS, Activation, ScalarActivation
from euclidium.testing import assert_equivariant


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_unit_second_moment(name):
    f = Activation(name)

    def integrand(x):
        value = float(f(torch.tensor(x, dtype=torch.float64)))
        return value**2 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    # abs has a kink, so each half by itself
    moment = quad(integrand, -12, 0)[0] + quad(integrand, 0, 12)[0]
    assert moment == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize(("name", "parity"), [("tanh", -1), ("abs", 1), ("silu", 0)])
def test_parity(name, parity):
    assert Activation(name).parity == parity


def test_a_function_without_parity_is_refused_for_odd_scalars():
    with pytest.raises(ValueError, match="silu is neither even nor odd, so it breaks the parity"):
        ScalarActivation("2x0o", odd="silu")


def test_only_scalars():
    with pytest.raises(ValueError, match="activations act on scalars, got 2x0e\\+1x1o"):
        ScalarActivation("2x0e+1o")


def test_unknown_name():
    with pytest.raises(ValueError, match="there is no activation 'relu': choose one of abs, ident"):
        Activation("relu")


def test_equivariance_under_inversion():
    layer = ScalarActivation("3x0e+2x0o+1x0e", odd="abs")
    assert str(layer.irreps_out) == "3x0e+2x0e+1x0e"
    assert_equivariant(layer, [layer.irreps_in], layer.irreps_out)


def test_zero_keeps_finite_gradients():
    for name in ACTIVATIONS:
        x = torch.zeros(1, requires_grad=True)
        (gradient,) = torch.autograd.grad(Activation(name)(x), x)
        assert bool(gradient.isfinite())

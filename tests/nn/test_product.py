import pytest
import torch
from e3nn import o3 as e3nn

from euclidium.nn import FullyConnectedTensorProduct, Linear, TensorProduct, to_e3nn_weights
from euclidium.ops import TensorProductPlan, to_e3nn
from euclidium.testing import assert_equivariant

X, Y, Z = "4x0e+3x1o+2x2e", "2x0e+1x1o+2x2e", "3x0e+2x1o+2x1e+3x2e"


def test_equal_to_e3nn():
    ours = FullyConnectedTensorProduct(X, Y, Z).double()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # e3nn builds its couplings in the default type
    try:
        theirs = e3nn.FullyConnectedTensorProduct(X, Y, Z)
    finally:
        torch.set_default_dtype(before)
    theirs.weight.data.copy_(to_e3nn_weights(ours))
    x = torch.randn(5, ours.product.plan.x.dim, dtype=torch.float64, requires_grad=True)
    y = torch.randn(5, ours.product.plan.y.dim, dtype=torch.float64, requires_grad=True)
    mine, yours = to_e3nn(ours(x, y), Z), theirs(to_e3nn(x, X), to_e3nn(y, Y))
    torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-10)
    g = torch.randn_like(mine)
    for a, b in zip(
        torch.autograd.grad(mine, (x, y), g), torch.autograd.grad(yours, (x, y), g), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "plan",
    [
        TensorProductPlan.fully_connected(X, Y, Z),
        TensorProductPlan.channelwise(X, "0e+1o", "0e+1o+2e"),
        TensorProductPlan.elementwise("3x1o", "3x2e"),
        TensorProductPlan.full("2x1o", "2x1o"),
    ],
    ids=lambda plan: str(plan).partition("\n")[0],
)
def test_equivariance(plan):
    assert_equivariant(TensorProduct(plan), [plan.x, plan.y], plan.out)


def test_a_plan_without_weights_has_none():
    assert not list(TensorProduct(TensorProductPlan.full("1o", "1o")).parameters())


def test_float64_is_exact_whatever_the_default_type():
    """A float32 module, converted, has couplings that are orthonormal in float64."""
    product = TensorProduct(TensorProductPlan.full("1o", "2e")).double()
    x, y = torch.eye(3, dtype=torch.float64), torch.eye(5, dtype=torch.float64)
    basis = product(x[:, None], y[None]).view(15, 15)
    squares = basis.T @ basis
    torch.testing.assert_close(squares, squares.diagonal().diag(), rtol=0, atol=1e-14)
    torch.testing.assert_close(
        squares.diagonal(), torch.ones(15, dtype=torch.float64), rtol=0, atol=1e-14
    )


def test_float64_input_on_a_float32_module_is_refused_with_a_sentence():
    product = FullyConnectedTensorProduct("2x0e", "1o", "2x1o")
    with pytest.raises(TypeError, match=r"different types met \(float32, float64\)"):
        product(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64))


def test_bfloat16_autocast():
    product, linear = FullyConnectedTensorProduct("4x0e", "1o", "4x1o"), Linear("4x1o", "2x1o")
    x, y = torch.randn(3, 4), torch.randn(3, 3)
    expected = linear(product(x, y))
    with torch.autocast("cpu", torch.bfloat16):
        result = linear(product(x, y))
    torch.testing.assert_close(result.float(), expected, rtol=5e-2, atol=5e-2)

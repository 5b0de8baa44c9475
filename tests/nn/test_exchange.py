import pytest
import torch

from euclidium.nn import (
    FullyConnectedTensorProduct,
    Linear,
    TensorProduct,
    from_e3nn_weights,
    to_e3nn_weights,
)
from euclidium.ops import TensorProductPlan

MODULES = [
    lambda: Linear("4x0e+3x1o+2x0e", "2x1o+5x0e+1x1o"),
    lambda: FullyConnectedTensorProduct("2x0e+2x1o", "0e+1o", "3x0e+1x1o"),
    lambda: TensorProduct(TensorProductPlan.channelwise("2x0e+2x1o", "0e+1o", "0e")),
]


@pytest.mark.parametrize("make", MODULES)
def test_there_and_back(make):
    source, target = make(), make()
    from_e3nn_weights(target, to_e3nn_weights(source))
    for a, b in zip(source.parameters(), target.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("make", MODULES)
def test_the_wrong_number_of_weights(make):
    n = to_e3nn_weights(make()).numel()
    with pytest.raises(ValueError, match=f"the module has {n} weights, got {n + 1}"):
        from_e3nn_weights(make(), torch.zeros(n + 1))


def test_a_product_without_weights():
    product = TensorProduct(TensorProductPlan.full("1o", "1o"))
    assert to_e3nn_weights(product).numel() == 0
    from_e3nn_weights(product, torch.empty(0))

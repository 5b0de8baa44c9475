import pytest
import torch
from e3nn.nn import BatchNorm as TheirBatchNorm

from euclidium.nn import BatchNorm, LayerNorm
from euclidium.ops import to_e3nn
from euclidium.testing import assert_equivariant

IRREPS = "4x0e+3x0o+2x1o+3x2e"


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_e3nn(training):
    ours = BatchNorm(IRREPS).double().train()
    theirs = TheirBatchNorm(IRREPS).double().train()
    for seed in range(3):
        x = 2 * torch.randn(20, ours.irreps.dim, dtype=torch.float64) + seed
        mine, yours = ours(x), theirs(to_e3nn(x, IRREPS))
    if not training:
        mine, yours = ours.eval()(x), theirs.eval()(to_e3nn(x, IRREPS))
    torch.testing.assert_close(to_e3nn(mine, IRREPS), yours, rtol=1e-10, atol=1e-10)


def test_each_channel_has_unit_mean_square():
    x = 5 * torch.randn(300, BatchNorm(IRREPS).irreps.dim) + 3
    for result in (BatchNorm(IRREPS)(x).detach(), LayerNorm(IRREPS)(x).detach()):
        assert 0.9 < float(result.square().mean()) < 1.1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
def test_equivariance(norm, training):
    layer = norm(IRREPS).train(training)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    assert_equivariant(layer, [IRREPS], IRREPS)


def test_an_item_alone_is_normalised_as_in_a_batch():
    layer = LayerNorm(IRREPS)
    x = torch.randn(5, layer.irreps.dim)
    torch.testing.assert_close(layer(x)[2], layer(x[2]))


@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
def test_zero_has_finite_gradients(norm):
    layer = norm("2x0e+2x1o")
    x = torch.zeros(3, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    assert bool(gradient.isfinite().all())


def test_bad_input():
    with pytest.raises(ValueError, match=r"LayerNorm expects a last dimension of 8 .*, got 9"):
        LayerNorm("2x0e+2x1o")(torch.zeros(3, 9))
    with pytest.raises(ValueError, match="BatchNorm got an empty batch in training"):
        BatchNorm("2x0e+2x1o")(torch.zeros(0, 8))

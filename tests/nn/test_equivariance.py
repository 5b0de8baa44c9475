"""Every layer, on irreps that nobody chose, under rotations that nobody chose."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from euclidium.nn import (
    BatchNorm,
    FullyConnectedTensorProduct,
    Gate,
    LayerNorm,
    Linear,
    TensorProduct,
)
from euclidium.o3 import Irreps
from euclidium.ops import TensorProductPlan
from euclidium.testing import assert_equivariant

BLOCK = st.tuples(st.integers(1, 4), st.tuples(st.integers(0, 3), st.sampled_from([1, -1])))
IRREPS = st.lists(BLOCK, min_size=1, max_size=3)
SEED = st.integers(0, 2**31)


def check(module, irreps_in, irreps_out, seed):
    assert_equivariant(module, irreps_in, irreps_out, trials=1, seed=seed)


@given(IRREPS, IRREPS, SEED)
def test_linear(x, z, seed):
    torch.manual_seed(seed)
    linear = Linear(Irreps(x), Irreps(x + z), bias=True)
    if linear.bias is not None:
        torch.nn.init.normal_(linear.bias)
    check(linear, [linear.irreps_in], linear.irreps_out, seed)


@settings(max_examples=8)
@given(IRREPS, IRREPS, SEED)
def test_products(x, y, seed):
    torch.manual_seed(seed)
    x, y = Irreps(x), Irreps(y)
    z = TensorProductPlan.full(x, y).out.regroup()
    check(FullyConnectedTensorProduct(x, y, z), [x, y], z, seed)
    plan = TensorProductPlan.channelwise(x, y)
    check(TensorProduct(plan), [x, y], plan.out, seed)


@given(IRREPS, st.sampled_from([1, -1]), SEED)
def test_gate(x, parity, seed):
    gate = Gate.for_irreps(Irreps("2x0e+1x0o") + Irreps(x), parity)
    check(gate, [gate.irreps_in], gate.irreps_out, seed)


@given(IRREPS, st.sampled_from([BatchNorm, LayerNorm]), SEED)
def test_norms(x, norm, seed):
    x = Irreps(x)
    layer = norm(x)
    torch.manual_seed(seed)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    if all(block.mul == 1 and block.ir == "0e" for block in x) and norm is LayerNorm:
        return  # a single even scalar is its own mean: nothing is left of it
    check(layer, [x], x, seed)

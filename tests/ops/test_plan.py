import itertools
import math

import numpy as np
import pytest
import torch
from e3nn import o3 as e3nn

from euclidium.o3 import Irreps, wigner_3j
from euclidium.ops import Coupling, TensorProductPlan, tensor_product


def test_a_plan_is_a_value():
    a = TensorProductPlan.channelwise("4x0e+3x1o", "0e+1o+2e", keep="0e+1o+2e")
    b = TensorProductPlan.channelwise(Irreps("4x0e+3x1o"), Irreps("0e+1o+2e"), keep="2e+0e+1o")
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b}) == 1
    with pytest.raises(AttributeError):
        a.out = a.x


def test_it_prints_itself():
    text = str(TensorProductPlan.fully_connected("4x1o", "1o", "2x0e+3x1e"))
    assert text.splitlines() == [
        "4x1o ⊗ 1x1o -> 2x0e+3x1e  (20 weights)",
        "  4x1o ⊗ 1x1o -> 2x0e  uvw,u,v->w  * 0.500",
        "  4x1o ⊗ 1x1o -> 3x1e  uvw,u,v->w  * 0.866",
    ]


def test_full_has_every_irrep_of_the_product():
    plan = TensorProductPlan.full("2x1o+0e", "1o+3x2e")
    expected = sorted(
        str(ir)
        for a, b in itertools.product(Irreps("2x1o+0e"), Irreps("1o+3x2e"))
        for ir in a.ir * b.ir
        for _ in range(a.mul * b.mul)
    )
    assert sorted(str(b.ir) for b in plan.out for _ in range(b.mul)) == expected
    assert plan.out.dim == plan.x.dim * plan.y.dim
    assert plan.n_weights == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda keep: TensorProductPlan.full("1o", "1o", keep),
        lambda keep: TensorProductPlan.channelwise("1o", "1o", keep),
        lambda keep: TensorProductPlan.elementwise("1o", "1o", keep),
        lambda keep: TensorProductPlan.fully_connected("1o", "1o", keep),
    ],
)
def test_nothing_left_is_an_error(build):
    with pytest.raises(ValueError, match=r"1x1o ⊗ 1x1o contains none of .*4e"):
        build("4e")


def test_elementwise_needs_equal_multiplicities():
    with pytest.raises(ValueError, match="needs blocks of equal multiplicities, got 2x1o and 3x1o"):
        TensorProductPlan.elementwise("2x1o", "3x1o")


def test_weight_slices_count_only_weights():
    plan = TensorProductPlan.channelwise("4x0e+3x1o", "0e+1o", keep="0e+1o")
    sizes = [w.stop - w.start for w in plan.weight_slices]
    assert sizes == [math.prod(shape) for shape in plan.weight_shapes] == [4, 4, 3, 3]
    assert plan.weight_slices[-1].stop == plan.n_weights == 14


@pytest.mark.parametrize("operand", [0, 1])
def test_transposing_twice_gives_the_plan_back(operand):
    for plan in (
        TensorProductPlan.channelwise("4x0e+3x1o", "0e+1o", keep="0e+1o+1e"),
        TensorProductPlan.fully_connected("4x0e+3x1o", "2x0e+1o", "2x0e+5x1o"),
    ):
        assert plan.transpose(operand).transpose(operand) == plan
        assert plan.transpose(operand).n_weights == plan.n_weights


def test_pairs_have_no_transpose():
    with pytest.raises(ValueError, match="has no transpose"):
        TensorProductPlan.full("2x1o", "2x1o").transpose(0)


def test_coupling_is_the_array_it_came_from():
    array = wigner_3j(2, 1, 3)
    coupling = Coupling.from_array(array)
    np.testing.assert_array_equal(coupling.array, np.where(np.abs(array) > 1e-14, array, 0))
    with pytest.raises(ValueError, match="read-only"):
        coupling.array[0] = 1


def test_component_normalisation():
    generator = torch.Generator().manual_seed(0)
    plan = TensorProductPlan.fully_connected("16x0e+16x1o+16x2e", "8x0e+8x1o", "4x0e+4x1o+4x2e")
    x, y, w = (
        torch.randn(n, size, generator=generator)
        for n, size in ((400, plan.x.dim), (400, plan.y.dim), (400, plan.n_weights))
    )
    z = tensor_product(plan, x, y, weights=w)
    for where in plan.out.slices():
        assert 0.85 < float(z[:, where].square().mean()) < 1.15


def symmetric_dimension(ls, degree):
    """Number of scalars in the symmetric power, by averaging characters over the group."""
    angles = np.linspace(0, np.pi, 4001)
    weight = (1 - np.cos(angles)) / np.pi

    def character(k):
        return sum(sum(np.cos(m * k * angles) for m in range(-l, l + 1)) for l in ls)

    p = [None, *(character(k) for k in range(1, degree + 1))]
    power = {
        1: lambda: p[1],
        2: lambda: (p[1] ** 2 + p[2]) / 2,
        3: lambda: (p[1] ** 3 + 3 * p[1] * p[2] + 2 * p[3]) / 6,
    }[degree]()
    return round(float(np.trapezoid(power * weight, angles)))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_symmetric_power_has_as_many_scalars_as_characters_count(degree):
    plan = TensorProductPlan.symmetric_power("1x0e+1x1e+1x2e", degree, keep="0e")
    assert plan.n_weights == symmetric_dimension([0, 1, 2], degree)


def test_symmetric_power_is_equivariant_and_independent():
    plan = TensorProductPlan.symmetric_power("3x0e+3x1o+3x2e", 3, keep="0e+1o")
    x = torch.randn(40, plan.x.dim, dtype=torch.float64)
    w = torch.randn(plan.n_weights, dtype=torch.float64)
    matrix = -torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0].numpy()
    d_x, d_z = (torch.as_tensor(i.D_from_matrix(matrix)) for i in (plan.x, plan.out))
    turned = x @ d_x.T
    torch.testing.assert_close(
        tensor_product(plan, turned, turned, turned, weights=w),
        tensor_product(plan, x, x, x, weights=w) @ d_z.T,
        rtol=1e-11,
        atol=1e-11,
    )
    # the invariants of one channel are linearly independent functions
    single = TensorProductPlan.symmetric_power("0e+1o+2e", 3, keep="0e")
    x = torch.randn(60, single.x.dim, dtype=torch.float64)
    each = torch.eye(single.n_weights, dtype=torch.float64)
    values = torch.stack([tensor_product(single, x, x, x, weights=w) for w in each])
    assert torch.linalg.matrix_rank(values.flatten(1)) == single.n_weights


def test_symmetric_power_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="needs blocks of one multiplicity, got 2x0e\\+3x1o"):
        TensorProductPlan.symmetric_power("2x0e+3x1o", 2, keep="0e")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        TensorProductPlan.symmetric_power("2x0e", 0, keep="0e")
    with pytest.raises(ValueError, match="degree 2 of 2x0e contains none of 1x1o"):
        TensorProductPlan.symmetric_power("2x0e", 2, keep="1o")


def test_full_agrees_with_e3nn():
    plan = TensorProductPlan.full("1o", "1o+2e")
    theirs = e3nn.FullTensorProduct("1o", "1o+2e").to(torch.float64)
    assert str(theirs.irreps_out.simplify()) == str(plan.out.simplify())

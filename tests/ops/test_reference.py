import itertools

import numpy as np
import pytest
import torch
from e3nn import o3 as e3nn

from euclidium import o3
from euclidium.ops import (
    Edges,
    TensorProductPlan,
    contraction,
    convolution,
    from_e3nn,
    segment_sum,
    tensor_product,
    to_e3nn,
)

PLANS = [
    TensorProductPlan.channelwise("5x0e+5x1o", "0e+1o+2e", keep="0e+1o+1e+2e"),
    TensorProductPlan.channelwise("3x0o+2x1e+2x2e", "2x0e+1o", keep="0e+0o+1o+2o"),
    TensorProductPlan.channelwise("7x1o", "1o", keep="0e"),
    TensorProductPlan.fully_connected("3x0e+2x1o", "2x0e+1o+2e", "2x0e+3x1o+1e"),
    TensorProductPlan.elementwise("4x0e+4x1o", "4x1o+4x1o", weighted=True),
]


def name(plan):
    return str(plan).partition("\n")[0]


def inputs(plan, n=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, size, dtype=dtype, generator=generator)
        for size in (plan.x.dim, plan.y.dim, plan.n_weights)
    ]


def ring(n_nodes=6, n_edges=15, seed=0):
    generator = torch.Generator().manual_seed(seed)
    receivers = torch.randint(n_nodes - 1, (n_edges,), generator=generator).sort().values
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    return Edges.from_receivers(senders, receivers, n_nodes)


def by_hand(plan, x, y, weights):
    """The definition of a plan, one component and one channel at a time."""
    z = torch.zeros(plan.out.dim, dtype=x.dtype)
    where = [irreps.slices() for irreps in (plan.x, plan.y, plan.out)]
    for path, w, shape in zip(plan.paths, plan.weight_slices, plan.weight_shapes, strict=True):
        i, j = path.segments
        a = x[where[0][i]].view(plan.x[i].ir.dim, -1)
        b = y[where[1][j]].view(plan.y[j].ir.dim, -1)
        c = z[where[2][path.out]].view(plan.out[path.out].ir.dim, -1)
        letters = path.weight_subscripts
        for channels in itertools.product(*(range(n) for n in shape)):
            channel = dict(zip(letters, channels, strict=True))
            u, v = (channel[s] for s in path.operand_subscripts)
            factor = path.coefficient * weights[w].view(shape)[channels]
            for (m1, m2, m3), value in path.coupling.entries:
                c[m3, channel[path.out_subscripts]] += factor * value * a[m1, u] * b[m2, v]
    return z


@pytest.mark.parametrize("plan", PLANS, ids=name)
def test_the_definition(plan):
    x, y, w = inputs(plan, n=2)
    expected = torch.stack([by_hand(plan, *item) for item in zip(x, y, w, strict=True)])
    torch.testing.assert_close(tensor_product(plan, x, y, weights=w), expected)


@pytest.mark.parametrize("plan", PLANS, ids=name)
@pytest.mark.parametrize("improper", [1, -1])
def test_equivariance(plan, improper):
    x, y, w = inputs(plan)
    matrix = improper * o3.rand_matrix(rng=np.random.default_rng(0))
    d_x, d_y, d_z = (
        torch.as_tensor(irreps.D_from_matrix(matrix)) for irreps in (plan.x, plan.y, plan.out)
    )
    turned = tensor_product(plan, x @ d_x.T, y @ d_y.T, weights=w)
    expected = tensor_product(plan, x, y, weights=w) @ d_z.T
    torch.testing.assert_close(turned, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("plan", PLANS, ids=name)
def test_derivatives_by_finite_differences(plan):
    x, y, w = (t[:1].requires_grad_() for t in inputs(plan))

    def product(x, y, w):
        return tensor_product(plan, x, y, weights=w)

    assert torch.autograd.gradcheck(product, (x, y, w), fast_mode=True)
    assert torch.autograd.gradgradcheck(product, (x, y, w), fast_mode=True)


@pytest.mark.parametrize("plan", PLANS, ids=name)
def test_transposed_plans_are_the_derivatives(plan):
    x, y, w = inputs(plan)
    x.requires_grad_()
    y.requires_grad_()
    z = tensor_product(plan, x, y, weights=w)
    g = torch.randn_like(z)
    d_x, d_y = torch.autograd.grad(z, (x, y), g)
    torch.testing.assert_close(tensor_product(plan.transpose(0), g, y, weights=w), d_x)
    torch.testing.assert_close(tensor_product(plan.transpose(1), x, g, weights=w), d_y)
    # and once more: the derivative of the derivative is a plan again
    again = plan.transpose(0).transpose(1)
    (d_xy,) = torch.autograd.grad(
        (d_x0 := tensor_product(plan.transpose(0), g, y, weights=w)), y, x
    )
    assert d_x0.shape == x.shape
    torch.testing.assert_close(tensor_product(again, g, x, weights=w), d_xy)


@pytest.mark.parametrize("plan", PLANS[:4], ids=name)
def test_convolution_is_gather_product_and_sum(plan):
    edges = ring()
    x = inputs(plan, 6)[0]
    _, y, w = inputs(plan, 15)
    messages = tensor_product(plan, x[edges.senders], y, weights=w)
    expected = segment_sum(messages, edges.receivers, 6)
    torch.testing.assert_close(convolution(plan, x, y, w, edges), expected)


@pytest.mark.parametrize("plan", PLANS[:3], ids=name)
def test_four_contractions_close_under_differentiation(plan):
    """Derivatives of the convolution to second order are contractions with slots exchanged."""
    edges = ring()
    x = inputs(plan, 6)[0].requires_grad_()
    _, y, w = (t.requires_grad_() for t in inputs(plan, 15))
    z = torch.randn(6, plan.out.dim, dtype=torch.float64, requires_grad=True)
    slots = {"x": x, "y": y, "w": w, "z": z}

    def contract(slot, values):
        others = {name: value for name, value in values.items() if name != slot}
        return contraction(plan, slot, others, edges)

    form = (z * convolution(plan, x, y, w, edges)).sum()
    gradients = torch.autograd.grad(form, list(slots.values()), create_graph=True)
    first = dict(zip(slots, gradients, strict=True))
    for slot, values in slots.items():
        torch.testing.assert_close(contract(slot, slots), first[slot])
        cotangent = torch.randn_like(values)
        others = [s for s in slots if s != slot]
        second = torch.autograd.grad(
            first[slot], [slots[s] for s in others], cotangent, retain_graph=True
        )
        for other, derivative in zip(others, second, strict=True):
            exchanged = {**slots, slot: cotangent}
            torch.testing.assert_close(contract(other, exchanged), derivative)


def test_nodes_without_neighbours_and_graphs_without_edges():
    plan = PLANS[0]
    none = torch.empty(0, dtype=torch.int64)
    edges = Edges.from_receivers(none, none, 3)
    x = torch.randn(3, plan.x.dim)
    z = convolution(plan, x, torch.empty(0, plan.y.dim), torch.empty(0, plan.n_weights), edges)
    assert torch.equal(z, torch.zeros(3, plan.out.dim))


def test_weights_are_shared_or_one_set_for_each_item():
    plan = PLANS[0]
    x, y, w = inputs(plan)
    shared = tensor_product(plan, x, y, weights=w[0])
    torch.testing.assert_close(shared, tensor_product(plan, x, y, weights=w[:1].expand_as(w)))
    batched = tensor_product(plan, x.view(2, 3, -1), y.view(2, 3, -1), weights=w.view(2, 3, -1))
    torch.testing.assert_close(batched.view(6, -1), tensor_product(plan, x, y, weights=w))


def test_full_product_agrees_with_e3nn():
    plan = TensorProductPlan.full("2x1o", "3x2e")  # every irrep of the result occurs once
    x, y, _ = inputs(plan)
    theirs = e3nn.FullTensorProduct("2x1o", "3x2e").to(torch.float64)
    assert str(theirs.irreps_out) == str(plan.out)
    z = theirs(to_e3nn(x, plan.x), to_e3nn(y, plan.y))
    ours = to_e3nn(tensor_product(plan, x, y), plan.out)
    torch.testing.assert_close(ours, z, rtol=1e-6, atol=1e-6)  # e3nn couples in float32


def test_layout_round_trip():
    x = torch.randn(4, 3 + 6 + 15)
    irreps = "3x0e+2x1o+3x2e"
    assert torch.equal(from_e3nn(to_e3nn(x, irreps), irreps), x)
    assert torch.equal(to_e3nn(x, irreps)[:, 3:6], x[:, [3, 5, 7]])


def test_under_vmap():
    plan = PLANS[0]
    x, y, w = inputs(plan)

    def one(x, y, w):
        return tensor_product(plan, x, y, weights=w)

    batched = torch.func.vmap(one)(x, y, w)
    torch.testing.assert_close(batched, tensor_product(plan, x, y, weights=w))
    edges = ring()
    xs, ys, ws = (
        torch.randn(2, 6, plan.x.dim),
        torch.randn(2, 15, plan.y.dim),
        torch.randn(2, 15, plan.n_weights),
    )
    many = torch.func.vmap(lambda x, y, w: convolution(plan, x, y, w, edges))(xs, ys, ws)
    torch.testing.assert_close(many[1], convolution(plan, xs[1], ys[1], ws[1], edges))

import pytest
import torch

from euclidium.ops import Edges, TensorProductPlan, contraction, fused
from euclidium.ops.fused import FORMS, contract

PLAN = TensorProductPlan.channelwise("3x0e+2x1o", "0e+1o", keep="0e+1o+1e")
HIDDEN = 4


def values(form, dtype=torch.float64, n_nodes=4, n_edges=9):
    generator = torch.Generator().manual_seed(1)
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    receivers = torch.randint(n_nodes, (n_edges,), generator=generator).sort().values
    shapes = {
        "x": (n_nodes, PLAN.x.dim),
        "y": (n_edges, PLAN.y.dim),
        "w": (n_edges, PLAN.n_weights),
        "h": (n_edges, HIDDEN),
        "m": (HIDDEN, PLAN.n_weights),
        "z": (n_nodes, PLAN.out.dim),
    }
    found = {n: torch.randn(shapes[n], dtype=dtype, generator=generator) for n in form}
    return found, Edges.from_receivers(senders, receivers, n_nodes)


def by_reference(slot, others, edges):
    """The same slot in plain torch, through the derivative of the form where there are five."""
    if len(others) == 3:
        return contraction(PLAN, slot, others, edges)
    known = {n: v for n, v in others.items() if n in "xyz"}
    if slot in "hm":
        weights = contraction(PLAN, "w", known, edges)
        return weights @ others["m"].T if slot == "h" else others["h"].T @ weights
    return contraction(PLAN, slot, {**known, "w": others["h"] @ others["m"]}, edges)


CASES = [(form, slot) for form in FORMS for slot in form]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request):
    """A function of the other slots, the same by reference, and their values."""
    form, slot = request.param
    found, edges = values(form)
    names = [n for n in form if n != slot]

    def kernels(*tensors):
        return contract(PLAN, slot, dict(zip(names, tensors, strict=True)), edges)

    def plain(*tensors):
        return by_reference(slot, dict(zip(names, tensors, strict=True)), edges)

    return kernels, plain, tuple(found[n].requires_grad_() for n in names)


def test_values(case):
    kernels, plain, tensors = case
    torch.testing.assert_close(kernels(*tensors), plain(*tensors), rtol=1e-12, atol=1e-12)


def test_first_and_second_derivatives(case):
    kernels, _, tensors = case
    assert torch.autograd.gradcheck(kernels, tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(kernels, tensors, fast_mode=True)


def test_third_derivatives(case):
    """Of a cubic function along fixed directions, against the reference."""
    found = []
    for function in case[:2]:
        tensors = [t.detach().requires_grad_() for t in case[2]]
        total = function(*tensors).pow(3).sum()
        for order in range(3):
            parts = torch.autograd.grad(total, tensors, create_graph=order < 2)
            total = sum((p * (n + 2) / p.numel()).sum() for n, p in enumerate(parts))
        found.append(torch.cat([p.flatten() for p in parts]))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_only_what_is_needed_is_computed(case):
    kernels, _, tensors = case
    held = [t.detach() for t in tensors]
    held[1].requires_grad_()
    kernels(*held).sum().backward()
    assert [t.grad is not None for t in held] == [n == 1 for n in range(len(held))]


def test_forward_mode(case):
    kernels, plain, tensors = case
    held = tuple(t.detach() for t in tensors)
    tangents = tuple(t.flip(0) for t in held)
    _, found = torch.func.jvp(kernels, held, tangents)
    _, expected = torch.func.jvp(plain, held, tangents)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_hessian_and_vmap(case):
    """Forward over reverse under vmap, as ``torch.func.hessian`` does it."""
    kernels, plain, tensors = case
    held = tuple(t.detach() for t in tensors)
    found, expected = (
        torch.func.hessian(lambda t, f=f: f(t, *held[1:]).square().sum())(held[0])
        for f in (kernels, plain)
    )
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("form", FORMS)
def test_compiled_with_a_derivative_inside_and_outside(form):
    """What training on forces does: no graph break, and the loss is differentiated again."""
    found, edges = values(form)
    names = [n for n in form if n != "z"]
    held = [found[n] for n in names]

    def loss(last, y):
        def energy(y):
            tensors = dict(zip(names, [held[0], y, *held[2:-1], last], strict=True))
            return contract(PLAN, "z", tensors, edges).pow(2).sum()

        return torch.func.grad(energy)(y).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (loss, compiled):
        last = held[-1].detach().requires_grad_()
        gradients += torch.autograd.grad(function(last, held[1]), last)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("form", "slot"), CASES)
def test_the_fake_kernel_knows_the_shape(form, slot):
    found, edges = values(form, torch.float32)
    others = {n: v.to("meta") for n, v in found.items() if n != slot}
    result = contract(PLAN, slot, others, edges.to("meta"))
    assert result.shape == found[slot].shape
    assert result.dtype == torch.float32


@pytest.mark.parametrize("form", FORMS)
def test_the_operators_pass_torchs_own_check(form):
    found, edges = values(form)
    tensors = [found[n] for n in form if n != "z"]
    torch.library.opcheck(
        fused._OPERATORS[form],
        (
            fused._name(PLAN),
            "z",
            *tensors,
            edges.senders,
            edges.receivers,
            edges.row_pointer,
        ),
        test_utils=("test_schema", "test_faketensor"),
    )


def test_batched_gradients(case):
    """Many cotangents at once, against one after another."""
    function, _, tensors = case
    result = function(*tensors)
    cotangents = torch.randn(3, *result.shape, dtype=result.dtype)
    found = torch.autograd.grad(result, tensors, cotangents, True, is_grads_batched=True)
    each = [torch.autograd.grad(result, tensors, c, retain_graph=True) for c in cotangents]
    for batched, single in zip(found, zip(*each, strict=True), strict=True):
        torch.testing.assert_close(batched, torch.stack(single), rtol=1e-12, atol=1e-12)


def test_forward_mode_twice_is_refused_and_not_wrong(case):
    """What torch would lose in silence; forward over reverse and reverse over forward are right."""
    kernels, plain, tensors = case
    held = tuple(t.detach() for t in tensors)

    def total(function):
        return lambda t: function(t, t.new_ones(held[1].shape) * t.mean(), *held[2:]).pow(2).sum()

    with pytest.raises(NotImplementedError, match="take one of the two by torch.func.jacrev"):
        torch.func.jacfwd(torch.func.jacfwd(total(kernels)))(held[0])
    expected = torch.func.jacfwd(torch.func.jacfwd(total(plain)))(held[0])
    for outer, inner in [("jacfwd", "jacrev"), ("jacrev", "jacfwd"), ("jacrev", "jacrev")]:
        first = getattr(torch.func, inner)(total(kernels))
        found = getattr(torch.func, outer)(first)(held[0])
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

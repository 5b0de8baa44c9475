"""Gates by kernels against plain torch: values, every derivative, every way to be called."""

import pytest
import torch

from euclidium.nn import Gate
from euclidium.ops import gates
from euclidium.ops.gate_kernels import READS

GATES = {
    "usual": Gate.for_irreps("32x0e+32x1o+32x2e"),
    "odd": Gate("2x0e+3x0o", "2x0o+3x0e", "2x1o+3x2e"),
    "cut": Gate("2x0e", "1x0e+2x0o+4x0e", "3x1o+0x1e+4x0o"),
    "tails": Gate("37x0e+1x0o", "130x0e", "130x3o", odd="abs", even="identity"),
    "merged": Gate("1x0e", "2x0e+3x0o", "5x1o", odd_gate="abs"),
    "scalars": Gate.for_irreps("5x0e"),
}


def plain(gate, x):
    """The same by the formula, in torch."""
    return gates._formula(gate._name, [f.factor for f in gate._functions], x)


def fused(gate, x):
    assert gates.has_kernel(gate._name, x)
    return gate(x)


def rows(gate, n=5, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, gate.irreps_in.dim, generator=generator).to(dtype)


@pytest.fixture(params=GATES)
def gate(request):
    return GATES[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 64])
def test_values_and_first_derivatives(gate, n, dtype, monkeypatch):
    results = []
    for by in ("cpu", "reference", "formula"):
        monkeypatch.setenv("EUCLIDIUM_BACKEND", by.replace("formula", "cpu"))
        x = rows(gate, n, dtype if by == "cpu" else torch.float64).requires_grad_()
        y = plain(gate, x) if by == "formula" else gate(x)
        results.append([y, *torch.autograd.grad(y.sin().sum(), x)])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    for others in results[1:]:
        for found, expected in zip(results[0], others, strict=True):
            torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_gradcheck(gate):
    x = rows(gate, 2).requires_grad_()
    assert torch.autograd.gradcheck(gate, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(gate, x, fast_mode=True)


def test_second_and_third_derivatives(gate):
    """Each derivative summed along a fixed direction, against the formula."""
    found = []
    for function in (fused, plain):
        x, results = rows(gate).requires_grad_(), []
        total = function(gate, x).pow(2).sum()
        for order in range(3):
            (part,) = torch.autograd.grad(total, x, create_graph=order < 2)
            results.append(part)
            total = (part * torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)).pow(2).sum()
        found.append(results)
    for mine, yours in zip(*found, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-10)


def test_second_derivatives_of_force_training(gate):
    """The last derivative records nothing: push and bend come from one kernel."""
    found = []
    for function in (fused, plain):
        x = rows(gate).requires_grad_()
        scale = torch.ones(gate.irreps_out.dim, dtype=x.dtype, requires_grad=True)
        (slope,) = torch.autograd.grad((function(gate, x) * scale).sum(), x, create_graph=True)
        slope.square().sum().backward()
        found += [(x.grad, scale.grad)]
    for mine, yours in zip(*found, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-11, atol=1e-11)


def test_transforms(gate):
    x, v = rows(gate, 3), rows(gate, 3, seed=1)
    for function in (
        lambda f: torch.func.jvp(f, (x,), (v,))[1],
        lambda f: torch.func.vmap(f)(x),
        lambda f: torch.func.hessian(lambda x: f(x).pow(2).sum())(x[:1]),
        lambda f: torch.func.jacfwd(torch.func.jacfwd(lambda t: f(x + t * v)))(x.new_tensor(0.5)),
        lambda f: torch.func.jacfwd(torch.func.jacrev(lambda t: f(x + t * v)))(x.new_tensor(0.5)),
    ):
        mine, yours = (function(lambda x, f=f: f(gate, x)) for f in (fused, plain))
        torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("unchecked")
def test_compiled_with_a_derivative_inside_and_outside():
    gate = GATES["cut"]

    def loss(x):
        return torch.func.grad(lambda x: gate(x).pow(2).sum())(x).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    found = []
    for function in (loss, compiled):
        x = rows(gate).requires_grad_()
        found += torch.autograd.grad(function(x), x)
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_batches_and_strides():
    gate = GATES["cut"]
    x = rows(gate, 24)
    expected = gate(x)
    assert torch.equal(gate(x.view(2, 3, 4, -1)).flatten(0, 2), expected)
    assert torch.equal(gate(x.T.contiguous().T), expected)
    assert torch.equal(gate(x[3]), expected[3])


def test_the_number_of_threads_changes_nothing():
    gate, before, found = GATES["usual"], torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            x = rows(gate, 700, torch.float32).requires_grad_()
            y = gate(x)
            found.append([y, *torch.autograd.grad(y.sum(), x)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_who_uses_the_kernels(monkeypatch):
    gate = GATES["cut"]
    x = rows(gate)
    assert gates.has_kernel(gate._name, x)
    assert not gates.has_kernel(gate._name, x.half())
    assert not gates.has_kernel(gate._name, x.to("meta"))
    other = Gate("2x0e", "1x0e", "1x1o", even="softplus")
    assert not gates.has_kernel(other._name, x)
    assert other(torch.zeros(2, 6)).shape == (2, 5)
    nothing = Gate("", "", "")
    assert not gates.has_kernel(nothing._name, x)
    with torch.autocast("cpu"):
        assert not gates.has_kernel(gate._name, x)
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    assert not gates.has_kernel(gate._name, x)


@pytest.mark.parametrize("what", READS)
def test_the_fake_kernel_knows_the_shapes(what):
    gate = GATES["cut"]
    found = {"x": rows(gate), "g": rows(gate)[:, : gate.irreps_out.dim], "c": rows(gate)}
    values = [found[name] for name in "x" + READS[what]]
    torch.library.opcheck(
        torch.ops.euclidium.gate.default,
        (gate._name, what, [1.0, 2.0, 3.0, 4.0], values),
        test_utils=("test_schema", "test_faketensor"),
    )

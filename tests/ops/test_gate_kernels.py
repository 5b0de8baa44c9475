"""Scalar functions as vector code against torch, over all that a number can be."""

import pytest
import torch

from euclidium.ops import machine
from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.gate_kernels import FUNCTIONS, READS, Functions, Run, gate_kernel

TYPES = {"float": torch.float32, "double": torch.float64}
EXACT = {
    "abs": torch.abs,
    "identity": lambda x: x * 1,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
}


def computed(scalar, x, write):
    """What ``write`` makes of each vector of x."""
    code, v = Assembly("kernel", scalar), Vector(scalar, 8)
    source, target = code.argument(2), code.argument(3)

    def step(n):
        shift = code.integer("mul", n, code.size)
        value = write(Functions(code, v), code.load(v, code.offset(source, shift)))
        code.store(v, value, code.offset(target, shift))

    code.loop(0, code.integer_argument(1), 8, step)
    x = torch.cat([x, x.new_zeros(-len(x) % 8)])
    result = torch.empty_like(x)
    kernel = machine._load(machine._compile(code.text()))
    kernel([len(x), x.data_ptr(), result.data_ptr()], 1)
    return x, result


def numbers(scalar):
    """Of every size and sign."""
    generator = torch.Generator().manual_seed(0)
    small = torch.logspace(-12, 4, 2000, dtype=torch.float64)
    usual = 6 * torch.randn(2000, dtype=torch.float64, generator=generator)
    return torch.cat([small, -small, usual, torch.tensor([0.0, 1e4, -1e4])]).to(TYPES[scalar])


@pytest.mark.parametrize("scalar", TYPES)
def test_the_exponential_is_exact_to_a_rounding(scalar):
    x = -numbers(scalar).abs()
    epsilon = torch.finfo(TYPES[scalar]).eps
    for n, exact in enumerate((torch.exp, torch.expm1)):
        held, found = computed(scalar, x, lambda f, x, n=n: f.exponential(x)[n])
        expected = exact(held.double())
        # below the smallest normal number exp is zero
        known = held > (-87 if scalar == "float" else -708)
        error = (found - expected).abs() / expected.abs().clamp(min=1e-300)
        assert error[known & (expected != 0)].max() < 1.5 * epsilon
        assert bool((found[~known] == (0.0, -1.0)[n]).all())


@pytest.mark.parametrize("scalar", TYPES)
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_derivatives(name, order, scalar):
    held, found = computed(scalar, numbers(scalar), lambda f, x: f(name, x, order)[order])
    expected = EXACT[name](x := held.double().requires_grad_())
    for _ in range(order):
        if expected.requires_grad:
            (expected,) = torch.autograd.grad(expected.sum(), x, create_graph=True)
        else:
            expected = torch.zeros_like(x)
    error = (found - expected).abs() / expected.abs().clamp(min=1)
    # 1 - t² and torch's own 1 + x (1 - s) lose some digits
    assert error.max() < (20 if order else 4) * torch.finfo(TYPES[scalar]).eps


@pytest.mark.parametrize("scalar", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_infinite_and_undefined_numbers(name, scalar):
    x = torch.tensor([float("inf"), -float("inf"), float("nan")], dtype=TYPES[scalar])
    limits = {"sigmoid": [1, 0], "silu": [float("inf"), 0], "tanh": [1, -1]}
    limits |= {"abs": [float("inf")] * 2, "identity": [float("inf"), -float("inf")]}
    found = [computed(scalar, x, lambda f, x, n=n: f(name, x, n)[n])[1] for n in range(3)]
    assert found[0][:2].tolist() == limits[name]
    assert bool(found[0][2].isnan())
    assert not any(bool(values[:2].isnan().any()) for values in found)


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize(("scalar", "lanes"), [("float", 16), ("double", 2)])
def test_kernels_are_valid_for_every_processor(what, scalar, lanes):
    layout = [Run("silu", 0, 21, 0, 0), Run("tanh", 1, 3, 21, 21, 3, 24, 3, 3)]
    text = gate_kernel(layout, (33, 30), 2, what, scalar, lanes)
    machine._llvm().parse_assembly(text).verify()

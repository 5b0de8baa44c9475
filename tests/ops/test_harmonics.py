import math

import numpy as np
import pytest
import torch
from e3nn import o3 as e3nn

from euclidium import o3
from euclidium.ops import BACKENDS, choose_backend, lengths, spherical_harmonics, unit_vectors

LS = list(range(9))


def vectors(n=20, seed=0):
    return torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("backend", [None, "reference"])
def test_values_and_derivatives_agree_with_e3nn(normalization, normalize, backend):
    r = vectors().requires_grad_()

    def ours(*arguments, **options):
        return spherical_harmonics(*arguments, **options, backend=backend)

    def derivatives(function):
        y = function(LS, r, normalize=normalize, normalization=normalization)
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
        (first,) = torch.autograd.grad((y * weight).sum(), r, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), r)
        return y, first, second

    for got, expected in zip(derivatives(ours), derivatives(e3nn.spherical_harmonics), strict=True):
        scale = expected.abs().max()
        torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=1e-12)


def test_equal_to_the_definition_in_o3():
    r = vectors()
    expected = o3.spherical_harmonics(LS, r.numpy(), normalize=True, normalization="component")
    np.testing.assert_allclose(spherical_harmonics(LS, r).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("backend", [None, "reference"])
def test_first_and_second_derivatives_by_finite_differences(backend):
    def y(r):
        return spherical_harmonics(list(range(5)), r, backend=backend)

    r = vectors(4).requires_grad_()
    assert torch.autograd.gradcheck(y, r, fast_mode=True)
    assert torch.autograd.gradgradcheck(y, r, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("backend", [None, "reference"])
def test_finite_at_and_near_the_origin(dtype, normalize, backend):
    tiny = torch.finfo(dtype).tiny
    points = [[0.0, 0.0, 0.0], [tiny, 0.0, 0.0], [0.0, 1e-30, 1e-30], [0.0, 1e-8, 0.0]]
    r = torch.tensor(points, dtype=dtype, requires_grad=True)
    y = spherical_harmonics(list(range(6)), r, normalize=normalize, backend=backend)
    (first,) = torch.autograd.grad(y.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    assert all(bool(t.isfinite().all()) for t in (y, first, second))
    assert torch.equal(y[0, 1:], torch.zeros(35, dtype=dtype))
    assert first[0].abs().max() < 10


def test_poles_are_not_special():
    r = torch.tensor([[0.0, 1.0, 0.0], [0.0, -2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: spherical_harmonics([1, 2, 3], r), r)


def test_sum_rule():
    squares = spherical_harmonics(LS, vectors(), normalization="integral").square()
    for l, part in enumerate(squares.split([2 * l + 1 for l in LS], dim=-1)):
        expected = torch.full((20,), (2 * l + 1) / (4 * math.pi), dtype=torch.float64)
        torch.testing.assert_close(part.sum(-1), expected, rtol=1e-12, atol=0)


def test_rotation_and_inversion():
    rotation = o3.rand_matrix(rng=np.random.default_rng(1))
    r = vectors()
    for matrix in (rotation, -rotation):
        turned = spherical_harmonics(LS, r @ torch.as_tensor(matrix).T)
        d = torch.as_tensor(o3.Irreps.spherical_harmonics(8).D_from_matrix(matrix))
        torch.testing.assert_close(turned, spherical_harmonics(LS, r) @ d.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.usefixtures("unchecked")
def test_vectors_have_three_components(width):
    with pytest.raises(ValueError, match="vectors have three components, got a tensor of shape"):
        spherical_harmonics([0, 1], torch.zeros(5, width))


@pytest.mark.parametrize("irreps", ["2x1o", "1x1e+1x0o", "0e+1e+3o"])
def test_irreps_that_harmonics_do_not_have(irreps):
    with pytest.raises(ValueError, match="multiplicity 1 and parity"):
        spherical_harmonics(irreps, torch.zeros(5, 3))


def test_third_derivatives_and_functional_transforms():
    def energy(r):
        return spherical_harmonics([0, 1, 2, 3], r).pow(3).sum()

    r = vectors(3)
    third = torch.func.jacrev(torch.func.hessian(energy))(r)
    step = 1e-5
    moved = torch.zeros_like(r)
    moved[1, 2] = step
    hessian = torch.func.hessian(energy)
    numeric = (hessian(r + moved) - hessian(r - moved)) / (2 * step)
    torch.testing.assert_close(third[..., 1, 2], numeric, rtol=1e-6, atol=1e-6)
    batched = torch.func.vmap(lambda v: spherical_harmonics([2], v))(r)
    torch.testing.assert_close(batched, spherical_harmonics([2], r))


def test_any_degree():
    degrees = [0, 3, 14]
    expected = o3.spherical_harmonics(degrees, vectors().numpy())
    np.testing.assert_allclose(spherical_harmonics(degrees, vectors()), expected, atol=1e-12)
    assert spherical_harmonics([], vectors()).shape == (20, 0)
    with pytest.raises(ValueError, match=r"degrees of spherical harmonics are .*, got \[2, -1\]"):
        spherical_harmonics([2, -1], vectors())


def test_the_backend_is_chosen_in_the_open(monkeypatch):
    def counted():
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            spherical_harmonics([0, 1, 2], vectors())
        return sum("euclidium" in event.key for event in profile.key_averages())

    monkeypatch.delenv("EUCLIDIUM_BACKEND", raising=False)
    assert counted() == (choose_backend("cpu") == "cpu")
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    assert counted() == 0


@pytest.mark.parametrize(
    ("backend", "degrees", "sentence"),
    [
        ("fast", [1], "backend is 'fast': choose one of reference, cpu, gpu"),
        ("cpu", [40], "'cpu' cannot do this: its harmonics have degrees up to 10, got 40"),
        ("gpu", [1], "'gpu'(, which cannot run here| cannot do this: it has no kernels)"),
    ],
)
def test_a_backend_that_cannot_do_it_says_why(backend, degrees, sentence):
    if backend == "cpu" and BACKENDS["cpu"].unavailable():
        sentence = "'cpu', which cannot run here"
    with pytest.raises(ValueError, match=sentence):
        spherical_harmonics(degrees, vectors(), backend=backend)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_named_backend_is_compiled(backend):
    if reason := BACKENDS[backend].unavailable():
        pytest.skip(reason)
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda r: spherical_harmonics("1o", r, backend=backend), fullgraph=True, backend="eager"
    )
    torch.testing.assert_close(compiled(vectors()), spherical_harmonics("1o", vectors()))


def test_without_numbers():
    assert spherical_harmonics([0, 1], torch.zeros(5, 3, device="meta")).shape == (5, 4)


def test_lengths_and_directions():
    r = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert lengths(r).tolist() == [5.0, 0.0]
    torch.testing.assert_close(unit_vectors(r)[0].norm().item(), 1.0)
    (gradient,) = torch.autograd.grad(lengths(r).sum(), r, create_graph=True)
    assert gradient[1].tolist() == [0.0, 0.0, 0.0]
    assert bool(torch.autograd.grad(gradient.sum(), r)[0].isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused(dtype):
    with pytest.raises(TypeError, match="spherical harmonics need float32 or float64, got torch"):
        spherical_harmonics([1], torch.ones(2, 3, dtype=dtype))

"""Mixing by kernels against plain torch: values, every derivative, every way to be called."""

import pytest
import torch

from euclidium.o3 import Irreps
from euclidium.ops import mixing
from euclidium.ops.mixing import mix, mix_reference
from euclidium.ops.mixing_kernels import Mixing

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}

HIDDEN = "32x0e+32x1o+32x2e"
MAPS = [
    (HIDDEN, HIDDEN),
    ("+".join(["32x0e"] * 3 + ["32x1o"] * 4 + ["32x2e"] * 4), "32x0e+64x0e+32x1o+32x2e"),
    ("4x0e+3x1o+2x0e+5x2e+2x0o", "3x1o+2x0e+1x2e+4x0e+2x1e"),
    ("130x3o+0x1o", "17x3o+0x1o+33x3o"),
    ("31x0e+1x6e", "1x0e+70x6e"),
    ("7x1o", "9x1o+0x0e"),
]
SMALL = ("3x0e+2x1o+1x0e", "2x1o+1x2e+2x0e")


def tensors(source, target, n_nodes, groups=0, dtype=torch.float64, seed=0):
    """Features, matrices, a cotangent and species."""
    generator = torch.Generator().manual_seed(seed)
    plan = Mixing(Irreps(source), Irreps(target))
    rows = (groups,) if groups else ()
    shapes = [(n_nodes, plan.source.dim), *(rows + sector.shape for sector in plan.sectors)]
    shapes.append((n_nodes, plan.target.dim))
    # numbers of float32, so that both types start from the same
    x, *matrices, y = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    species = torch.randint(groups, (n_nodes,), generator=generator) if groups else None
    return x, matrices, y, species


def results(function, source, target, x, matrices, y, species):
    """The value and the derivatives by features and matrices."""
    given = [tensor.detach().requires_grad_() for tensor in (x, *matrices)]
    value = function(source, target, given[0], given[1:], species)
    return [value, *torch.autograd.grad(value, given, y)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("groups", [0, 1, 3])
@pytest.mark.parametrize("n_nodes", [0, 1, 7, 64, 133])
@pytest.mark.parametrize(("source", "target"), MAPS)
def test_values_and_first_derivatives(source, target, n_nodes, groups, dtype):
    assert mixing._has_kernel(source, target, torch.zeros(1, dtype=dtype), [])
    exact = results(mix_reference, source, target, *tensors(source, target, n_nodes, groups))
    given = tensors(source, target, n_nodes, groups, dtype)
    for found, expected in zip(results(mix, source, target, *given), exact, strict=True):
        assert found.shape == expected.shape
        if found.numel():
            scale = max(1.0, float(expected.detach().abs().max()))
            assert (found - expected).abs().max() <= TOLERANCE[dtype] * scale


@pytest.fixture(params=[0, 2], ids=["one set of weights", "two species"])
def case(request):
    """The map by kernels and in torch as functions of tensors, and the tensors."""
    x, matrices, _, species = tensors(*SMALL, 5, request.param)

    def by(function):
        return lambda x, *matrices: function(*SMALL, x, matrices, species)

    return by(mix), by(mix_reference), (x, *matrices)


def test_gradcheck(case):
    given = [tensor.requires_grad_() for tensor in case[2]]
    assert torch.autograd.gradcheck(case[0], given, fast_mode=True)
    assert torch.autograd.gradgradcheck(case[0], given, fast_mode=True)


def test_third_derivatives(case):
    """Of a cubic function along fixed directions, against the reference."""
    found = []
    for function in case[:2]:
        given = [t.detach().requires_grad_() for t in case[2]]
        total = function(*given).pow(3).sum()
        for order in range(3):
            parts = torch.autograd.grad(total, given, create_graph=order < 2)
            total = sum((p * (n + 2) / p.numel()).sum() for n, p in enumerate(parts))
        found.append(torch.cat([p.flatten() for p in parts]))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_only_what_is_needed(case, which):
    found = []
    for function in case[:2]:
        given = [t.detach().requires_grad_(n == which) for n, t in enumerate(case[2])]
        function(*given).square().sum().backward()
        assert [t.grad is not None for t in given] == [n == which for n in range(len(given))]
        found.append(given[which].grad)
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


def test_forward_mode(case):
    fused, plain, given = case
    tangents = tuple(t.flip(0) for t in given)
    found, expected = (torch.func.jvp(f, given, tangents)[1] for f in (fused, plain))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_hessian_and_vmap(case, which):
    """Forward over reverse under vmap, as ``torch.func.hessian`` does it."""
    found, expected = (
        torch.func.hessian(
            lambda t, f=f: f(*case[2][:which], t, *case[2][which + 1 :]).pow(3).sum()
        )(case[2][which])
        for f in case[:2]
    )
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("unchecked")
def test_compiled_with_a_derivative_inside_and_outside(case):
    """What training on forces does: no graph break, and the loss is differentiated again."""
    x, *matrices = case[2]

    def loss(x, *matrices):
        def energy(x):
            return case[0](x, *matrices).pow(2).sum()

        return torch.func.grad(energy)(x).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (loss, compiled):
        given = [m.detach().requires_grad_() for m in matrices]
        gradients.append(torch.autograd.grad(function(x, *given), given))
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("groups", [0, 3])
def test_batches_and_strides(groups):
    x, matrices, _, species = tensors(*SMALL, 24, groups)
    expected = mix(*SMALL, x, matrices, species)
    many = x.view(2, 3, 4, -1)
    kinds = None if species is None else species.view(2, 3, 4)
    assert torch.equal(mix(*SMALL, many, matrices, kinds).flatten(0, 2), expected)
    strange = x.T.contiguous().T
    turned = [m.mT.contiguous().mT for m in matrices]
    assert not strange.is_contiguous()
    assert torch.equal(mix(*SMALL, strange, turned, species), expected)
    alone = None if species is None else species[0]
    torch.testing.assert_close(mix(*SMALL, x[0], matrices, alone), expected[0])


@pytest.mark.parametrize("groups", [0, 3])
def test_the_number_of_threads_changes_nothing(groups):
    given = tensors(HIDDEN, HIDDEN, 700, groups, torch.float32)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(results(mix, HIDDEN, HIDDEN, *given))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


@pytest.mark.usefixtures("unchecked")
def test_species_without_weights_are_refused():
    x, matrices, _, species = tensors(*SMALL, 5, 2)
    for wrong in (2, -1):
        species[3] = wrong
        with pytest.raises(IndexError, match="species are indices 0 … 1, one for each set of"):
            mix(*SMALL, x, matrices, species)
    with pytest.raises(IndexError, match="there are 5 items, and the species of 4"):
        mix(*SMALL, x, matrices, species[:4])


def test_who_uses_the_kernels(monkeypatch):
    x, matrices, _, _ = tensors(*SMALL, 5)
    assert mixing._has_kernel(*SMALL, x, matrices)
    assert not mixing._has_kernel(*SMALL, x.half(), matrices)
    assert not mixing._has_kernel(*SMALL, x.to("meta"), matrices)
    assert not mixing._has_kernel(*SMALL, x.float(), matrices)
    assert not mixing._has_kernel("4x0e", "4x1o", x, [])
    wide = mixing.WIDEST + 1
    assert not mixing._has_kernel(f"{wide}x0e", "4x0e", x, [])
    with torch.autocast("cpu"):
        assert not mixing._has_kernel(*SMALL, x, matrices)
        assert mix(*SMALL, x.float(), [m.float() for m in matrices]).shape == (5, 13)
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    assert not mixing._has_kernel(*SMALL, x, matrices)


@pytest.mark.parametrize("slot", ["y", "x", "w", "xw"])
@pytest.mark.parametrize("groups", [0, 2])
def test_the_fake_kernel_knows_the_shapes(slot, groups):
    x, matrices, y, species = tensors(*SMALL, 5, groups)
    values = {"y": [x, *matrices], "x": [y, *matrices], "w": [x, y], "xw": [x, y, *matrices]}
    torch.library.opcheck(
        torch.ops.euclidium.mix.default,
        (*SMALL, slot, groups, species, values[slot]),
        test_utils=("test_schema", "test_faketensor"),
    )

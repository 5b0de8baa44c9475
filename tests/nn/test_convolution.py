import numpy as np
import pytest
import torch

from euclidium import o3
from euclidium.nn import BesselBasis, Convolution, Enveloped, PolynomialEnvelope
from euclidium.nn import convolution as convolution_module
from euclidium.ops import Edges, convolution, lengths, spherical_harmonics

CUTOFF = 4.0
BASIS = Enveloped(BesselBasis(6, CUTOFF), PolynomialEnvelope(CUTOFF))


def cluster(n=8, seed=0, dtype=torch.float64):
    """Random points, and all edges below the cutoff."""
    generator = torch.Generator().manual_seed(seed)
    r = 3 * torch.rand(n, 3, dtype=dtype, generator=generator)
    near = (torch.cdist(r, r) < CUTOFF) & ~torch.eye(n, dtype=torch.bool)
    receivers, senders = near.nonzero(as_tuple=True)
    return r, Edges.from_receivers(senders, receivers, n)


def layer(keep="0e+1o+2e", irreps="3x0e+2x1o"):
    return Convolution(irreps, "0e+1o+2e", keep, BASIS, [8], mean_neighbors=7.0).double()


def apply(module, x, r, edges):
    vectors = r[edges.senders] - r[edges.receivers]
    return module(x, spherical_harmonics("0e+1o+2e", vectors), lengths(vectors), edges)


@pytest.mark.parametrize("improper", [1, -1])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_equivariance(improper, dtype, tolerance):
    module = layer().to(dtype)
    r, edges = cluster()
    x = torch.randn(8, module.irreps_in.dim, dtype=torch.float64)
    matrix = improper * o3.rand_matrix(rng=np.random.default_rng(2))
    d_x, d_z = (
        torch.as_tensor(irreps.D_from_matrix(matrix))
        for irreps in (module.irreps_in, module.irreps_out)
    )
    turned = r @ torch.as_tensor(matrix).T
    got = apply(module, (x @ d_x.T).to(dtype), turned.to(dtype), edges).double()
    expected = apply(module, x.to(dtype), r.to(dtype), edges).double() @ d_z.T
    got, expected = got.detach(), expected.detach()
    assert float((got - expected).norm() / expected.norm()) < tolerance


def test_permutation():
    module = layer()
    r, edges = cluster()
    x = torch.randn(8, module.irreps_in.dim, dtype=torch.float64)
    order = torch.randperm(8)
    inverse = order.argsort()
    receivers, by = inverse[edges.receivers].sort(stable=True)
    shuffled = Edges.from_receivers(inverse[edges.senders][by], receivers, 8)
    got = apply(module, x[order], r[order], shuffled)
    torch.testing.assert_close(got, apply(module, x, r, edges)[order], rtol=1e-12, atol=1e-12)


def test_first_and_second_derivatives():
    module = layer(keep="0e+1o", irreps="1x0e+1x1o")
    r, edges = cluster(4)
    x = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    r.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, r: apply(module, x, r, edges), (x, r), fast_mode=True)
    assert torch.autograd.gradgradcheck(
        lambda x, r: apply(module, x, r, edges), (x, r), fast_mode=True
    )


def test_an_atom_that_leaves_takes_its_message_along_smoothly():
    module = layer()
    edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), 2)
    x = torch.randn(2, module.irreps_in.dim, dtype=torch.float64)
    sizes = []
    for distance in (CUTOFF - 0.02, CUTOFF - 0.01, CUTOFF, CUTOFF + 1):
        r = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, distance]], dtype=torch.float64)
        sizes.append(float(apply(module, x, r, edges).detach().norm()))
    assert sizes[2] == sizes[3] == 0.0
    # the envelope gives the third power, the zero of the Bessel functions there one more
    assert 14 < sizes[0] / sizes[1] < 17


def test_the_backend_can_be_named():
    module = layer()
    module.backend = "fast"
    r, edges = cluster()
    with pytest.raises(ValueError, match="backend is 'fast'"):
        apply(module, torch.zeros(8, module.irreps_in.dim, dtype=torch.float64), r, edges)


@pytest.mark.usefixtures("unchecked")
def test_compiled_with_forces_inside_and_differentiated_again():
    """Training on forces: torch.func.grad inside torch.compile, backward outside."""
    module = layer(keep="0e+1o", irreps="2x0e+2x1o")
    r, edges = cluster(5)
    x = torch.randn(5, module.irreps_in.dim, dtype=torch.float64)

    def energy(r):
        return apply(module, x, r, edges).square().sum()

    def force_norm(r):
        return torch.func.grad(energy)(r).square().sum()

    leaf = r.clone().requires_grad_()
    (expected,) = torch.autograd.grad(force_norm(leaf), leaf)
    torch._dynamo.reset()
    compiled = torch.compile(force_norm, fullgraph=True, backend="aot_eager")
    (got,) = torch.autograd.grad(compiled(leaf), leaf)
    torch.testing.assert_close(got, expected)


def test_third_derivatives():
    module = layer(keep="0e", irreps="2x0e")
    r, edges = cluster(3)
    x = torch.randn(3, 2, dtype=torch.float64)

    def energy(r):
        return apply(module, x, r, edges).pow(3).sum()

    hessian = torch.func.hessian(energy)
    third = torch.func.jacrev(hessian)(r)
    step = torch.zeros_like(r)
    step[1, 2] = 1e-5
    numeric = (hessian(r + step) - hessian(r - step)) / 2e-5
    torch.testing.assert_close(third[..., 1, 2], numeric, rtol=1e-5, atol=1e-6)


def test_the_functional_operation_is_what_the_layer_calls():
    module = layer()
    r, edges = cluster()
    vectors = r[edges.senders] - r[edges.receivers]
    y = spherical_harmonics("0e+1o+2e", vectors)
    x = torch.randn(8, module.irreps_in.dim, dtype=torch.float64)
    weights = module.radial(lengths(vectors)) / 7**0.5
    expected = convolution(module.plan, x, y, weights, edges)
    torch.testing.assert_close(apply(module, x, r, edges), expected)


def test_many_weights_are_formed_in_blocks(monkeypatch):
    """The same values and derivatives, of parameters too, with all weights and without."""
    module = layer()
    r, edges = cluster()
    x = torch.randn(8, module.irreps_in.dim, dtype=torch.float64)
    found = []
    for many in (convolution_module.MANY, 0):
        monkeypatch.setattr(convolution_module, "MANY", many)
        leaf = r.clone().requires_grad_()
        value = apply(module, x, leaf, edges)
        (force,) = torch.autograd.grad(value.square().sum(), leaf, create_graph=True)
        weights = torch.autograd.grad(force.square().sum(), module.radial.matrices)
        found.append([value, force, *weights])
    torch.testing.assert_close(*found)

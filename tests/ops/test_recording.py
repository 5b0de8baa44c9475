import pytest
import torch
from torch.autograd import forward_ad

from euclidium.ops.recording import applied, are_wanted, is_recorded, is_wanted


class Twice(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, cotangent):
        return 2 * cotangent

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * tangent


def test_who_looks_on():
    x = torch.ones(2)
    seen = []

    def look(x):
        seen.append(is_recorded([x]))
        return x.sum()

    torch.func.vmap(look)(x)
    torch.func.grad(look)(x)
    with forward_ad.dual_level():
        look(x)
    look(x.requires_grad_())
    assert seen == [True] * 4
    with torch.no_grad():
        assert not is_recorded([None, x])
    assert not is_recorded([None])


def test_the_short_way_is_the_same():
    x = torch.arange(3.0, requires_grad=True)
    y = applied(Twice, x)
    assert torch.equal(y, 2 * x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full((3,), 2.0))


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.jacrev, torch.func.jacfwd])
def test_transforms_pass_through(transform):
    x = torch.arange(3.0)
    found, expected = (transform(f)(x) for f in (lambda x: applied(Twice, x), lambda x: 2 * x))
    assert torch.equal(found, expected)


class Product(torch.autograd.Function):
    wanted = None

    @staticmethod
    def forward(name, x, w):
        return x * w

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx, cotangent):
        x, w = ctx.saved_tensors
        Product.wanted = are_wanted(ctx, 2)
        return None, cotangent * w, cotangent * x


def test_which_derivatives_are_asked_for():
    x, w = (torch.ones(3, requires_grad=True) for _ in range(2))
    seen = []
    for inputs in ([x], [w], [x, w]):
        torch.autograd.grad(applied(Product, "", x.exp(), w).sum(), inputs)
        seen.append(Product.wanted)
    applied(Product, "", x.exp(), w).sum().backward()
    applied(Product, "", x.exp(), w.exp()).sum().backward()
    seen.append(Product.wanted)
    torch.autograd.grad(applied(Product, "", x.exp(), w.exp()).sum(), x)
    seen.append(Product.wanted)
    applied(Product, "", x.exp(), w.detach()).sum().backward()
    seen.append(Product.wanted)
    torch.func.grad(lambda w: applied(Product, "", x.detach(), w).sum())(w.detach())
    seen.append(Product.wanted)
    assert seen == [False, True, True, True, False, False, True]


def test_one_argument_is_wanted_or_not():
    """Derivatives by an argument that nobody asked for are not computed, though it could be."""
    wanted = []

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(a, number, b):
            return number * a * b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], inputs[2])

        @staticmethod
        def backward(ctx, g):
            wanted.append((is_wanted(ctx, 0, 0), is_wanted(ctx, 2, 1)))
            a, b = ctx.saved_tensors
            return g * b, None, g * a

    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    result = Product.apply(a * 1, 2.0, b * 1).sum()
    torch.autograd.grad(result, a, retain_graph=True)
    torch.autograd.grad(result, b, retain_graph=True)
    result.backward()
    Product.apply(a * 1, 2.0, b.detach()).sum().backward()
    assert wanted == [(True, False), (False, True), (True, True), (True, False)]

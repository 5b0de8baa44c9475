"""Splines against what they interpolate; the kernel against plain torch, in every order."""

import math

import pytest
import torch

from euclidium.ops import machine
from euclidium.ops.splines import _formula, hermite_spline, spline_table

END = 4.0


def functions(x, n_columns=3, order=0):
    """Derivatives of (4 − x)⁴ sin(a x), which end in zeros, column after column."""

    def f(x):
        a = torch.arange(1, n_columns + 1, dtype=x.dtype)
        return (END - x)[:, None] ** 4 * torch.sin(a * x[:, None])

    for _ in range(order):
        f = derivative(f)
    return f(x)


def derivative(f):
    return lambda x: torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]


def table_of(n_intervals, n_derivatives=3, n_columns=3):
    x = torch.linspace(0, END, n_intervals + 1, dtype=torch.float64)
    rows = torch.stack([functions(x, n_columns, d) for d in range(n_derivatives)], dim=1)
    rows[-1] = 0
    return spline_table(rows, END / n_intervals), END / n_intervals


def random_points(n=37, seed=0, end=END):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, dtype=torch.float64, generator=generator) * end


def random_table(n_columns, n_derivatives=3, n_intervals=8):
    generator = torch.Generator().manual_seed(1)
    shape = (n_intervals + 1, n_derivatives, n_columns)
    rows = torch.randn(shape, dtype=torch.float64, generator=generator)
    rows[-1] = 0
    return spline_table(rows, END / n_intervals), END / n_intervals


@pytest.fixture(params=["cpu", "reference"])
def backend(request, monkeypatch):
    if request.param == "cpu" and machine.unavailable():
        pytest.skip(machine.unavailable())
    monkeypatch.setenv("EUCLIDIUM_BACKEND", request.param)


@pytest.mark.parametrize("n_derivatives", [1, 2, 3, 4])
@pytest.mark.usefixtures("backend")
def test_the_order_of_the_error(n_derivatives):
    """h^2m for values, one order less for each derivative."""
    x = random_points(200)
    for order in range(n_derivatives):
        errors = []
        for n_intervals in (16, 32):
            table, h = table_of(n_intervals, n_derivatives)
            got = hermite_spline(x, table, h, 3, order)
            errors.append(float((got - functions(x, order=order)).abs().max()))
        assert math.log2(errors[0] / errors[1]) == pytest.approx(2 * n_derivatives - order, abs=0.6)


@pytest.mark.usefixtures("backend")
def test_a_polynomial_of_the_degree_is_exact():
    x = torch.linspace(0, END, 5, dtype=torch.float64)
    rows = torch.stack([(x - 4) ** 5, 5 * (x - 4) ** 4, 20 * (x - 4) ** 3], dim=1)[:, :, None]
    points = random_points()
    got = hermite_spline(points, spline_table(rows, 1.0), 1.0, 1)
    torch.testing.assert_close(got[:, 0], (points - 4) ** 5, rtol=1e-12, atol=1e-11)


@pytest.mark.usefixtures("backend")
def test_knots_are_met():
    table, h = table_of(8)
    knots = torch.arange(8, dtype=torch.float64) * h
    for order in range(3):
        got = hermite_spline(knots, table, h, 3, order)
        torch.testing.assert_close(got, functions(knots, order=order), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("backend")
def test_zero_from_the_end_on_in_every_order(dtype):
    table, h = random_table(70)
    far = torch.tensor([END, END + 1e-3, END + 0.4, 2 * END, 1e20, math.inf], dtype=dtype)
    for order in range(8):
        assert not bool(hermite_spline(far, table.to(dtype), h, 70, order).any())


@pytest.mark.usefixtures("backend")
def test_what_is_not_a_number_is_shown():
    table, h = random_table(70)
    for order in range(3):
        points = torch.tensor([math.nan, 1.0], dtype=torch.float64)
        got = hermite_spline(points, table, h, 70, order)
        assert bool(got[0].isnan().all())
        assert bool(got[1].isfinite().all())


@pytest.mark.parametrize("n_columns", [1, 5, 24, 64, 100, 192])
@pytest.mark.parametrize("n_derivatives", [2, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_the_kernel_is_the_formula(n_columns, n_derivatives, dtype, tolerance, monkeypatch):
    monkeypatch.delenv("EUCLIDIUM_BACKEND", raising=False)
    table, h = random_table(n_columns, n_derivatives)
    x, g = random_points(end=1.2 * END), torch.randn(37, n_columns, dtype=torch.float64)
    for order in range(2 * n_derivatives + 1):
        expected = _formula(x, table, h, n_columns, order)
        leaf = x.to(dtype).clone().requires_grad_()
        got = hermite_spline(leaf, table.to(dtype), h, n_columns, order)
        largest = float(expected.abs().max()) + 1e-300
        torch.testing.assert_close(
            got.double() / largest, expected / largest, rtol=0, atol=tolerance
        )
        slope = (g * _formula(x, table, h, n_columns, order + 1)).sum(1)
        (got_slope,) = torch.autograd.grad(got, leaf, g.to(dtype))
        largest = float(slope.abs().max()) + 1e-300
        torch.testing.assert_close(
            got_slope.double() / largest, slope / largest, rtol=0, atol=20 * tolerance
        )


@pytest.mark.usefixtures("backend")
def test_derivatives_are_those_of_the_spline():
    table, h = random_table(5)
    x = random_points(6).requires_grad_()
    x.data += 0.01 * h  # away from knots
    weights = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)

    def f(x, weights):
        return (hermite_spline(x, table, h, 5) * weights).sum(1)

    assert torch.autograd.gradcheck(f, (x, weights), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (x, weights), check_fwd_over_rev=True)


@pytest.mark.usefixtures("backend")
def test_functional_transforms():
    table, h = random_table(5)
    x = random_points(4)

    def energy(x):
        return hermite_spline(x, table, h, 5).square().sum()

    def plain(x):
        return _formula(x, table, h, 5, 0).square().sum()

    for transform in (torch.func.grad, torch.func.hessian):
        torch.testing.assert_close(transform(energy)(x), transform(plain)(x))
    reverse = torch.func.jacrev(torch.func.jacrev(energy))(x)
    torch.testing.assert_close(reverse, torch.func.hessian(plain)(x))
    many = torch.stack([x, x.flip(0)])
    got = torch.func.vmap(lambda x: hermite_spline(x, table, h, 5), in_dims=1)(many.T)
    torch.testing.assert_close(got, torch.stack([_formula(row, table, h, 5, 0) for row in many]))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # compilers warn about themselves
@pytest.mark.usefixtures("unchecked", "backend")
def test_compiled():
    table, h = random_table(5)

    def slope(x):
        return torch.func.grad(lambda x: hermite_spline(x, table, h, 5).square().sum())(x)

    compiled = torch.compile(slope, fullgraph=True, backend="aot_eager")
    x = random_points(9)
    torch.testing.assert_close(compiled(x), slope(x))


@pytest.mark.usefixtures("backend")
def test_a_table_can_need_gradients():
    table, h = random_table(2)
    table.requires_grad_()
    x = random_points(3)
    hermite_spline(x, table, h, 2).sum().backward()
    assert bool(table.grad[..., :2].any())


@pytest.mark.usefixtures("backend")
def test_points_do_not_see_each_other(monkeypatch):
    """One by one or together, on one thread or two, to the bit."""
    table, h = random_table(100)
    x = random_points(1200)
    weights = torch.randn(1200, 100, dtype=torch.float64)

    def results(x, weights):
        leaf = x.clone().requires_grad_()
        values = hermite_spline(leaf, table, h, 100)
        return values.detach(), torch.autograd.grad(values, leaf, weights)[0]

    together = results(x, weights)
    for n in (0, 511, 512, 1199):
        alone = results(x[n : n + 1], weights[n : n + 1])
        assert all(torch.equal(a[0], b[n]) for a, b in zip(alone, together, strict=True))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert all(torch.equal(a, b) for a, b in zip(results(x, weights), together, strict=True))


@pytest.mark.usefixtures("backend")
def test_nothing_to_do():
    table, h = random_table(5)
    leaf = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    values = hermite_spline(leaf, table, h, 5)
    assert values.shape == (0, 5)
    assert torch.autograd.grad(values.sum(), leaf)[0].shape == (0,)
    empty = spline_table(torch.zeros(3, 3, 0, dtype=torch.float64), 1.0)
    assert hermite_spline(random_points(3), empty, 1.0, 0).shape == (3, 0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="a spline table ends in zeros: the functions are not"):
        spline_table(torch.ones(3, 3, 1), 1.0)
    table, h = random_table(5)
    with pytest.raises(TypeError, match=r"points are torch.float32, the table is torch.float64"):
        hermite_spline(torch.ones(2), table, h, 5)


@pytest.mark.parametrize("n_columns", [1, 64, 70, 130])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_derivatives_by_the_table(n_columns, order, monkeypatch):
    """The functions are linear in the table: its kernel against plain torch."""
    table, spacing = random_table(n_columns, n_derivatives=2)
    points, cotangent = random_points(), torch.randn(37, n_columns, dtype=torch.float64)
    found = []
    for backend in ("cpu", "reference"):
        monkeypatch.setenv("EUCLIDIUM_BACKEND", backend)
        leaf = table.clone().requires_grad_()
        rows = hermite_spline(points, leaf, spacing, n_columns, order)
        found += torch.autograd.grad(rows, leaf, cotangent)
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


def test_second_derivatives_by_points_and_table():
    """What training on forces takes: derivatives by points, differentiated by the table."""
    table, spacing = random_table(5, n_derivatives=2)
    points = random_points(6).requires_grad_()
    table.requires_grad_()

    def rows(points, table):
        return hermite_spline(points, table, spacing, 5)

    assert torch.autograd.gradcheck(rows, (points, table), fast_mode=True)
    assert torch.autograd.gradgradcheck(rows, (points, table), fast_mode=True)
    _, tangent = torch.func.jvp(rows, (points, table), (points, table))
    by_table = rows(points, table)
    by_points = points[:, None] * hermite_spline(points, table, spacing, 5, 1)
    torch.testing.assert_close(tangent, by_table + by_points)
    hessian = torch.func.hessian(lambda t: rows(points, t).pow(3).sum())(table.detach())
    assert hessian.shape == (*table.shape, *table.shape)


def test_the_table_is_summed_in_one_order():
    """Whatever the number of threads, to the bit."""
    table, spacing = random_table(200, n_derivatives=2)
    points, cotangent = random_points(5000).float(), torch.randn(5000, 200)
    table, before, found = table.float().requires_grad_(), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            rows = hermite_spline(points, table, spacing, 200)
            found += torch.autograd.grad(rows, table, cotangent)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])

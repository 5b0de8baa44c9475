import pytest
import torch
from e3nn import o3 as e3nn

from euclidium.ops import machine, solid, spherical_harmonics
from euclidium.ops.solid import LARGEST_DEGREE, solid_harmonics, unsupported

pytestmark = pytest.mark.skipif(
    machine.unavailable() is not None, reason="no code can be made here"
)

DTYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]
KINDS = [(True, "component"), (False, "norm"), (True, "integral")]


def vectors(*batch, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*batch, 3, dtype=torch.float64, generator=generator).to(dtype)


def reference(degrees, r, normalize=True, normalization="component"):
    return spherical_harmonics(degrees, r, normalize, normalization, backend="reference")


def derivatives(function, r):
    """Values, first, second and third derivatives, along random directions."""
    r = r.clone().requires_grad_()
    generator = torch.Generator().manual_seed(2)
    y = function(r)
    g = torch.randn(y.shape, dtype=torch.float64, generator=generator).to(r).requires_grad_()
    found = [y]
    (first,) = torch.autograd.grad(y, r, g, create_graph=True)
    for _ in range(2):
        found.append(first)
        v = torch.randn(r.shape, dtype=torch.float64, generator=generator).to(r)
        along, more = torch.autograd.grad(first, (g, r), v, create_graph=True)
        found.append(along)
        first = more
    return [*found, first]


def assert_equal(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        scale = b.abs().max().clamp(min=1e-30)
        torch.testing.assert_close((a / scale).double(), b / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("degrees", [[2], [0, 2], [3, 1, 1], [0, 1, 2, 3], list(range(7))])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_to_the_third_are_those_of_the_reference(degrees, kind, dtype, tolerance):
    r = vectors(37)
    got = derivatives(lambda r: solid_harmonics(degrees, r, *kind), r.to(dtype))
    expected = derivatives(lambda r: reference(degrees, r, *kind), r.to(dtype).double())
    assert_equal(got, expected, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_derivatives_are_those_of_e3nn(dtype, tolerance):
    degrees, r = [0, 1, 2, 3, 4], vectors(20)
    got = derivatives(lambda r: solid_harmonics(degrees, r, True, "component"), r.to(dtype))

    def peer(r):
        return e3nn.spherical_harmonics(degrees, r, normalize=True, normalization="component")

    assert_equal(got, derivatives(peer, r.to(dtype).double()), tolerance)


def test_a_constant_has_the_derivative_zero():
    r = vectors(20).requires_grad_()
    y = solid_harmonics([0], r, True, "component")
    assert torch.equal(y, torch.ones_like(y))
    (gradient,) = torch.autograd.grad(y.sum(), r, create_graph=True)
    assert torch.equal(gradient, torch.zeros_like(r))
    assert torch.equal(torch.autograd.grad(gradient.sum(), r)[0], torch.zeros_like(r))


def test_the_largest_degree():
    got = solid_harmonics([LARGEST_DEGREE], vectors(20), True, "component")
    assert_equal([got], [reference([LARGEST_DEGREE], vectors(20))], 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_without_a_direction(dtype, normalize):
    r = vectors(20, dtype=dtype)
    r[3], r[4], r[5], r[6] = 0.0, 1e-30, 1e-13, 1e-10
    degrees = [0, 1, 2, 3]
    rows = slice(0, 6)  # beyond, second derivatives of the reference overflow in float32
    got = derivatives(lambda r: solid_harmonics(degrees, r, normalize, "component"), r)
    expected = derivatives(lambda r: reference(degrees, r, normalize), r)
    assert all(bool(t.isfinite().all()) for t in got[:4])
    for a, b in zip(got[:4], expected[:4], strict=True):
        torch.testing.assert_close(a[rows], b[rows], rtol=1e-4, atol=1e-5)
    assert got[0][3, 1:].abs().max() == 0


@pytest.mark.parametrize("n", [0, 1, 5, 16, 17, 130])
def test_tails(n):
    r = vectors(130)
    whole = derivatives(lambda r: solid_harmonics([0, 1, 2], r, True, "component"), r)
    some = derivatives(lambda r: solid_harmonics([0, 1, 2], r, True, "component"), r[:n])
    assert torch.equal(some[0], whole[0][:n])
    assert [t.shape for t in some] == [(n, *t.shape[1:]) for t in whole]


@pytest.mark.parametrize("batch", [(), (2, 0), (3, 7), (2, 3, 11)])
def test_batches(batch):
    r = vectors(*batch)
    got = solid_harmonics([0, 1, 2], r, True, "component")
    assert got.shape == (*batch, 9)
    torch.testing.assert_close(got, reference([0, 1, 2], r), rtol=1e-12, atol=1e-12)


def test_strides_do_not_matter():
    r = vectors(40)
    expected = solid_harmonics([2], r, True, "component")
    assert torch.equal(solid_harmonics([2], r.T.contiguous().T, True, "component"), expected)
    wide = torch.cat([r, r], -1)[:, :3]
    assert torch.equal(solid_harmonics([2], wide, True, "component"), expected)
    r.requires_grad_()
    total = solid_harmonics([2], r, True, "component").sum()  # its cotangent is one number
    (got,) = torch.autograd.grad(total, r)
    (wanted,) = torch.autograd.grad(reference([2], r).sum(), r)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def test_the_result_may_be_changed_in_place():
    r = vectors(3).requires_grad_()
    y = solid_harmonics([1], r, True, "norm")
    y *= 2.0
    (got,) = torch.autograd.grad(y, r, torch.ones_like(y))
    (wanted,) = torch.autograd.grad(2 * reference([1], r, True, "norm").sum(), r)
    torch.testing.assert_close(got, wanted)


def test_threads_change_nothing():
    r, before = vectors(20_001), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            function = lambda r: solid_harmonics([0, 1, 2, 3], r, True, "component")  # noqa: E731
            found.append(derivatives(function, r)[:4])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("normalize", [True, False])
def test_finite_differences(normalize):
    r = vectors(5).requires_grad_()

    def y(r):
        return solid_harmonics([1, 3], r, normalize, "component")

    assert torch.autograd.gradcheck(
        y, r, fast_mode=True, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(
        y, r, fast_mode=True, check_fwd_over_rev=True, check_batched_grad=True
    )


def test_functional_transforms():
    def ours(r):
        return solid_harmonics([0, 1, 2], r, True, "component").pow(3).sum()

    def theirs(r):
        return reference([0, 1, 2], r).pow(3).sum()

    r = vectors(3)
    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    for transforms in (
        (forward,),
        (reverse,),
        (forward, forward),
        (reverse, reverse),
        (forward, reverse),
        (reverse, forward),
        (reverse, forward, reverse),
        (forward, forward, forward),
    ):
        one, other = ours, theirs
        for transform in transforms:
            one, other = transform(one), transform(other)
        torch.testing.assert_close(one(r), other(r), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dim", [0, 1])
def test_vmap(dim):
    r = vectors(4, 5)
    got = torch.func.vmap(
        lambda v: solid_harmonics([1, 2], v, True, "component"), in_dims=dim, out_dims=dim
    )(r)
    torch.testing.assert_close(got, reference([1, 2], r), rtol=1e-12, atol=1e-12)
    gradient = torch.func.vmap(torch.func.grad(lambda v: solid_harmonics([2], v, True, "norm")[0]))
    expected = torch.func.grad(lambda v: reference([2], v, True, "norm")[:, 0].sum())
    torch.testing.assert_close(gradient(r[0]), expected(r[0]), rtol=1e-12, atol=1e-12)


def test_forward_mode_without_a_gradient():
    r, v = vectors(6), vectors(6).flip(0)
    with torch.no_grad(), torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(r, v)
        y = solid_harmonics([1, 2], dual, True, "component")
        got = torch.autograd.forward_ad.unpack_dual(y).tangent
    _, expected = torch.func.jvp(lambda r: reference([1, 2], r), (r,), (v,))
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("inside", [True, False])
def test_compiled(inside):
    """Forces inside the compiled function, or the energy alone; differentiated outside."""
    r = vectors(40)

    def energy(r):
        return spherical_harmonics("0e+1o+2e", r).pow(3).sum()

    def force_norm(r):
        return torch.func.grad(energy)(r).square().sum()

    function = force_norm if inside else energy
    leaf = r.clone().requires_grad_()
    expected = torch.autograd.grad(function(leaf), leaf)
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(torch.autograd.grad(compiled(leaf), leaf), expected)


@pytest.mark.usefixtures("unchecked")
def test_compiled_for_every_number_of_vectors():
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda r: spherical_harmonics([0, 1, 2], r) * 2,
        fullgraph=True,
        dynamic=True,
        backend="aot_eager",
    )
    for n in (40, 5, 17):
        torch.testing.assert_close(compiled(vectors(n)), 2 * reference([0, 1, 2], vectors(n)))


def test_without_data():
    """Shapes are known without running: for compilers, and for tensors that hold no numbers."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        assert solid_harmonics([0, 3], torch.zeros(4, 2, 3), True, "norm").shape == (4, 2, 8)


@pytest.mark.parametrize(
    ("degrees", "like", "reason"),
    [
        ([0, 1], torch.zeros(3, device="meta"), "the tensors are on meta, it needs cpu"),
        ([0, 1], torch.zeros(3, dtype=torch.float16), "it does not compute in torch.float16"),
        ([], torch.zeros(3), "no degree is asked for"),
        ([LARGEST_DEGREE + 1], torch.zeros(3), f"degrees up to {LARGEST_DEGREE}, got"),
    ],
)
def test_what_it_does_not_do(degrees, like, reason):
    assert reason in (unsupported(degrees, like) or "")


def test_a_recorded_operation_is_one_operation():
    r = vectors(40, dtype=torch.float32).requires_grad_()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        y = spherical_harmonics([0, 1, 2, 3], r)
        torch.autograd.grad(y, r, torch.ones_like(y))
    counted = {event.key: event.count for event in profile.key_averages()}
    assert counted["euclidium::harmonics_1_to_1"] == counted["euclidium::harmonics_2_to_1"] == 1


def test_normalizations_have_names():
    with pytest.raises(ValueError, match="normalization is 'four_pi': choose"):
        solid_harmonics([1], vectors(2), True, "four_pi")


def test_kernels_are_kept():
    arguments = "component unit 0,1", "", "double"
    assert solid._kernel(*arguments) is solid._kernel(*arguments)

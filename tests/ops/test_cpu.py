"""The kernels of the CPU against the reference, on a family of plans and graphs."""

import pytest
import torch

from euclidium.o3 import Irrep, Irreps
from euclidium.ops import Edges, TensorProductPlan, contraction, cpu

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def member(seed):
    """A plan of the family: irreps to l = 3 of both parities, 1 to 130 channels."""
    generator = torch.Generator().manual_seed(seed)

    def draw(high, low=0):
        return int(torch.randint(low, high, (), generator=generator))

    every = [Irrep(l, p) for l in range(4) for p in (1, -1)]
    chosen = [every[draw(8)] for _ in range(draw(4, 1))]
    x = Irreps([(draw(131, 1) if draw(2) else draw(20, 1), ir) for ir in chosen])
    y = Irreps([(1, every[draw(8)]) for _ in range(draw(4, 1))])
    keep = Irreps([(1, ir) for ir in every if ir.l <= draw(4, 1)])
    reachable = {ir for a in x for b in y for ir in a.ir * b.ir}
    return TensorProductPlan.channelwise(x, y, keep if reachable & {b.ir for b in keep} else None)


FAMILY = [member(seed) for seed in range(20)] + [
    TensorProductPlan.channelwise("64x0e+64x1o+64x2e+64x3o", "0e+1o+2e+3o", keep="0e+1o+2e+3o"),
    TensorProductPlan.channelwise("130x1o", "1o"),
    TensorProductPlan.channelwise("1x0e", "0e"),
    # a block of x, one of y, and weights of a block that no path uses
    TensorProductPlan.channelwise("3x0e+5x2e+0x1o", "0e+3o", keep="0e"),
]


def graph(n_nodes, n_edges, seed=0, receivers=None):
    generator = torch.Generator().manual_seed(seed)
    if receivers is None:
        receivers = torch.randint(max(n_nodes - 1, 1), (n_edges,), generator=generator)
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    return Edges.from_receivers(senders, receivers.sort().values, n_nodes)


GRAPHS = {
    "usual": graph(9, 61),
    "one edge": graph(2, 1),
    "no edges": graph(5, 0),
    "one node": graph(1, 33, receivers=torch.zeros(33, dtype=torch.int64)),
    "mostly isolated": graph(400, 7),
}


def tensors(plan, edges, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "x": (edges.n_nodes, plan.x.dim),
        "y": (edges.n_edges, plan.y.dim),
        "w": (edges.n_edges, plan.n_weights),
        "z": (edges.n_nodes, plan.out.dim),
    }
    return {n: torch.randn(s, dtype=dtype, generator=generator) for n, s in shapes.items()}


def without(values, slot):
    return {name: value for name, value in values.items() if name != slot}


def assert_equal(found, expected, tolerance):
    assert found.shape == expected.shape
    if expected.numel():
        scale = expected.abs().max()
        assert (found - expected).abs().max() <= tolerance * scale + 1e-300


def compare(plan, slot, edges, dtypes=tuple(TOLERANCE)):
    # numbers of float32, so that both types start from the same
    values = without(tensors(plan, edges, torch.float32), slot)
    expected = contraction(plan, slot, {n: v.double() for n, v in values.items()}, edges)
    for dtype in dtypes:
        given = {n: v.to(dtype) for n, v in values.items()}
        found = cpu.contraction(plan, slot, given, edges)
        assert found.dtype == dtype
        assert_equal(found.double(), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("slot", ["x", "y", "w", "z"])
@pytest.mark.parametrize("plan", FAMILY, ids=lambda plan: str(plan).partition("\n")[0])
def test_family(plan, slot):
    compare(plan, slot, GRAPHS["usual"])


@pytest.mark.parametrize("slot", ["x", "y", "w", "z"])
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name, slot):
    compare(FAMILY[0], slot, GRAPHS[name])


@pytest.mark.parametrize("slot", ["x", "y", "w", "z"])
def test_seventy_thousand_edges_on_one_receiver(slot):
    """Sums this long keep their digits in float32: each tile of edges is summed by itself."""
    edges = graph(3, 70_000, receivers=torch.full((70_000,), 1))
    plan = TensorProductPlan.channelwise("2x0e+3x1o", "0e+1o", keep="0e+1o")
    compare(plan, slot, edges)


@pytest.mark.parametrize("slot", ["x", "y", "w", "z"])
def test_the_number_of_threads_changes_no_bit(slot):
    edges, plan = graph(500, 6_000), TensorProductPlan.channelwise("20x0e+20x1o", "0e+1o")
    values = without(tensors(plan, edges, torch.float32), slot)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(cpu.contraction(plan, slot, values, edges))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("slot", ["x", "y", "w", "z"])
def test_strided_inputs(slot):
    """Views with gaps, and indices that are columns of one table."""
    plan, edges = FAMILY[3], GRAPHS["usual"]
    values = without(tensors(plan, edges, torch.float64), slot)
    expected = cpu.contraction(plan, slot, values, edges)
    gaps = {n: torch.stack([v, v + 1], dim=-1)[..., 0] for n, v in values.items()}
    table = torch.stack([edges.senders, edges.receivers], dim=1)
    columns = Edges(table[:, 0], table[:, 1], edges.row_pointer)
    assert not any(v.is_contiguous() for v in (*gaps.values(), columns.senders))
    assert torch.equal(cpu.contraction(plan, slot, gaps, columns), expected)
    short = Edges(edges.senders.int(), edges.receivers.int(), edges.row_pointer.int())
    assert torch.equal(cpu.contraction(plan, slot, values, short), expected)


def test_other_plans_are_refused():
    plan = TensorProductPlan.fully_connected("2x0e", "0e", "3x0e")
    edges = GRAPHS["one edge"]
    with pytest.raises(
        ValueError, match="(?s)executes channelwise plans .*use backend='reference'"
    ):
        cpu.contraction(plan, "z", without(tensors(plan, edges, torch.float32), "z"), edges)


def test_other_types_are_refused():
    plan, edges = FAMILY[0], GRAPHS["one edge"]
    values = without(tensors(plan, edges, torch.bfloat16), "z")
    with pytest.raises(TypeError, match=r"float32 or float64, got torch\.bfloat16"):
        cpu.contraction(plan, "z", values, edges)


def test_order_of_senders():
    """The sort by sender is stable and complete."""
    edges = graph(40, 999, seed=3)
    pointer, order = cpu._by_sender(edges)
    assert torch.equal(order, torch.argsort(edges.senders, stable=True))
    counts = torch.bincount(edges.senders, minlength=40)
    assert pointer[:41].tolist() == [0, *counts.cumsum(0).tolist()]

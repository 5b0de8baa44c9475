import pytest
import torch

from euclidium.ops import Edges, TensorProductPlan, blocks, contraction
from euclidium.ops.blocks import radial_contraction

PLAN = TensorProductPlan.channelwise("3x0e+2x1o", "0e+1o", keep="0e+1o")


def case(n_nodes, n_edges, receivers=None):
    generator = torch.Generator().manual_seed(0)
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    if receivers is None:
        receivers = torch.randint(n_nodes, (n_edges,), generator=generator).sort().values
    shapes = {"x": (n_nodes, PLAN.x.dim), "y": (n_edges, PLAN.y.dim), "h": (n_edges, 5)}
    shapes |= {"m": (5, PLAN.n_weights), "z": (n_nodes, PLAN.out.dim)}
    values = {
        n: torch.randn(s, dtype=torch.float64, generator=generator) for n, s in shapes.items()
    }
    return values, Edges.from_receivers(senders, receivers, n_nodes)


CASES = {
    "usual": case(20, 130),
    "one edge": case(2, 1),
    "no edges": case(3, 0),
    "one receiver": case(4, 50, torch.full((50,), 2)),
    "last nodes isolated": case(30, 40, torch.arange(40) // 10),
}


def whole(slot, values, edges):
    """The slot from all weights at once."""
    known = {n: v for n, v in values.items() if n in "xyz" and n != slot}
    if slot in "hm":
        weights = contraction(PLAN, "w", known, edges)
        return weights @ values["m"].T if slot == "h" else values["h"].T @ weights
    return contraction(PLAN, slot, {**known, "w": values["h"] @ values["m"]}, edges)


@pytest.mark.parametrize("edges_in_a_block", [1, 7, 1000])
@pytest.mark.parametrize("slot", ["x", "y", "h", "m", "z"])
@pytest.mark.parametrize("name", CASES)
def test_blocks_make_the_whole(name, slot, edges_in_a_block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", edges_in_a_block * PLAN.n_weights)
    values, edges = CASES[name]
    others = {n: v for n, v in values.items() if n != slot}
    found = radial_contraction(contraction, PLAN, slot, others, edges)
    torch.testing.assert_close(found, whole(slot, values, edges), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("slot", ["x", "y", "h", "m", "z"])
def test_no_block_is_larger_than_asked(slot, monkeypatch):
    """Unless the edges of one node are: nodes are not divided."""
    monkeypatch.setattr(blocks, "BLOCK", 40 * PLAN.n_weights)
    values, edges = CASES["usual"]
    seen = []

    def watching(plan, slot, others, part):
        seen.append(part.n_edges)
        return contraction(plan, slot, others, part)

    radial_contraction(watching, PLAN, slot, {n: v for n, v in values.items() if n != slot}, edges)
    most = 40 + int(torch.bincount(torch.cat([edges.senders, edges.receivers])).max())
    assert sum(seen) == edges.n_edges
    assert len(seen) >= 3
    assert max(seen) <= most

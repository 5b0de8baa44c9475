import pytest
import torch

from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.expression import Graph, Writer, evaluate

SHORTEST = 1e-12


def written(output, loads=lambda block, column: f"%in{column}"):
    """The instructions that compute a number."""
    code = Assembly("kernel", "float")
    writer = Writer(code, Vector("float", 4), [output], loads)
    writer.write(output)
    return [line.split(" = ")[1] for line in code.text().splitlines() if " = " in line]


def test_constants_and_signs_are_gathered():
    graph = Graph()
    x, y = graph.inputs(0, 2)
    assert (x * 0.0).index == graph.number(0.0).index
    minus = -x
    assert (x * 1.0).index == (x + 0.0).index == (-minus).index == x.index
    assert (2.0 * (3.0 * x)).index == (x * 6.0).index
    assert (-x * y).index == (x * -y).index == (-(y * x)).index
    assert (-(2.0 * x)).index == (-2.0 * x).index
    assert (-1.0 * (x * y)).index == (-(x * y)).index
    assert (graph.number(2.0) + 3.0).index == graph.number(5.0).index


def test_equal_expressions_are_computed_once():
    graph = Graph()
    x, y = graph.inputs(0, 2)
    product = x * y
    assert len(written((product + x) * (y * x + y))) == 4  # a product, two sums, a product


def test_a_product_is_fused_with_the_sum_it_enters():
    graph = Graph()
    x, y, z = graph.inputs(0, 3)
    assert [line.split("@")[1][:9] for line in written(x * y + z)] == ["llvm.fma."]
    assert ["fneg" in line for line in written(z - x * y)] == [True, False]
    assert ["fneg" in line for line in written(-(x * y) + z)] == [True, False]
    assert "fadd" in written(x + z)[0]


def polynomial(graph):
    x, y, z = graph.inputs(0, 3)
    inverse = graph.inverse_length((x, y, z), SHORTEST, 1.0)
    return [x * inverse, (x * y - 2.0 * z) * inverse * inverse, z * z * z, graph.number(3.0)]


def test_values_and_derivatives_are_those_of_torch():
    graph = Graph()
    outputs = polynomial(graph)
    inputs, given, along = graph.inputs(0, 3), graph.inputs(1, 4), graph.inputs(2, 3)
    r, g, v = (torch.randn(6, n, dtype=torch.float64) for n in (3, 4, 3))

    def function(r):
        return torch.stack(evaluate(outputs, [r]), -1)

    expected, pull = torch.func.vjp(function, r)
    torch.testing.assert_close(expected[:, 0], r[:, 0] / r.norm(dim=-1), rtol=1e-12, atol=0)
    assert expected[:, 3].tolist() == [3.0] * 6
    got = evaluate(graph.pull(outputs, given, inputs), [r, g])
    torch.testing.assert_close(torch.stack(got, -1), pull(g)[0], rtol=1e-12, atol=1e-12)
    got = evaluate(graph.push(outputs, inputs, along), [r, g, v])
    pushed = torch.func.jvp(function, (r,), (v,))[1]
    torch.testing.assert_close(torch.stack(got, -1), pushed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e-10, 1e-14, 0.0])
def test_directions_have_finite_derivatives(size):
    graph = Graph()
    vector, given, along = graph.inputs(0, 3), graph.inputs(1, 3), graph.inputs(2, 3)
    inverse = graph.inverse_length(vector, SHORTEST, 1.0)
    outputs = graph.pull([c * inverse for c in vector], given, vector)
    outputs = graph.push(outputs, vector, along)
    r = size * torch.tensor([[0.6, 0.0, 0.8]])
    blocks = [r, torch.ones(1, 3), torch.ones(1, 3)]
    second = torch.cat(evaluate(outputs, blocks))
    assert bool(second.isfinite().all())
    if size <= SHORTEST:
        assert second.tolist() == [0.0, 0.0, 0.0]


def test_the_order_is_that_of_need():
    graph = Graph()
    x, y = graph.inputs(0, 2)
    total = x * y + y
    assert graph.order([total]) == [x.index, y.index, (x * y).index, total.index]
    assert graph.order([total], done=[(x * y).index, y.index]) == [total.index]

import torch

from euclidium.ops.expression import Graph
from euclidium.ops.formula import Formula


def formula():
    """Two inputs of two and one columns, two results of one and two columns."""
    graph = Graph()
    (x, y), (z,) = graph.inputs(0, 2), graph.inputs(1, 1)
    return Formula((2, 1), ((x * y * z,), (x * x, graph.number(2.0))))


def blocks(*widths):
    return [torch.randn(5, width, dtype=torch.float64) for width in widths]


def test_widths_of_derivatives():
    assert (formula().inputs, formula().widths) == ((2, 1), [1, 2])
    assert (formula().pulled().inputs, formula().pulled().widths) == ((2, 1, 1, 2), [2, 1])
    assert (formula().pushed().inputs, formula().pushed().widths) == ((2, 1, 2, 1), [1, 2])


def test_derivatives_of_every_order_are_those_of_torch():
    function, given = formula(), blocks(2, 1)
    for step in ("pull", "push", "pull"):
        before = function
        if step == "pull":
            more = [torch.randn_like(result) for result in before(given)]
            expected = torch.func.vjp(lambda *t, f=before: f(t), *given)[1](more)
            function = before.pulled()
        else:
            more = [torch.randn_like(block) for block in given]
            expected = torch.func.jvp(lambda *t, f=before: f(t), tuple(given), tuple(more))[1]
            function = before.pushed()
        given = [*given, *more]
        for got, wanted in zip(function(given), expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)

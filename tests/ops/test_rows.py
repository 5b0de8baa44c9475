import pytest
import torch

from euclidium.ops import machine
from euclidium.ops.expression import Graph
from euclidium.ops.rows import rows_kernel

DTYPES = {"float": torch.float32, "double": torch.float64}
WIDTHS = [*range(1, 10), 16, 25, 49]

pytestmark = pytest.mark.skipif(
    machine.unavailable() is not None, reason="no code can be made here"
)


def executed(code, blocks, widths, lanes, threads=1):
    """Results of a kernel on blocks of equally many rows."""
    n_rows = len(blocks[0])
    results = [blocks[0].new_full((n_rows, width), torch.nan) for width in widths]
    addresses = [tensor.data_ptr() for tensor in (*blocks, *results)]
    tiles = -(-n_rows // lanes)
    machine.kernel(lambda: code, "test", code)([tiles, 1, n_rows, *addresses], threads)
    return results


@pytest.mark.parametrize("scalar", DTYPES)
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_every_number_finds_its_place(scalar, lanes):
    """Columns in another order, of several widths, with rows that fill no whole tile."""
    graph = Graph()
    inputs = [graph.inputs(n, width) for n, width in enumerate(WIDTHS)]
    code = rows_kernel(WIDTHS, [columns[::-1] for columns in inputs], scalar, lanes)
    blocks = [torch.randn(2 * lanes + 1, width, dtype=DTYPES[scalar]) for width in WIDTHS]
    for block, result in zip(blocks, executed(code, blocks, WIDTHS, lanes), strict=True):
        assert torch.equal(result, block.flip(-1))


@pytest.mark.parametrize("scalar", DTYPES)
def test_arithmetic(scalar):
    graph = Graph()
    x, y, z = graph.inputs(0, 3)
    inverse = graph.inverse_length((x, y, z), 1e-3, 7.0)
    results = [[x * y - z, -(x * y), graph.number(2.5)], [inverse]]
    r = torch.randn(40, 3, dtype=DTYPES[scalar])
    r[7] = 1e-4
    first, second = executed(rows_kernel([3], results, scalar, 4), [r], [3, 1], 4)
    x, y, z = r.unbind(-1)
    torch.testing.assert_close(first, torch.stack([x * y - z, -x * y, 2.5 + 0 * x], -1))
    expected = 1 / r.norm(dim=-1, keepdim=True)
    expected[7] = 7.0
    torch.testing.assert_close(second, expected)


def test_threads_share_the_tiles():
    graph = Graph()
    x, y = graph.inputs(0, 2)
    code = rows_kernel([2], [[x * y]], "float", 4)
    r = torch.randn(1001, 2)
    (got,) = executed(code, [r], [1], 4, threads=3)
    assert torch.equal(got, r.prod(-1, keepdim=True))

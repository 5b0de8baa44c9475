"""The text of the kernels; what they compute is tested with ``hermite_spline``."""

import pytest
import torch

from euclidium.ops import machine
from euclidium.ops.spline_kernels import ARGUMENTS, place_bytes, spline_kernel
from euclidium.ops.splines import _polynomials


@pytest.mark.parametrize(("scalar", "dtype"), [("float", torch.float32), ("double", torch.float64)])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
@pytest.mark.parametrize("n_columns", [70, 128])
def test_every_width_of_vector(scalar, dtype, lanes, n_columns):
    """Also those of other processors: the compiler splits what this one does not have."""
    if machine.unavailable():
        pytest.skip(machine.unavailable())
    table = torch.randn(2, 5, 4, 64, dtype=dtype)
    table[:, 3:] = 0
    points = torch.tensor([0.0, 0.3, 1.2, 2.9, 3.0, 7.0], dtype=dtype)
    rows, sums = torch.empty(6, n_columns, dtype=dtype), torch.empty(6, dtype=dtype)
    places = torch.empty(6 * place_bytes(scalar, 6), dtype=torch.uint8)
    partial = torch.empty(6, lanes, dtype=dtype)
    addresses = [t.data_ptr() for t in (points, table, rows, places, partial, sums)]
    numbers = [6, 4, 6, n_columns, 5, machine.bits(1.0), machine.bits(1.0)]
    assert 1 + len(numbers) + len(addresses) == len(ARGUMENTS)
    for kind in ("rows", "sums"):
        code = spline_kernel(kind, scalar, lanes, _polynomials(4, 0), 4)
        kernel = machine._load(machine._compile(code))
        kernel([*numbers, *addresses], 1)
    knots = points.long().clamp(max=3)
    t = (points.clamp(max=4.0) - knots)[:, None]
    flat = table.movedim(0, 2).flatten(2)[..., :n_columns]
    expected = 0
    for row, polynomial in enumerate(_polynomials(4, 0)):
        factor = sum(c * t**n for n, c in enumerate(polynomial))
        expected = expected + factor * flat[knots + row // 4, row % 4]
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sums, expected.square().sum(1), rtol=1e-4, atol=1e-4)


def test_a_place_holds_a_position_and_the_factors():
    assert place_bytes("float", 6) == 32
    assert place_bytes("double", 4) == 40

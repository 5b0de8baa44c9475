import numpy as np
import pytest
import torch

from euclidium.ops import machine
from euclidium.ops.expression import evaluate
from euclidium.ops.gaussian_kernel import COLUMNS, gaussian_kernel, gaussian_numbers


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_is_code(order: int, lanes: int):
    if machine.unavailable() is not None:
        pytest.skip("no code can be made here")
    import llvmlite.binding as llvm

    llvm.parse_assembly(gaussian_kernel(3, order, lanes)).verify()


def test_expressions_are_derivatives():
    """Of R(u) = exp(−0.7 u), by differences along each axis."""
    rng = np.random.default_rng(0)
    r = torch.from_numpy(rng.normal(size=(5, 3)))
    lmax, a, h = 3, 0.7, 1e-4
    c = [torch.from_numpy(rng.normal(size=2 * l + 1)) for l in range(lmax + 1)]

    def columns(r):
        power = torch.exp(-a * r.square().sum(-1))[:, None]
        blocks = [torch.cat([power * x, -a * power * x, a * a * power * x], -1) for x in c]
        numbers = gaussian_numbers(lmax, 2)
        return [torch.stack(evaluate(own, [r, *blocks])) for own in numbers]

    here = columns(r)
    moved = [
        (columns(r + h * torch.eye(3)[n].double()), columns(r - h * torch.eye(3)[n].double()))
        for n in range(3)
    ]
    for l in range(lmax + 1):
        assert here[l].shape == (COLUMNS[2], 5)
        slopes = torch.stack([(up[l][0] - down[l][0]) / (2 * h) for up, down in moved])
        bends = torch.stack([(up[l][0] + down[l][0] - 2 * here[l][0]) / h**2 for up, down in moved])
        assert torch.allclose(here[l][1:4], slopes, atol=1e-6)
        assert torch.allclose(here[l][4], bends.sum(0), atol=1e-5)

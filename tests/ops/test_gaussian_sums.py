import math

import numpy as np
import pytest
import torch

from euclidium.ops.gaussian_sums import gaussian_sums, reach

RNG = np.random.default_rng(1)
ATOMS = [
    [(np.array([30.0, 2.0, 0.3]), RNG.normal(size=(3, 1)))],
    [
        (np.array([5.0, 0.2]), RNG.normal(size=(2, 1))),
        (np.zeros(0), np.zeros((0, 3))),
        (np.array([1.1]), RNG.normal(size=(1, 5))),
        (np.array([2.0, 0.4]), RNG.normal(size=(2, 7))),
    ],
]
OWNERS = torch.tensor([0, 1, 1, 0])
CENTRES = torch.from_numpy(RNG.normal(size=(4, 3)) * 3)


def points(n: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).normal(size=(n, 3)) * 3)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("n", [0, 1, 63, 1000])
def test_kernel_and_torch_agree(order: int, n: int, monkeypatch: pytest.MonkeyPatch):
    fast = gaussian_sums(ATOMS, OWNERS, CENTRES, points(n), order)
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    slow = gaussian_sums(ATOMS, OWNERS, CENTRES, points(n), order, tolerance=1e-15)
    assert fast.shape == (4, (1, 4, 5)[order], n)
    assert torch.allclose(fast, slow, atol=3e-9, rtol=1e-10)


def test_tolerance_bounds_the_error():
    exact = gaussian_sums(ATOMS, OWNERS, CENTRES, points(500), tolerance=1e-16)
    for tolerance in (1e-4, 1e-6, 1e-8):
        found = gaussian_sums(ATOMS, OWNERS, CENTRES, points(500), tolerance=tolerance)
        assert (found - exact).abs().max() < 20 * tolerance


def test_degrees_are_apart():
    """Only degree 2: the others are zero."""
    atom = [(np.zeros(0), np.zeros((0, 1))), (np.zeros(0), np.zeros((0, 3))), ATOMS[1][2]]
    found = gaussian_sums([atom], torch.tensor([0]), CENTRES[:1], points(50))[:, 0]
    assert (found[:2] == 0).all()
    assert (found[2].abs() > 0).any()


def test_a_degree_turns_with_its_points():
    """Σ over the components of the square does not change when the points turn."""
    rows = [np.eye(5)[m : m + 1] for m in range(5)]
    empty = [(np.zeros(0), np.zeros((0, 1))), (np.zeros(0), np.zeros((0, 3)))]
    axis = torch.linalg.qr(torch.from_numpy(RNG.normal(size=(3, 3))))[0]

    def power(r):
        values = [
            gaussian_sums(
                [[*empty, (np.array([0.5]), c)]], torch.tensor([0]), torch.zeros(1, 3).double(), r
            )[2, 0]
            for c in rows
        ]
        return torch.stack(values).square().sum(0)

    r = points(20)
    assert torch.allclose(power(r), power(r @ axis.T), atol=1e-12)
    expected = 5 / (4 * math.pi) * r.norm(dim=1) ** 4 * torch.exp(-r.square().sum(1))
    assert torch.allclose(power(r), expected, atol=1e-9)


def test_reach_is_where_the_function_ends():
    far = reach([[(np.array([0.3]), np.array([[2.0]]))]], 1e-8)[0]
    value = 2 / math.sqrt(4 * math.pi) * math.exp(-0.3 * far**2)
    assert value == pytest.approx(1e-8, rel=1e-6)
    assert reach([[(np.array([0.3]), np.array([[1e-9]]))]], 1e-8) == [0.0]


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="order 0, 1 or 2, got 3"):
        gaussian_sums(ATOMS, OWNERS, CENTRES, points(3), 3)
    with pytest.raises(TypeError, match=r"points are float64, got torch\.float32"):
        gaussian_sums(ATOMS, OWNERS, CENTRES, points(3).float())

import math

import numpy as np
import torch

from euclidium.ops.lattice import half_of_waves

CELL = torch.tensor([[3.0, 0.2, 0.0], [0.5, 4.0, -0.3], [0.1, 1.0, 5.0]], dtype=torch.float64)


def test_all_waves_up_to_a_length_once_or_their_opposites():
    longest = 4.0
    numbers = half_of_waves(CELL, longest).tolist()
    found = {tuple(n) for n in numbers} | {tuple(-x for x in n) for n in numbers}
    inverse = 2 * math.pi * np.linalg.inv(CELL.numpy()).T
    box = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sizes = np.linalg.norm(box @ inverse, axis=1)
    expected = {tuple(n) for n in box[(sizes <= longest) & (sizes > 0)].tolist()}
    assert found == expected
    assert len(found) == 2 * len(numbers)


def test_as_many_as_the_volume_of_the_sphere_holds():
    longest = 15.0
    volume = float(torch.linalg.det(CELL))
    expected = volume * longest**3 / (6 * math.pi**2) / 2
    assert abs(len(half_of_waves(CELL, longest)) / expected - 1) < 0.02


def test_a_short_length_has_none():
    assert half_of_waves(CELL, 0.5).shape == (0, 3)

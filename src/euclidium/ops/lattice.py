"""Waves of a lattice: the whole numbers of the reciprocal vectors that a sum runs over."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def half_of_waves(cell: Float[Tensor, "3 3"], longest: float) -> Int[Tensor, "wave 3"]:
    """Whole numbers n of the waves k = 2π n A⁻ᵀ up to a length, one of each pair k and −k.

    ``cell`` has the lattice vectors as rows, ``longest`` is in 1 / their unit. Without k = 0; the
    first number of each that is not zero is positive.

    >>> half_of_waves(2 * torch.pi * torch.eye(3), 1.0)
    tensor([[0, 0, 1],
            [0, 1, 0],
            [1, 0, 0]])
    """
    cell = cell.detach()
    most = (cell.norm(dim=1) * (longest / (2 * math.pi)) + 1e-6).floor().long().tolist()
    ranges = [torch.arange(0 if i == 0 else -n, n + 1) for i, n in enumerate(most)]
    numbers = torch.cartesian_prod(*ranges).to(cell.device)
    a, b, c = numbers.unbind(1)
    numbers = numbers[(a > 0) | (a == 0) & ((b > 0) | (b == 0) & (c > 0))]
    waves = 2 * math.pi * numbers.to(cell) @ torch.linalg.inv(cell).T
    return numbers[waves.norm(dim=1) <= longest]

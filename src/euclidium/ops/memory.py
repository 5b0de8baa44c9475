"""Memory for large results, used again instead of being given back to the system.

A large piece of memory comes from the system page by page, each at its first touch, which can take
longer than to compute what is written there.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# Smaller results come from torch, which has them at hand.
LARGE = 2**17

# Free memory that is kept at most, in bytes.
KEPT = 2**28

# Where results begin: at a line of the processor's cache.
ALIGNMENT = 64

_free: dict[int, list[np.ndarray]] = {}


def room(like: Float[Tensor, "..."], shape: Sequence[int]) -> Float[Tensor, "..."]:
    """A tensor that is not filled, on the processor, of the type of another.

    Large ones take memory that earlier ones no longer need. Of such memory 256 MB are kept at most.

    >>> room(torch.ones(1), (2, 3)).shape
    torch.Size([2, 3])
    """
    size = like.element_size() * math.prod(shape)
    if size < LARGE:
        return like.new_empty(shape)
    rounded = _rounded(size)
    kept = _free.get(rounded)
    block = kept.pop() if kept else np.empty(rounded + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    # torch holds this array as long as the memory is used, by whatever tensor
    held = block[start : start + size].view(_Held)
    held.block, held.size_of_block = block, rounded
    storage = torch.from_numpy(held).untyped_storage()
    return like.new_empty(0).set_(storage, 0, torch.Size(shape), _strides(shape))


def kept_bytes() -> int:
    """Memory that is kept and not used now.

    >>> kept_bytes() <= KEPT
    True
    """
    return sum(size * len(blocks) for size, blocks in list(_free.items()))


def _rounded(size: int) -> int:
    """The next of eight sizes between two powers of two, so that batches that differ can share."""
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


def _strides(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(math.prod(shape[n + 1 :]) for n in range(len(shape)))


class _Held(np.ndarray):
    """An array that gives its memory back when it goes."""

    block: np.ndarray
    size_of_block: int = 0  # zero for parts of it, which hold nothing

    def __del__(self) -> None:
        if self.size_of_block and kept_bytes() + self.size_of_block <= KEPT:
            _free.setdefault(self.size_of_block, []).append(self.block)

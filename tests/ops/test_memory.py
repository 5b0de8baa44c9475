import gc

import pytest
import torch

from euclidium.ops import memory
from euclidium.ops.memory import ALIGNMENT, KEPT, LARGE, kept_bytes, room


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    gc.collect()
    monkeypatch.setattr(memory, "_free", {})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 7), (3,), (1000, 999), (LARGE,)])
def test_a_tensor_like_any_other(shape, dtype):
    result = room(torch.ones(1, dtype=dtype), shape)
    assert result.shape == shape
    assert result.dtype == dtype
    assert result.is_contiguous()
    assert not result._is_view()
    assert result.data_ptr() % 16 == 0
    result.fill_(2).add_(1)
    assert bool((result == 3).all())


def test_memory_is_used_again():
    like = torch.ones(1)
    first = room(like, (1000, 1000))
    where = first.data_ptr()
    assert where % ALIGNMENT == 0
    del first
    assert kept_bytes() >= 4_000_000
    assert room(like, (999, 1000)).data_ptr() == where


def test_memory_in_use_is_not_given_away():
    """A view, or a graph, holds what it needs."""
    like = torch.ones(1)
    first = room(like, (1000, 1000)).fill_(1)
    view = first[10:20]
    del first
    assert kept_bytes() == 0
    room(like, (1000, 1000)).fill_(2)
    assert bool((view == 1).all())
    x = torch.ones(1000, 1000, requires_grad=True)
    held = room(like, (1000, 1000)).fill_(3)
    product = x * held
    del held
    room(like, (1000, 1000)).fill_(4)
    assert bool((torch.autograd.grad(product.sum(), x)[0] == 3).all())


def test_what_is_kept_is_limited():
    like = torch.ones(1)
    held = [room(like, (2**24 + n,)) for n in range(6)]
    assert sum(t.numel() * 4 for t in held) > KEPT
    held.clear()
    assert 2**26 <= kept_bytes() <= KEPT


@pytest.mark.parametrize("size", [LARGE, 2**20 - 1, 2**20, 2**20 + 1, 12345678])
def test_little_is_wasted(size):
    assert size <= memory._rounded(size) <= 1.125 * size

"""Fixtures for comparisons with e3nn, which computes in torch's default dtype."""

import pytest
import torch


@pytest.fixture
def float64():
    """Double precision as torch's default, during one test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)

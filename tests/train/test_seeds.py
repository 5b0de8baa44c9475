"""Random numbers that depend on a seed alone."""

import pytest
import torch

from euclidium.train.seeds import seeded


def draw(seed):
    with seeded(seed):
        return torch.rand(3)


def test_random_numbers_are_a_function_of_the_seed():
    assert torch.equal(draw((1, 2)), draw((1, 2)))
    assert not torch.equal(draw((1, 2)), draw((1, 3)))


def test_the_generator_of_others_is_left_alone():
    before = torch.get_rng_state()
    draw(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_also_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded(1):  # noqa: PT012
        torch.rand(3)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)

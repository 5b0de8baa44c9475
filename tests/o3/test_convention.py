"""The border to e3nn's memory layout."""

import numpy as np
import pytest

from euclidium.o3 import CONVENTION, Irreps, from_e3nn_permutation, to_e3nn_permutation


def test_name_is_versioned():
    # a change breaks every saved model: make a new version and a conversion instead
    assert CONVENTION == "e3nn-0.6/1"


def test_a_block_is_transposed():
    ours = np.array([[10, 11], [20, 21], [30, 31]])  # component, channel
    x = np.concatenate([[1, 2, 3], ours.ravel()])
    np.testing.assert_array_equal(
        x[to_e3nn_permutation("3x0e+2x1o")], np.concatenate([[1, 2, 3], ours.T.ravel()])
    )


@pytest.mark.parametrize("irreps", ["", "0x1o", "5x0e", "1o+2x2e+0x3o+3x1e", "4x3o"])
def test_there_and_back(irreps):
    to, back = to_e3nn_permutation(irreps), from_e3nn_permutation(irreps)
    identity = np.arange(Irreps(irreps).dim)
    np.testing.assert_array_equal(to[back], identity)
    np.testing.assert_array_equal(back[to], identity)

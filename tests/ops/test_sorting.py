import numpy as np

from euclidium.ops import machine
from euclidium.ops.sorting import grouping_kernel


def test_nodes_are_sorted_by_group():
    given = np.array([2, 0, 5, 2, -1, 0, 3, 2])
    groups, counters = 4, 3
    zeros, pointer, order = np.ones(counters, int), np.ones(groups + 3, int), np.ones(8, int)
    kernel = machine._load(machine._compile(grouping_kernel()))
    addresses = [array.ctypes.data for array in (given, zeros, pointer, order)]
    kernel([1, 1, len(given), groups, counters, *addresses], threads=1)
    assert zeros.tolist() == [0] * counters
    assert pointer[: groups + 1].tolist() == [0, 2, 2, 5, 6]
    assert pointer[-1] == 2
    assert order.tolist() == [1, 5, 0, 3, 7, 6, 2, 4]

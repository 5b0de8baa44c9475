import pytest
import torch

from euclidium.ops import Edges, segment_sum


def test_row_pointer_counts_the_edges_of_each_receiver():
    edges = Edges.from_receivers(torch.tensor([3, 1, 0, 2]), torch.tensor([0, 0, 2, 2]), 4)
    assert edges.row_pointer.tolist() == [0, 2, 2, 4, 4]
    assert (edges.n_nodes, edges.n_edges) == (4, 4)


def test_no_edges():
    none = torch.empty(0, dtype=torch.int64)
    assert Edges.from_receivers(none, none, 3).row_pointer.tolist() == [0, 0, 0, 0]


def test_unsorted_edges_are_refused():
    with pytest.raises(ValueError, match="edges are not sorted by receiver: sort them first"):
        Edges.from_receivers(torch.tensor([0, 0]), torch.tensor([1, 0]), 2)


@pytest.mark.parametrize("bad", [5, -1])
def test_indices_outside_the_nodes_are_refused(bad):
    with pytest.raises(ValueError, match="but there are 2 nodes"):
        Edges.from_receivers(torch.tensor([bad]), torch.tensor([0]), 2)


def test_segment_sum_by_hand_and_its_derivatives():
    values = torch.randn(7, 3, 2, dtype=torch.float64, requires_grad=True)
    segments = torch.tensor([0, 0, 1, 3, 3, 3, 3])
    sums = segment_sum(values, segments, 5)
    for s in range(5):
        torch.testing.assert_close(sums[s], values[segments == s].sum(0))
    assert torch.autograd.gradgradcheck(lambda v: segment_sum(v.square(), segments, 5), values)


def test_segment_sum_of_nothing():
    assert segment_sum(torch.empty(0, 4), torch.empty(0, dtype=torch.int64), 2).shape == (2, 4)

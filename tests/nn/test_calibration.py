import pytest
import torch

from euclidium.nn.calibration import hard_spheres


@pytest.mark.parametrize("mean_neighbors", [2.0, 12.0, 28.0, 100.0])
def test_as_many_neighbours_as_asked_for(mean_neighbors):
    vectors, edges = hard_spheres(5.0, mean_neighbors)
    assert edges.n_edges / edges.n_nodes == pytest.approx(mean_neighbors, rel=0.25)
    assert float(vectors.norm(dim=1).max()) < 5.0


def test_no_two_atoms_overlap():
    vectors, _ = hard_spheres(4.0, 20.0)
    assert float(vectors.norm(dim=1).min()) > 0.3 * 4.0


def test_every_edge_has_its_reverse():
    vectors, edges = hard_spheres(4.0, 20.0)
    pairs = set(zip(edges.senders.tolist(), edges.receivers.tolist(), strict=True))
    assert pairs == {(j, i) for i, j in pairs}
    torch.testing.assert_close(vectors.sum(0), torch.zeros(3, dtype=torch.float64))


def test_equal_seeds_give_equal_gases():
    torch.testing.assert_close(hard_spheres(4.0, 9.0, seed=3)[0], hard_spheres(4.0, 9.0, seed=3)[0])
    assert hard_spheres(4.0, 9.0, seed=3)[0].shape != hard_spheres(4.0, 9.0, seed=4)[0].shape

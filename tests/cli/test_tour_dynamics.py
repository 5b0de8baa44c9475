import numpy as np
import pytest

from euclidium.cli.tour_dynamics import CELLS, _crystal


def test_the_crystal_is_diamond_at_the_reference_lattice_constant():
    crystal = _crystal(CELLS)
    assert len(crystal) == 64
    distances = np.sort(crystal.get_all_distances(mic=True), axis=1)
    edge = crystal.cell.lengths()[0] / CELLS[0]
    assert edge == pytest.approx(5.397, abs=1e-3)
    np.testing.assert_allclose(distances[:, 1:5], np.sqrt(3) / 4 * edge)  # four neighbours
    assert distances[:, 5].min() > 1.6 * distances[:, 4].max()

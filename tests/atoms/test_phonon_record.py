"""What a record computes of its density of states, and what it refuses."""

import dataclasses

import numpy as np
import pytest

from euclidium.atoms import PhononDOS, PhononRecord, Structure
from euclidium.atoms.phonon_record import GRID51, last_maximum
from euclidium.atoms.problem import DataError

SALT = Structure(
    np.array([11, 17]), np.array([[0.0] * 3, [2.82] * 3]), 5.64 * np.eye(3), np.ones(3, bool)
)


@pytest.fixture
def record():
    edges = np.array([-50.0, -10.0, 100.0, 200.0, 250.0])
    dos = PhononDOS.of(SALT, edges, np.array([0.03, 0.0, 1.97, 1.0]))
    partial = {"Cl": 0.4 * dos.modes, "Na": 0.6 * dos.modes}
    return PhononRecord.of("salt", SALT, dos, partial, "train", {"spg": 225})


def test_numbers_are_those_of_the_curve(record):
    assert record.imaginary == pytest.approx(0.01)
    assert record.mean_frequency == pytest.approx((1.97 * 150 + 225) / 2.97)
    assert record.heat_capacity == float(record.dos.heat_capacity(300.0))
    assert 0.9 * 24.943 * 0.99 < record.heat_capacity < 24.943 * 0.99
    # Gaussians conserve modes, and a grid of twice their width integrates them to a hundredth
    assert record.dos51.sum() * 20 == pytest.approx(2.97, rel=0.01)
    assert record.dos51.shape == GRID51.shape
    assert record.last_peak == record.dos.last_peak()
    assert (record.split, record.info) == ("train", {"spg": 225})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"partial": {"K": np.ones(4)}}, "partial densities of K, but the structure has Cl, Na"),
        ({"partial": {"Na": np.ones(3)}}, "the density of Na has 3 intervals, the total 4"),
    ],
)
def test_records_that_do_not_fit(record, change, sentence):
    with pytest.raises(DataError, match=f"salt: {sentence}"):
        dataclasses.replace(record, **change)


@pytest.mark.parametrize(
    ("curve", "place"),
    [
        ([0, 1, 0, 0, 0.5, 0], 4.0),
        ([0, 1, 0, 0, 0.09, 0], 1.0),  # too low
        ([0, 1, 1, 0, 0, 0], 2.0),  # a plateau, by its last point
        ([3, 2, 1, 0, 0, 0], 0.0),  # no maximum inside
        ([0, 0, 0, 0, 0, 1], 5.0),
    ],
)
def test_last_maximum(curve, place):
    assert last_maximum(np.arange(6.0), np.array(curve, dtype=float)) == place

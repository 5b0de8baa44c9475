"""Baselines look up what they say they look up."""

from collections.abc import Callable

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.baselines import Lookup, fractions, mean_spectrum, nearest_compositions
from euclidium.analyze.spectra import Prediction, evaluate_spectra
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.structure import Structure

EDGES = np.arange(-300.0, 1201.0, 5.0)


@pytest.fixture
def crystals() -> dict[str, Structure]:
    """Crystals of several systems."""
    made = {
        "Si": bulk("Si"),
        "MgO": bulk("MgO", "rocksalt", 4.21),
        "ZnO": bulk("ZnO", "wurtzite", 3.25, 5.2),
        "Mg": bulk("Mg"),
        "Hg": bulk("Hg"),
        "Sn": bulk("Sn", "bct", a=5.83, c=3.18),
    }
    return {name: Structure.from_ase(atoms) for name, atoms in made.items()}


@pytest.fixture
def bumps() -> Callable[..., PhononDOS]:
    """A density of states of Gaussians at some frequencies, each with its share of the modes."""

    def make(*bumps: tuple[float, float], width: float = 20.0) -> PhononDOS:
        centers = (EDGES[1:] + EDGES[:-1]) / 2
        curve = sum(share * np.exp(-(((centers - w) / width) ** 2) / 2) for w, share in bumps)
        return PhononDOS(EDGES, 3 * curve / curve.sum())

    return make


@pytest.fixture
def records(crystals: dict[str, Structure], bumps: Callable[..., PhononDOS]) -> list[PhononRecord]:
    """One record a crystal; that of mercury is unstable."""
    places = {
        "Si": [(150.0, 1.0), (480.0, 1.0)],
        "MgO": [(300.0, 1.0), (600.0, 0.5)],
        "ZnO": [(100.0, 1.0), (550.0, 1.0)],
        "Mg": [(220.0, 1.0)],
        "Hg": [(-60.0, 0.3), (80.0, 1.0)],
        "Sn": [(90.0, 1.0), (130.0, 1.0)],
    }
    return [PhononRecord.of(name, crystals[name], bumps(*at)) for name, at in places.items()]


def test_the_mean_of_all(records: list[PhononRecord], crystals: dict[str, Structure]):
    mean = mean_spectrum(records)
    silicon, zinc = mean.predict([crystals["Si"], crystals["ZnO"]])
    assert isinstance(silicon, Prediction)
    np.testing.assert_allclose(silicon.dos.modes, zinc.dos.modes)
    first_moments = [record.dos.modes @ record.dos.centers for record in records]
    assert silicon.dos.modes @ silicon.dos.centers == pytest.approx(np.mean(first_moments))
    heat = np.mean([record.heat_capacity for record in records])
    assert float(silicon.dos.heat_capacity(300.0)) == pytest.approx(heat, rel=1e-3)
    assert silicon.unstable == pytest.approx(1 / 6)
    assert silicon.dos.mass != zinc.dos.mass, "per kilogram it is the crystal's own"


def test_a_known_composition_is_found(records: list[PhononRecord]):
    one = nearest_compositions(records, 1)
    errors = evaluate_spectra(one.predict(r.structure for r in records), records)
    assert errors.dos51_mse < 1e-5
    assert errors.last_peak_mae == 0
    assert errors.stability_auroc == 1


def test_nearest_by_fractions_of_elements(
    records: list[PhononRecord], crystals: dict[str, Structure]
):
    (guess,) = nearest_compositions(records, 3).predict([crystals["MgO"]])
    assert guess.sources[0] == "MgO"
    assert set(guess.sources) == {"MgO", "Mg", "ZnO"}
    supercell = Structure.from_ase(crystals["MgO"].to_ase() * (2, 1, 1))
    (same,) = nearest_compositions(records, 3).predict([supercell])
    assert same.sources == guess.sources
    chosen = [record for record in records if record.name in guess.sources]
    assert guess.last_peak == pytest.approx(np.mean([r.last_peak for r in chosen]))
    spread = np.std([r.dos.mean_frequency for r in chosen], ddof=1) * np.sqrt(4 / 3)
    assert guess.uncertainty["mean_frequency"] == pytest.approx(spread, rel=1e-4)


def test_spectra_on_other_intervals(
    crystals: dict[str, Structure], bumps: Callable[..., PhononDOS]
):
    """Intervals of any width are put on one grid, and no mode is lost."""
    coarse = PhononDOS(np.array([-30.0, 10.0, 90.0, 400.0]), np.array([0.1, 0.9, 2.0]))
    pair = [
        PhononRecord.of("coarse", crystals["Si"], coarse),
        PhononRecord.of("fine", crystals["Si"], bumps((1100.0, 1.0))),
    ]
    (guess,) = mean_spectrum(pair).predict([crystals["Si"]])
    assert guess.dos.modes.sum() == pytest.approx(3)
    first, second, both = (dos.modes @ dos.centers for dos in (coarse, pair[1].dos, guess.dos))
    assert both == pytest.approx((first + second) / 2, abs=0.3)


def test_fractions():
    water = Structure(np.array([1, 8, 1]), np.arange(9.0).reshape(3, 3))
    assert fractions(water)[[1, 8]] == pytest.approx([2 / 3, 1 / 3])
    assert fractions(water).sum() == pytest.approx(1)


def test_too_many_neighbours(records: list[PhononRecord]):
    with pytest.raises(ValueError, match="7 neighbours of 6 records: give from 1 to all"):
        nearest_compositions(records, 7)
    with pytest.raises(ValueError, match="0 neighbours of 6 records"):
        Lookup(records, 0)

"""Names of modes that are in every textbook, and what must not change them."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate.band_irreps import band_irreps, path_irreps
from euclidium.simulate.phonons import phonons
from euclidium.units import SQRT_DYNAMICAL_TO_THZ

MESH = {"mesh": (3, 3, 3), "relax": False}


def labels(found):
    return [(len(one.bands), one.label) for one in found.sets]


@pytest.fixture(scope="module")
def copper():
    return phonons(bulk("Cu"), EMT(), (2, 2, 2), **MESH)


@pytest.fixture(scope="module")
def silicon(springs):
    model = springs(9.0, 5.43 * 3**0.5 / 4, 3.0, species=(14,))
    return phonons(bulk("Si", a=5.43), model, (2, 2, 2), **MESH)


def test_raman_mode_of_silicon(silicon):
    """T2g at Γ, seen by Raman scattering; of springs, ω² = 8k/3m."""
    found = band_irreps(silicon)
    assert found.group == "m-3m"
    assert labels(found) == [(3, "T1u"), (3, "T2g")]
    acoustic, optical = found.sets
    assert (optical.infrared, optical.raman) == (False, True)
    assert (acoustic.infrared, acoustic.raman) == (True, False)
    expected = np.sqrt(8 * 9.0 / 3 / 28.085) * SQRT_DYNAMICAL_TO_THZ
    assert optical.frequency == pytest.approx(expected, rel=1e-4)


def test_infrared_mode_of_salt(springs):
    model = springs(2.0, 2.82, 3.5, species=(11, 17))
    salt = phonons(bulk("NaCl", "rocksalt", a=5.64), model, (2, 2, 2), **MESH)
    optical = band_irreps(salt).sets[-1]
    assert (optical.label, optical.infrared, optical.raman) == ("T1u", True, False)


def test_hexagonal_close_packing():
    """Γ = A2u + B1g + E1u + E2g; only E2g scatters light, and nothing absorbs it."""
    magnesium = phonons(bulk("Cu", "hcp", a=2.55, c=4.16), EMT(), (2, 2, 2), **MESH)
    found = band_irreps(magnesium)
    assert labels(found) == [(3, "A2u+E1u"), (2, "E2g"), (1, "B1g")]
    assert [one.raman for one in found.sets] == [False, True, False]
    # where planes glide, bands stick together in ways of no point group
    at_a = band_irreps(magnesium, (0.0, 0.0, 0.5))
    assert labels(at_a) == [(4, None), (2, None)]


def test_wurtzite_has_no_centre(springs):
    """Γ = 2A1 + 2B1 + 2E1 + 2E2: A1 and E1 are seen both ways, E2 by Raman, B1 not at all."""
    crystal = bulk("ZnS", "wurtzite", a=3.82, c=6.24)
    model = springs(5.0, 2.34, 4.2, species=(16, 30))
    found = band_irreps(phonons(crystal, model, (2, 2, 2), **MESH))
    names = [name for one in found.sets for name in one.label.split("+")]
    assert sorted(names) == ["A1", "A1", "B1", "B1", "E1", "E1", "E2", "E2"]
    seen = {one.label: (one.infrared, one.raman) for one in found.sets if "+" not in one.label}
    assert seen["B1"] == (False, False)
    assert seen["E2"] == (False, True)


def test_special_points_of_copper(copper):
    """At X, L and W of a lattice with one atom; U and K are two names of one point."""
    found = path_irreps(copper)
    assert labels(found["X"]) == [(2, "Eu"), (1, "A2u")]
    assert labels(found["L"]) == [(2, "Eu"), (1, "A2u")]
    assert labels(found["W"]) == [(1, "B2"), (2, "E")]
    assert labels(found["U"]) == labels(found["K"])
    assert [label for _, label in labels(found["K"])].count("A1") == 1
    assert all(one.infrared is None for one in found["X"].sets)


def test_silicon_inside_the_zone_and_at_its_surface(silicon):
    along = band_irreps(silicon, (0.2, 0.2, 0.2))
    assert along.group == "3m"
    assert sorted(labels(along)) == [(1, "A1"), (1, "A1"), (2, "E"), (2, "E")]
    # L3 (TA), L2' (LA), L1 (LO) and L3' (TO) of the literature; springs have no force on TA
    at_l = labels(band_irreps(silicon, (0.5, 0.5, 0.5)))
    assert at_l == [(2, "Eg"), (1, "A2u"), (1, "A1g"), (2, "Eu")]
    general = band_irreps(silicon, (0.1, 0.2, 0.37))
    assert general.group == "1"
    assert {label for _, label in labels(general)} <= {"A", "A+A", "A+A+A"}


def test_place_and_direction_of_the_crystal_do_not_matter(silicon, springs):
    crystal = bulk("Si", a=5.43, cubic=True)
    crystal.rotate(40, (1, 2, 3), rotate_cell=True)
    crystal.translate([0.3, 0.4, 0.7])
    model = springs(9.0, 5.43 * 3**0.5 / 4, 3.0, species=(14,))
    other = phonons(crystal, model, (1, 1, 1), **MESH)
    for q in ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)):
        assert labels(band_irreps(other, q)) == labels(band_irreps(silicon, q))


def test_sets_that_meet_by_chance_have_two_names(copper):
    apart = band_irreps(copper, (0.5, 0.5, 0.0))
    together = band_irreps(copper, (0.5, 0.5, 0.0), tolerance=5.0)
    assert labels(together) == [(3, "A2u+Eu")]
    assert together.sets[0].frequency == pytest.approx(
        np.mean([one.frequency for one in apart.sets for _ in one.bands])
    )

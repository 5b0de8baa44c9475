"""The numbers that describe a crystal: those of known ones, and the same however it is held."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation

from euclidium.atoms import Structure
from euclidium.atoms.elements import covalent_radius, electronegativity
from euclidium.atoms.occupations import substitute, with_occupations
from euclidium.atoms.sites import one_hot
from euclidium.atoms.symmetry import symmetric_graph
from euclidium.models import crystal as module
from euclidium.models.crystal import NUMBERS, OF_SITES, describe_crystal, element_shares

SITES = (
    *("nearest", "neighbours", "bonds", "bonds_to_more", "bonds_to_less", "neighbours_more"),
    *("one_sided", "flat", "nearest_more", "nearest_alike", "spread", "radius", "pull"),
)
SIZE = ("atoms", "sites", "sites_of_atoms", "elements", "volume", "filled")
SYMMETRY = (
    *("group", "operations", "inversion", "smallest", "mean", "largest", "without"),
    *("largest_kind", "smallest_kind", "cells", "short", "long", "ratio"),
    *("standard_short", "standard_long", "standard_ratio"),
)


def numbers(given: Atoms | Structure) -> np.ndarray:
    """The description of a crystal."""
    structure = given if isinstance(given, Structure) else Structure.from_ase(given)
    return describe_crystal(structure)


def named(given: Atoms | Structure) -> dict[str, float]:
    """The description with names: of sites ``mean nearest`` and so on."""
    of_sites = [f"{kind} {site}" for kind in ("mean", "spread", "min", "max") for site in SITES]
    return dict(zip([*of_sites, *SIZE, *SYMMETRY], numbers(given), strict=True))


def near(value: float) -> object:
    """A number that was rounded to six decimals."""
    return pytest.approx(value, abs=6e-7)


def test_silicon_by_hand():
    found = named(bulk("Si", "diamond", 5.43, cubic=True))
    r, d = covalent_radius(14), 5.43 * np.sqrt(3) / 4
    assert found["mean nearest"] == near(d / (2 * r))
    assert found["mean neighbours"] == pytest.approx(4.0, abs=0.02)
    shells = {d: 4, 5.43 / np.sqrt(2): 12, 5.43 * np.sqrt(11) / 4: 12}
    bonds = {away: n * np.exp((2 * r - away) / 0.37) for away, n in shells.items()}
    assert found["mean bonds"] == near(sum(bonds.values()))
    middle = sum(n * away for away, n in bonds.items()) / sum(bonds.values())
    square = sum(n * (away - middle) ** 2 for away, n in bonds.items()) / sum(bonds.values())
    assert found["mean spread"] == near(np.sqrt(square) / (2 * r))
    assert found["mean one_sided"] == pytest.approx(0.0, abs=1e-12)
    assert found["mean flat"] == pytest.approx(0.0, abs=1e-12)
    assert found["max radius"] == near(r)
    assert found["min pull"] == electronegativity(14)
    assert found["mean bonds_to_more"] == found["mean bonds_to_less"] == 0.0
    assert found["spread nearest"] == 0.0
    assert (found["atoms"], found["sites"], found["elements"]) == (2, 1, 1)
    assert found["volume"] == near(5.43**3 / 8)
    assert found["filled"] == near(8 * 4 / 3 * np.pi * r**3 / 5.43**3)
    assert (found["group"], found["operations"], found["inversion"]) == (227, 48, 1)
    assert found["smallest"] == found["largest"] == found["smallest_kind"] == 24
    assert found["without"] == 0
    assert found["cells"] == near(4)
    assert found["short"] == near(5.43 / np.sqrt(2))
    assert found["standard_long"] == near(5.43)


def test_ions_pull_their_neighbours_electrons():
    found = named(bulk("CsCl", "cesiumchloride", 4.12))
    d = 4.12 * np.sqrt(3) / 2 / (covalent_radius(55) + covalent_radius(17))
    assert found["min nearest_more"] == pytest.approx(d)  # of caesium
    assert found["max nearest_more"] == 3.0  # chlorine has no such neighbour
    assert found["max bonds_to_more"] == near(found["max bonds_to_less"])
    assert found["min bonds_to_more"] == found["min bonds_to_less"] == 0.0
    assert found["mean pull"] == near((0.79 + 3.16) / 2)
    assert found["spread pull"] == near((3.16 - 0.79) / 2)


def test_what_is_one_sided_and_what_is_flat():
    wurtzite = named(bulk("ZnO", "wurtzite", a=3.25, c=5.4, u=0.34))
    assert wurtzite["inversion"] == 0
    assert wurtzite["max one_sided"] > 0.1
    layers = named(Atoms("C2", [(0, 0, 0), (1.42, 0, 0)], cell=graphene_cell(9.9), pbc=True))
    assert layers["mean flat"] == pytest.approx(np.sqrt(1 / 6), abs=1e-6)  # of r̂r̂ᵀ − 1/3 in a plane
    assert layers["mean one_sided"] == pytest.approx(0.0, abs=1e-6)


def graphene_cell(c: float) -> list[list[float]]:
    a = 1.42 * np.sqrt(3)
    return [[a * np.cos(np.pi / 6), a / 2, 0], [a * np.cos(np.pi / 6), -a / 2, 0], [0, 0, c]]


def test_orientation_origin_order_and_cell_do_not_matter(quartz: Atoms):
    turned, mirrored, moved = quartz.copy(), quartz.copy(), quartz.copy()
    rotation = Rotation.random(random_state=1).as_matrix()
    turned.set_cell(quartz.cell.array @ rotation.T, scale_atoms=True)
    mirrored.set_cell(-quartz.cell.array, scale_atoms=True)
    moved.positions += [0.3, -0.7, 1.1]
    shuffled = quartz[[3, 1, 8, 0, 2, 7, 5, 4, 6]]
    larger = make_supercell(quartz, [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    sheared = make_supercell(quartz, [[1, 0, 2], [3, 1, 0], [0, 0, 1]])
    reference = numbers(quartz)
    for other in (turned, mirrored, moved, shuffled, larger, sheared):
        np.testing.assert_allclose(numbers(other), reference, atol=2e-6)
    assert named(mirrored)["group"] == 152  # P3₂21 is the mirror image of P3₁21


def test_what_symmetry_makes_zero_is_zero_in_every_orientation():
    """So that trees, which branch at zero, do not hear the noise of rounding."""
    salt = bulk("CsCl", "cesiumchloride", 4.12)
    turned = salt.copy()
    turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
    for one in (salt, turned):
        assert named(one)["min one_sided"] == named(one)["max flat"] == 0.0
        assert named(one)["ratio"] == 1.0
    assert (numbers(turned) == numbers(salt)).all()


def test_one_distance_has_no_spread_however_weak_its_bonds():
    helium = named(bulk("He", "sc", 4.0))
    assert helium["mean bonds"] == module.LEAST  # and no less
    assert helium["max spread"] == 0.0


def test_empty_sites_hold_nothing():
    salt = bulk("NaCl", "rocksalt", 5.64)
    full = Structure.from_ase(salt)
    half = one_hot(full.species) * np.where(full.species == 17, 0.5, 1.0)[:, None]
    found, whole = named(with_occupations(full, half)), named(full)
    spheres = [4 / 3 * np.pi * covalent_radius(z) ** 3 for z in (11, 17)]
    assert whole["filled"] == pytest.approx(sum(spheres) * 4 / 5.64**3, abs=1e-6)
    assert found["filled"] == pytest.approx((spheres[0] + spheres[1] / 2) * 4 / 5.64**3, abs=1e-6)
    # of sodium, all of whose more electronegative neighbours are chlorine
    assert found["max bonds_to_more"] == pytest.approx(whole["max bonds_to_more"] / 2, abs=1e-6)
    assert found["mean pull"] == pytest.approx((2 * 0.93 + 3.16) / 3, abs=1e-6)


def test_mixed_sites_lie_between_their_ends():
    silicon = Structure.from_ase(bulk("Si", "diamond", 5.5))
    mixed = named(substitute(silicon, {"Si": {"Ge": 0.25}}))
    radius = 0.75 * covalent_radius(14) + 0.25 * covalent_radius(32)
    assert mixed["mean radius"] == pytest.approx(radius)
    assert mixed["elements"] == 2
    assert mixed["group"] == 227
    np.testing.assert_allclose(
        numbers(substitute(silicon, {"Si": {"Ge": 0.0}})), numbers(silicon), atol=1e-12
    )


def test_shares_of_elements():
    silicon = Structure.from_ase(bulk("Si", "diamond", 5.5))
    shares = element_shares(symmetric_graph(substitute(silicon, {"Si": {"Ge": 0.25}}), 3.0))
    assert shares[0, [14, 32]].tolist() == [0.75, 0.25]
    assert shares.sum().item() == 1.0


def test_atoms_without_neighbours_or_electronegativity():
    lonely = numbers(bulk("Ar", "sc", 9.0))
    assert np.isfinite(lonely).all()
    assert dict(zip(SITES, lonely[:OF_SITES], strict=True))["nearest"] == 3.0
    # argon lies halfway from chlorine to potassium
    assert lonely[OF_SITES - 1] == pytest.approx((3.16 + 0.82) / 2)


def test_a_crystal_whose_symmetry_is_not_found(monkeypatch: pytest.MonkeyPatch, quartz: Atoms):
    monkeypatch.setattr(module, "space_group", lambda *arguments: None)
    found = describe_crystal(Structure.from_ase(quartz))
    assert found.shape == (NUMBERS,)
    assert found[-16:-6].tolist() == [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert found[-6:] == pytest.approx([4.916, 5.4054, 5.4054 / 4.916] * 2)

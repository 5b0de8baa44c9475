"""Replaced elements and mixtures of end members: amounts, limits, and what cannot be matched."""

import re
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.occupations import interpolate, parse_substitution, substitute
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure


def zintl(pnictide: str, a: float, c: float) -> Structure:
    """Mg3Sb2 or Mg3Bi2; Zintl and Husemann, Z. Phys. Chem. B 21, 138 (1933)."""
    sites = [(0, 0, 0), (1 / 3, 2 / 3, 0.63), (1 / 3, 2 / 3, 0.235)]
    return Structure.from_ase(
        crystal(["Mg", "Mg", pnictide], sites, spacegroup=164, cellpar=[a, a, c, 90, 90, 120])
    )


SB, BI = zintl("Sb", 4.573, 7.229), zintl("Bi", 4.675, 7.416)


def test_a_quarter_is_replaced():
    alloy = substitute(SB, parse_substitution("Bi:Sb=0.25"))
    assert alloy.formula == "Bi0.5Mg3Sb1.5"
    assert repr(alloy) == "Structure(Bi0.5Mg3Sb1.5, periodic: abc, mixed sites: 2)"
    assert (alloy.species == SB.species).all()
    heavy = substitute(SB, {"Sb": {"Bi": 0.75}})
    assert (heavy.species == BI.species).all(), "the species is the element with the most"


@given(x=st.floats(0, 1), y=st.floats(0, 1))
def test_atoms_are_conserved(x: float, y: float):
    changes = {"Sb": {"Bi": x * y, "As": x * (1 - y)}, "Mg": {"Sb": 0.1}}
    alloy = substitute(SB, changes)
    assert sum(alloy.composition.values()) == pytest.approx(5.0, rel=1e-12)
    # replacements see the first fractions: Sb that replaces Mg is not replaced in turn
    assert alloy.composition["Sb"] == pytest.approx(2 * (1 - x) + 0.3, abs=1e-9)


def test_everything_and_nothing():
    labelled = replace(SB, labels={"energy": np.array(-1.0)})
    for share, species in ((0.0, SB.species), (1.0, BI.species)):
        pure = substitute(labelled, {"Sb": {"Bi": share}})
        assert pure.occupations is None
        assert not pure.labels, "an energy belongs to one composition"
        np.testing.assert_array_equal(pure.species, species)


def test_mass_and_formula_unit_of_an_alloy():
    alloy = substitute(SB, {"Sb": {"Bi": 0.25}})
    dos = PhononDOS.of(alloy, np.array([0.0, 300.0]), np.array([3.0]))
    sb, bi = (PhononDOS.of(s, dos.edges, dos.modes).mass for s in (SB, BI))
    assert dos.mass == pytest.approx(0.75 * sb + 0.25 * bi, rel=1e-12)
    assert dos.formula_atoms == pytest.approx(5.0)
    half = substitute(Structure.from_ase(bulk("Cu", cubic=True)), {"Cu": {"Au": 0.5}})
    assert PhononDOS.of(half, dos.edges, dos.modes).formula_atoms == pytest.approx(1.0)


def test_vacancies_are_no_atoms():
    oxide = Structure.from_ase(bulk("FeO", "rocksalt", a=4.3, cubic=True))
    fractions = oxide.fractions
    fractions[:, 26] *= 0.9
    missing = replace(oxide, occupations=fractions)
    full, defective = (
        PhononDOS.of(s, np.array([0.0, 300.0]), np.array([3.0])) for s in (oxide, missing)
    )
    assert missing.formula == "Fe3.6O4"
    assert defective.volume == pytest.approx(oxide.volume / 7.6)
    assert defective.formula_atoms == pytest.approx(1.9)
    o, fe = 15.999, 55.845
    assert defective.mass == pytest.approx((0.9 * fe + o) / 1.9)
    assert full.mass == pytest.approx((fe + o) / 2)
    # what is there already may be replaced further
    assert substitute(missing, {"Fe": {"Mg": 0.5}}).composition["Mg"] == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Bi:Sb=0.25", {"Sb": {"Bi": 0.25}}),
        ([" Bi : Sb = 2.5e-1 "], {"Sb": {"Bi": 0.25}}),
        (["Bi:Sb=0.25", "As:Sb=0.1"], {"Sb": {"Bi": 0.25, "As": 0.1}}),
        ("Bi:Sb=1,Ca:Mg=.5", {"Sb": {"Bi": 1.0}, "Mg": {"Ca": 0.5}}),
    ],
)
def test_the_form_of_the_command_line(text: str | list[str], found: dict):
    assert parse_substitution(text) == found


@pytest.mark.parametrize(
    "text", ["", "Bi:Sb", "Bi=0.25", "Bi:Sb=a", "Bi:Sb=0.25;", "Xx:Sb=0.1", "X:Sb=0.1", "Bi:sb=0.1"]
)
def test_other_text_is_no_substitution(text: str):
    with pytest.raises(DataError, match=re.escape(f"not a substitution: {text!r}; write the new")):
        parse_substitution(text)


def test_a_replacement_given_twice():
    with pytest.raises(DataError, match="Bi:Sb is given twice"):
        parse_substitution(["Bi:Sb=0.25", "Bi:Sb=0.5"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"As": {"Bi": 0.5}}, "the structure has no As to replace: it is Mg3Sb2, with Mg, Sb"),
        ({"Sb": {"Bi": 1.5}}, "Bi:Sb=1.5: a fraction is from 0 to 1"),
        ({"Sb": {"Bi": -0.1}}, "Bi:Sb=-0.1: a fraction is from 0 to 1"),
        ({"Sb": {"Bi": float("nan")}}, "Bi:Sb=nan: a fraction is from 0 to 1"),
        ({"Sb": {"Bi": 0.7, "As": 0.7}}, "1.4 of Sb would be replaced: fractions sum to one"),
        ({"Sb": {"Sb": 0.7}}, "Sb:Sb=0.7 replaces an element by itself"),
    ],
)
def test_each_mistake_has_its_sentence(changes: dict, sentence: str):
    with pytest.raises(DataError, match=re.escape(sentence)):
        substitute(SB, changes)


@pytest.mark.parametrize("x", [0.0, 0.25, 0.5, 1.0])
def test_a_mixture_is_linear(x: float):
    alloy = interpolate(SB, BI, x)
    assert alloy.composition.get("Bi", 0.0) == pytest.approx(2 * x)
    a, c = (np.linalg.norm(alloy.cell[axis]) for axis in (0, 2))
    assert a == pytest.approx(4.573 + x * (4.675 - 4.573), rel=1e-12)
    assert c == pytest.approx(7.229 + x * (7.416 - 7.229), rel=1e-12)
    for end, share in ((SB, 0.0), (BI, 1.0)):
        if x == share:
            np.testing.assert_allclose(alloy.positions, end.positions, atol=1e-12)
            assert alloy.occupations is None


@given(seed=st.integers(0, 1000))
def test_order_origin_and_direction_do_not_matter(seed: int):
    rng = np.random.default_rng(seed)
    order = rng.permutation(5)
    turn = Rotation.random(random_state=seed).as_matrix()
    shifted = BI.positions[order] + rng.normal(size=3) + rng.integers(-2, 3, (5, 3)) @ BI.cell
    other = replace(
        BI, species=BI.species[order], positions=shifted @ turn.T, cell=BI.cell @ turn.T
    )
    expected, found = interpolate(SB, BI, 0.3), interpolate(SB, other, 0.3)
    np.testing.assert_allclose(found.cell, expected.cell, atol=1e-10)
    np.testing.assert_allclose(found.occupations, expected.occupations, atol=1e-12)
    moved = found.positions - expected.positions
    np.testing.assert_allclose(moved, np.broadcast_to(moved.mean(axis=0), (5, 3)), atol=1e-9)


def test_elements_in_common_stay_in_their_place():
    first = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    salt = bulk("KCl", "rocksalt", a=6.29, cubic=True)
    salt.translate([6.29 / 2, 0, 0])  # now Cl lies where Na does
    alloy = interpolate(first, Structure.from_ase(salt), 0.5)
    assert alloy.composition == pytest.approx({"Na": 2, "K": 2, "Cl": 4})
    assert int((alloy.fractions.max(axis=1) > 0.99).sum()) == 4, "chlorine keeps its sites"


def test_end_members_that_do_not_match():
    copper = Structure.from_ase(bulk("Cu"))
    with pytest.raises(DataError, match="have 5 and 1 sites: give cells of the same number"):
        interpolate(SB, copper, 0.5)
    with pytest.raises(DataError, match="the fraction of the second end member is 1.5: give 0 to"):
        interpolate(SB, BI, 1.5)
    large = replace(BI, cell=BI.cell * 1.4, positions=BI.positions * 1.4)
    with pytest.raises(
        DataError, match="the cells of Mg3Sb2 and Bi2Mg3 differ by a strain of 0.44"
    ):
        interpolate(SB, large, 0.5)
    moved = BI.positions.copy()
    moved[0] += [1.6, 0.4, 1.9]
    with pytest.raises(DataError, match="sites of Mg3Sb2 and Bi2Mg3 do not match: one is .* Å"):
        interpolate(SB, replace(BI, positions=moved), 0.5)
    argon = Structure(np.array([18]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="end members of an alloy are crystals"):
        interpolate(copper, argon, 0.5)

import pytest

from euclidium.atoms.elements import (
    atomic_mass,
    atomic_number,
    chemical_symbol,
    covalent_radius,
    electronegativity,
    site_number,
    site_symbol,
)


def test_there_and_back():
    assert [chemical_symbol(atomic_number(s)) for s in ("H", "Si", "Og")] == ["H", "Si", "Og"]


@pytest.mark.parametrize("symbol", ["Sj", "", "si", "X"])
def test_no_symbol(symbol):
    with pytest.raises(ValueError, match=f"{symbol!r} is not a chemical symbol"):
        atomic_number(symbol)


@pytest.mark.parametrize("number", [0, -1, 500])
def test_no_number(number):
    with pytest.raises(ValueError, match=f"no element with the atomic number {number}"):
        chemical_symbol(number)


def test_masses_and_radii_are_those_of_the_element():
    assert atomic_mass(1) == pytest.approx(1.008)
    assert covalent_radius(6) == pytest.approx(0.76)
    for look_up in (atomic_mass, covalent_radius):
        with pytest.raises(ValueError, match="no element with the atomic number 0"):
            look_up(0)


def test_a_centre_without_an_atom_is_called_x():
    assert [site_symbol(z) for z in (0, 1, 14)] == ["X", "H", "Si"]
    assert [site_number(s) for s in ("X", "H", "Si")] == [0, 1, 14]
    with pytest.raises(ValueError, match="'Xx' is not a chemical symbol"):
        site_number("Xx")


def test_electronegativities_rise_to_fluorine():
    known = {z: value for z in range(1, 95) if (value := electronegativity(z)) is not None}
    assert max(known, key=lambda z: known[z]) == 9
    assert known[9] == 3.98
    assert min(known.values()) == known[87] == 0.7
    for alkali, halogen in ((3, 9), (11, 17), (19, 35), (37, 53)):  # the ends of their periods
        period = [known[z] for z in range(alkali, halogen + 1)]
        assert min(period) == known[alkali]
        assert max(period) == known[halogen]
    assert [electronegativity(z) for z in (2, 10, 18, 61, 118)] == [None] * 5
    with pytest.raises(ValueError, match="no element with the atomic number 0"):
        electronegativity(0)

import pytest

from euclidium.atoms.elements import atomic_number, chemical_symbol


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

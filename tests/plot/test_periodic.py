"""The periodic table: each element in its place, its value in its colour."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from euclidium.atoms.elements import atomic_number
from euclidium.plot.canvas import GRID
from euclidium.plot.periodic import LAST, SHADES, periodic_table, place


def test_places():
    some = ("H", "He", "B", "Ne", "K", "Sc", "Br", "La", "Ce", "Hf", "U", "Ra")
    at = {symbol: place(atomic_number(symbol)) for symbol in some}
    assert at == {
        "H": (1, 1),
        "He": (1, 18),
        "B": (2, 13),
        "Ne": (2, 18),
        "K": (4, 1),
        "Sc": (4, 3),
        "Br": (4, 17),
        "La": (6, 3),
        "Ce": (8.5, 4),
        "Hf": (6, 4),
        "U": (9.5, 6),
        "Ra": (7, 2),
    }
    places = {place(number) for number in range(1, LAST + 1)}
    assert len(places) == LAST, "each element has its own"
    assert {column for _, column in places} == set(range(1, 19))


@pytest.mark.parametrize("log", [False, True])
def test_values_are_colours_and_words(log: bool):
    axes = periodic_table({"H": 0.1, "O": 10.0, "U": 1.0}, {"H": 3, "O": 200}, log=log)
    colors = {
        (round(patch.get_x() + 0.47, 6), round(patch.get_y() + 0.47, 6)): patch.get_facecolor()
        for patch in axes.patches
    }
    assert colors[1, 1] == pytest.approx(SHADES(0.0))
    assert colors[16, 2] == pytest.approx(SHADES(1.0))
    middle = 0.5 if log else 0.9 / 9.9
    assert colors[6, 9.5] == pytest.approx(SHADES(middle), abs=0.01)
    words = [text.get_text() for text in axes.texts]
    assert {"H", "0.10", "3", "O", "10", "200", "1.00"} <= set(words)
    grey = [color for place, color in colors.items() if place not in {(1, 1), (16, 2), (6, 9.5)}]
    assert len({color[:3] for color in grey}) == 1
    assert grey[0][:3] == pytest.approx(to_rgb(GRID))


def test_words_can_be_read_on_every_shade():
    symbols = ["Li", "Be", "B", "C", "N", "O", "F"]
    axes = periodic_table(dict(zip(symbols, np.linspace(0, 1, 7), strict=True)))
    inks = {text.get_text(): text.get_color() for text in axes.texts}
    assert inks["Li"] != inks["F"]
    assert inks["F"] == "#ffffff"


@pytest.mark.parametrize("value", [0.0, 0.02])
def test_one_value_has_a_scale(value: float):
    assert len(periodic_table({"Si": value}).patches) == LAST


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="there is no value to draw"):
        periodic_table({"Si": float("nan")})
    with pytest.raises(ValueError, match="'Xx' is not a chemical symbol"):
        periodic_table({"Xx": 1.0})

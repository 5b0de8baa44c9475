"""The page of a screening needs nothing but itself, and shows what it was given."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from euclidium.plot.ranking import HEIGHT, WIDTH, RankedCrystal, ranking_page, small_spectrum

EDGES = np.linspace(0, 600, 121)


def row(rank: int, formula: str, value: float, uncertainty: float = 1.5, top: float = 300.0):
    """A crystal whose spectrum ends somewhere."""
    modes = np.where(EDGES[1:] <= top, EDGES[1:] ** 2, 0.0)
    return RankedCrystal(
        rank, f"mp-{rank}", formula, "Fm-3m (225)", value, uncertainty, 0.25, EDGES, modes,
        [20.5, float("nan")], f"line {rank} of <mp>.jsonl",
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    """Three crystals."""
    rows = [row(1, "Bi0.5Mg3Sb1.5", 1234.56), row(2, "LiF", 0.01234, top=520.0)]
    rows.append(row(3, "Si", -5.0, uncertainty=float("nan")))
    headings = ["C_v (J/(K mol))", "last peak (cm⁻¹)"]
    return ranking_page("Crystals by x < y", rows, "x (J/(K kg))", headings, ["Of 7 & more."])


class Cells(HTMLParser):
    """The cells of the table with their attributes, and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.rows, self.links, self.cell = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("href", "src")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.cell = [dict(attrs), ""]
            self.rows[-1].append(self.cell)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[1] += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = None


def test_the_table_shows_the_numbers(page: str):
    head, first, second, third = Cells(page).rows
    assert [text for _, text in head] == [
        "rank", "crystal", "name", "space group", "x (J/(K kg))", "P(unstable)",
        "C_v (J/(K mol))", "last peak (cm⁻¹)", "density of states, 0 to 600 cm⁻¹",
    ]  # fmt: skip
    texts = [text for _, text in first[:8]]
    assert texts == [
        "1", "Bi0.5Mg3Sb1.5", "mp-1", "Fm-3m (225)", "1235 ± 1.5", "0.25", "20.50", "–"
    ]  # fmt: skip
    assert second[4][1] == "0.01234 ± 1.5"
    assert third[4][1] == "-5.000"
    assert "Bi<sub>0.5</sub>Mg<sub>3</sub>Sb<sub>1.5</sub>" in page
    assert first[1][0]["title"] == "line 1 of <mp>.jsonl"


def test_columns_sort_by_their_exact_values(page: str):
    _, first, second, third = Cells(page).rows
    assert [float(cells[4][0]["data-v"]) for cells in (first, second, third)] == [
        1234.56, 0.01234, -5.0
    ]  # fmt: skip
    assert first[7][0]["data-v"] == ""  # not known: last


def test_the_page_needs_nothing_else(page: str):
    found = Cells(page)
    assert found.links == []
    assert "http" not in page
    assert found.tags.count("svg") == 3
    assert found.tags.count("button") == 8
    assert "<h1>Crystals by x &lt; y</h1>" in page
    assert "<p>Of 7 &amp; more.</p>" in page


def test_small_spectra_show_the_curve():
    modes = np.zeros(120)
    modes[40:60] = 1.0  # from 200 to 300 of 600 cm⁻¹
    svg = small_spectrum(EDGES, modes, 600.0)
    points = [p.split(",") for p in re.search(r'points="([^"]*)"', svg)[1].split()]
    x, y = np.array(points, dtype=float).T
    assert (x.min(), x.max()) == (0, WIDTH)
    high = x[y < HEIGHT / 2]
    assert high.min() == pytest.approx(WIDTH / 3, abs=2)
    assert high.max() == pytest.approx(WIDTH / 2, abs=2)
    assert (y >= 0).all()
    assert (y <= HEIGHT).all()


def test_imaginary_modes_are_left_out_of_small_spectra():
    """They have a column of their own."""
    edges = np.linspace(-100, 100, 41)
    svg = small_spectrum(edges, np.where(edges[1:] <= 0, 1.0, 0.0), 100.0)
    ys = [float(p.split(",")[1]) for p in re.search(r'points="([^"]*)"', svg)[1].split()]
    assert len(set(ys[5:])) == 1


def test_an_empty_ranking():
    assert Cells(ranking_page("Nothing", [], "x")).rows[0][0][1] == "rank"


def test_rows_must_fit():
    with pytest.raises(ValueError, match="row 1 has 2 numbers under 1 headings"):
        ranking_page("x", [row(1, "Si", 2.0)], "x", ["one"])

"""A page that needs nothing but itself, and shows what it was given."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from euclidium import plot
from euclidium.plot import Fact, Picture, Section, Table, figure_html, report, write_report

EMPTY_TAGS = {"meta", "img", "br", "path", "use", "image", "rect"}


class Checked(HTMLParser):
    """Reads a page, and collects its identifiers, links and texts; raises for a tag left open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.words = [], [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in EMPTY_TAGS:
            self.open.append(tag)
        self._collect(dict(attrs))

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self._collect(dict(attrs))

    def _collect(self, attrs):
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [v for k, v in attrs.items() if k in ("href", "src", "xlink:href")]
        self.links += re.findall(r"url\(([^)]+)\)", " ".join(v or "" for v in attrs.values()))

    def handle_endtag(self, tag):
        if tag not in EMPTY_TAGS:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def page():
    q = np.linspace(0, 1, 20)
    bands = plot.bands(q, np.outer(q, [1.0, 2.0]), ticks=[0, 1], labels=["GAMMA", "X"])
    rng = np.random.default_rng(0)
    values = rng.normal(size=3000)
    parity = plot.parity(values, values + 0.1 * rng.normal(size=3000))
    sections = [
        Section("Errors & forces", "One.\n\nTwo `a<b`.", pictures=[Picture(parity.figure, "P")]),
        Section(
            "Phonons",
            facts=[Fact("C(300 K)", "19.9 J/(K mol)", "reference 19.8")],
            pictures=[Picture(bands.figure, "Bands.")],
            tables=[Table(["quantity", "MAE"], [["energy", 0.6], ["forces", "−12.1"]], "Test")],
        ),
    ]
    return report("Silicon <Si>", sections, "A summary.", footer="version 0.1")


def test_page_is_well_formed(page):
    checked = Checked(page)
    assert page.startswith("<!doctype html>")
    assert checked.tags.count("svg") == 2
    assert checked.tags.count("table") == 1
    assert len(checked.ids) == len(set(checked.ids)), "two figures share a name"


def test_page_needs_nothing_from_outside(page):
    checked = Checked(page)
    assert "http" not in page
    assert not {"script", "link", "iframe", "object"} & set(checked.tags)
    inner = {f"#{name}" for name in checked.ids}
    for link in checked.links:
        assert link in inner or link.startswith("data:image/png;base64,")
    assert "@import" not in page


def test_page_shows_what_it_was_given(page):
    words = "".join(Checked(page).words)
    for text in ("Silicon <Si>", "Errors & forces", "a<b", "19.9 J/(K mol)", "reference 19.8"):
        assert text in words
    assert "<code>a&lt;b</code>" in page
    assert "<p>One.</p><p>Two" in page
    assert "Figure 2." in page


def test_numbers_stand_right(page):
    assert '<th>quantity</th><th class="n">MAE</th>' in page
    assert '<td>forces</td><td class="n">−12.1</td>' in page


def test_figures_take_the_colours_of_the_page(page):
    assert "currentColor" in page
    assert "var(--line)" in page
    assert "prefers-color-scheme: dark" in page


def test_the_same_input_gives_the_same_page(page):
    def again():
        axes = plot.dos(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
        return report("Same", [Section("One", pictures=[Picture(axes.figure)])])

    assert again() == again()


def test_a_figure_too_large_for_a_drawing_becomes_a_picture(monkeypatch):
    monkeypatch.setattr("euclidium.plot.page.LARGEST_DRAWING", 1000)
    axes = plot.dos(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
    text = figure_html(axes.figure, "A density")
    assert text.startswith('<img class="paper" alt="A density" src="data:image/png;base64,')


def test_description_is_escaped():
    axes = plot.dos(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
    assert 'aria-label="a &quot;b&quot;"' in figure_html(axes.figure, 'a "b"')


def test_rows_fit_their_header():
    section = Section("Errors", tables=[Table(["a", "b"], [[1]])])
    with pytest.raises(ValueError, match=r"a row has 1 cells under 2 headings: \[1\]"):
        report("Silicon", [section])


def test_writing_leaves_one_file(tmp_path):
    path = write_report(tmp_path / "new" / "silicon.html", report("Silicon", []))
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in path.parent.iterdir()] == ["silicon.html"]

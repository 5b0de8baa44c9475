"""The page of a screening: one table of crystals with their spectra, which readers can sort."""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT = 150, 34  # of a small spectrum, in points
NOTHING = 2e-3  # of the highest value: what is not worth a place on the axis
STYLE = """
body { max-width: 76rem; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--mark); }
th[aria-sort="ascending"] button::after { content: " ↑"; }
th[aria-sort="descending"] button::after { content: " ↓"; }
td svg { display: block; width: 150px; height: 34px; color: var(--mark); }
td small { color: var(--soft); }
"""
# Numbers are sorted by data-v, words by themselves.
SCRIPT = """
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement;
    const body = row.parentElement.nextSibling;
    const up = head.getAttribute("aria-sort") !== "ascending", n = head.cellIndex;
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (line) => line.cells[n].dataset.v ?? line.cells[n].textContent;
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
"""


@dataclass(frozen=True, eq=False)
class RankedCrystal:
    """A row of the page.

    ``value`` and its standard deviation ``uncertainty`` (nan: not known); ``unstable`` is a
    probability; ``edges`` (cm⁻¹) and ``modes`` are a spectrum as in ``PhononDOS``; ``numbers`` are
    those of further columns. ``place`` says where the crystal stands in the database.
    """

    rank: int
    name: str
    formula: str
    space_group: str
    value: float
    uncertainty: float
    unstable: float
    edges: Float[np.ndarray, " edge"]
    modes: Float[np.ndarray, " interval"]
    numbers: Sequence[float] = ()
    place: str = ""


def ranking_page(
    title: str,
    rows: Sequence[RankedCrystal],
    quantity: str,
    headings: Sequence[str] = (),
    paragraphs: Sequence[str] = (),
) -> str:
    """One HTML page with the table; it needs nothing but itself, and a click on a heading sorts it.

    ``quantity`` is the heading of the values, ``headings`` are those of the further columns, with
    their units. All small spectra share one axis of frequency, and each has its own height.

    Raises ``ValueError`` for a row whose numbers do not fit the headings.

    >>> edges, modes = np.linspace(0, 500, 11), np.ones(10)
    >>> row = RankedCrystal(1, "mp-149", "Si", "Fd-3m (227)", 709.6, 5.0, 0.01, edges, modes)
    >>> page = ranking_page("Screening", [row], "cv_kg(300) (J/(K kg))")
    >>> page.startswith("<!doctype html>"), "http" in page
    (True, False)
    """
    for row in rows:
        if len(row.numbers) != len(headings):
            raise ValueError(
                f"row {row.rank} has {len(row.numbers)} numbers under {len(headings)} headings"
            )
    style = resources.files("euclidium.plot").joinpath("page.css").read_text(encoding="utf-8")
    end = max((_end(row) for row in rows), default=1.0)
    heads = [
        ("", True),
        ("crystal", False),
        ("name", False),
        ("space group", False),
        (quantity, True),
        ("P(unstable)", True),
        *((heading, True) for heading in headings),
    ]
    head = "".join(
        f"<th{' class=' + chr(34) + 'n' + chr(34) if n else ''}>"
        f'<button type="button">{html.escape(text) or "rank"}</button></th>'
        for text, n in heads
    )
    spectrum = f"<th>density of states, 0 to {end:.0f} cm⁻¹</th>"
    body = "".join(_row(row, end) for row in rows)
    words = "".join(f"<p>{html.escape(text, quote=False)}</p>" for text in paragraphs)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{html.escape(title)}</h1>{words}</header>\n"
        f'<main><div class="wide"><table><thead><tr>{head}{spectrum}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def small_spectrum(
    edges: Float[np.ndarray, " edge"], modes: Float[np.ndarray, " interval"], end: float
) -> str:
    """A density of states as a small ``<svg>``, from 0 to ``end`` (cm⁻¹), as high as it is.

    >>> small_spectrum(np.array([0.0, 100.0, 200.0]), np.array([1.0, 2.0]), 200.0)[:20]
    '<svg viewBox="0 0 15'
    """
    density = modes / np.diff(edges)
    centers = (edges[1:] + edges[:-1]) / 2
    places = np.linspace(0, end, WIDTH + 1)
    heights = np.interp(places, centers, density, right=0.0)
    top = float(heights.max()) or 1.0
    ys = HEIGHT - 1 - (HEIGHT - 3) * heights / top
    points = " ".join(f"{x:.0f},{y:.1f}" for x, y in zip(places * WIDTH / end, ys, strict=True))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="density of states">'
        f'<polygon points="0,{HEIGHT - 1} {points} {WIDTH},{HEIGHT - 1}" fill="currentColor" '
        f'fill-opacity=".22" stroke="currentColor"/></svg>'
    )


def _end(row: RankedCrystal) -> float:
    """Where the spectrum of a row ends, in cm⁻¹, on a round number."""
    density = row.modes / np.diff(row.edges)
    seen = np.flatnonzero(density > NOTHING * density.max())
    last = float(row.edges[seen[-1] + 1]) if len(seen) else 1.0
    return max(100.0, 100.0 * math.ceil(last / 100))


def _row(row: RankedCrystal, end: float) -> str:
    formula = re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", html.escape(row.formula))
    sigma = (
        "" if math.isnan(row.uncertainty) else f" <small>± {_digits(row.uncertainty, 2)}</small>"
    )
    cells = [
        _number(row.rank, str(row.rank)),
        f'<td title="{html.escape(row.place, quote=True)}">{formula}</td>',
        f"<td>{html.escape(row.name)}</td>",
        f"<td>{html.escape(row.space_group)}</td>",
        _number(row.value, _digits(row.value) + sigma),
        _number(row.unstable, f"{row.unstable:.2f}"),
        *(_number(value, _digits(value)) for value in row.numbers),
        f"<td>{small_spectrum(row.edges, row.modes, end)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: float, text: str) -> str:
    """A cell that is sorted by its value; what is not known comes last."""
    return f'<td class="n" data-v="{"" if math.isnan(value) else f"{value:.9g}"}">{text}</td>'


def _digits(value: float, n: int = 4) -> str:
    """A number with so many digits, without an exponent where it can do without."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if 10 ** (n - 1) <= abs(value) < 1e7 else f"{value:#.{n}g}".rstrip(".")

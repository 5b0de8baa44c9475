"""Reports: one HTML page with text, figures and tables that needs nothing but itself."""

import base64
import html
import io
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from euclidium.plot.canvas import GRID, INK

# What one figure may weigh as a drawing; beyond this it becomes a picture.
LARGEST_DRAWING = 1_500_000  # bytes


@dataclass(frozen=True)
class Picture:
    """A figure with its caption."""

    figure: Figure
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a header, with a caption; numbers are aligned to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


@dataclass(frozen=True)
class Fact:
    """A number that stands out: what it is, its value, and a word about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A chapter: text, then facts, figures and tables, in this order.

    An empty line in the text begins a paragraph; `words between backticks` are code.
    """

    title: str
    text: str = ""
    facts: Sequence[Fact] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


def report(
    title: str,
    sections: Sequence[Section],
    summary: str = "",
    facts: Sequence[Fact] = (),
    footer: str = "",
) -> str:
    """One HTML page that contains everything it shows.

    Figures are drawings inside the page. No script, no font and no image is loaded from anywhere;
    the page follows the reader's choice of light or dark, and prints. Raises ``ValueError`` for a
    table whose rows do not fit its header.

    >>> page = report("Silicon", [Section("Errors", tables=[Table(["force"], [["12 meV/Å"]])])])
    >>> page.startswith("<!doctype html>"), "http" in page
    (True, False)
    """
    style = resources.files("euclidium.plot").joinpath("page.css").read_text(encoding="utf-8")
    names = [f"{n}-{_slug(section.title)}" for n, section in enumerate(sections, 1)]
    links = "".join(
        f'<li><a href="#{name}">{_inline(section.title)}</a></li>'
        for name, section in zip(names, sections, strict=True)
    )
    numbers = count(1)
    body = "".join(
        _section(name, section, numbers) for name, section in zip(names, sections, strict=True)
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{_inline(title)}</h1>{_paragraphs(summary)}{_facts(facts)}</header>\n"
        f"{f'<nav><ol>{links}</ol></nav>' if len(sections) > 1 else ''}\n"
        f"<main>{body}</main>\n"
        f"{f'<footer>{_paragraphs(footer)}</footer>' if footer else ''}\n</body>\n</html>\n"
    )


def write_report(path: str | os.PathLike[str], page: str) -> Path:
    """Write a page to a file, under a temporary name first, and return its path.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(Path(folder) / "silicon.html", report("Silicon", [])).name
    'silicon.html'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(page)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def figure_html(figure: Figure, description: str = "") -> str:
    """A figure as an ``<svg>`` element that takes the colours of the text around it.

    Nothing in it points outside. A figure too large for a drawing becomes an embedded PNG.
    ``description`` is read to those who do not see it.

    >>> from euclidium.plot.curves import dos
    >>> import numpy as np
    >>> figure_html(dos(np.array([0.0, 1.0]), np.array([0.0, 1.0])).figure)[:4]
    '<svg'
    """
    drawing = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "euclidium", "svg.fonttype": "path"}):
        figure.savefig(drawing, format="svg", metadata={"Date": None}, transparent=True)
    svg = drawing.getvalue()
    if len(svg) > LARGEST_DRAWING:
        return _png_html(figure, description)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)  # HTML knows both namespaces
    svg = re.sub(r"<!--.*?-->\s*", "", svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--line)")
    label = html.escape(description, quote=True)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def _png_html(figure: Figure, description: str) -> str:
    """A figure as pixels inside the page, on white so that its dark ink can be read."""
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png", dpi=160, facecolor="white")
    text = base64.b64encode(pixels.getvalue()).decode()
    label = html.escape(description, quote=True)
    return f'<img class="paper" alt="{label}" src="data:image/png;base64,{text}">'


def _section(name: str, section: Section, numbers: "count[int]") -> str:
    pictures = "".join(_picture(picture, next(numbers)) for picture in section.pictures)
    tables = "".join(map(_table, section.tables))
    return (
        f'<section id="{name}"><h2>{_inline(section.title)}</h2>{_paragraphs(section.text)}'
        f"{_facts(section.facts)}{pictures}{tables}</section>\n"
    )


def _picture(picture: Picture, number: int) -> str:
    drawing = _unique(figure_html(picture.figure, picture.caption), f"f{number}-")
    caption = f"<b>Figure {number}.</b> {_inline(picture.caption)}" if picture.caption else ""
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def _unique(svg: str, prefix: str) -> str:
    """The same drawing with its inner names made its own: two on one page must not share any."""
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(url\(|href=")#', rf"\1#{prefix}", svg)


def _table(table: Table) -> str:
    for row in table.rows:
        if len(row) != len(table.header):
            raise ValueError(
                f"a row has {len(row)} cells under {len(table.header)} headings: {list(row)}"
            )
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.header)
    marks = [' class="n"' if column and all(map(_is_number, column)) else "" for column in columns]

    def cells(kind: str, row: Sequence[object]) -> str:
        texts = [f"<{kind}{m}>{_inline(str(v))}</{kind}>" for m, v in zip(marks, row, strict=True)]
        return f"<tr>{''.join(texts)}</tr>"

    caption = f"<caption>{_inline(table.caption)}</caption>" if table.caption else ""
    body = "".join(cells("td", row) for row in table.rows)
    inside = f"{caption}<thead>{cells('th', table.header)}</thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def _facts(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    cards = "".join(
        f"<div><dt>{_inline(fact.label)}</dt><dd>{_inline(fact.value)}"
        f"{f'<small>{_inline(fact.note)}</small>' if fact.note else ''}</dd></div>"
        for fact in facts
    )
    return f"<dl>{cards}</dl>"


def _paragraphs(text: str) -> str:
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "".join(f"<p>{_inline(part)}</p>" for part in parts if part)


def _inline(text: str) -> str:
    """Escaped text, with code between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _is_number(value: object) -> bool:
    return bool(re.match(r"^[−+-]?\.?\d|^[–—-]$|^nan$", str(value).strip()))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")

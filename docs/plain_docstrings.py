"""Sphinx extension: docstrings are plain text, which this turns into reStructuredText.

Paragraphs, lists, ``code``, ``:role:`text```, directives and doctests stay what they are. What
reStructuredText would read as markup (``|x|``, ``x_``, ``a * b``) is text, and a paragraph that is
an equation keeps its spaces and line breaks.
"""

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

# What stays as it is within a line: literals, roles, links.
KEPT = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`|https?://\S+)")
LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s")
RELATION = re.compile(r"[=→≈∝≤≥↦]")


def escape(line: str) -> str:
    """A line whose special characters are text."""
    item = LIST_ITEM.match(line)
    start, rest = (line[: item.end()], line[item.end() :]) if item else ("", line)
    pieces = KEPT.split(rest)
    pieces[::2] = [re.sub(r"([\\*|_`])", r"\\\1", piece) for piece in pieces[::2]]
    return start + "".join(pieces)


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines without an empty one."""
    run: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            run.append(line)
        elif run:
            yield run
            run = []


def is_equation(lines: list[str]) -> bool:
    """Whether a paragraph states a relation instead of a sentence."""
    text = " ".join(lines).strip()
    sentence = text.endswith((".", ":", "?")) or LIST_ITEM.match(text)
    return bool(RELATION.search(text)) and not sentence and "``" not in text and ">>>" not in text


def indentation(line: str) -> int:
    """Number of spaces before the text."""
    return len(line) - len(line.lstrip())


def convert(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring in reStructuredText."""
    directive = None  # the indentation of the directive we are in
    for paragraph in paragraphs(lines):
        if directive is not None and indentation(paragraph[0]) > directive:
            yield from paragraph
        elif paragraph[0].lstrip().startswith(".. "):
            directive = indentation(paragraph[0])
            yield from paragraph
        elif paragraph[0].lstrip().startswith(">>>"):
            directive = None
            yield from paragraph
        else:
            directive = None
            yield from prose(paragraph)
        yield ""


def prose(paragraph: list[str]) -> Iterator[str]:
    """A paragraph, an equation, or a block set apart by its indentation."""
    if is_equation(paragraph) or (indentation(paragraph[0]) and not LIST_ITEM.match(paragraph[0])):
        yield from (".. code-block:: none", "")
        yield from (f"   {line}" for line in paragraph)
    else:
        yield from map(escape, paragraph)


def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]):
    """Rewrite the lines of one docstring in place, as autodoc asks."""
    written_by_python = lines[:1] and lines[0].startswith("Alias for field number")
    lines[:] = [] if written_by_python else list(convert(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

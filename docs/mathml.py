"""Sphinx extension: LaTeX becomes MathML at build time; pages need no script and no network."""

import re

from docutils import nodes
from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.writers.html5 import HTML5Translator


def to_mathml(latex: str, display: str) -> str:
    """The MathML of a formula; a command that the converter does not know is an error."""
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{align*}}{latex}\end{{align*}}"
    mathml = convert(latex.replace("{aligned}", "{align*}"), display=display)
    if unknown := re.search(r"\\[A-Za-z]+", mathml):
        raise SphinxError(f"cannot typeset {unknown.group()} in {latex!r}")
    return mathml


def visit_inline(writer: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    writer.body.append(to_mathml(node.astext(), "inline"))
    raise SkipNode


def visit_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    writer.body.append(f'<div class="math">{to_mathml(node.astext(), "block")}</div>')
    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

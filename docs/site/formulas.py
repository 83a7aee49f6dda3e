"""Formulas as MathML, made when the site is built, so that a page needs no script for them."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.writers.html5 import HTML5Translator

_NUMBER = re.compile(r"\\qquad\s*\((\d+)\)\s*$")


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    r"""Write a formula of its own line; what ends with ``\qquad (7)`` has this number, and the anchor ``#eq-7``."""
    self.body.append(block(node.astext()))
    raise nodes.SkipNode


def block(latex: str) -> str:
    """Return a formula of its own line, with its number as a link to it."""
    number = _NUMBER.search(latex)
    formula = f'<div tabindex="0">{convert(_NUMBER.sub("", latex).strip(), display="block")}</div>'
    if number is None:
        return f'<div class="equation">{formula}</div>\n'
    n = number[1]
    link = f'<a href="#eq-{n}" title="Link to equation ({n})">({n})</a>'
    return f'<div class="equation" id="eq-{n}">{formula}{link}</div>\n'

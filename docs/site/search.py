"""The search of the site: English words by their stems, and Chinese text by pairs of characters."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

_WORD = re.compile(r"(?P<chinese>[\u3400-\u9fff]+)|[^\W\u3400-\u9fff]+")


class EnglishAndChinese(SearchEnglish):
    """What is indexed, and how a query is taken apart.

    Chinese is written without spaces. Every pair of neighbours is a word here, and a query too is taken apart into
    pairs, so that it matches any part of a text, whatever the words in it are. Single characters are indexed for
    queries of one character.
    """

    lang = "en"
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|[\p{Letter}\p{Number}_]+?(?=[\u3400-\u9fff]|[^\p{Letter}\p{Number}_]|$)/gu) || [])
    .flatMap((word) =>
      /^[\u3400-\u9fff]{2,}$/.test(word) ? [...word].slice(1).map((second, i) => word[i] + second) : [word]);
"""

    def split(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [part for match in _WORD.finditer(text) for part in _parts(match)]


def _parts(match: re.Match[str]) -> list[str]:
    if match["chinese"] is None:
        return [match[0]]
    pairs = [first + second for first, second in zip(match[0], match[0][1:], strict=False)]
    return [*match[0], *pairs]


def write_texts(app: Sphinx, out: Path) -> None:
    """Write the text of every page, from which the search quotes what is around a word."""
    texts = {page: _text_of(app.env.get_doctree(page)) for page in sorted(app.env.found_docs)}
    script = f"const SEARCH_TEXTS = {json.dumps(texts, ensure_ascii=False)};\n"
    (out / "_static" / "search_texts.js").write_text(script, encoding="utf-8")


def _text_of(document: nodes.document) -> str:
    parts = (text.astext() for text in document.findall(nodes.Text) if not isinstance(text.parent, nodes.raw))
    return " ".join(" ".join(parts).split())

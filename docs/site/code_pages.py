"""Pages of source code: each line has an anchor, ``#L107``, as on GitHub; a folder lists what is in it."""

import ast
import re
from collections.abc import Iterable, Mapping
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from docs.site.links import ROOT, is_source

_EQUATION = re.compile(r"\((\d+)\)(?=[^<]*</span>)")


def with_contents(paths: Iterable[str]) -> list[str]:
    """Return files and folders, together with all source code below the folders, in the order of their names."""
    collected: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in collected:
            collected.add(path)
            waiting += [child for child in _children(path) if _is_shown(child)]
    return sorted(collected)


def body(path: str, addresses: Mapping[str, str]) -> str:
    """Return the page of a file or folder, with links to those that have an address in the site."""
    content = _listing(path, addresses) if (ROOT / path).is_dir() else _code(path)
    return f"<h1>{_trail(path, addresses)}</h1>\n{content}"


def _children(path: str) -> list[str]:
    """Return what is in a folder, folders first; nothing for a file."""
    folder = ROOT / path
    if not folder.is_dir():
        return []
    inside = [child for child in folder.iterdir() if not child.name.startswith((".", "__pycache__"))]
    inside.sort(key=lambda child: (child.is_file(), child.name))
    return [child.resolve().relative_to(ROOT).as_posix() for child in inside]


def _is_shown(path: str) -> bool:
    """Return whether what is in a folder has a page: code, not records, and a folder only with code in it."""
    if (ROOT / path).is_dir():
        return any(_is_shown(child) for child in _children(path))
    return is_source(path)


def _link(text: str, address: str | None) -> str:
    """Return a text as a link, where it has an address."""
    return escape(text) if address is None else f'<a href="site:{address}">{escape(text)}</a>'


def _trail(path: str, addresses: Mapping[str, str]) -> str:
    """Return a path whose folders are links."""
    parts = path.split("/")
    folders = ["/".join(parts[:number]) for number in range(1, len(parts))]
    links = [_link(part, addresses.get(folder)) for part, folder in zip(parts, folders, strict=False)]
    return "/<wbr>".join([*links, escape(parts[-1])])


def _code(path: str) -> str:
    """Return a file as numbered lines."""
    text = (ROOT / path).read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(path, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    lines = highlight(text, lexer, HtmlFormatter(nowrap=True)).splitlines()
    if path.startswith("scratch/"):
        lines = [_with_equations(line) for line in lines]
    rows = (f'<span id="L{n}"><a href="#L{n}">{n}</a>{line}\n</span>' for n, line in enumerate(lines, start=1))
    return f'<div class="highlight source"><pre>{"".join(rows)}</pre></div>'


def _with_equations(line: str) -> str:
    """Return a highlighted line whose comment leads to the equations that it names, such as ``# (7)``."""
    before, mark, comment = line.partition('<span class="c1"># (')
    if not mark:
        return line
    return before + _EQUATION.sub(r'<a href="site:docs/derivation.html#eq-\1">(\1)</a>', mark + comment)


def _listing(path: str, addresses: Mapping[str, str]) -> str:
    """Return a folder as a table of what is in it, with the first line that each says of itself."""
    rows = []
    for child in _children(path):
        name = child.rpartition("/")[2] + ("/" if (ROOT / child).is_dir() else "")
        rows.append((_link(name, addresses.get(child)), escape(_summary(child))))
    columns = 2 if any(summary for _, summary in rows) else 1
    head = "".join(f"<th>{title}</th>" for title in ("file or folder", "what it is")[:columns])
    lines = ("".join(f"<td>{cell}</td>" for cell in row[:columns]) for row in rows)
    table = f"<thead><tr>{head}</tr></thead><tbody><tr>{'</tr><tr>'.join(lines)}</tr></tbody>"
    return f'<div class="table-wrapper"><table class="docutils">{table}</table></div>'


def _summary(path: str) -> str:
    """Return the first line of the docstring of a module or package, or nothing."""
    module = ROOT / path / "__init__.py" if (ROOT / path).is_dir() else ROOT / path
    if module.suffix != ".py" or not module.is_file():
        return ""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]

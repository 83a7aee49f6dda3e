"""Where the links of the pages lead.

The pages are written to be read on GitHub, where a link may lead to any file. A link to a page of the site stays as it
is, and Sphinx checks it. Every other one gets an address that begins with ``site:``, for a page of source code or for a
file that is copied. `resolved` makes these addresses relative, once it is known where the page itself will be.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NETWORK, REPORT = "docs/network/index.html", "results/reference/report.html"
"""Pages that are HTML already. Network: an interactive one, with its files beside it."""

_CODE = re.compile(r"(^```.*?^```[ ]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
_MARKDOWN = re.compile(r'(href="[\w./-]+)\.md(?=["#])')
_ADDRESS = re.compile(r'href="site:(?://)?([^"#]+)')
_IMAGES = (".png", ".svg")  # Sphinx copies them
_SOURCE = {"", ".c", ".cff", ".ini", ".mjs", ".po", ".py", ".toml", ".txt", ".yml"}


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a text of Markdown in which all but the code is changed."""
    parts = _CODE.split(text)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)


def target_path(page: str, link: str) -> str | None:
    """Return the file or folder that a link of a page leads to, from the root, or None where it is none of ours."""
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", path):
        return None
    target = (ROOT / page).parent.joinpath(path).resolve()
    return target.relative_to(ROOT).as_posix() if target.exists() and target.is_relative_to(ROOT) else None


def is_source(path: str) -> bool:
    """Return whether a file is shown as source code; a folder is, as a list of what is in it."""
    return (ROOT / path).is_dir() or Path(path).suffix in _SOURCE


def address_of(path: str) -> str:
    """Return the address within the site of a file or folder that is no page; what is no source code is copied."""
    if (ROOT / path).is_dir():
        return f"code/{path}/index.html"
    return f"code/{path}.html" if is_source(path) else path


def without_page(page: str, text: str, is_page: Callable[[str], bool]) -> set[str]:
    """Return the files and folders that a page leads to and that are no pages themselves, but for images."""
    targets = {target_path(page, link) for part in _CODE.split(text)[::2] for link in _LINK.findall(part)}
    return {path for path in targets if path is not None and not is_page(path) and not path.endswith(_IMAGES)}


def with_addresses(page: str, text: str, is_page: Callable[[str], bool]) -> str:
    """Return the text of a page with the addresses of what is no page."""

    def change(match: re.Match[str]) -> str:
        path = target_path(page, match[0])
        if path is None or is_page(path) or path.endswith(_IMAGES):
            return match[0]
        _, hash_sign, anchor = match[0].partition("#")
        return f"site:{address_of(path)}{hash_sign}{anchor}"

    return outside_code(text, lambda part: _LINK.sub(change, part))


def resolved(page: str, html: str) -> str:
    """Return a part of a page with its addresses relative to the page, which is at ``page`` + ``.html``."""
    folder = posixpath.dirname(page) or "."
    html = html.replace('class="reference external" href="site:', 'class="reference internal" href="site:')
    return _ADDRESS.sub(lambda match: f'href="{posixpath.relpath(match[1], folder)}', html)


def to_pages(html: str) -> str:
    """Return HTML that leads to Markdown beside it with links to the pages that are made of it."""
    return _MARKDOWN.sub(r"\1.html", html)

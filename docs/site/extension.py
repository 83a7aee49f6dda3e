"""The extension of Sphinx that makes the site: what happens to a page between its file and its HTML."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from docs.site import code_pages, formulas, links, notebooks, search
from docs.site.links import NETWORK, REPORT, ROOT
from docs.site.navigation import START, is_chinese, other_language, table_of_contents, with_chinese_first

_CHINESE = {
    "Back to top": "回到顶部",
    "Home": "开始",
    "Next": "下一页",
    "On this page": "本页",
    "Previous": "上一页",
    "Search": "搜索",
    "Skip to content": "跳到正文",
}
"""What the theme says on every page."""
_REACHABLE = {
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    'role="heading"': 'role="heading" aria-level="2"',
}
"""What lets a keyboard reach all that scrolls, and a screen reader the headings of the navigation."""


def read_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Make Markdown of a notebook, give addresses to what is no page, and append the navigation to the start."""
    path = _path_of(app, page)
    source[0] = links.with_addresses(path, _markdown(path, source[0]), lambda target: _is_page(app, target))
    if page == START:
        source[0] += table_of_contents(app.env.found_docs)


def collect_code_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for all source code that pages lead to."""
    shown = code_pages.with_contents(path for path in _without_page(app) if links.is_source(path))
    addresses = {_path_of(app, page): f"{page}.html" for page in app.env.found_docs}
    addresses |= {path: links.address_of(path) for path in shown}
    for path in shown:
        context = {"title": path, "body": code_pages.body(path, addresses)}
        yield addresses[path].removesuffix(".html"), context, "page.html"


def complete_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Make addresses relative, let everyone reach everything, and say in which language the page is."""
    del template, doctree
    for part in ("body", "furo_navigation_tree"):
        context[part] = links.resolved(page, context.get(part, ""))
        for before, after in _REACHABLE.items():
            context[part] = context[part].replace(before, after)
    context["other_language"] = context["pathto"](other_language(page, app.env.found_docs))
    context["page_is_chinese"] = is_chinese(page)
    if is_chinese(page):
        context["language"] = "zh-CN"
        context["furo_navigation_tree"] = with_chinese_first(context["furo_navigation_tree"])
        context["_"] = context["gettext"] = lambda text: _CHINESE.get(text, text)


def add_files(app: Sphinx, exception: Exception | None) -> None:
    """Copy what pages lead to as it is, and give the start the name that servers look for."""
    if exception is not None:
        return
    out = Path(app.outdir)
    for path in {*_without_page(app), REPORT} - {NETWORK}:
        if not links.is_source(path):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, out / path)
    if (ROOT / NETWORK).exists():
        for folder in ("docs/network", "docs/figures"):  # one of the figures is shown where scripts are off
            shutil.copytree(ROOT / folder, out / folder, dirs_exist_ok=True)
        page = (out / NETWORK).read_text(encoding="utf-8")
        (out / NETWORK).write_text(links.to_pages(page), encoding="utf-8")
    shutil.copyfile(out / f"{START}.html", out / "index.html")
    search.write_texts(app, out)


def _path_of(app: Sphinx, page: str) -> str:
    return Path(app.env.doc2path(page)).relative_to(ROOT).as_posix()


def _markdown(path: str, text: str) -> str:
    return notebooks.to_markdown(text) if path.endswith(".ipynb") else text


def _is_page(app: Sphinx, path: str) -> bool:
    return app.env.path2doc(ROOT / path) in app.env.found_docs


def _without_page(app: Sphinx) -> set[str]:
    """Return the files and folders that the pages of the site lead to and that are no pages of it."""
    targets: set[str] = set()
    for page in app.env.found_docs:
        path = _path_of(app, page)
        text = _markdown(path, (ROOT / path).read_text(encoding="utf-8"))
        targets |= links.without_page(path, text, lambda target: _is_page(app, target))
    return targets


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what the extension does."""
    app.add_search_language(search.EnglishAndChinese)
    app.add_html_math_renderer("mathml", (formulas.visit_inline, None), (formulas.visit_block, None))
    app.connect("source-read", read_page)
    app.connect("html-collect-pages", collect_code_pages)
    app.connect("html-page-context", complete_page, priority=900)  # after the theme
    app.connect("build-finished", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

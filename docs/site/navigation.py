"""The order of the pages, and which page is which in the other language."""

import re
from collections.abc import Collection

from docs.site.links import NETWORK, REPORT, ROOT

START, CHINESE_START = "README", "README.zh-CN"

NAVIGATION: dict[str, dict[str, str]] = {
    "": {"Start": "self"},
    "Learn it": {
        "Derivation": "docs/derivation",
        "A network step by step": f"site://{NETWORK}",
        "Notebook": "docs/notebook",
        "Glossary": "docs/glossary",
    },
    "Check your code": {
        "Your own network": "docs/your-own",
        "Questions": "docs/questions",
        "Planted mistakes": "docs/mutations",
    },
    "The answers": {
        "Why the two versions differ": "docs/why",
        "How fast": "docs/speed",
        "Published results": "docs/published",
        "The report": f"site://{REPORT}",
        "How to read the report": "docs/report",
        "All tables of the report": "results/reference/report",
    },
    "Method": {
        "How it verifies and times": "docs/method",
        "How equal is equal": "docs/parity",
        "Architecture": "docs/architecture",
        "Commands": "docs/commands",
        "Your own data": "docs/data",
    },
    "The project": {
        "Contributing": "CONTRIBUTING",
        "Changelog": "CHANGELOG",
        "What a run leaves": "results/README",
        "The MNIST files": "data/mnist/README",
    },
    "中文": {
        "开始": CHINESE_START,
        "反向传播的推导": "docs/zh/derivation",
        "一步一步看网络": f"site://{NETWORK}",
        "Notebook：从零手写": "docs/notebook.zh-CN",
        "检查你自己的网络": "docs/zh/your-own",
        "两个版本为什么不同": "docs/zh/why",
    },
}
"""By heading, the pages below it: the title and the page, without its suffix."""


def table_of_contents(pages: Collection[str]) -> str:
    """Return the navigation as directives of Sphinx, with the entries whose page is there."""
    present = {"self", *pages, *(f"site://{path}" for path in (NETWORK, REPORT) if (ROOT / path).exists())}
    blocks = []
    for heading, entries in NAVIGATION.items():
        caption = f":caption: {heading}\n" if heading else ""
        lines = [f"{title} <{page}>\n" for title, page in entries.items() if page in present]
        blocks.append(f"```{{toctree}}\n:hidden:\n{caption}\n{''.join(lines)}```\n")
    return "\n" + "\n".join(blocks)


def with_chinese_first(tree: str) -> str:
    """Return the navigation as HTML with the Chinese pages before the English ones."""
    start, *groups = re.split(r'(?=<p class="caption")', tree)
    return start + "".join(sorted(groups, key=lambda group: "中文" not in group))


def is_chinese(page: str) -> bool:
    """Return whether a page is written in Chinese."""
    return page.endswith(".zh-CN") or page.startswith("docs/zh/")


def other_language(page: str, pages: Collection[str]) -> str:
    """Return the same page in the other language, or the start in that language where there is none."""
    if is_chinese(page):
        other = page.removesuffix(".zh-CN").replace("docs/zh/", "docs/")
        return other if other in pages else START
    beside, below = f"{page}.zh-CN", page.replace("docs/", "docs/zh/", 1)
    return next((other for other in (beside, below) if other in pages and other != page), CHINESE_START)

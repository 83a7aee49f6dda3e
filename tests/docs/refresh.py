"""Bring what is generated in the pages up to date: ``python -m tests.docs.refresh [PAGE]...``.

Without a page, in all but docs/your-own.md and docs/notebook.ipynb, which measure anew. Figures of the pages are drawn
too.

Whoever has changed a page that is in Chinese too brings the Chinese one after it and says so with ``--translated`` and
its name: every section of it has the checksum of the English one that it was written from, and a test names those that
have changed since.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.report.drawing import Drawing, save
from tests.docs.chinese import ENGLISH, stamped
from tests.docs.generated import (
    ROOT,
    data,
    derivation,
    method,
    network,
    notebook,
    published,
    questions,
    readme,
    speed,
    why,
    your_own,
)


@dataclass(frozen=True)
class Renderer:
    """What brings a page up to date, and the folders of its figures with what is drawn there."""

    page: Callable[[str], str]
    figures: Callable[[], Iterable[tuple[Path, Drawing]]] = tuple


RENDERERS = {
    "README.md": Renderer(readme.page),
    "README.zh-CN.md": Renderer(readme.chinese_page),
    "docs/speed.md": Renderer(speed.page, speed.figures),
    "docs/why.md": Renderer(why.page, why.figures),
    "docs/published.md": Renderer(published.page, published.figures),
    "docs/method.md": Renderer(method.page, method.figures),
    "docs/derivation.md": Renderer(derivation.page),
    "docs/questions.md": Renderer(questions.page),
    "docs/data.md": Renderer(data.page),
    "docs/network/mnist.js": Renderer(network.page),
    "docs/your-own.md": Renderer(your_own.page),
    "docs/zh/derivation.md": Renderer(derivation.chinese_page),
    "docs/zh/why.md": Renderer(why.chinese_page),
    "docs/zh/your-own.md": Renderer(your_own.chinese_page),
    "docs/notebook.ipynb": Renderer(notebook.page),
    "docs/notebook.zh-CN.ipynb": Renderer(notebook.chinese_page),
}
MEASURING = ("docs/your-own.md", "docs/notebook.ipynb")
TRANSLATED = "--translated"


def main(words: list[str]) -> None:
    """Refresh the pages that are named; ends with one sentence for one that is not known."""
    names = [word for word in words if word != TRANSLATED] or [name for name in RENDERERS if name not in MEASURING]
    for name in names:
        if name not in RENDERERS:
            sys.exit(f"{name!r} is no page with generated text; expected one of {', '.join(RENDERERS)}")
    for name in names:
        path = ROOT / name
        text = RENDERERS[name].page(path.read_text(encoding="utf-8"))
        if TRANSLATED in words and name in ENGLISH:
            text = stamped(text, (ROOT / ENGLISH[name]).read_text(encoding="utf-8"), ENGLISH[name])
        path.write_text(text, encoding="utf-8")
        for folder, drawing in RENDERERS[name].figures():
            save(drawing, folder)


if __name__ == "__main__":
    main(sys.argv[1:])

"""docs/questions.md: what a check says of the example of docs/your-own.md, changed as each question says."""

import re
from typing import Any

from backprop_bench.bench.compare.verdicts import lead
from tests.docs.generated import ROOT, listed, put, with_spaces
from tests.docs.generated.readme import reference_summary

PAGE = ROOT / "docs" / "questions.md"
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
ANSWERED = re.compile(r"(?<=```diff\n)(.*?)```\n\n```\n(.*?)```", re.DOTALL)
"""The changed lines, and what a check says."""


def page(text: str) -> str:
    """Check the network of every question, and return the page with what that and the reference run say."""
    answered = ANSWERED.sub(lambda found: f"{found[1]}```\n\n```\n{answer(found[1])}```", text)
    *_, same_recipe, _, accuracy = lead(reference_summary())
    return put(answered, {"same-recipe": listed([same_recipe]), "accuracy": listed([accuracy])})


def answer(difference: str) -> str:
    """Return what a check says of the example with changed lines, a sentence on a line."""
    found: dict[str, Any] = {}
    exec(changed(example(), difference), found)
    return with_spaces("".join(f"{sentence}\n" for sentence in found["checked"].sentences))


def example() -> str:
    """Return the example of the page on one's own network."""
    first = EXAMPLE.search((ROOT / "docs" / "your-own.md").read_text(encoding="utf-8"))
    assert first is not None
    return first[1]


def changed(code: str, difference: str) -> str:
    """Return code in which those after "+" stand for the lines after "-"; raises `ValueError` where it lacks them."""
    for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", difference, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (old, new))
        if code.count(before) != 1:
            raise ValueError(f"the example has these lines {code.count(before)} times, expected once: {before}")
        code = code.replace(before, after)
    return code

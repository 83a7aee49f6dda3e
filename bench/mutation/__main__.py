"""``python -m backprop_bench.bench.mutation``: verify every mutation and write docs/mutations.md."""

import sys
from pathlib import Path

from backprop_bench.bench.mutation.mutations import CATALOGUE, MISTAKES
from backprop_bench.bench.mutation.planted import diagnosed
from backprop_bench.bench.mutation.planted_mistakes import PLANTED
from backprop_bench.bench.mutation.recipes import RECIPES
from backprop_bench.bench.mutation.signature import describe
from backprop_bench.bench.mutation.table import format_page
from backprop_bench.bench.mutation.verdicts import Verdict, judge, sign

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mutations.md"


def main() -> int:
    """Write the page; return 1 if a mistake is missed or a harmless change is caught, 0 otherwise."""
    verdicts = [judge(mutation, name) for mutation in CATALOGUE for name in mutation.recipes]
    signatures = [
        (describe(RECIPES[name], sign(mutation, name)), mutation.hint)
        for mutation in MISTAKES
        for name in mutation.recipes[:1]
    ]
    named = {planted.mistake: {style: diagnosed(planted, style) for style in planted.edits} for planted in PLANTED}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(format_page(verdicts, signatures, named), encoding="utf-8")
    wrong = [verdict for verdict in verdicts if not verdict.is_right]
    for verdict in wrong:
        print(_complain(verdict), file=sys.stderr)
    print(f"{len(verdicts) - len(wrong)} of {len(verdicts)} verdicts on {len(CATALOGUE)} mutations are as they must be")
    return 1 if wrong else 0


def _complain(verdict: Verdict) -> str:
    caught = f"caught by {', '.join(verdict.caught_by)}" if verdict.caught_by else "not caught"
    return f"{verdict.mutation.kind}, {caught}: {verdict.mutation.name} ({verdict.recipe_name})"


if __name__ == "__main__":
    sys.exit(main())

"""docs/mutations.md: the result of the verification of every mutation. Pure functions to text."""

import re
from collections.abc import Iterable, Mapping, Sequence

from backprop_bench.bench.mutation.planted import Outcome
from backprop_bench.bench.mutation.recipes import N_EXAMPLES
from backprop_bench.bench.mutation.verdicts import STEPS, Verdict, excess

ABSENT = "–"
_COLUMNS = ["recipe", "caught by", "largest error", "times tolerance", "where"]

_INTRO = """# Does verification catch mistakes?

Verification catches {caught} of {mistakes} planted mistakes, and {rejected} of {harmless} harmless changes.

The mistakes are planted in the NumPy version, one at a time. The harmless changes compute the same, but round
differently. Mistakes that verification is known to miss are listed below, too.

`python -m backprop_bench.bench.mutation` writes this page. It fails if a mistake is missed or a harmless change is
caught. The tests check that the page is up to date.

## How it is made

- A mutation is an edit of the source: old code, new code. The old code is found by its syntax tree and must occur as
  often as stated. So an edit that no longer applies is an error. All mutations are in `bench/mutation/`:
  `mistakes_in_gradients.py`, `mistakes_in_training.py`, `mistakes_of_1986.py` and `harmless.py`.
- The edited modules are imported beside the real ones. They get the checks of every verification: *protocol* is what a
  trainer returns and must not change; *outputs* and *gradients* are those of the first batch, against PyTorch's
  autograd; *{steps} steps* compares weights and losses with `torch-eager`; *central differences* are those of the loss.
- Reference and tolerances are those of every verification, which takes more steps.
- Where the mistake is in the data preparation, both sides get the stored examples. Each prepares them with its own
  code, the mutant with the edited one.
- The recipes are small, in `bench/mutation/recipes.py`: {examples} examples in batches of 8, so that the last batch is
  short. Layers have 12, 9, 9 and 5 units, or all the same, so that a transposed matrix fits. One has 784 inputs.
- A mutant that raises an exception is an error of the suite: an exception would not show that the checks work.

The error is |actual − expected|, relative to the largest |expected| of the same array. The table shows it where it is
largest in relation to its tolerance, and how many times the tolerance it is. Where it is no number ({absent}), the last
column says why.
"""

_LIMITS = """
## What the tables do not show

- Other mistakes. The tables only show that verification detects these.
- Other recipes. A recipe shows no mistake in code that it does not use. So every recipe is verified before it is timed.
- The effect of a mistake on accuracy. Some have hardly any, and are caught all the same.
- Mistakes below the tolerance of float32. It covers the worst case and grows with the layers. This is why every recipe
  is verified in float64, too.
- Central differences of mistakes in the data preparation. They use the same examples, so they would agree.
"""


def format_page(
    verdicts: Sequence[Verdict], signatures: Sequence[tuple[str, str]], planted: Mapping[str, Mapping[str, Outcome]]
) -> str:
    """Return the whole page.

    Parameters
    ----------
    verdicts
        Of every mutation and recipe.
    signatures
        What differs, and the question to somebody whose network differs in this way.
    planted
        By mistake and style, what the diagnosis says of it.
    """
    mistakes, harmless, unseen = (_of_kind(verdicts, kind) for kind in ("mistake", "harmless", "unseen"))
    intro = _INTRO.format(
        mistakes=_count(mistakes),
        caught=_count(mistakes) - _count(verdict for verdict in mistakes if not verdict.caught_by),
        harmless=_count(harmless),
        rejected=_count(verdict for verdict in harmless if verdict.caught_by),
        steps=STEPS,
        examples=N_EXAMPLES,
        absent=ABSENT,
    )
    return "\n".join(
        [
            intro,
            "## Mistakes\n",
            _format_table(["mistake", *_COLUMNS], map(row, mistakes)),
            "## Harmless changes\n",
            _format_table(["change", *_COLUMNS], map(row, harmless)),
            "## Mistakes that verification misses\n",
            "These are wrong, and verification does not catch them:\n",
            *(f"- {verdict.mutation.name}: {verdict.mutation.hint}" for verdict in unseen),
            _format_named(planted),
            "## Which mistake looks like this?\n",
            _LOOK_UP,
            _format_table(["what differs", "questions to ask"], _group(signatures)) + _LIMITS,
        ]
    )


_NAMED = """
## Is the mistake named?

The diagnosis names {first} of {all} mistakes first, and claims a wrong one in {false}.

The same mistakes, planted in networks of three styles in `bench/mutation/styles/`: a row per example, a column per
example, and one example at a time. *named* means that the first mistake that `check` names is the planted one.
"""


def _format_named(planted: Mapping[str, Mapping[str, Outcome]]) -> str:
    outcomes = [outcome for by_style in planted.values() for outcome in by_style.values()]
    styles = list(dict.fromkeys(style for by_style in planted.values() for style in by_style))
    intro = _NAMED.format(
        first=sum(outcome.named_first for outcome in outcomes),
        all=len(outcomes),
        false=sum(outcome.falsely_certain for outcome in outcomes),
    )
    rows = [named_row(mistake, by_style, styles) for mistake, by_style in planted.items()]
    return intro + "\n" + _format_table(["mistake", *styles], rows)


def named_row(mistake: str, by_style: Mapping[str, Outcome], styles: Sequence[str]) -> list[str]:
    """Return the cells of a planted mistake: for each style, how it is named; nothing where it has no meaning."""
    return [mistake, *(by_style[style].cell if style in by_style else ABSENT for style in styles)]


_LOOK_UP = """The first column lists what differs from PyTorch in float64: outputs and gradient of the first batch, and
the weight update by it (first update). Where the first update is right, the updates of a few epochs may differ (later
updates), or only the outputs after them (later outputs). The loss is that of every epoch. A constant factor
actual / expected is shown. B is the number of examples in a batch, N of all examples, C of outputs; α is the momentum.
Most of these networks have three layers; layer 3 is the output layer.
"""


def row(verdict: Verdict) -> list[str]:
    """Return the cells of a verdict; the first three are the same on every machine."""
    check, agreement = verdict.worst
    place = re.sub(r"\[[\d, ]*\]|, \d+ sampled", "", agreement.where)
    return [
        verdict.mutation.name,
        verdict.recipe_name,
        ", ".join(verdict.caught_by) or "nothing",
        ABSENT if agreement.difference is None else f"{agreement.difference:.1e}",
        ABSENT if agreement.difference is None else f"{excess(agreement):.0e}",
        place if check == place else f"{check}: {place}",
    ]


def _of_kind(verdicts: Sequence[Verdict], kind: str) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.mutation.kind == kind]


def _group(signatures: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return a row for each signature, with all its questions."""
    questions: dict[str, list[str]] = {}
    for differs, question in signatures:
        questions.setdefault(differs, []).append(question)
    return [[differs, "<br>".join(dict.fromkeys(questions[differs]))] for differs in sorted(questions)]


def _count(verdicts: Iterable[Verdict]) -> int:
    return len({verdict.mutation.name for verdict in verdicts})


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

"""docs/mutations.md: what the parity proof makes of every mutation. Pure functions to text."""

import re
from collections.abc import Iterable, Sequence

from backprop_bench.bench.mutation.prove import STEPS, Verdict, excess
from backprop_bench.bench.mutation.recipes import N_EXAMPLES

ABSENT = "–"
_COLUMNS = ["recipe", "caught by", "largest difference", "times allowed", "where"]

_INTRO = """# The mutation proof

The parity proof says that the network by hand and PyTorch compute the same. Would it say so of a wrong network, too?
Here it is tried: {mistakes} real mistakes are planted in the network by hand, one at a time, and each of them must be
caught. {harmless} changes that are none, since they compute the same but for rounding, must not be caught. What is
known to be out of the proof's sight is listed below, too.

`python -m backprop_bench.bench.mutation` makes this page, and fails if a mistake is missed or a harmless change
caught. The tests check that the page is up to date.

## How it is made

- A mutation is an edit of the source: old code, new code. The old code is looked up by its syntax and must occur as
  often as stated, so that a mutation which no longer applies is an error and not a success. All are in
  `bench/mutation/mistakes_in_gradients.py`, `mistakes_in_training.py` and `harmless.py`.
- The edited modules are imported beside the real ones, and what comes out is judged by the checks of the parity proof
  itself: *conduct*, which is what a trainer returns and what it leaves alone; *outputs* and *gradients* of the first
  batch against PyTorch's autograd; weights and losses after *{steps} steps* against `torch-eager`; and *central
  differences* of the loss. The reference and the tolerances are those of the real proof, which takes more steps.
- Where the mistake is in how the examples are prepared, both sides are handed the examples as they are stored and
  prepare them on their own, the mutant by the edited code.
- The recipes are small, in `bench/mutation/recipes.py`: {examples} examples in batches of 8, so that the last batch is
  short; layers of 12, 9, 9 and 5 units, or all alike, where a transposed matrix fits; once 784 inputs.
- A mutant that raises an exception is an error of the suite: being caught for that would prove nothing.

The difference is |found − expected| relative to the largest |expected| of the same array, at the place where it is
furthest beyond what is allowed; beside it is how many times more than allowed that is. {absent} stands where it is no
number, and then the place says why.
"""

_LIMITS = """
## What the tables do not show

- That there are no other mistakes. They show that the proof is not blind to these.
- That a mistake is caught on every recipe: what a recipe does not use, no comparison on it can see. The proof is
  therefore run again on every recipe that is timed.
- How much a mistake matters for the accuracy. Some hardly do, and are caught all the same.
- Mistakes below the bound on rounding of the recipe's own precision. In float32 that bound is of the worst case and
  grows with the layers, far beyond what rounding usually does. This is why every recipe is proved in float64 as well.
- Central differences where the preparation of the examples is wrong: they know no other examples than those, so they
  would agree.
"""


def format_page(verdicts: Sequence[Verdict], signatures: Sequence[tuple[str, str]]) -> str:
    """Return the whole page.

    Parameters
    ----------
    verdicts
        On every mutation and recipe.
    signatures
        What differs, and what to ask whose network differs like that.
    """
    mistakes, harmless, unseen = (_of_kind(verdicts, kind) for kind in ("mistake", "harmless", "unseen"))
    intro = _INTRO.format(
        mistakes=_count(mistakes), harmless=_count(harmless), steps=STEPS, examples=N_EXAMPLES, absent=ABSENT
    )
    return "\n".join(
        [
            intro,
            "## Mistakes\n",
            _format_table(["mistake", *_COLUMNS], map(row, mistakes)),
            "## Harmless changes\n",
            _format_table(["change", *_COLUMNS], map(row, harmless)),
            "## Out of sight\n",
            "These are wrong, and the proof as it stands does not see them:\n",
            *(f"- {verdict.mutation.name}: {verdict.mutation.hint}" for verdict in unseen),
            "\n## Which mistake looks like this?\n",
            _LOOK_UP,
            _format_table(["what differs", "questions to ask"], _group(signatures)) + _LIMITS,
        ]
    )


_LOOK_UP = """What differs from PyTorch when both run in float64: the outputs and the gradient of the first batch, the
change of the weights by it (the first change), else that by a few epochs (the later change), else the outputs after
them, and the loss by epoch; with the factor found / expected where it is the same everywhere. B is the number of
examples in a batch, N that of all examples, C that of outputs, α the momentum. Of three layers here, layer 3 is the
output layer.
"""


def row(verdict: Verdict) -> list[str]:
    """Return the cells of a verdict: the first three are the same on every machine."""
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
    """Return a row for everything that can differ, with all questions that it raises."""
    questions: dict[str, list[str]] = {}
    for differs, question in signatures:
        questions.setdefault(differs, []).append(question)
    return [[differs, "<br>".join(dict.fromkeys(questions[differs]))] for differs in sorted(questions)]


def _count(verdicts: Iterable[Verdict]) -> int:
    return len({verdict.mutation.name for verdict in verdicts})


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

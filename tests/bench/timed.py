"""A question in which only times were measured, made up: every block takes what it is told to."""

from collections.abc import Mapping, Sequence
from typing import Any

from backprop_bench.data import Recipe
from tests.bench.plain import REQUIRED, Row

N_SETS, N_ROUNDS = 4, 3
JITTER = (0.99, 1.0, 1.0, 1.01)
"""By process replicate: what an implementation takes there, as a share of its time; the first one takes the same in
all."""


def timed_question(
    name: str, example_s: Mapping[str, float], implementations: Mapping[str, str] | None = None, examples: int = 1000
) -> tuple[dict[str, Any], list[Row]]:
    """Return what is planned of a question, and its rows.

    Parameters
    ----------
    example_s
        Seconds per example, by label.
    implementations
        By label, where that is not the label itself.
    """
    of = implementations or {}
    recipe = Recipe().to_dict()
    entries = [
        {
            "implementation": of.get(label, label),
            "label": label,
            "second_copy": False,
            "recipe_name": "r",
            "recipe": recipe,
        }
        for label in example_s
    ]
    timing = {"target": 0.02, "budget_s": 60.0, "block_s": 0.06}
    question = {
        "name": name,
        "title": f"Made up: {name}",
        "examples": examples,
        "test_examples": 10,
        "epochs": 0,
        "seeds": [],
        "entries": entries,
        "timing": timing,
    }
    rows = [row for number in range(N_SETS) for row in _set_rows(number, example_s, examples)]
    rows.append({"kind": "stop", "reason": "precise", "replicates": N_SETS, "spent_s": 9.0})
    return question, [{**row, "session": 0, "question": name} for row in rows]


def _set_rows(number: int, example_s: Mapping[str, float], examples: int) -> list[Row]:
    rows: list[Row] = []
    for place, (label, seconds) in enumerate(example_s.items()):
        takes = seconds * (JITTER[(number + place) % N_SETS] if place else 1.0)
        common = {"implementation": label, "replicate": number}
        rows.append(_row("start", common, first_s=0.5, energy="none"))
        for done in range(N_ROUNDS):
            block = {
                "round": done,
                "position": place,
                "examples": examples,
                "wall_s": takes * examples,
                "energy_j": None,
            }
            rows.append(_row("block", common, **block, cpu_s=takes * examples, at_s=float(number)))
        rows.append(_row("end", common, evaluation_s=0.1, peak_rss_bytes=3 << 20, data_rss_bytes=1 << 20))
    return rows


def _row(kind: str, common: Row, **fields: Any) -> Row:
    return {"kind": kind, **dict.fromkeys(REQUIRED[kind]), **common, **fields}


def timed_run(*questions: tuple[dict[str, Any], Sequence[Row]]) -> tuple[dict[str, Any], list[Row]]:
    """Return the description and the rows of a run of these questions."""
    return {"plan": {"questions": [question for question, _ in questions]}}, [
        row for _, rows in questions for row in rows
    ]

"""All tables of a run, filled from its summary."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bench.compute.agreement import Parity
from bench.compute.summary import Performance, QuestionSummary, Summary
from bench.show.headline import ratio_to_first
from bench.show.numbers import (
    ABSENT,
    MIB,
    count,
    listing,
    mebibytes,
    number_interval,
    percent_interval,
    plain,
    scientific,
    seconds,
    seconds_interval,
)
from bench.show.table import Table, make_table

BRIEF = 4
"""Columns of the results that fit on a narrow terminal."""
BRACKETS = "In brackets: 95 % interval; without brackets there are too few values for one."


def results_table(question: QuestionSummary, *, brief: bool = False) -> Table:
    """Return accuracy, time and memory of every implementation; the first columns only where it is to be brief."""
    first = question.performances[0].implementation if question.performances else ABSENT
    columns = [
        "<implementation",
        "test accuracy",
        "wall time per epoch",
        f"ratio to {first}",
        "<recipe",
        "CPU time per epoch",
        "one evaluation",
        "start and import",
        "load the data",
        "peak memory",
        "above data",
    ]
    note = (
        f"{count(question.cases, 'training case')}, {count(question.test_cases, 'test case')}, "
        f"{count(question.epochs, 'epoch')}. {BRACKETS} Accuracy: mean over seeds after the last epoch. Wall time, "
        "ratio, CPU time: geometric mean over rounds. The other times are medians, memory is the largest peak of a "
        "process, and what of it came on top of libraries and data."
    )
    rows = [_result_row(question, performance) for performance in question.performances]
    shown = BRIEF if brief else len(columns)
    return make_table(f"Results: {question.title}", columns[:shown], [row[:shown] for row in rows], note)


def _result_row(question: QuestionSummary, performance: Performance) -> list[str]:
    return [
        performance.implementation,
        percent_interval(performance.accuracy),
        seconds_interval(performance.wall_s),
        ratio_to_first(question, performance),
        performance.recipe,
        seconds(performance.cpu_s),
        seconds(performance.evaluation_s),
        seconds(performance.import_s),
        seconds(performance.load_s),
        mebibytes(performance.peak_rss_bytes),
        mebibytes(performance.above_data_bytes),
    ]


def ratios_table(question: QuestionSummary) -> Table:
    """Return the ratio of the times of every two implementations that were timed in the same rounds."""
    rows = [
        [
            f"time({ratio.numerator}) / time({ratio.denominator})",
            plain(ratio.interval.estimate),
            number_interval(ratio.interval).partition(" ")[2].strip("()") or ABSENT,
            str(ratio.interval.n),
            str(ratio.n_sets),
        ]
        for ratio in question.ratios
        if ratio.interval.n
    ]
    note = "Geometric mean of the ratios within rounds. A process set is one seed in one session."
    columns = ["<ratio", "estimate", "95 % interval", "rounds", "process sets"]
    return make_table(f"Times against each other: {question.title}", columns, rows, note)


def curves_table(question: QuestionSummary) -> Table:
    """Return accuracy and training loss after every epoch."""
    rows = [
        [
            performance.implementation,
            str(point.epoch),
            percent_interval(point.accuracy),
            ABSENT if point.loss is None else number_interval(point.loss),
            seconds(point.seconds),
        ]
        for performance in question.performances
        for point in performance.curve
    ]
    note = (
        f"Mean over {count(question.seeds, 'seed')}. Epoch 0 is that of the initial weights. Training loss: mean over "
        f"the cases of the epoch, each taken when its batch was visited. {BRACKETS}"
    )
    columns = ["<implementation", "epoch", "test accuracy", "training loss", "training time until then"]
    return make_table(f"Learning: {question.title}", columns, rows, note)


def parts_table(question: QuestionSummary) -> Table:
    """Return the time of every part of a training step."""
    rows = [
        [performance.implementation, part, seconds_interval(interval), str(interval.n)]
        for performance in question.performances
        for part, interval in performance.parts
    ]
    columns = ["<implementation", "<part", "wall time per step", "blocks"]
    return make_table(f"Parts of a training step: {question.title}", columns, rows, BRACKETS)


def parity_table(summary: Summary) -> Table:
    """Return the parity proof, what failed first."""
    checks = [(question, check) for question in summary.questions for check in question.parity]
    checks.sort(key=lambda pair: pair[1].passed)
    columns = [
        "<question",
        "<implementation",
        "<against",
        "<check",
        "<dtype",
        "largest difference",
        "bound",
        "<passed",
        "<where",
    ]
    rows = [[question.name, *_parity_cells(check)] for question, check in checks]
    return make_table("Parity proof", columns, rows)


def _parity_cells(check: Parity) -> list[str]:
    return [
        check.implementation,
        check.reference,
        check.check,
        check.dtype,
        scientific(check.difference),
        scientific(check.bound),
        "yes" if check.passed else "NO",
        check.where,
    ]


def failures_table(summary: Summary) -> Table:
    """Return what failed, was refused or diverged."""
    rows = []
    for question in summary.questions:
        rows += [
            [
                question.name,
                failure.implementation,
                ABSENT if failure.seed is None else str(failure.seed),
                failure.message,
            ]
            for failure in question.failures
        ]
        rows += [
            [question.name, performance.implementation, listing(map(str, performance.diverged)), "diverged"]
            for performance in question.performances
            if performance.diverged
        ]
    return make_table("Failed, refused or diverged", ["<question", "<implementation", "<seed", "<what happened"], rows)


def recipes_table(summary: Summary) -> Table:
    """Return the recipes side by side, the fields in which they differ first."""
    recipes = recipes_of(summary)
    fields = list(dict.fromkeys(field for recipe in recipes.values() for field in recipe))
    differing = differing_fields(list(recipes.values()))
    rows = [
        [field, *(_written(recipe.get(field, ABSENT)) for recipe in recipes.values())]
        for field in [*differing, *(field for field in fields if field not in differing)]
    ]
    note = f"They differ in the first {count(len(differing), 'row')}." if differing else ""
    return make_table("Recipes", ["<field", *(f"<{name}" for name in recipes)], rows, note)


def recipes_of(summary: Summary) -> dict[str, dict[str, Any]]:
    """Return the recipes that the plan of the run uses, by name."""
    found: dict[str, dict[str, Any]] = {}
    for question in summary.description["plan"]["questions"]:
        for entry in question["entries"]:
            name = entry["recipe_name"]
            if found.setdefault(name, entry["recipe"]) != entry["recipe"]:
                found[f"{name} in {question['name']}"] = entry["recipe"]
    return found


def differing_fields(recipes: list[dict[str, Any]]) -> list[str]:
    """Return the fields in which recipes differ."""
    fields = dict.fromkeys(field for recipe in recipes for field in recipe)
    return [field for field in fields if any(recipe.get(field) != recipes[0].get(field) for recipe in recipes)]


def environment_table(summary: Summary) -> Table:
    """Return the machine and the software, and what was asked of them."""
    description = summary.description
    asked: dict[str, Any] = {
        key: description[key]
        for key in ("suite_version", "profile", "created", "dataset", "threads")
        if key in description
    }
    rows = [*_flat(asked), ("sessions", str(summary.sessions)), *_flat(description.get("environment", {}))]
    return make_table("Environment", ["<what", "<value"], rows)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and text of every value of nested dicts."""
    for key, value in values.items():
        in_bytes = key.endswith("_bytes") or above.endswith("bytes: ")
        name = above + key.removesuffix("_bytes").replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key.replace('_', ' ')}: ")
        elif in_bytes and isinstance(value, int) and not isinstance(value, bool):
            yield name, _bytes(value)
        else:
            yield name, _written(value)


def _bytes(value: int) -> str:
    return f"{plain(value / 1024)} KiB" if value < MIB else mebibytes(value)


def _written(value: Any) -> str:
    """Return a plain value as people write it."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value)) or "none"
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)

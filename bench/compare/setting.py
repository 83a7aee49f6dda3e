"""Tables of what was run and where: recipes, machine, software."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.numbers import ABSENT, MIB, count, mebibytes, plain, spans
from backprop_bench.bench.report.table import Table, make_table


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
    recipes: dict[str, dict[str, Any]] = {}
    for question in summary.description.plan.questions:
        for entry in question.entries:
            name = entry.recipe_name
            recipe = entry.recipe.to_dict()
            if recipes.setdefault(name, recipe) != recipe:
                recipes[f"{name} in {question.name}"] = recipe
    return recipes


def differing_fields(recipes: list[dict[str, Any]]) -> list[str]:
    """Return the fields in which recipes differ."""
    fields = dict.fromkeys(field for recipe in recipes for field in recipe)
    return [field for field in fields if any(recipe.get(field) != recipes[0].get(field) for recipe in recipes)]


def environment_table(summary: Summary) -> Table:
    """Return the machine and the software, and what was asked of them."""
    description = summary.description
    asked: dict[str, Any] = {
        "suite_version": description.suite_version,
        "profile": description.profile,
        "created": description.created,
        "dataset": description.dataset,
        **({"examples": description.dataset_summary} if description.dataset_summary else {}),
        "threads": description.threads,
        "cores of the workers": spans(description.cpus),
    }
    rows = [*_flat(asked), ("sessions", str(summary.sessions)), *_flat(description.environment)]
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

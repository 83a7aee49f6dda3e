"""Checks of single fields of a recipe: what is impossible is refused with its name and what was expected."""

import math
from collections.abc import Callable
from typing import Any

from backprop_bench.data.errors import InvalidRecipe


def refuse(name: str, value: object, expected: str) -> InvalidRecipe:
    """Return the error for a field with an impossible value."""
    return InvalidRecipe(f"recipe: {name} is {value!r}, expected {expected}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise `InvalidRecipe` unless a value is one of some words."""
    if value not in choices:
        raise refuse(name, value, "one of " + ", ".join(choices))


def check_bool(name: str, value: object) -> None:
    """Raise `InvalidRecipe` unless a value is True or False."""
    if not isinstance(value, bool):
        raise refuse(name, value, "True or False")


def check_int(name: str, value: object, least: int, also: str = "") -> None:
    """Raise `InvalidRecipe` unless a value is a whole number of `least` or above."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refuse(name, value, f"a whole number of {least} or above {also}".rstrip())


def is_finite(value: object) -> bool:
    """Say whether a value is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def check_number(name: str, value: Any, expected: str, holds: Callable[[Any], bool]) -> None:
    """Raise `InvalidRecipe` unless a value is a finite number for which a condition holds."""
    if not is_finite(value) or not holds(value):
        raise refuse(name, value, expected)


def check_range(name: str, value: object) -> None:
    """Raise `InvalidRecipe` unless a value is a pair of finite numbers, the smaller first."""
    if not isinstance(value, tuple) or len(value) != 2 or not all(map(is_finite, value)) or value[0] >= value[1]:
        raise refuse(name, value, "two finite numbers, the smaller first")

"""Formats of numbers and names in figures, tables and reports. Pure functions to text."""

import functools
import math
import re
import unicodedata
from collections.abc import Iterable

from backprop_bench.bench.core.stats.intervals import Interval, inverse, scaled
from backprop_bench.bench.report.language import _

ABSENT = "–"
"""Stands for a missing value."""

NBSP = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""

NAME_LETTERS = 48
"""Longest name of an implementation in a sentence, in letters."""

GAPS = re.compile("(?<=[\uff00-\uffef]) +|(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])")
"""Spaces after a wide mark, and between Chinese letters."""

SECOND_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MIB = 1 << 20
LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def clean(text: object) -> str:
    """Return text on one line, without control and direction characters."""
    line = " ".join(str(text).split())
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char)[0] == "C" else char for char in line)


def shorten(text: str, length: int) -> str:
    """Return text of at most `length` characters, its middle left out where it is longer."""
    text = clean(text)
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def named(implementation: str) -> str:
    """Return the name of an implementation, shortened for a sentence."""
    return shorten(implementation, NAME_LETTERS)


def listing(items: Iterable[str], word: str = "and") -> str:
    """Return "a", "a and b", or "a, b and c", with `word` before the last one; "and" and "or" are translated."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    last = {"and": _("{several} and {last}"), "or": _("{several} or {last}")}
    return last.get(word, f"{{several}} {word} {{last}}").format(several=_(", ").join(words[:-1]), last=words[-1])


def in_turn(items: Iterable[str]) -> str:
    """Return parts of a sentence, each of which may have commas: "a; b"."""
    return _("; ").join(items)


def paragraph(sentences: Iterable[str]) -> str:
    """Return whole sentences after each other."""
    return functools.reduce(lambda first, second: _("{first} {second}").format(first=first, second=second), sentences)


def without_gaps(sentence: str) -> str:
    """Return a sentence without the spaces around filled-in words where Chinese has none."""
    return GAPS.sub("", sentence)


def count(number: int, noun: str) -> str:
    """Return the number with its noun, such as "1 seed" or "60,000 examples"."""
    return _counted(f"{number:,}", noun, is_one=number == 1)


def count_range(numbers: Iterable[int], noun: str) -> str:
    """Return "3 seeds" where all numbers are 3, and "1–3 seeds" where they differ."""
    ordered = sorted(numbers) or [0]
    low, high = ordered[0], ordered[-1]
    return count(low, noun) if low == high else _counted(f"{low:,}–{high:,}", noun, is_one=high == 1)


def _counted(number: str, noun: str, is_one: bool) -> str:
    """Return a number with its noun; those of the report's main part are translated."""
    known = {
        "check": (_("{n} check"), _("{n} checks")),
        "epoch": (_("{n} epoch"), _("{n} epochs")),
        "example": (_("{n} example"), _("{n} examples")),
        "input": (_("{n} input"), _("{n} inputs")),
        "process replicate": (_("{n} process replicate"), _("{n} process replicates")),
        "record": (_("{n} record"), _("{n} records")),
        "seed": (_("{n} seed"), _("{n} seeds")),
        "thread": (_("{n} thread"), _("{n} threads")),
        "training example": (_("{n} training example"), _("{n} training examples")),
        "update": (_("{n} update"), _("{n} updates")),
        "weight update": (_("{n} weight update"), _("{n} weight updates")),
    }
    one, several = known.get(noun, (f"{{n}} {noun}", f"{{n}} {noun}s"))
    return (one if is_one else several).format(n=number)


def spans(numbers: Iterable[int]) -> str:
    """Return whole numbers in rising order, neighbours as a span: "0–3, 6"."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return _(", ").join(str(span[0]) if len(span) == 1 else f"{span[0]}–{span[-1]}" for span in groups)


def plain(value: float, decimals: int | None = None) -> str:
    """Return a number with these decimals, or with three significant digits; `ABSENT` for what is not finite."""
    if not math.isfinite(value):
        return ABSENT
    places = _decimals_of(value, 3) if decimals is None else decimals
    return f"{value:z,.{places}f}".replace("-", "−")


def two_digits(value: float) -> str:
    """Return a number with its first two significant digits: "17", "0.47"."""
    return plain(value, _decimals_of(value, 2))


def scientific(value: float | None) -> str:
    """Return a small number of either size such as "3.1e-07"; `ABSENT` for none and for what is not finite."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.2g}"


def seconds(value: float) -> str:
    """Return a time with the unit that suits it: "1.23 s", "45.6 ms", "118 µs"."""
    if not math.isfinite(value):
        return ABSENT
    scale, unit = second_unit(value)
    return f"{plain(value / scale)}{NBSP}{unit}"


def second_unit(value: float) -> tuple[float, str]:
    """Return the largest unit of time that is not larger than `value`, in seconds and by name; seconds for zero."""
    if value == 0:
        return SECOND_UNITS[0]
    return next((unit for unit in SECOND_UNITS if abs(value) >= 0.9995 * unit[0]), SECOND_UNITS[-1])


def seconds_interval(interval: Interval) -> str:
    """Return "1.23 s (1.20–1.26)", without brackets where there is no interval."""
    if not math.isfinite(interval.estimate):
        return ABSENT
    scale, unit = second_unit(interval.estimate)
    value, brackets = _parts(scaled(interval, 1 / scale))
    return f"{value}{NBSP}{unit}{brackets}"


def percent(fraction: float, decimals: int = 1) -> str:
    """Return a fraction as "97.6 %"."""
    text = plain(100 * fraction, decimals)
    return text if text == ABSENT else with_percent_sign(text)


def with_percent_sign(number: str) -> str:
    """Return a number with its sign, as the language that is spoken sets it: "10 %"."""
    return _("{number}\N{NO-BREAK SPACE}%").format(number=number)


def percent_interval(interval: Interval) -> str:
    """Return a fraction as "97.62 % (97.51–97.73)", cut to 0 and 100, without brackets where there is no interval."""
    if not math.isfinite(interval.estimate):
        return ABSENT
    possible = Interval(interval.estimate, max(interval.low, 0.0), min(interval.high, 1.0), interval.n)
    value, brackets = _parts(scaled(possible if has_bounds(interval) else interval, 100), decimals=2)
    return f"{with_percent_sign(value)}{brackets}"


def number_interval(interval: Interval) -> str:
    """Return "2.03 (1.97–2.09)", without brackets where there is no interval."""
    value, brackets = _parts(interval)
    return value + brackets


def bounds(interval: Interval) -> str:
    """Return the interval alone, "1.97–2.09", with as many digits as beside its estimate; `ABSENT` without one."""
    return _parts(interval)[1].strip(" ()（）") or ABSENT


def confidence(interval: Interval, digits: int = 1) -> str:
    """Return the interval of a factor in a sentence: "95 % CI 1.70–1.79"; empty without one.

    Parameters
    ----------
    digits
        Significant digits that the estimate has at least.
    """
    if not has_bounds(interval):
        return ""
    decimals = _decimals_in_sentence(interval, digits)
    return _("95\N{NO-BREAK SPACE}% CI {low}–{high}").format(
        low=plain(interval.low, decimals), high=plain(interval.high, decimals)
    )


def at_least_one(ratio: Interval) -> Interval:
    """Return a ratio or its inverse, whichever has the larger estimate."""
    if not ratio.estimate < 1:
        return ratio
    return inverse(ratio)


def factor(ratio: Interval) -> str:
    """Return a factor for a table: "1.74× (1.70–1.79)"."""
    value, brackets = _parts(ratio)
    return value if value == ABSENT else f"{value}×{brackets}"


def compared(ratio: Interval, digits: int | None = None) -> str:
    """Return how a time compares with another one for a table: "1.74× slower (1.70–1.79)"; "–" without a time.

    Parameters
    ----------
    digits
        Significant digits as of :func:`confidence`; ``None`` for as many as a table has.
    """
    if not math.isfinite(ratio.estimate):
        return ABSENT
    if has_bounds(ratio) and ratio.contains(1):
        return _("no significant difference")
    by = at_least_one(ratio)
    value, brackets = _parts(by, None if digits is None else _decimals_in_sentence(by, digits))
    text = _("{factor}× faster{interval}") if ratio.estimate < 1 else _("{factor}× slower{interval}")
    return text.format(factor=value, interval=brackets)


def changed(ratio: Interval, reference: str = "") -> str:
    """Return how a time compares with that before, in a sentence: "1.04× slower than before (95 % CI 1.02–1.06)".

    Parameters
    ----------
    reference
        What the time was divided by in each run; empty where it was not.
    """
    by = at_least_one(ratio)
    word = "faster" if ratio.estimate < 1 else "slower"
    to = f", relative to {reference}" if reference else ""
    return _with_note(f"{plain(by.estimate, _decimals_in_sentence(by))}× {word} than before{to}", confidence(by))


def speed(first: str, second: str, ratio: Interval, per: str = "", with_interval: bool = True, digits: int = 1) -> str:
    """Return which of two is faster and by how much.

    Parameters
    ----------
    first, second
        Names as the sentence has them.
    ratio
        Time of the first over time of the second, with its 95 % confidence interval where there is one.
    per
        What the time is of, such as "per epoch".
    with_interval
        Whether the interval is included; a title leaves it out.
    digits
        Significant digits as of :func:`confidence`.
    """
    if has_bounds(ratio) and ratio.contains(1):
        text = (
            _("no significant difference in time {per} between {first} and {second}")
            if per
            else _("no significant difference in time between {first} and {second}")
        )
        sentence = text.format(per=per, first=first, second=second)
        return _with_note(sentence, confidence(ratio)) if with_interval else sentence
    fast, slow = (first, second) if ratio.estimate < 1 else (second, first)
    by = at_least_one(ratio)
    text = _("{fast} is {factor}× faster {per} than {slow}") if per else _("{fast} is {factor}× faster than {slow}")
    sentence = text.format(fast=fast, factor=plain(by.estimate, _decimals_in_sentence(by, digits)), per=per, slow=slow)
    sentence = without_gaps(sentence)
    if not with_interval:
        return sentence
    return _with_note(sentence, confidence(by, digits) if has_bounds(by) else _("one process replicate, no interval"))


def _with_note(sentence: str, note: str) -> str:
    """Return a sentence with a note in brackets, in those that it ends with where there are some."""
    if sentence.endswith(")"):
        return f"{sentence[:-1]}; {note})"
    return _("{sentence} ({note})").format(sentence=sentence, note=note)


def points(difference: Interval) -> str:
    """Return how much larger one fraction is than another, "3.4 points, 95 % CI 1.3–5.5"."""
    percents = scaled(difference, 100)
    decimals = max(1, _decimals_in_sentence(percents))
    value, low, high = (plain(number, decimals) for number in (percents.estimate, percents.low, percents.high))
    if not has_bounds(percents):
        return _("{value} points").format(value=value)
    positive = _("{value} points, 95\N{NO-BREAK SPACE}% CI {low}–{high}")
    across = _("{value} points, 95\N{NO-BREAK SPACE}% CI {low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high}")
    text = positive if percents.low >= 0 else across
    return text.format(value=value, low=low, high=high)


def signed_points(difference: Interval) -> str:
    """Return a change of a fraction with its sign: "+3.4 points, 95 % CI 1.3–5.5"."""
    text = points(difference)
    return f"+{text}" if difference.estimate > 0 and set("123456789") & set(text.split()[0]) else text


def scaled_points(difference: Interval) -> str:
    """Return a difference of fractions in percentage points with its sign, "+1.7"; "0.0" has none."""
    text = f"{100 * difference.estimate:+.1f}".replace("-", "−")
    return text if float(text[1:]) else text[1:]


def points_interval(interval: Interval) -> str:
    """Return a difference of fractions in percentage points, "+0.12 (−0.03 to +0.27)"."""
    numbers = (interval.estimate, interval.low, interval.high)
    value, low, high = (f"{100 * number:+.2f}".replace("-", "−") for number in numbers)
    return value + _(" ({low} to {high})").format(low=low, high=high) if has_bounds(interval) else value


def value_interval(interval: Interval, unit: str) -> str:
    """Return "12.3 J (12.1–12.5)", without brackets where there is no interval."""
    if not math.isfinite(interval.estimate):
        return ABSENT
    value, brackets = _parts(interval)
    return f"{value}{NBSP}{unit}{brackets}"


def large(value: float, unit: str) -> str:
    """Return a number from one up with the prefix that suits it: "24.8 GFLOP"."""
    scale, prefix = next((step for step in LARGE if value >= step[0]), LARGE[-1])
    return f"{plain(value / scale)}{NBSP}{prefix}{unit}"


def mebibytes(value: int | None) -> str:
    """Return bytes as "123 MiB"; `ABSENT` where they were not measured."""
    return ABSENT if value is None else f"{plain(value / MIB)}{NBSP}MiB"


def has_bounds(interval: Interval) -> bool:
    """Say whether there is an interval, not an estimate alone."""
    return math.isfinite(interval.low) and math.isfinite(interval.high)


def _decimals_of(value: float, digits: int) -> int:
    """Decimals that show `digits` significant digits of a value."""
    if value == 0 or not math.isfinite(value):
        return 0
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    return max(0, digits - 1 - exponent)


def _decimals_of_error(half_width: float) -> int:
    """Decimals that show the first digit of an interval's half-width, the first two from 10 to 19."""
    if half_width <= 0:
        return 0
    return max(0, -math.floor(math.log10(half_width / 2)))


def _decimals_in_sentence(interval: Interval, digits: int = 1) -> int:
    """Decimals that show the first digit of an interval's half-width, 8 and 9 as if they were 10; else three digits.

    They show at least so many digits of the estimate.
    """
    if not has_bounds(interval) or interval.half_width <= 0:
        return _decimals_of(interval.estimate, 3)
    least = _decimals_of(interval.estimate, digits) if digits > 1 else 0
    return max(least, -math.floor(math.log10(interval.half_width / 0.8)))


def _parts(interval: Interval, decimals: int | None = None) -> tuple[str, str]:
    """Return the estimate and the bracketed interval, both with as many decimals as the interval justifies."""
    if decimals is None:
        fewest, most = _decimals_of(interval.estimate, 3), _decimals_of(interval.estimate, 4)
        decimals = min(max(_decimals_of_error(interval.half_width), fewest), most) if has_bounds(interval) else fewest
    value = plain(interval.estimate, decimals)
    if not has_bounds(interval):
        return value, ""
    low, high = plain(interval.low, decimals), plain(interval.high, decimals)
    return value, _(" ({low}–{high})").format(low=low, high=high)

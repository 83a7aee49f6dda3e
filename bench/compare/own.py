"""What makes an implementation of yours faster or slower than one of the suite's: what differs in a step."""

from backprop_bench.bench.compare.answer import compared_pair, time_ratio
from backprop_bench.bench.core.implementations import is_own
from backprop_bench.bench.core.records.kinds import StepWork
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import has_bounds, large, listing, named, speed, two_digits
from backprop_bench.bench.report.table import Table, make_table

PARTNERS = ("scratch-numpy", "torch-eager")
"""With which yours is compared, the first one that takes part."""
DIFFERENT = 0.1
"""Relative difference of two numbers from which on it is said."""


def step_table(question: QuestionSummary) -> Table:
    """Return what a step of each implementation does that was counted; no rows where none was."""
    columns = [
        "<implementation",
        "array operations",
        "matrix products",
        "new arrays",
        "in a wider type",
        "calls of own functions",
    ]
    counted = [(item.implementation, item.step) for item in question.performances if item.step is not None]
    examples = counted[0][1].examples if counted else 0
    note = (
        f"Of a batch of {examples} examples, as far as NumPy and PyTorch are seen to do it, without compiled code and "
        "direct calls of BLAS. Wider: in float64 where the recipe has float32."
    )
    rows = [
        [
            name,
            str(step.operations),
            str(step.products),
            large(step.new_bytes, "B"),
            str(step.wider),
            str(step.python_calls),
        ]
        for name, step in counted
    ]
    return make_table(f"What a step does: {question.title}", columns, rows, note)


def own_sentences(question: QuestionSummary, *, with_times: bool = True) -> list[str]:
    """Return for each of yours how it compares with one of the suite's, and why, without the last full stop.

    Parameters
    ----------
    with_times
        Whether their times are compared where the sentence on the question does not do that.
    """
    by_name = {item.implementation: item for item in question.performances}
    other = next((by_name[name] for name in PARTNERS if name in by_name), None)
    own = [item for item in question.performances if is_own(item.source)]
    if other is None:
        return []
    compared = compared_pair(question) or ()
    sentences = []
    for item in own:
        times = _times(question, item, other) if with_times and not {item, other} <= set(compared) else ""
        sentences += [sentence for sentence in (times, _step(question, item, other)) if sentence]
    return sentences


def _times(question: QuestionSummary, own: Performance, other: Performance) -> str:
    ratio = time_ratio(question, own.implementation, other.implementation)
    if ratio is None:
        return ""
    return speed(named(own.implementation), named(other.implementation), ratio, _("per epoch"))


def _step(question: QuestionSummary, own: Performance, other: Performance) -> str:
    """Return what differs in a step; empty where that was not counted, or not both were timed."""
    if time_ratio(question, own.implementation, other.implementation) is None or own.step is None or other.step is None:
        return ""
    words = {"name": named(own.implementation), "other": named(other.implementation)}
    different = [*_differences(own.step, other.step), *_parts(own, other)]
    if not different:
        return _("In a step, {name} does as many array operations as {other}, and makes as large new arrays").format(
            **words
        )
    text = _("What differs in a step of {name} from one of {other}: {differences}")
    return text.format(**words, differences=listing(different))


def _differences(own: StepWork, other: StepWork) -> list[str]:
    differences = []
    if _is_different(own.operations, other.operations):
        differences.append(
            _("{own} array operations in place of {other}").format(own=own.operations, other=other.operations)
        )
    if _is_different(own.new_bytes, other.new_bytes):
        differences.append(
            _("{own} of new arrays in place of {other}").format(
                own=large(own.new_bytes, "B"), other=large(other.new_bytes, "B")
            )
        )
    if own.wider > other.wider:
        differences.append(_("{number} operations in float64, though the recipe has float32").format(number=own.wider))
    if own.python_calls > 2 * other.python_calls:
        differences.append(
            _("{own} calls of Python functions in place of {other}").format(
                own=own.python_calls, other=other.python_calls
            )
        )
    return differences


def _is_different(a: int, b: int) -> bool:
    return abs(a - b) > DIFFERENT * max(a, b)


def _parts(own: Performance, other: Performance) -> list[str]:
    """Return the part of a step that makes most of the difference, where both can be divided."""
    mine, others = dict(own.parts), dict(other.parts)
    apart = {part: mine[part].estimate - others[part].estimate for part in mine if part in others}
    if not apart:
        return []
    total = sum(apart.values())
    part = max(apart, key=lambda name: apart[name] if total > 0 else -apart[name])
    if apart[part] * total <= 0 or not _is_clear(mine[part], others[part]):
        return []
    share = two_digits(100 * min(1.0, apart[part] / total))
    return [_("the part {part}, which makes {share} % of the difference").format(part=part, share=share)]


def _is_clear(a: Interval, b: Interval) -> bool:
    return not (has_bounds(a) and has_bounds(b)) or a.high < b.low or b.high < a.low

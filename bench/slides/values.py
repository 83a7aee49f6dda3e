"""What the slides say of a run, by the name that the texts of the slides have for it. Pure functions of records."""

from collections.abc import Mapping, Sequence

import numpy as np

from backprop_bench.bench.compare import accuracy_causes as accuracy_figure
from backprop_bench.bench.compare import answer, verdicts
from backprop_bench.bench.compare.causes import accuracy_causes
from backprop_bench.bench.compare.figures import drawable
from backprop_bench.bench.compare.steps import AS_PUBLISHED, BOTH, FLOAT32, LOSS, SAME_RECIPE, plain_name
from backprop_bench.bench.core.records.kinds import TimedWork, Verification
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import self_test_sentence
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    ABSENT,
    at_least_one,
    clean,
    confidence,
    count,
    in_turn,
    percent,
    percent_interval,
    plain,
    seconds,
    seconds_interval,
    shorten,
    speed,
    two_digits,
    with_percent_sign,
)
from backprop_bench.data import Floats, Recipe
from backprop_bench.scratch.activations import dsigmoid, sigmoid

Values = Mapping[str, Sequence[str]]
"""By name, paragraphs. A name that a run has nothing for is not there."""

TITLED = ("checks", "time-causes", "accuracy-causes")
"""Figures of the report whose titles are titles of slides, and whose words say what a figure here shows."""
MOST_WARNINGS, WARNING_LETTERS, NAME_LETTERS = 3, 200, 26
STEP = 1e-5
"""By how much central differences move the weight of the worked example."""


def values_of(summary: Summary) -> Values:
    """Return what the slides say of a run, in the language that is spoken."""
    result = {**_of_run(summary), **_of_checks(summary), **_of_mistakes(), **_of_figures(summary)}
    same, published = (verdicts.question_named(summary, name) for name in (SAME_RECIPE, AS_PUBLISHED))
    if same is not None:
        result |= _of_same(summary, same)
    if published is not None:
        result |= {**_of_published(summary, published), **_of_accuracies(published)}
    return {name: [text] if isinstance(text, str) else text for name, text in result.items() if text}


Texts = dict[str, str | Sequence[str]]


def _of_run(summary: Summary) -> Texts:
    description, warnings = summary.description, answer.warnings(summary)
    model = description.environment.get("cpu", {}).get("model")
    command = description.command.split()[1:2]
    recipe = description.plan.questions[0].entries[0].recipe
    shown = [shorten(text, WARNING_LETTERS) for text in warnings[:MOST_WARNINGS]]
    return {
        "source": " · ".join(filter(None, (*command, description.created[:10], clean(model or "")))),
        "measured": answer.measured_sentence(summary),
        "weights": f"{_n_weights(recipe):,}",
        "answer": verdicts.lead(summary),
        "warnings": [*shown, *(["…"] if len(warnings) > len(shown) else [])],
        "all_warnings": warnings,
    }


def _n_weights(recipe: Recipe) -> int:
    """Return how many numbers a network learns, biases included."""
    pairs = zip(recipe.layer_sizes, recipe.layer_sizes[1:], strict=False)
    return sum((fan_in + recipe.bias) * fan_out for fan_in, fan_out in pairs)


def _of_checks(summary: Summary) -> Texts:
    """Return of every kind of check how many passed, and the largest error; nothing where there was no check."""
    checks = [check for question in summary.questions for check in question.verifications]
    if not checks:
        return {}
    kinds: dict[str, Sequence[Verification | TimedWork]] = {
        name: [check for check in checks if _kind(check) == name]
        for name in ("outputs", "gradients", "central", "steps")
    }
    kinds["work"] = [work for question in summary.questions for work in question.works]
    return {
        name: text
        for kind, of_kind in kinds.items()
        for name, text in ((f"{kind}_passed", _passed(of_kind)), (f"{kind}_error", _largest(of_kind)))
    }


def _kind(check: Verification) -> str:
    if check.check.startswith("gradients"):
        return "central" if check.reference == "central differences" else "gradients"
    return "steps" if check.check.endswith("steps") else check.check


def _passed(checks: Sequence[Verification | TimedWork]) -> str:
    return f"{sum(check.passed for check in checks)} / {len(checks)}" if checks else ABSENT


def _largest(checks: Sequence[Verification | TimedWork]) -> str:
    unknown = [check for check in checks if check.difference is None]
    if len(unknown) == len(checks) or not all(check.passed for check in unknown):
        return ABSENT
    return with_percent_sign(two_digits(100 * max(map(answer.share_of_tolerance, checks))))


def _of_figures(summary: Summary) -> Texts:
    """Return titles and words of those figures of the report that the run has numbers for."""
    result: Texts = {}
    with style.look():
        drawn = {name: draw() for name, draw in drawable(summary).items() if name in TITLED}
    for name, drawing in drawn.items():
        key = name.replace("-", "_")
        result |= {f"title_of_{key}": drawing.title, f"alt_of_{key}": drawing.alt}
    return result


def _of_same(summary: Summary, question: QuestionSummary) -> Texts:
    """Return how times compare on the same recipe; nothing where no two were timed together."""
    pair = answer.compared_pair(question)
    compared = None if pair is None else _compared(question, pair)
    if compared is None:
        return {}
    ratio, title = compared
    return {
        "same_layers": answer.layers(summary, question),
        "same_title": title,
        "same_alt": _alt(title, answer.timed(question)),
        "same_interval": ratio,
        "self_test": self_test_sentence(question) or "",
    }


Pair = tuple[Performance, Performance]


def _compared(question: QuestionSummary, pair: Pair) -> tuple[str, str] | None:
    """Return the interval of a ratio of times, and which is faster; ``None`` where there is no ratio."""
    ratio = answer.time_ratio(question, *(item.implementation for item in pair))
    if ratio is None:
        return None
    first, second = map(plainly, pair)
    title = speed(first, second, ratio, _("per epoch"), with_interval=False, digits=answer.DIGITS)
    return confidence(at_least_one(ratio), answer.DIGITS) or _("one process replicate, no interval"), title


def plainly(performance: Performance) -> str:
    """Return what an implementation is called for people."""
    return plain_name(performance.implementation) or shorten(performance.implementation, NAME_LETTERS)


def _alt(title: str, performances: Sequence[Performance]) -> str:
    each = in_turn(f"{plainly(item)} {seconds_interval(item.wall_s)}" for item in performances)
    return _("{title}: {each}.").format(title=title, each=each)


def _of_published(summary: Summary, question: QuestionSummary) -> Texts:
    """Return how the article's two networks compare in time, and what becomes of its claims on that."""
    pair = verdicts.article_pair(question)
    compared = None if pair is None else _compared(question, pair)
    if pair is None or compared is None:
        return {}
    ratio, title = compared
    first, second = (seconds(verdicts.total_s(question, item)) for item in pair)
    judged = _("{name}: {values}")
    return {
        "published_title": title,
        "published_alt": _alt(title, pair),
        "published_epochs": count(question.epochs, "epoch"),
        "published_from_scratch_s": first,
        "published_torch_s": second,
        "published_interval": ratio,
        "article_verdicts": [
            judged.format(name=one.claim, values=f"{one.holds} · {one.measured}")
            for one in verdicts.verdicts(summary)[:2]
        ],
    }


def _of_accuracies(question: QuestionSummary) -> Texts:
    causes = accuracy_causes(question)
    if causes is None or question.pair is None:
        return {}
    start, end = question.pair
    labels = {"start": start, "batches": FLOAT32, "loss": LOSS, "both": BOTH, "end": end}
    reached = {f"accuracy_of_{name}": percent_interval(causes.reached[label]) for name, label in labels.items()}
    compared = verdicts.compared_accuracy(question)
    gap = "" if compared is None else _("{sentence}.").format(sentence=compared)
    return {**reached, "accuracy_gap": gap, "accuracy_sentences": accuracy_figure.sentences(question)}


def _of_mistakes() -> Texts:
    """Return the derivative by the first weight of the worked example of docs/derivation.md: right, and wrong."""
    x, t, b = np.array([0.5, -1.0]), 1.0, np.array([0.05, -0.05])
    w, v, c = np.array([[0.1, -0.2], [0.3, 0.4]]), np.array([0.7, -0.6]), 0.2

    def loss(by: float) -> float:
        moved = w + by * np.array([[1.0, 0.0], [0.0, 0.0]])
        return float(0.5 * (sigmoid(sigmoid(x @ moved + b) @ v + c) - t) ** 2)

    y = sigmoid(x @ w + b)
    o = sigmoid(y @ v + c)
    dy: Floats = (o - t) * dsigmoid(o) * v
    right = float(dy[0] * dsigmoid(y)[0] * x[0])
    others = {
        "central": (loss(STEP) - loss(-STEP)) / (2 * STEP),
        "missing": float(dy[0] * x[0]),
        "other": float(dy[0] * dsigmoid(o) * x[0]),
    }
    return {
        "right": plain(right, 6),
        **{name: plain(value, 6) for name, value in others.items()},
        **{f"{name}_off": percent(abs(value / right - 1)) for name, value in others.items()},
    }

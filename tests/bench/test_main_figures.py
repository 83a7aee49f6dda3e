"""The six figures of a report, at both widths: a row has what it is named after, and no text runs over an edge."""

import functools
import itertools
import math
from unittest import mock

import pytest
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from backprop_bench.bench.compare import (
    accuracy_causes,
    accuracy_over_time,
    checks_figure,
    epoch_times,
    overview,
    time_causes,
)
from backprop_bench.bench.compare.causes import accuracy_causes as causes_of
from backprop_bench.bench.compare.causes import time_steps
from backprop_bench.bench.compare.figures import MAIN, MainFigure
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from tests.bench import recorded
from tests.bench.drawn import (
    as_number,
    bars_of,
    columns_of,
    from_the_left,
    from_the_top,
    lines_by_name,
    markers_of,
    names_of,
    points_of,
    stretches_of,
)
from tests.bench.plain import summarize
from tests.bench.whole import ACCURACY, EXAMPLE_S, STEP, whole_summary

WIDTHS = (style.PAGE_INCHES, style.PHONE_INCHES)
CLAIMS = "article: under 10 s, over a minute"
PUBLISHED, SAME = EXAMPLE_S["as-published"], EXAMPLE_S["same-recipe"]
EXAMPLES, EPOCHS = 60_000, 5
LONG = ("scratch-" + "very-long-" * 20, "torch-" + "y" * 200, "torch-$x$|`")
FASTER, SLOWER = time_causes.FASTER, time_causes.SLOWER

both_widths = pytest.mark.parametrize("width", WIDTHS, ids=["desktop", "phone"])


@functools.cache
def whole() -> Summary:
    return whole_summary()


def published() -> QuestionSummary:
    return whole().questions[0]


def drawn(figure: MainFigure, summary: Summary, width: float) -> Drawing:
    with style.look():
        return figure.draw(summary, width)


def only_axes(drawing: Drawing) -> Axes:
    (axes,) = drawing.figure.axes
    return axes


def texts_of(drawing: Drawing) -> str:
    """Return all words that stand in a figure outside of its axes."""
    return " ".join(spaced(text.get_text()) for text in drawing.figure.texts)


def spaced(text: str) -> str:
    """Return a text with single spaces, on one line."""
    return " ".join(text.split())


def boxes_of(drawing: Drawing) -> list[tuple[str, Bbox]]:
    """Return the texts that are drawn, in an order, each with its place in pixels; a tick outside the axes is not."""
    shown: dict[Text, None] = {}
    draw = Text.draw

    def noting(text: Text, renderer: RendererBase) -> None:
        shown[text] = None
        draw(text, renderer)

    with style.look(), mock.patch.object(Text, "draw", noting):
        drawing.figure.canvas.draw()
    return [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]


def over_an_edge(drawing: Drawing) -> list[str]:
    """Return the texts that run over an edge of a figure."""
    width, height = drawing.figure.get_size_inches() * drawing.figure.dpi
    return [
        f"{text}: {box.extents} of {width:.0f} × {height:.0f}"
        for text, box in boxes_of(drawing)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def in_each_others_way(drawing: Drawing) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap by more than the space around letters."""
    return [
        (one, other)
        for (one, first), (other, second) in itertools.combinations(boxes_of(drawing), 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 3
    ]


@pytest.mark.parametrize("figure", MAIN, ids=lambda figure: figure.name)
@both_widths
def test_no_text_of_a_main_figure_runs_over_an_edge_or_over_another_one(figure: MainFigure, width: float) -> None:
    drawing = drawn(figure, whole(), width)
    assert drawing.figure.get_size_inches()[0] == width
    assert over_an_edge(drawing) == []
    assert in_each_others_way(drawing) == []


@pytest.mark.slow
@pytest.mark.parametrize("figure", MAIN, ids=lambda figure: figure.name)
@both_widths
@pytest.mark.parametrize("implementations", [recorded.FOURTEEN, LONG], ids=["fourteen", "long names"])
def test_no_text_runs_over_an_edge_whatever_was_compared(
    figure: MainFigure, width: float, implementations: tuple[str, ...]
) -> None:
    summary = summarize(*recorded.recorded_run(implementations))
    if figure.missing(summary) is None:
        assert over_an_edge(drawn(figure, summary, width)) == []


@pytest.mark.parametrize("figure", MAIN, ids=lambda figure: figure.name)
def test_both_widths_of_a_figure_have_the_same_title_and_the_same_words_for_who_cannot_see_it(
    figure: MainFigure,
) -> None:
    wide, narrow = (drawn(figure, whole(), width) for width in WIDTHS)
    assert (wide.name, wide.title, wide.alt) == (narrow.name, narrow.title, narrow.alt)
    assert wide.name == figure.name
    assert len(wide.alt) > 60
    if figure.name != "overview":
        assert spaced(wide.title) in texts_of(wide)
        assert spaced(wide.title) in texts_of(narrow)
        assert wide.alt.startswith(wide.title)


# Overview


@both_widths
def test_the_overview_has_the_times_of_both_questions_and_the_accuracies(width: float) -> None:
    drawing = drawn(MAIN[0], whole(), width)
    axes = from_the_left(drawing.figure) if width == style.PAGE_INCHES else from_the_top(drawing.figure)
    headings = [text.get_text() for text in drawing.figure.texts if text.get_fontweight() == "bold"]
    assert headings == [
        "As published: time of 5 epochs",
        "Same recipe: time per epoch",
        "Test accuracy after 5 epochs",
    ]
    as_published, same, accuracy = axes
    fastest_first = sorted(SAME, key=lambda name: SAME[name])
    for panel, names, expected in (
        (
            as_published,
            ["scratch-numpy", "torch-loader"],
            [EPOCHS * EXAMPLES * PUBLISHED[name] for name in ("scratch-numpy", "torch-loader")],
        ),
        (same, fastest_first, [EXAMPLES * SAME[name] for name in fastest_first]),
    ):
        assert names_of(panel) == names
        assert [end for _, begin, end, _ in stretches_of(panel) if begin == 0] == pytest.approx(expected)
        assert list(map(as_number, columns_of(panel)[""])) == pytest.approx(expected, rel=1e-3)
        assert panel.get_xlim()[0] == 0, "a bar that does not begin at zero would lie about a factor"
    assert names_of(accuracy) == ["scratch-numpy", "torch-loader"]
    expected = [
        item.accuracy.estimate for item in published().performances if item.implementation in names_of(accuracy)
    ]
    assert expected == pytest.approx([ACCURACY["scratch-numpy"], ACCURACY["torch-loader"]], abs=5e-4)
    assert markers_of(accuracy) == pytest.approx(expected)
    assert [as_number(text) / 100 for text in columns_of(accuracy)[""]] == pytest.approx(expected, abs=5e-5)


def test_without_the_article_the_overview_has_the_accuracies_of_the_same_recipe() -> None:
    description, rows = recorded.recorded_run(("scratch-numpy", "torch-eager"))
    summary = summarize(description, rows)
    alone = Summary(summary.description, summary.questions[1:], 1, summary.complete)
    time, accuracy = from_the_left(drawn(MAIN[0], alone, style.PAGE_INCHES).figure)
    assert names_of(time) == names_of(accuracy)
    assert sorted(names_of(time)) == ["scratch-numpy", "torch-eager"]
    of = {item.implementation: item.accuracy.estimate for item in alone.questions[0].performances}
    assert markers_of(accuracy) == pytest.approx([of[name] for name in names_of(accuracy)])


def test_the_notes_of_the_times_have_the_layers_of_what_was_timed() -> None:
    same, published = (drawn(MAIN[place], whole(), style.PAGE_INCHES).alt for place in (2, 3))
    assert "Layers 784-128-10; 60,000 training examples; " in same
    assert "Layers 784-200-10. Each row changes one thing more." in published


# Accuracy over time


@both_widths
def test_a_curve_over_time_has_the_error_of_its_network_after_each_epoch_at_its_seconds(width: float) -> None:
    drawing = drawn(MAIN[1], whole(), width)
    axes = only_axes(drawing)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    curves = lines_by_name(axes)
    assert list(curves) == ["scratch-numpy", "torch-loader", CLAIMS]
    del curves[CLAIMS]
    for name, (seconds, errors) in curves.items():
        assert seconds == pytest.approx([epoch * EXAMPLES * PUBLISHED[name] for epoch in range(1, EPOCHS + 1)])
        known = [1 - ACCURACY[name] + STEP * (EPOCHS - epoch) for epoch in range(1, EPOCHS + 1)]
        assert errors == pytest.approx(known, abs=1e-3)
    bottom, top = axes.get_ylim()
    assert bottom > top, "more accurate is higher"
    left, right = axes.get_xlim()
    assert left < min(min(x) for x, _ in curves.values())
    assert right > max(max(x) for x, _ in curves.values())
    with style.look():
        drawing.figure.canvas.draw()
    for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        assert as_number(label.get_text()) / 100 == pytest.approx(1 - place)


@both_widths
def test_what_the_article_says_of_the_times_is_marked_where_it_is(width: float) -> None:
    axes = only_axes(drawn(MAIN[1], whole(), width))
    marked = [points_of(line)[0][0] for line in axes.lines if line.get_linestyle() == ":"]
    assert sorted(marked) == [10.0, 60.0]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "scratch-numpy",
        "torch-loader",
        CLAIMS,
    ]


def test_the_title_over_time_has_the_ends_of_both_curves_and_the_note_the_other_reading() -> None:
    drawing = drawn(MAIN[1], whole(), style.PAGE_INCHES)
    assert spaced(drawing.title) == ("Hand-written: 97.11 % in 90.0 s; PyTorch: 97.41 % in 6.00 s")
    assert "one batch of everything reaches 19.0 % after 5 epochs" in spaced(drawing.alt)
    lost = drawn(MAIN[1], whole_summary(without=["all at once"]), style.PAGE_INCHES)
    assert "one batch of everything" not in lost.alt


# Times per epoch


@both_widths
def test_a_bar_of_the_epoch_times_is_as_long_as_its_time_and_begins_at_zero(width: float) -> None:
    drawing = drawn(MAIN[2], whole(), width)
    axes = only_axes(drawing)
    names = sorted(SAME, key=lambda name: SAME[name])
    assert names_of(axes) == names
    expected = [EXAMPLES * SAME[name] for name in names]
    bars = sorted(stretches_of(axes))
    assert [begin for _, begin, _, _ in bars] == [0.0] * len(names)
    assert [end for _, _, end, _ in bars] == pytest.approx(expected)
    assert [colour for *_, colour in bars] == [style.colour(name) for name in names]
    assert axes.get_xlim()[0] == 0
    columns = columns_of(axes)
    if width == style.PAGE_INCHES:
        assert list(map(as_number, columns["estimate (95 % CI)"])) == pytest.approx(expected, rel=1e-3)
        factors = columns["faster than torch-loader"]
        assert factors[-1] == "1×"
        assert list(map(as_number, factors[:-1])) == pytest.approx(
            [expected[-1] / each for each in expected[:-1]], rel=0.01
        )
    else:
        assert list(map(as_number, columns[""])) == pytest.approx(expected, rel=1e-3)


def test_the_interval_of_a_time_is_drawn_on_its_bar() -> None:
    summary = summarize(*recorded.recorded_run(("scratch-numpy", "torch-eager"), replicate_spread=0.05))
    axes = only_axes(drawn(MAIN[2], summary, style.PAGE_INCHES))
    of = {item.implementation: item.wall_s for item in summary.questions[1].performances}
    assert bars_of(axes) == [pytest.approx((of[name].low, of[name].high)) for name in names_of(axes)]


# Why the times differ


@both_widths
def test_a_step_in_time_begins_where_the_one_above_ends_and_the_last_ends_at_pytorch(width: float) -> None:
    axes = only_axes(drawn(MAIN[3], whole(), width))
    assert axes.get_xscale() == "log"
    assert names_of(axes) == [
        "from scratch",
        "mini-batches of 64",
        "float32",
        "loss, biases, inputs",
        "NumPy to PyTorch",
        "DataLoader",
        "PyTorch",
    ]
    places = [EXAMPLES * PUBLISHED[name] for name in PUBLISHED]
    assert markers_of(axes) == pytest.approx([places[0], places[-1]])
    bars = sorted(stretches_of(axes))
    assert [round(row) for row, *_ in bars] == [1, 2, 3, 4, 5]
    for (_, begin, end, colour), before, after in zip(bars, places, places[1:], strict=False):
        assert (begin, end) == pytest.approx(tuple(sorted((before, after))), rel=1e-6)
        if before != after:
            assert colour == (FASTER if after < before else SLOWER)
    texts = columns_of(axes)[""]
    assert as_number(texts[0]) == pytest.approx(places[0], rel=1e-3)
    assert as_number(texts[-1]) == pytest.approx(places[-1], rel=1e-3)
    if width == style.PAGE_INCHES:
        assert [text.split(" (")[0] for text in texts[1:-1]] == [
            "20.0× faster",
            "1.50× faster",
            "no significant difference",
            "1.60× slower",
            "1.25× slower",
        ]
    else:
        assert texts[1:-1] == ["×20.0", "×1.50", "×1.00", "÷1.60", "÷1.25"]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Mini-batches of 64: an epoch is 20.0× faster"),
        ({"torch-eager": 1e-3, "torch-loader": 1e-3}, "NumPy to PyTorch: an epoch is 100× slower"),
        ({"torch-loader": 16e-3}, "DataLoader: an epoch is 1,000× slower"),
    ],
)
def test_the_title_of_the_times_names_the_largest_step_and_its_direction(changes: dict[str, float], title: str) -> None:
    summary = whole_summary(example_s={"as-published": changes})
    drawing = drawn(MAIN[3], summary, style.PAGE_INCHES)
    subject, verb, rest = title.partition(" make ")
    assert drawing.title.startswith(subject)
    assert drawing.title.endswith(rest), verb


# Why the accuracies differ


@both_widths
def test_a_cause_of_the_accuracy_begins_where_the_one_above_ends_and_all_add_up_to_the_gap(width: float) -> None:
    axes = only_axes(drawn(MAIN[4], whole(), width))
    causes = causes_of(published())
    assert causes is not None
    assert names_of(axes) == ["from scratch", "cross-entropy", "mini-batches of 64", "all else", "PyTorch"]
    assert markers_of(axes) == pytest.approx([causes.start, causes.end])
    changes = [causes.loss, causes.batches, causes.rest]
    at = causes.start
    for (row, begin, end, colour), change in zip(sorted(stretches_of(axes)), changes, strict=True):
        assert sorted((begin, end)) == pytest.approx(sorted((at, at + change.estimate))), row
        assert colour == (accuracy_causes.MORE if change.estimate > 0 else accuracy_causes.LESS)
        at += change.estimate
    assert at == pytest.approx(causes.end)
    texts = columns_of(axes)[""]
    assert [as_number(texts[0]) / 100, as_number(texts[-1]) / 100] == pytest.approx(
        [causes.start, causes.end], abs=5e-5
    )
    written = [as_number(text) / 100 for text in texts[1:-1]]
    assert written == pytest.approx([change.estimate for change in changes], abs=6e-4)
    ends = [(low, high) for low, high in bars_of(axes) if high - low < 0.01 and low != high]
    at = causes.start
    for (low, high), change in zip(ends, changes, strict=True):
        assert (low, high) == pytest.approx((at + change.low, at + change.high)), "the interval is that of the change"
        at += change.estimate


# Checks


def largest_share(drawing: Drawing) -> dict[str, float]:
    axes = only_axes(drawing)
    shares: dict[str, list[float]] = {name: [] for name in names_of(axes)}
    for line in axes.lines:
        x, y = points_of(line)
        if len(x) == 1:
            shares[names_of(axes)[round(y[0])]].append(x[0])
    return {name: max(values) for name, values in shares.items()}


@both_widths
def test_every_check_is_a_dot_at_its_share_of_the_tolerance_in_the_row_of_its_name(width: float) -> None:
    drawing = drawn(MAIN[5], whole(), width)
    axes = only_axes(drawing)
    n_checks = sum(len(question.verifications) for question in whole().questions)
    n_works = sum(len(question.works) for question in whole().questions)
    dots = [line for line in axes.lines if len(points_of(line)[0]) == 1 and line.get_marker() == "o"]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert (len(dots), len(diamonds)) == (n_checks, n_works)
    assert [points_of(line)[0][0] for line in (*dots, *diamonds)] == pytest.approx([1e-3] * (n_checks + n_works))
    assert drawing.title.startswith(f"All {n_checks + n_works} checks passed")
    assert len(names_of(axes)) == len(set(names_of(axes))), "both copies of an A/A test are in one row"


def test_a_check_that_failed_stands_beyond_the_tolerance_in_another_colour() -> None:
    description, rows = recorded.recorded_run(parity_failure="torch-loader")
    drawing = drawn(MAIN[5], summarize(description, rows), style.PAGE_INCHES)
    axes = only_axes(drawing)
    checks = [row for row in rows if row["kind"] == "parity"]
    failed = [row for row in checks if not row["passed"]]
    assert drawing.title == f"{len(failed)} of {len(checks)} checks failed"
    red = [points_of(line) for line in axes.lines if to_hex(str(line.get_color())) == checks_figure.FAILED]
    assert len(red) == len(failed)
    for x, y in red:
        assert x[0] > 1
        assert x[0] < axes.get_xlim()[1]
        assert names_of(axes)[round(y[0])] == "torch-loader"
    passed = {name: share for name, share in largest_share(drawing).items() if name != "torch-loader"}
    assert all(share < 1 for share in passed.values())


# What is missing


PAIR_LOST = "not every {} between the article's two networks was timed"


@pytest.mark.parametrize("label", [label for label in PUBLISHED if label not in ("scratch-numpy", "torch-loader")])
def test_without_one_of_the_steps_the_figure_of_the_times_is_left_out_with_its_reason(label: str) -> None:
    summary = whole_summary(without=[label])
    assert time_causes.missing(summary) == PAIR_LOST.format("step")


@pytest.mark.parametrize("label", ["cross-entropy", "cross-entropy, mini-batches", "mini-batches, float32"])
def test_without_one_of_the_trainings_the_figure_of_the_accuracies_is_left_out_with_its_reason(label: str) -> None:
    reason = accuracy_causes.missing(whole_summary(without=[label]))
    assert reason == "not every network between the article's two was trained"


def test_without_the_article_its_figures_are_left_out_and_the_others_are_there() -> None:
    summary = whole()
    alone = Summary(summary.description, summary.questions[1:], 1, summary.complete)
    for module in (accuracy_over_time, time_causes, accuracy_causes):
        assert module.missing(alone) == "the article's experiment is not part of this run"
    for module in (overview, epoch_times, checks_figure):
        assert module.missing(alone) is None


def test_the_steps_of_the_figure_are_those_that_the_lead_has_the_numbers_of() -> None:
    steps = time_steps(published())
    assert steps is not None
    whole_ratio = math.prod(step.speed_up.estimate for step in steps)
    axes = only_axes(drawn(MAIN[3], whole(), style.PAGE_INCHES))
    first, last = markers_of(axes)
    assert first / last == pytest.approx(whole_ratio)

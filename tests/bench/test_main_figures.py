"""The six figures of a report, at both widths: a row has what it is named after, and no text runs over an edge."""

import functools
import itertools
import math
import re
from unittest import mock

import msgspec
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
from backprop_bench.bench.core.records.kinds import Block
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.core.summary import summarize as summarize_run
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
from tests.bench.whole import ACCURACY, EXAMPLE_S, STEP, whole_run, whole_summary

WIDTHS = (style.PAGE_INCHES, style.PHONE_INCHES)
CLAIMS = "article: under 10 s, over a minute"
CURVES = ["hand-written NumPy (scratch-numpy)", "PyTorch + DataLoader (torch-loader)", CLAIMS]
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


def plain_and_code(*codes: str) -> list[str]:
    """Return the labels of rows: what an implementation is called for people, and below that its name in the code."""
    plain = {
        "scratch-numpy": "hand-written NumPy",
        "scratch-compiled": "hand-written Numba",
        "torch-eager": "PyTorch",
        "torch-loader": "PyTorch + DataLoader",
    }
    return [f"{plain[code]}\n{code}" for code in codes]


def code_names(axes: Axes) -> list[str]:
    return [name.splitlines()[-1] for name in names_of(axes)]


@both_widths
def test_the_overview_has_the_times_of_both_questions_and_the_accuracies(width: float) -> None:
    drawing = drawn(MAIN[0], whole(), width)
    axes = from_the_left(drawing.figure) if width == style.PAGE_INCHES else from_the_top(drawing.figure)
    headings = [text.get_text() for text in drawing.figure.texts if text.get_fontweight() == "bold"]
    assert headings == [
        "As published: each with its own recipe",
        "All with the same recipe",
        "Test accuracy after 5 epochs",
    ]
    assert [panel.get_xlabel() for panel in axes] == ["wall time per epoch", "wall time per epoch", "test accuracy"]
    as_published, same, accuracy = axes
    fastest_first = sorted(SAME, key=lambda name: SAME[name])
    for panel, names, of in (
        (as_published, ["scratch-numpy", "torch-loader"], PUBLISHED),
        (same, fastest_first, SAME),
    ):
        expected = [EXAMPLES * of[name] for name in names]
        assert names_of(panel) == plain_and_code(*names)
        assert [end for _, begin, end, _ in stretches_of(panel) if begin == 0] == pytest.approx(expected)
        texts = columns_of(panel)[""]
        assert list(map(as_number, texts)) == pytest.approx(expected, rel=1e-2)
        assert {text[-1] for text in texts} == {"s"}, "one unit, so that both panels compare"
        assert panel.get_xlim()[0] == 0, "a bar that does not begin at zero would lie about a factor"
    assert names_of(accuracy) == plain_and_code("scratch-numpy", "torch-loader")
    reached = {item.implementation: item.accuracy for item in published().performances}
    intervals = [reached[name] for name in code_names(accuracy)]
    expected = [interval.estimate for interval in intervals]
    assert expected == pytest.approx([ACCURACY["scratch-numpy"], ACCURACY["torch-loader"]], abs=5e-4)
    assert markers_of(accuracy) == pytest.approx(expected)
    assert bars_of(accuracy) == [pytest.approx((interval.low, interval.high)) for interval in intervals]
    assert [as_number(text) / 100 for text in columns_of(accuracy)[""]] == pytest.approx(expected, abs=5e-5)


@both_widths
def test_the_panels_of_the_overview_say_what_their_recipes_are_and_have_ticks(width: float) -> None:
    drawing = drawn(MAIN[0], whole(), width)
    said = texts_of(drawing)
    for note in (
        "784-200-10. Hand-written: one example at a time, float64. PyTorch: mini-batches of 64, float32.",
        "784-128-10: mini-batches of 64, float32",
        "Mean and 95 % CI over 4 seeds",
    ):
        assert note in said
    with style.look():
        drawing.figure.canvas.draw()
    for axes in drawing.figure.axes:
        low, high = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        shown = [(place, label.get_text()) for place, label in ticks if low <= place <= high]
        assert len(shown) >= 2
        for place, label in shown:
            scale = 100 if "%" in label else 1
            assert as_number(label) == pytest.approx(scale * place, abs=1e-9)


def test_the_interval_of_a_time_is_drawn_on_its_bar_in_the_overview() -> None:
    summary = summarize(*recorded.recorded_run(("scratch-numpy", "torch-eager"), replicate_spread=0.05))
    same = from_the_left(drawn(MAIN[0], summary, style.PAGE_INCHES).figure)[-2]
    of = {item.implementation: item.wall_s for item in summary.questions[1].performances}
    assert bars_of(same) == [pytest.approx((of[name].low, of[name].high)) for name in code_names(same)]


def test_without_the_article_the_overview_has_the_accuracies_of_the_same_recipe() -> None:
    description, rows = recorded.recorded_run(("scratch-numpy", "torch-eager"))
    summary = summarize(description, rows)
    alone = Summary(summary.description, summary.questions[1:], 1, summary.complete)
    time, accuracy = from_the_left(drawn(MAIN[0], alone, style.PAGE_INCHES).figure)
    assert names_of(time) == names_of(accuracy)
    assert sorted(code_names(time)) == ["scratch-numpy", "torch-eager"]
    of = {item.implementation: item.accuracy.estimate for item in alone.questions[0].performances}
    assert markers_of(accuracy) == pytest.approx([of[name] for name in code_names(accuracy)])


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
    assert list(curves) == CURVES
    del curves[CLAIMS]
    curves = {re.sub(r".*\((.*)\)", r"\1", name): points for name, points in curves.items()}
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
    assert [text.get_text() for text in legend.get_texts()] == CURVES


@both_widths
def test_the_bands_of_the_curves_are_within_the_axis_and_it_has_more_ticks_where_there_is_room(width: float) -> None:
    for summary, fewest in ((whole(), 4), (whole_summary(accuracy={"torch-loader": 0.999}), 3)):
        axes = only_axes(drawn(MAIN[1], summary, width))
        bottom, top = axes.get_ylim()
        boxes = [path.get_extents() for band in axes.collections for path in band.get_paths()]
        shaded = [end for box in boxes for end in (box.y0, box.y1)]
        assert shaded
        assert top < min(shaded)
        assert max(shaded) < bottom
        assert len([tick for tick in axes.get_yticks() if top <= tick <= bottom]) >= fewest


def test_the_title_over_time_has_the_ends_of_both_curves_and_the_note_the_other_reading() -> None:
    drawing = drawn(MAIN[1], whole(), style.PAGE_INCHES)
    assert spaced(drawing.title) == ("Hand-written: 97.11 % in 90.0 s; PyTorch: 97.41 % in 6.00 s")
    assert "Not drawn: one batch of everything reaches 19.0 % after 5 epochs" in spaced(drawing.alt)
    lost = drawn(MAIN[1], whole_summary(without=["all at once"]), style.PAGE_INCHES)
    assert "one batch of everything" not in lost.alt


# Times per epoch


@both_widths
def test_a_bar_of_the_epoch_times_is_as_long_as_its_time_and_begins_at_zero(width: float) -> None:
    drawing = drawn(MAIN[2], whole(), width)
    axes = only_axes(drawing)
    names = sorted(SAME, key=lambda name: SAME[name])
    assert names_of(axes) == plain_and_code(*names)
    assert drawing.title == "scratch-numpy is 1.67× faster per epoch than torch-eager", "no accuracy is shown here"
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
    assert bars_of(axes) == [pytest.approx((of[name].low, of[name].high)) for name in code_names(axes)]


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
        assert texts[1:-1] == ["20.0× faster", "1.50× faster", "1.00× faster", "1.60× slower", "1.25× slower"]


@both_widths
def test_the_interval_of_a_step_in_time_is_around_its_end(width: float) -> None:
    run = whole_run()
    rows = [
        msgspec.structs.replace(row, wall_s=row.wall_s * (1 + 0.02 * (row.replicate % 3)))
        if isinstance(row, Block) and row.implementation in ("mini-batches", "torch-loader")
        else row
        for row in run.rows
    ]
    question = summarize_run(run.description, rows)
    steps = time_steps(question.questions[0])
    assert steps is not None
    axes = only_axes(drawn(MAIN[3], question, width))
    place, expected = steps[0].wall_s * steps[0].speed_up.estimate, []
    for step in steps:
        expected.append((place / step.speed_up.high, place / step.speed_up.low))
        place /= step.speed_up.estimate
    assert bars_of(axes) == [pytest.approx(ends) for ends in expected]


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
def test_each_network_has_its_accuracy_and_its_interval_and_what_it_changes_to_the_hand_written_one(
    width: float,
) -> None:
    drawing = drawn(MAIN[4], whole(), width)
    axes = only_axes(drawing)
    causes = causes_of(published())
    assert causes is not None
    assert names_of(axes) == [
        "hand-written network\nsquared error, one at a time",
        "+ cross-entropy\ncross-entropy, one at a time",
        "+ mini-batches of 64\nsquared error, mini-batches",
        "+ both\ncross-entropy, mini-batches",
        "PyTorch's network\n+ all else",
    ]
    labels = ("scratch-numpy", "cross-entropy", "mini-batches, float32", "cross-entropy, mini-batches", "torch-loader")
    expected = [causes.reached[label] for label in labels]
    assert [interval.estimate for interval in expected] == pytest.approx([ACCURACY[name] for name in labels], abs=6e-4)
    assert markers_of(axes) == pytest.approx([interval.estimate for interval in expected])
    assert bars_of(axes) == [pytest.approx((interval.low, interval.high)) for interval in expected]
    columns = columns_of(axes)
    written = columns["estimate (95 % CI)" if width == style.PAGE_INCHES else ""]
    assert [as_number(text) / 100 for text in written] == pytest.approx(markers_of(axes), abs=5e-5)
    if width == style.PAGE_INCHES:
        changes = [causes.loss_alone, causes.batches_alone, causes.both, causes.gap]
        first, *others = columns["change to the first row"]
        assert first == ""
        assert [as_number(text) / 100 for text in others] == pytest.approx([one.estimate for one in changes], abs=6e-4)
        assert all("95 % CI" in spaced(text) for text in others)


def test_the_title_of_the_accuracies_has_the_changes_of_measured_networks_and_the_list_how_they_add_up() -> None:
    assert drawn(MAIN[4], whole(), style.PAGE_INCHES).title == (
        "Cross-entropy alone +0.2 points, mini-batches alone −3.0, both 0.0"
    )
    loss, batches, rest, sums = accuracy_causes.sentences(published())
    assert loss == "Cross-entropy: +0.2 points with one example at a time, +3.0 with mini-batches."
    assert batches == "Mini-batches: −3.0 points with squared error, −0.2 with cross-entropy."
    assert rest == "All else: +0.3 points. Biases, initial weights, range and order of the inputs."
    assert sums == (
        "The averages add up to the difference: cross-entropy +1.6 points, mini-batches −1.6, all else +0.3."
    )


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


@both_widths
def test_the_checks_are_told_apart_by_a_legend_and_recipes_from_implementations_by_a_line(width: float) -> None:
    drawing = drawn(MAIN[5], whole(), width)
    axes = only_axes(drawing)
    signs = {text.get_text(): to_hex(text.get_color()) for text in drawing.figure.texts}
    assert signs["● outputs, gradients, weights"] == checks_figure.PASSED
    assert signs["◆ timed work"] == checks_figure.WORK
    names = names_of(axes)
    assert names == [
        *("scratch-numpy", "torch-eager", "torch-loader", "scratch-compiled"),
        *("mini-batches", "mini-batches, float32", "PyTorch's recipe"),
        *("cross-entropy", "cross-entropy, mini-batches", "all at once"),
    ]
    (line,) = (points_of(line)[1][0] for line in axes.lines if points_of(line)[0] == [0, 1])
    assert names.index("scratch-compiled") < line < names.index("mini-batches")


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

"""Replication of published results: sentences, tables, and figures like the paper's."""

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from backprop_bench.bench.historical.analysis import Codes, EpochsToSolve, Errors, Reading
from backprop_bench.bench.historical.hinton import (
    Activity,
    best_codes,
    best_solution,
    draw_activity,
    draw_codes,
    draw_solution,
)
from backprop_bench.bench.historical.verdicts import (
    BANDS,
    BEST_ERRORS,
    LAST_ERRORS,
    NIELSEN_ACCURACIES,
    SYMMETRY_EPOCHS,
    TIMES_OF_1986,
    Reproduction,
    Verdict,
)
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import ABSENT, count, has_bounds, percent
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.data import ExtendedRecipe, Recipe

VERDICTS = {True: "replicated", False: "not replicated", None: ABSENT}
AGREEMENTS = {True: "agree", False: "differ", None: ABSENT}
"""The same where the NumPy version is compared with the PyTorch version."""
NEVER = "never"
ON, OFF = style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]


def published_sentences(outcome: Reproduction) -> list[str]:
    """Return how many published results are replicated, and each that is not."""
    judged = [verdict for verdict in outcome.verdicts if verdict.inside is not None]
    agreements = [verdict.inside for verdict in judged if verdict.unit == "distance"]
    results = [verdict.inside for verdict in judged if verdict.unit != "distance"]
    replicated = f"{sum(map(bool, results))} of {count(len(results), 'published result')} are replicated"
    sentences = [f"{replicated}: they lie in the range that their settings give."]
    if agreements:
        sentences.append(
            f"The NumPy and the PyTorch version agree in {sum(map(bool, agreements))} of "
            f"{count(len(agreements), 'comparison')}."
        )
    sentences += [
        f"{'Different' if verdict.unit == 'distance' else 'Not replicated'}: "
        f"{outcome.titles[verdict.experiment]} — {verdict.what}: published {verdict.published}, "
        f"measured {measured(verdict)}."
        for verdict in judged
        if not verdict.inside
    ]
    return sentences


def published_charts(outcome: Reproduction) -> list[Chart]:
    """Return the epochs of the small tasks, and the errors on MNIST, for a terminal."""
    times = [
        Bar(
            f"{item.question}, {item.variant}",
            item.quantile(0.5),
            f"{write_epochs(item.quantile(0.5))}, n {len(item.solved)}",
        )
        for item in outcome.epochs_to_solve
        if any(map(math.isfinite, item.solved))
    ]
    errors = [
        Bar(f"{item.question}, {item.variant}", mean, f"{percent(mean, 2)}, n {len(item.last)}")
        for item in outcome.errors
        for mean in [statistics.fmean(item.last)]
    ]
    return [
        Chart("Epochs until solved, median over seeds", tuple(times), lambda value: f"{value:,.0f}"),
        Chart("Test error after the last epoch, mean over seeds", tuple(errors), percent),
    ]


def measured(verdict: Verdict) -> str:
    """Return the measured value in its unit, with its range where there is one."""
    value = verdict.measured
    writers: dict[str, Callable[[float], str]] = {
        "share": percent,
        "error": lambda x: percent(x, 2),
        "accuracy": lambda x: percent(x, 2),
        "epochs": write_epochs,
        "distance": lambda x: f"{x:.2g}",
    }
    write = writers[verdict.unit]
    text = write(value.estimate)
    if has_bounds(value) or (verdict.unit == "epochs" and not math.isnan(value.low)):
        text += f" ({write(value.low)} to {write(value.high)})"
    return text


def write_epochs(value: float) -> str:
    """Return a number of epochs; "never" for what is infinite."""
    return f"{value:,.0f}" if math.isfinite(value) else NEVER


def published_table(outcome: Reproduction) -> Table:
    """Return a row per published result."""
    rows = [
        [
            verdict.experiment,
            verdict.what,
            verdict.published,
            measured(verdict),
            f"{verdict.measured.n:,}",
            (AGREEMENTS if verdict.unit == "distance" else VERDICTS)[verdict.inside],
        ]
        for verdict in outcome.verdicts
    ]
    note = (
        "Shares have Wilson's 95 % CI. n: training runs, readings or pairs of runs behind the result. The 95 % "
        "prediction interval, by the t distribution, is where one more run would lie. Replicated: the published value "
        "lies in the range, or the published statement holds."
    )
    columns = ["<experiment", "<result", "<published", "measured", "n", "<verdict"]
    return make_table("Published and measured", columns, rows, note)


def readings_table(readings: Sequence[Reading], at_most: int) -> Table:
    """Return the readings of the family trees that learn most, best first."""
    ranked = sorted(readings, key=lambda reading: (-reading.trained, reading.variant))[:at_most]
    rows = [
        [
            reading.variant,
            "yes" if reading.in_text else "no",
            percent(reading.trained),
            percent(reading.trained_close),
            percent(reading.held_out),
            f"{reading.seeds}",
        ]
        for reading in ranked
    ]
    note = (
        f"The {len(rows)} of {len(readings)} readings that learn most; means over seeds. Trained: share of the 100 "
        "trained questions with all outputs on the right side of ½ at the end. Beyond 0.2 and 0.8: with all outputs "
        "beyond these. Held out: share of the four questions that are not trained."
    )
    columns = ["<reading", "<in the text", "trained", "beyond 0.2 and 0.8", "held out", "seeds"]
    return make_table("The best readings of the family trees", columns, rows, note)


def drawings(outcome: Reproduction, codes: Sequence[Codes], activity: Activity | None) -> list[Drawing]:
    """Return the figures for which there are records."""
    drawn = []
    if any(
        item.question in TIMES_OF_1986 or item.question.startswith(("symmetry", "encoder"))
        for item in outcome.epochs_to_solve
    ):
        drawn.append(draw_epochs_to_solve(outcome))
    if outcome.solutions:
        drawn.append(draw_solution(best_solution(outcome.solutions), outcome.solutions))
    if any(reading.question == "family-trees-map" for reading in outcome.readings):
        drawn.append(draw_readings([item for item in outcome.readings if item.question == "family-trees-map"]))
    if codes:
        drawn.append(draw_codes(best_codes(codes)))
    if activity is not None:
        drawn.append(draw_activity(activity))
    if outcome.errors:
        drawn.append(draw_errors(outcome.errors))
    if outcome.errors or outcome.readings:
        drawn.append(draw_curves(outcome))
    return drawn


CURVES, CURVE_HEIGHT = 6.2, 1.9


def draw_curves(outcome: Reproduction) -> Drawing:
    """Draw learning curves: questions that the family-tree networks answer, and errors on MNIST, by epoch."""
    shown = _shown_readings(outcome.readings)
    title = (
        f"Family trees: literal reading answers {percent(shown[0].trained)} of trained questions, "
        f"best {percent(shown[-1].trained)}"
        if shown
        else "Test error on MNIST by epoch"
    )
    with style.look():
        page = style.Page()
        page.heading(title, "Family trees: share of questions answered, by epoch. MNIST: test error, by epoch")
        if outcome.readings:
            page.band(CURVE_HEIGHT, lambda band: _draw_answered(band, outcome.readings))
        for name in dict.fromkeys(item.question for item in outcome.errors if item.by_epoch.shape[1] > 2):
            items = [item for item in outcome.errors if item.question == name]
            page.band(CURVE_HEIGHT, lambda band, items=items: _draw_epochs(band, items))  # type: ignore[misc]
        page.text(
            "Family trees: means over seeds, of the literal reading and of the best one. MNIST: a line per seed; "
            "diamonds are the published run, where its epochs are published.",
            style.SMALL,
            color=style.GREY,
        )
        return Drawing("published-curves", title, f"{title}. {_curves_alt(outcome)}", page.figure())


def _curves_alt(outcome: Reproduction) -> str:
    readings = [
        f"{item.variant}: {percent(item.trained)} of the trained questions"
        for item in _shown_readings(outcome.readings)
    ]
    errors = [
        f"{item.question}, {item.variant}: {percent(min(item.last), 2)} to {percent(max(item.last), 2)}"
        for item in outcome.errors
    ]
    return f"After the last epoch, {'; '.join([*readings, *errors])}."


def _shown_readings(readings: Sequence[Reading]) -> list[Reading]:
    """Return the literal reading, and the one that learns most; none of none."""
    literal = [item for item in readings if item.question == "family-trees"][:1]
    return [*literal, *sorted(readings, key=lambda item: -item.trained)[:1]]


def _draw_answered(band: style.Band, readings: Sequence[Reading]) -> None:
    axes = band.axes(style.MARGIN + 0.75, CURVES, ABOVE, BELOW)
    band.write(style.MARGIN, 0.0, "family trees", weight="bold")
    for item, colour in zip(_shown_readings(readings), (OFF, ON), strict=False):
        epochs, _, trained, held_out = zip(*item.curve, strict=True)
        what = "literal" if item.question == "family-trees" else "best"
        axes.plot(epochs, trained, color=colour, label=f"{what}: trained")
        axes.plot(epochs, held_out, color=colour, linestyle="--", label=f"{what}: held out")
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_ylim(-0.03, 1.04)
    axes.set_xlabel("epochs, log axis")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.03), frameon=False, fontsize=style.SMALL, borderaxespad=0)


def _draw_epochs(band: style.Band, items: Sequence[Errors]) -> None:
    axes = band.axes(style.MARGIN + 0.75, CURVES, ABOVE, BELOW)
    band.write(style.MARGIN, 0.0, items[0].question, weight="bold")
    for item, colour in zip(items, (ON, OFF, style.GREY), strict=False):
        for number, errors in enumerate(item.by_epoch):
            label = f"{item.variant} ({count(len(item.by_epoch), 'seed')})" if number == 0 else None
            axes.plot(range(1, len(errors)), errors[1:], color=colour, linewidth=0.9, alpha=0.7, label=label)
    if items[0].question == "nielsen-30":
        places, accuracies = zip(*NIELSEN_ACCURACIES.items(), strict=True)
        errors = [1 - accuracy for accuracy in accuracies]
        axes.plot(places, errors, "D", color=style.INK, markersize=5, markerfacecolor="none", label="published")
    axes.set_yscale("log")
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_ylim(0.015, 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epochs")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.03), frameon=False, fontsize=style.SMALL, borderaxespad=0)


ROW, ABOVE, BELOW, NAMES, AXIS = 0.36, 0.25, 0.55, 2.6, 6.6


def draw_epochs_to_solve(outcome: Reproduction) -> Drawing:
    """Draw the share of the runs that are solved, by epoch, a curve per variant and a panel per task."""
    shown = [item for item in outcome.epochs_to_solve if not item.question.startswith("family")]
    symmetry = next((item for item in shown if item.question == "symmetry"), None)
    title = (
        f"Symmetry: median of {write_epochs(symmetry.quantile(0.5))} epochs until solved; the paper reports "
        f"{SYMMETRY_EPOCHS:,}"
        if symmetry
        else "Epochs until the small tasks are solved"
    )
    groups: dict[str, list[EpochsToSolve]] = {}
    for item in shown:
        groups.setdefault(item.question.removesuffix("-averaged"), []).append(item)
    with style.look():
        page = style.Page()
        page.heading(title, "Share of the training runs with all outputs on the right side of ½, by epoch")
        for task, items in groups.items():
            page.band(
                1.9,
                lambda band, task=task, items=items: _draw_times(band, task, items),  # type: ignore[misc]
            )
        page.text(
            "A step per run, each from its own initial weights; a curve that ends below 100 % has runs that are "
            "unsolved there. Dotted: the published number of epochs, of one run.",
            style.SMALL,
            color=style.GREY,
        )
        return Drawing("epochs-to-solve", title, f"{title}. {_times_alt(shown)}", page.figure())


def _times_alt(shown: Sequence[EpochsToSolve]) -> str:
    each = [
        f"{item.question}, {item.variant}: median {write_epochs(item.quantile(0.5))}, solved "
        f"{percent(item.share.estimate)} of "
        f"{len(item.solved)}"
        for item in shown
    ]
    return "; ".join(each) + "."


def _draw_times(band: style.Band, task: str, items: Sequence[EpochsToSolve]) -> None:
    axes = band.axes(style.MARGIN + 0.75, 6.6, ABOVE, BELOW)
    band.write(style.MARGIN, 0.0, task, weight="bold")
    colours = (ON, OFF, style.GREY)
    for item, colour, dash in zip(items, colours, style.DASHES, strict=False):
        solved = sorted(filter(math.isfinite, item.solved))
        shares = [number / len(item.solved) for number in range(len(solved) + 1)]
        places = [*solved, item.limit]
        axes.step(
            [1, *places], [0, *shares[1:], shares[-1]], where="post", color=colour, linestyle=dash, label=_legend(item)
        )
    published = SYMMETRY_EPOCHS if task == "symmetry" else TIMES_OF_1986.get(task)
    if published:
        axes.axvline(published, color=style.INK, linestyle=":", label=f"published: {published:,}")
    axes.set_xscale("log")
    axes.set_xlim(10, 1.1 * max(item.limit for item in items))
    axes.set_ylim(0, 1.04)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("epochs, log axis")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.03), frameon=False, fontsize=style.SMALL, borderaxespad=0)


def _legend(item: EpochsToSolve) -> str:
    return f"{item.variant} ({count(len(item.solved), 'seed')})"


def draw_readings(readings: Sequence[Reading]) -> Drawing:
    """Draw the share of trained questions that every reading learns, a map per reduction of the loss."""
    in_text = [reading for reading in readings if reading.in_text]
    best = max(in_text, key=lambda reading: reading.trained)
    learning = sum(reading.learns for reading in in_text)
    title = f"{learning} of {count(len(in_text), 'reading')} of the text learn the family trees"
    question = (
        f"Share of the 100 trained questions answered after 1,500 epochs; the best reading answers "
        f"{percent(best.trained)}"
    )
    with style.look():
        page = style.Page()
        page.heading(title, question)
        for reduction in ("sum", "mean"):
            some = [reading for reading in readings if reading.recipe.reduction == reduction]
            if some:
                page.band(3.3, lambda band, some=some, reduction=reduction: _draw_map(band, some, reduction))  # type: ignore[misc]
        page.text(
            "Rows: range of the initial weights, and targets (A: 0 and 1 with an error dead zone beyond 0.2 and 0.8; "
            "B: 0.2 and 0.8 with one beyond them; C: without one); columns: decay per update, and learning rate from "
            f"epoch 20 on. Numbers are percent, means of {count(readings[0].seeds, 'seed')}; frames mark readings of "
            "the text.",
            style.SMALL,
            color=style.GREY,
        )
        return Drawing("family-map", title, f"{title}. {question}. {_map_alt(readings)}", page.figure())


def _map_alt(readings: Sequence[Reading]) -> str:
    ranked = sorted(readings, key=lambda reading: -reading.trained)[:5]
    return "Best: " + "; ".join(f"{item.variant}: {percent(item.trained)}" for item in ranked) + "."


def _dead_zone_letter(recipe: Recipe) -> str:
    if ExtendedRecipe.of(recipe).error_dead_zone is None:
        return "C"
    return "A" if recipe.target_range == (0.0, 1.0) else "B"


def _draw_map(band: style.Band, readings: Sequence[Reading], reduction: str) -> None:
    def row_of(reading: Reading) -> tuple[float, str]:
        return reading.recipe.init_scale, _dead_zone_letter(reading.recipe)

    def column_of(reading: Reading) -> tuple[float, float]:
        full = ExtendedRecipe.of(reading.recipe)
        return -full.multiplicative_decay, full.schedule[0][1]

    rows, columns = sorted(set(map(row_of, readings))), sorted(set(map(column_of, readings)))
    values = np.full((len(rows), len(columns)), np.nan)
    axes = band.axes(style.MARGIN + 1.3, 6.4, 0.25, 0.55)
    band.write(style.MARGIN, 0.0, f"{reduction} over the examples", weight="bold")
    for reading in readings:
        values[rows.index(row_of(reading)), columns.index(column_of(reading))] = reading.trained
    axes.imshow(values, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column,
            row,
            f"{100 * value:.0f}",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if value > 0.6 else style.INK,
        )
    for reading in readings:
        if reading.in_text:
            place = columns.index(column_of(reading)) - 0.47, rows.index(row_of(reading)) - 0.46
            axes.add_patch(Rectangle(place, 0.94, 0.92, fill=False, edgecolor=ON, linewidth=1.2))
    axes.set_yticks(range(len(rows)), [f"U(±{scale:g}), {letter}" for scale, letter in rows], fontsize=7)
    axes.set_xticks(
        range(len(columns)), [f"{-100 * decay:g} %\nε {rate:g}" for decay, rate in columns], fontsize=style.SMALL
    )
    axes.grid(visible=False)
    axes.tick_params(length=0)


def draw_errors(errors: Sequence[Errors]) -> Drawing:
    """Draw the test errors on MNIST, a row per experiment, with the published ones."""
    groups: dict[str, list[Errors]] = {}
    for item in errors:
        groups.setdefault(item.question, []).append(item)
    published = {**BEST_ERRORS, **LAST_ERRORS, **BANDS}
    judged = [name for name in groups if name in published]
    inside = [name for name in judged if _range(groups[name])[0] <= published[name] <= _range(groups[name])[1]]
    title = f"{len(inside)} of {count(len(judged), 'published MNIST error')} lie in the measured range"
    with style.look():
        page = style.Page()
        page.heading(title, "Test error, on all test examples")
        page.band(ABOVE + ROW * len(groups) + BELOW, lambda band: _draw_errors(band, groups, published))
        page.text(
            "Dots: a training run each, after the best epoch for Nielsen's networks and after the last one otherwise; "
            "LeCun's networks with every learning rate tried. Diamonds: the published error.",
            style.SMALL,
            color=style.GREY,
        )
        ranges = "; ".join(
            f"{name}: {_published(published.get(name))}{percent(low, 2)} to {percent(high, 2)}"
            for name, items in groups.items()
            for low, high in [_range(items)]
        )
        return Drawing("mnist-errors", title, f"{title}. {ranges}.", page.figure())


def _published(error: float | None) -> str:
    return "" if error is None else f"published {percent(error, 2)}, "


def _shown_errors(items: Sequence[Errors]) -> list[float]:
    return [value for item in items for value in (item.best if item.question in BEST_ERRORS else item.last)]


def _range(items: Sequence[Errors]) -> tuple[float, float]:
    values = _shown_errors(items)
    return min(values), max(values)


def _draw_errors(band: style.Band, groups: dict[str, list[Errors]], published: dict[str, float]) -> None:
    axes = band.axes(style.MARGIN + NAMES - 1.2, AXIS, ABOVE, BELOW)
    style.name_rows(axes, list(groups))
    for row, (name, items) in enumerate(groups.items()):
        values = _shown_errors(items)
        axes.plot(values, [row] * len(values), "o", color=ON, markersize=4, alpha=0.6)
        if name in published:
            axes.plot([published[name]], [row], "D", color=style.INK, markersize=6, markerfacecolor="none")
    axes.set_xscale("log")
    axes.set_xlim(0.01, 1.0)
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("test error, log axis")

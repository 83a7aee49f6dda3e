"""Figure: the wrong predictions with the largest confidence."""

from matplotlib import colormaps

from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import most_confident_errors
from backprop_bench.bench.predictions.disagreements import example_images
from backprop_bench.bench.predictions.view import (
    MOST_CONFIDENT,
    TOLD,
    Shown,
    class_name,
    examples_of,
    missing_images,
    n_wrong,
    shown,
)
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.images import Words, draw_images, rows_height
from backprop_bench.bench.report.numbers import count, named, percent

NAME = 0.24
"""Inches for the name above a row of images."""


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    examples = examples_of(summary)
    if examples is None or missing_images(summary) is not None:
        return missing_images(summary)
    wrong = any(n_wrong(examples, network) for one in shown(summary) for network in one.pair)
    return None if wrong else "the networks make no errors"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: a row of images for each of the two networks."""
    examples = examples_of(summary)
    assert examples is not None
    page, alts, titles = style.Page(), [], []
    for one in shown(summary):
        titles.append(_title(examples, one))
        page.heading(titles[-1], one.subtitle)
        for network in one.pair:
            n_images = min(MOST_CONFIDENT, n_wrong(examples, network))
            page.band(
                NAME + rows_height(n_images, 3),
                lambda band, network=network: _draw(band, examples, network),  # type: ignore[misc]
            )
        page.text(NOTE, style.SMALL, color=style.GREY)
        alts.append(f"{one.title}: {titles[-1]}. {' '.join(_in_words(examples, network) for network in one.pair)}")
    return Drawing("most-confident-errors", titles[-1], " ".join(alts), page.figure())


NOTE = (
    "Below each image: true label, predicted label, confidence. Confidence is the largest output as a share of the sum "
    "of all outputs, each counted from the target of a wrong class."
)


def _title(examples: LabelledExamples, one: Shown) -> str:
    each = []
    for network in one.pair:
        worst = most_confident_errors(examples.labels, network, 1)
        confidence = percent(float(network.confidence[worst[0]])) if len(worst) else "none"
        each.append(f"{named(network.implementation)} {confidence}")
    return f"Most confident error: {', '.join(each)}"


def _draw(band: style.Band, examples: LabelledExamples, network: TrainedNetwork) -> None:
    name, colour = style.short_name(network.implementation), style.text_colour(network.implementation)
    selected = most_confident_errors(examples.labels, network, MOST_CONFIDENT)
    text = name if len(selected) else f"{name}: no errors"
    band.write(style.MARGIN, 0.03, text, color=colour, weight="bold")
    words = [
        [
            Words(f"true {class_name(examples, int(examples.labels[example]))}", style.GREY),
            Words(class_name(examples, int(network.predicted[example])), colour),
            Words(percent(float(network.confidence[example])), style.GREY),
        ]
        for example in selected
    ]
    below = style.Band(band.figure, band.top + NAME, band.height - NAME)
    draw_images(below, example_images(examples, selected), colormaps["gray_r"], examples.ends, words)


def _in_words(examples: LabelledExamples, network: TrainedNetwork) -> str:
    each = [
        f"example {example}: true label {class_name(examples, int(examples.labels[example]))}, predicted label "
        f"{class_name(examples, int(network.predicted[example]))} with {percent(float(network.confidence[example]))}"
        for example in most_confident_errors(examples.labels, network, TOLD)
    ]
    n = count(n_wrong(examples, network), "error")
    return f"{named(network.implementation)}, {n}{': ' if each else ''}{'; '.join(each)}."

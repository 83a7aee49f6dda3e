"""Figure: the test examples that a network gets wrong while it is the surest."""

from matplotlib import colormaps

from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import confidently_wrong
from backprop_bench.bench.predictions.disagreements import example_images
from backprop_bench.bench.predictions.view import (
    SURE,
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
    return None if wrong else "the networks make no mistake"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: a row of images for each of the two networks."""
    examples = examples_of(summary)
    assert examples is not None
    page, alts, titles = style.Page(), [], []
    for one in shown(summary):
        titles.append(_title(examples, one))
        page.heading(titles[-1], one.title)
        for network in one.pair:
            n_images = min(SURE, n_wrong(examples, network))
            page.band(
                NAME + rows_height(n_images, 3),
                lambda band, network=network: _draw(band, examples, network),  # type: ignore[misc]
            )
        page.text(f"{NOTE} {one.which}", style.SMALL, color=style.GREY)
        alts.append(f"{one.title}: {titles[-1]}. {' '.join(_in_words(examples, network) for network in one.pair)}")
    return Drawing("confidently-wrong", titles[-1], " ".join(alts), page.figure())


NOTE = (
    f"The {SURE} mistakes, or as many as there are, of which each network is the surest. Below each image, what it is, "
    "what the network says, and how large that output is as a share of the sum of all its outputs; an output counts "
    "from the target of a class that is off, and as 0 below it."
)


def _title(examples: LabelledExamples, one: Shown) -> str:
    said = []
    for network in one.pair:
        surest = confidently_wrong(examples.labels, network, 1)
        name, n = named(network.implementation), count(n_wrong(examples, network), "mistake")
        if len(surest):
            said.append(f"surest mistake of {name}: {percent(float(network.confidence[surest[0]]))} (of {n})")
        else:
            said.append(f"{name} makes no mistake")
    title = "; ".join(said)
    return title[0].upper() + title[1:] if len(surest) else title


def _draw(band: style.Band, examples: LabelledExamples, network: TrainedNetwork) -> None:
    name, colour = style.short_name(network.implementation), style.text_colour(network.implementation)
    chosen = confidently_wrong(examples.labels, network, SURE)
    text = name if len(chosen) else f"{name}: no mistake"
    band.write(style.MARGIN, 0.03, text, color=colour, weight="bold")
    words = [
        [
            Words(f"is {class_name(examples, int(examples.labels[example]))}", style.GREY),
            Words(class_name(examples, int(network.predicted[example])), colour),
            Words(percent(float(network.confidence[example])), style.GREY),
        ]
        for example in chosen
    ]
    below = style.Band(band.figure, band.top + NAME, band.height - NAME)
    draw_images(below, example_images(examples, chosen), colormaps["gray_r"], (0.0, examples.largest), words)


def _in_words(examples: LabelledExamples, network: TrainedNetwork) -> str:
    each = [
        f"example {example}: true label {class_name(examples, int(examples.labels[example]))}, predicted label "
        f"{class_name(examples, int(network.predicted[example]))} with {percent(float(network.confidence[example]))}"
        for example in confidently_wrong(examples.labels, network, TOLD)
    ]
    return f"{named(network.implementation)}: {'; '.join(each) or 'no mistake'}."

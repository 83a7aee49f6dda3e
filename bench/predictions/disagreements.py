"""Figure: the test examples on which two networks disagree."""

import numpy as np
from matplotlib import colormaps

from backprop_bench.bench.core.network import Classes, LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import Disagreement, disagreement, image_side, surest_disagreements
from backprop_bench.bench.predictions.view import (
    ALIKE,
    DIFFERENT,
    TOLD,
    Shown,
    class_name,
    compared,
    disagreement_sentence,
    examples_of,
    missing_images,
)
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.images import Words, draw_images, rows_height
from backprop_bench.bench.report.numbers import count, named, percent


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    examples = examples_of(summary)
    if examples is None or missing_images(summary) is not None:
        return missing_images(summary)
    pairs = compared(summary)
    if not pairs:
        return "of no question are there two networks"
    if not any(len(disagreement(examples.labels, first, second).examples) for _, first, second in pairs):
        return "the networks that were trained on the same question never disagree"
    return None


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: the examples of which both networks are the surest, and of another class."""
    examples = examples_of(summary)
    assert examples is not None
    page, alts, titles = style.Page(), [], []
    for one, first, second in compared(summary):
        found = disagreement(examples.labels, first, second)
        title = _title(examples, found, first, second)
        page.heading(title, one.title)
        alts.append(f"{one.title}: {title}.")
        if not len(found.examples):
            page.text(disagreement_sentence(examples, one))
            continue
        titles.append(title)
        places = surest_disagreements(found, first, second, DIFFERENT, ALIKE)
        page.band(
            rows_height(len(places), 3),
            lambda band, one=one, found=found, places=places: _draw(band, examples, one, found, places),  # type: ignore[misc]
        )
        page.text(f"{_note(found, places, first, second)} {one.which}", style.SMALL, color=style.GREY)
        alts.append(_examples_in_words(examples, found, places))
    return Drawing("disagreements", titles[-1], " ".join(alts), page.figure())


def example_images(examples: LabelledExamples, chosen: Classes) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return test examples as images [n, side, side]."""
    side = image_side(examples.inputs.shape[1])
    assert side is not None
    return examples.inputs[chosen].astype(np.float64).reshape(len(chosen), side, side)


def _title(examples: LabelledExamples, found: Disagreement, first: TrainedNetwork, second: TrainedNetwork) -> str:
    names = f"{named(first.implementation)} and {named(second.implementation)}"
    n, n_examples = len(found.examples), count(len(examples.labels), "test example")
    if not n:
        return f"{names} agree on all of {n_examples}"
    return f"{names} disagree on {n:,} of {n_examples} ({percent(n / found.n_examples, 2)})"


def _draw(band: style.Band, examples: LabelledExamples, one: Shown, found: Disagreement, places: Classes) -> None:
    first, second = one.pair
    colours = style.text_colour(first.implementation), style.text_colour(second.implementation)
    words = []
    for place in places:
        label, said = int(found.labels[place]), (int(found.first[place]), int(found.second[place]))
        answers = [
            Words(class_name(examples, number), colour, bold=number == label)
            for number, colour in zip(said, colours, strict=True)
        ]
        words.append([Words(f"is {class_name(examples, label)}", style.GREY), *answers])
    draw_images(
        band, example_images(examples, found.examples[places]), colormaps["gray_r"], (0.0, examples.largest), words
    )


def _note(found: Disagreement, places: Classes, first: TrainedNetwork, second: TrainedNetwork) -> str:
    names = named(first.implementation), named(second.implementation)
    which = (
        "All of them are shown"
        if len(places) == len(found.examples)
        else f"Shown are {len(places)}, those of which both are the surest, at most {ALIKE} alike"
    )
    return (
        f"Below each image, what it is, then what {names[0]} says, then {names[1]}; bold where that is right. {which}. "
        f"In all, {names[0]} alone is right in {found.n_first_right:,}, {names[1]} alone in {found.n_second_right:,}, "
        f"neither in {found.n_neither:,}."
    )


def _examples_in_words(examples: LabelledExamples, found: Disagreement, places: Classes) -> str:
    each = (
        f"example {found.examples[place]} is {examples.names[found.labels[place]]}, said to be "
        f"{examples.names[found.first[place]]} and {examples.names[found.second[place]]}"
        for place in places[:TOLD]
    )
    return f"The first that are shown: {'; '.join(each)}."

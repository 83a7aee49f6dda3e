"""Figure: the test examples on which two networks disagree."""

import numpy as np
from matplotlib import colormaps

from backprop_bench.bench.core.network import Classes, LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import (
    Disagreement,
    find_disagreement,
    image_side,
    most_confident_disagreements,
)
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
        return "no question has two networks"
    if not any(len(find_disagreement(examples.labels, first, second).examples) for _, first, second in pairs):
        return "the networks that were trained on the same question never disagree"
    return None


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: the disagreements in which both networks are most confident."""
    examples = examples_of(summary)
    assert examples is not None
    page, alts, titles = style.Page(), [], []
    for one, first, second in compared(summary):
        disagreement = find_disagreement(examples.labels, first, second)
        title = _title(examples, disagreement, first, second)
        page.heading(title, one.subtitle)
        alts.append(f"{one.title}: {title}.")
        if not len(disagreement.examples):
            page.text(disagreement_sentence(examples, one))
            continue
        titles.append(title)
        places = most_confident_disagreements(disagreement, first, second, DIFFERENT, ALIKE)
        page.band(
            rows_height(len(places), 3),
            lambda band, one=one, disagreement=disagreement, places=places: _draw(
                band, examples, one, disagreement, places
            ),  # type: ignore[misc]
        )
        page.text(_note(disagreement, places, first, second), style.SMALL, color=style.GREY)
        alts.append(_examples_in_words(examples, disagreement, places))
    return Drawing("disagreements", titles[-1], " ".join(alts), page.figure())


def example_images(examples: LabelledExamples, selected: Classes) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return test examples as images [n, side, side]."""
    side = image_side(examples.inputs.shape[1])
    assert side is not None
    return examples.inputs[selected].astype(np.float64).reshape(len(selected), side, side)


def _title(
    examples: LabelledExamples, disagreement: Disagreement, first: TrainedNetwork, second: TrainedNetwork
) -> str:
    names = f"{named(first.implementation)} and {named(second.implementation)}"
    n, n_examples = len(disagreement.examples), count(len(examples.labels), "test example")
    if not n:
        return f"{names} agree on all of {n_examples}"
    return f"{names} disagree on {n:,} of {n_examples} ({percent(n / disagreement.n_examples, 2)})"


def _draw(
    band: style.Band, examples: LabelledExamples, one: Shown, disagreement: Disagreement, places: Classes
) -> None:
    first, second = one.pair
    colours = style.text_colour(first.implementation), style.text_colour(second.implementation)
    words = []
    for place in places:
        label, predicted = (
            int(disagreement.labels[place]),
            (int(disagreement.first[place]), int(disagreement.second[place])),
        )
        predictions = [
            Words(class_name(examples, number), colour, bold=number == label)
            for number, colour in zip(predicted, colours, strict=True)
        ]
        words.append([Words(f"true {class_name(examples, label)}", style.GREY), *predictions])
    draw_images(
        band,
        example_images(examples, disagreement.examples[places]),
        colormaps["gray_r"],
        examples.ends,
        words,
    )


def _note(disagreement: Disagreement, places: Classes, first: TrainedNetwork, second: TrainedNetwork) -> str:
    names = named(first.implementation), named(second.implementation)
    which = (
        "All are shown"
        if len(places) == len(disagreement.examples)
        else f"Shown: the {len(places)} most confident, at most {ALIKE} alike"
    )
    return f"Below each image: true label, then predicted labels of {names[0]} and {names[1]}; bold is right. {which}."


def _examples_in_words(examples: LabelledExamples, disagreement: Disagreement, places: Classes) -> str:
    each = (
        f"example {disagreement.examples[place]}, true label {examples.names[disagreement.labels[place]]}, predicted "
        f"labels {examples.names[disagreement.first[place]]} and {examples.names[disagreement.second[place]]}"
        for place in places[:TOLD]
    )
    return f"First examples: {'; '.join(each)}."

"""An image of a figure is of the example or unit that is named below it, and a matrix is turned as its axes say."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes

from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions import confusion, disagreements, hidden_units, most_confident_errors
from backprop_bench.data import Layer
from tests.bench.drawn import as_number, captions_of, from_the_left, images_of, written_above
from tests.bench.test_show_outcomes import PAIR, small

NAMES = ("zero", "one", "two")
LABELS = [0, 0, 0, 0, 1, 1, 2, 2]
FIRST = [0, 0, 0, 1, 1, 1, 2, 0]
SECOND = [0, 0, 1, 1, 1, 1, 2, 0]


def with_inputs(first: list[int], second: list[int]) -> Summary:
    """Return a run of two networks whose test examples are 2 by 2 pixels: 10 n, 10 n + 1, … of example n."""
    summary = small(first, second, LABELS)
    assert summary.outcomes is not None
    assert summary.outcomes.examples is not None
    inputs = (10 * np.arange(len(LABELS))[:, np.newaxis] + np.arange(4)).astype(np.uint8)
    examples = dataclasses.replace(summary.outcomes.examples, inputs=inputs)
    return dataclasses.replace(summary, outcomes=dataclasses.replace(summary.outcomes, examples=examples))


def corners_of(image: npt.NDArray[np.float64]) -> list[float]:
    """Return the four pixels of an image, row by row."""
    return [float(image[row, column]) for row in (0, -1) for column in (0, -1)]


def numbers_of(matrix: Axes) -> dict[tuple[str, str], int]:
    """Return the numbers in a matrix by true and predicted label, as its axes name them."""
    assert matrix.get_xlabel() == "predicted label"
    across = dict(zip(matrix.get_xticks(), (label.get_text() for label in matrix.get_xticklabels()), strict=True))
    down = dict(zip(matrix.get_yticks(), (label.get_text() for label in matrix.get_yticklabels()), strict=True))
    places = {text.get_position(): int(text.get_text()) for text in matrix.texts}
    return {(down[y], across[x]): n for (x, y), n in places.items()}


def test_a_number_of_a_confusion_matrix_counts_the_examples_of_its_true_and_predicted_label() -> None:
    matrices = from_the_left(confusion.draw(small(FIRST, SECOND, LABELS)).figure)
    assert [axes.get_ylabel() for axes in matrices] == ["true label", ""]
    for axes, name, predicted in zip(matrices, PAIR, (FIRST, SECOND), strict=True):
        pairs = [(NAMES[label], NAMES[output]) for label, output in zip(LABELS, predicted, strict=True)]
        assert numbers_of(axes) == {pair: pairs.count(pair) for pair in pairs}
        wrong = sum(label != output for label, output in pairs)
        assert written_above(axes).startswith(f"{name}: {wrong} wrong")


def test_a_cell_of_a_confusion_matrix_is_as_dark_as_the_share_of_its_true_label() -> None:
    axes, _ = from_the_left(confusion.draw(small(FIRST, SECOND, LABELS)).figure)
    (image,) = axes.images
    cells = np.asarray(image.get_array())[..., :3].sum(axis=2)
    columns, rows = (
        [label.get_text() for label in labels] for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    )
    left, right, bottom, top = image.get_extent()
    assert (left, right, bottom, top) == (-0.5, 2.5, 2.5, -0.5), "the first row is on top"

    def lightness(true: str, predicted: str) -> float:
        return float(cells[rows.index(true), columns.index(predicted)])

    half_of_two, quarter_of_zero = lightness("two", "zero"), lightness("zero", "one")
    assert half_of_two < quarter_of_zero < lightness("one", "zero") == 3.0, "one example of two, of four, and none"


def test_below_a_disagreement_stand_its_true_label_and_what_each_network_predicts() -> None:
    first, second = [0, 0, 0, 1, 1, 2, 2, 0], [0, 0, 1, 1, 1, 1, 2, 2]
    figure = disagreements.draw(with_inputs(first, second)).figure
    captions, images = captions_of(figure, "true "), images_of(figure)
    assert len(captions) == len(images) == 3
    for (true, *predicted), image in zip(captions, images, strict=True):
        example = int(corners_of(image)[0]) // 10
        assert corners_of(image) == [10 * example + corner for corner in range(4)]
        assert true == f"true {NAMES[LABELS[example]]}"
        assert predicted == [NAMES[first[example]], NAMES[second[example]]]


def test_below_a_confident_error_stand_its_true_and_predicted_label_and_its_confidence() -> None:
    figure = most_confident_errors.draw(with_inputs(FIRST, SECOND)).figure
    captions, images = captions_of(figure, "true "), images_of(figure)
    examples = [int(corners_of(image)[0]) // 10 for image in images]
    assert examples == [3, 7, 2, 3, 7], "the two of the first network, then the three of the second"
    confidence = np.linspace(0.9, 0.5, len(LABELS))
    for number, (example, image, (true, predicted, share)) in enumerate(zip(examples, images, captions, strict=True)):
        assert corners_of(image) == [10 * example + corner for corner in range(4)]
        assert true == f"true {NAMES[LABELS[example]]}"
        assert predicted == NAMES[(FIRST if number < 2 else SECOND)[example]]
        assert as_number(share) / 100 == pytest.approx(confidence[example], abs=1e-3)


def test_an_image_of_a_hidden_unit_has_its_incoming_weights_pixel_by_pixel() -> None:
    summary = small(FIRST, SECOND, LABELS)
    assert summary.outcomes is not None
    weight = (np.arange(8).reshape(2, 4).T - 3.5).astype(np.float32)  # [4, 2]: a unit's are consecutive
    networks = tuple(
        dataclasses.replace(network, layers=(Layer(weight * factor, None), network.layers[1]))
        for factor, network in zip((1, -1), summary.outcomes.networks, strict=True)
    )
    summary = dataclasses.replace(summary, outcomes=dataclasses.replace(summary.outcomes, networks=networks))
    figure = hidden_units.draw(summary).figure
    captions, images = captions_of(figure, "unit "), images_of(figure)
    assert [name for (name,) in captions] == ["unit 1", "unit 2"] * 2
    for number, ((name,), image) in enumerate(zip(captions, images, strict=True)):
        incoming = weight[:, int(name.split()[1]) - 1] * (1 if number < 2 else -1)
        assert corners_of(image) == incoming.tolist()

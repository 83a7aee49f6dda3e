"""What parts become: classes, ranges, what is held out, and what is refused because nothing could be learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from backprop_bench.data.assemble import assemble
from backprop_bench.data.cache import Arrays
from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.part import Part, Reading, role_of, words_of

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (60, 4, 4), np.uint8)
LABELS = RNG.permutation(np.arange(60) % 3)


def part(labels: Any = LABELS, x: npt.NDArray[Any] = PIXELS, role: Any = None, **more: Any) -> Part:
    return Part("here", role, x.copy(), None if labels is None else np.asarray(labels), **more)


def together(*parts: Part, reading: Reading | None = None, in_order: bool = False) -> Arrays:
    return assemble(parts, "data", reading or Reading(), in_order=in_order)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(60) % 3, ("0", "1", "2")),
        (np.arange(60) % 3 + 1, ("1", "2", "3")),
        (np.arange(60) % 2 * 2 - 1, ("-1", "1")),
        (np.arange(60) % 3 * 2, ("0", "1", "2", "3", "4")),
        (np.arange(60) % 2 * 200, ("0", "200")),
        (np.array(["b", "a", "c10", "c9"])[np.arange(60) % 4], ("a", "b", "c9", "c10")),
        ((np.arange(60) % 3).astype(float), ("0", "1", "2")),
    ],
)
def test_classes_are_numbers_from_0_or_sorted_names(labels: npt.NDArray[Any], classes: tuple[str, ...]) -> None:
    arrays = together(part(labels, x=np.repeat(np.arange(60, dtype=np.uint8), 16).reshape(60, 4, 4)))
    assert arrays.about.classes == classes
    x, y = np.concatenate([arrays.x_train, arrays.x_test]), np.concatenate([arrays.y_train, arrays.y_test])
    for row, label in zip(x[:, 0], y, strict=True):
        assert classes[label] == (labels[row] if labels.dtype.kind == "U" else f"{labels[row]:g}")


def test_names_that_a_file_gives_are_those_of_the_classes() -> None:
    assert together(part(names=("cat", "dog", "owl", "yak"))).about.classes == ("cat", "dog", "owl", "yak")


@pytest.mark.parametrize(
    ("values", "ends", "dtype"),
    [
        (PIXELS, (0, 255), "uint8"),
        (PIXELS // 2, (0, 255), "uint8"),
        (PIXELS // 16, (0, 15), "uint8"),
        (PIXELS // 128, (0, 1), "uint8"),
        (PIXELS > 100, (0, 1), "uint8"),
        (PIXELS / 255, (0, 1), "float32"),
        (PIXELS.astype(float), (0, 255), "uint8"),
        (PIXELS.astype(np.int64), (0, 255), "uint8"),
        (PIXELS * 100.0, (0, 100.0 * PIXELS.max()), "float32"),
        (PIXELS / 127.5 - 1, (-1, 1), "float32"),
        (PIXELS.astype(np.uint16) * 257, (0, 257.0 * PIXELS.max()), "float32"),
    ],
)
def test_the_range_follows_the_data(values: npt.NDArray[Any], ends: tuple[float, float], dtype: str) -> None:
    arrays = together(part(x=values))
    assert (arrays.about.x_min, arrays.about.x_max) == pytest.approx(ends)
    assert arrays.x_train.dtype == arrays.x_test.dtype == dtype
    assert f"values {ends[0]:g} to {ends[1]:g}" in arrays.about.summary


def test_the_largest_that_is_given_is_taken() -> None:
    assert together(part(x=PIXELS // 16), reading=Reading(largest=255)).about.x_max == 255


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (part(labels=None), "data: has inputs but no labels"),
        (part(np.zeros(60, int)), "all 60 training labels are 0, expected at least two classes"),
        (part(np.arange(60)), "60 of 60 labels are different, expected few classes"),
        (part(LABELS + 0.5), "has the label 0.5, expected whole numbers or words"),
        (part(x=np.full((60, 4, 4), 9)), "all inputs are 9, expected inputs that differ"),
        (part(x=np.where(PIXELS[3, 1, 1] == PIXELS, np.nan, PIXELS)), "here: has an input that is no finite number"),
        (part(x=np.where(PIXELS[3, 1, 1] == PIXELS, np.inf, PIXELS)), "here: has an input that is no finite number"),
        (part(x=np.stack([PIXELS] * 5, axis=3)), "has 5 channels, expected 1 or 3"),
        (part(x=np.zeros((60, 2, 2, 2, 2))), "has the shape .*, expected rows, columns and channels at most"),
    ],
)
def test_what_teaches_nothing_is_refused(broken: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        together(broken)


def test_an_opacity_that_varies_is_refused() -> None:
    with pytest.raises(InputError, match="has 4 channels, the last of which varies"):
        together(part(x=np.stack([PIXELS] * 4, axis=3)))


def test_colours_that_differ_stay_three_inputs_a_pixel() -> None:
    x = np.stack([PIXELS, PIXELS[::-1], PIXELS], axis=3)
    arrays = together(part(x=x))
    assert arrays.about.shape == (4, 4, 3)
    assert arrays.x_train.shape[1] == 48
    assert "48 inputs" in arrays.about.summary


def test_an_opacity_and_colours_that_say_nothing_are_left_out() -> None:
    x = np.stack([PIXELS, PIXELS, PIXELS, np.full_like(PIXELS, 255)], axis=3)
    arrays = together(part(x=x))
    assert arrays.about.shape == (4, 4)
    assert np.array_equal(arrays.x_train, together(part()).x_train)
    assert "the three colours are the same, so grey" in arrays.about.summary


def sorted_part() -> Part:
    return part(np.sort(LABELS), x=PIXELS)


def test_examples_that_are_sorted_by_label_are_shuffled_and_it_is_said() -> None:
    arrays = together(sorted_part())
    assert "shuffled, because the examples were sorted by label" in arrays.about.summary
    assert len(set(arrays.y_train[:9].tolist())) == 3
    assert np.bincount(arrays.y_test).tolist() == [3, 3, 2]
    pairs = {row.tobytes(): label for row, label in zip(PIXELS.reshape(60, -1), np.sort(LABELS), strict=True)}
    for x, y in ((arrays.x_train, arrays.y_train), (arrays.x_test, arrays.y_test)):
        assert [pairs[row.tobytes()] for row in x] == y.tolist(), "labels go with their inputs"


def test_sorted_training_examples_are_shuffled_where_there_are_test_examples_too() -> None:
    first, second = sorted_part(), part(LABELS[:6], PIXELS[:6])
    first.role, second.role = "train", "test"
    arrays = together(first, second)
    assert "sorted by label, so shuffled" in arrays.about.summary
    assert len(set(arrays.y_train[:9].tolist())) == 3
    assert np.array_equal(arrays.x_test, PIXELS[:6].reshape(6, -1))


def test_a_rare_class_is_left_to_learn_from() -> None:
    labels = np.zeros(60, int)
    labels[5] = 1
    assert 1 in together(part(labels)).y_train


def test_test_classes_that_training_lacks_are_warned_of() -> None:
    arrays = together(part(LABELS % 2, role="train"), part(LABELS, role="test"))
    assert arrays.about.warnings == (
        "test examples of 2 are of no class that the training examples have: they cannot be recognised",
    )
    assert together(part(role="train"), part(role="test")).about.warnings == ()


@pytest.mark.parametrize(
    ("roles", "n_train", "n_test"),
    [
        (["train", "test"], 60, 60),
        (["test", "train"], 60, 60),
        (["train", "validation", "test"], 60, 60),
        (["train", "validation"], 60, 60),
        ([None, None], 103, 17),
        ([None, "test"], 60, 60),
        ([None], 52, 8),
        (["test"], 52, 8),
        ([None, None, None], 155, 25),
        (["train", "train", "test", "test"], 120, 120),
    ],
)
def test_roles_say_what_is_for_training(roles: Sequence[Any], n_train: int, n_test: int) -> None:
    arrays = together(*[part(role=role) for role in roles])
    assert (len(arrays.y_train), len(arrays.y_test)) == (n_train, n_test)


def test_of_two_that_were_named_one_by_one_the_first_is_for_training() -> None:
    arrays = together(part(), part(), in_order=True)
    assert (len(arrays.y_train), len(arrays.y_test)) == (60, 60)
    assert "here is for training and here for testing, in this order" in arrays.about.summary
    assert len(together(part(role="test"), part(), in_order=True).y_test) == 60


def test_a_part_without_examples_is_refused() -> None:
    with pytest.raises(InputError, match="here: has no examples, expected some"):
        together(part(role="train"), part(LABELS[:0], PIXELS[:0], role="test"))


def test_test_labels_that_are_all_the_same_are_warned_of() -> None:
    arrays = together(part(role="train"), part(np.zeros(60, int), role="test"))
    assert arrays.about.warnings == ("all 60 test labels are 0: they may stand for missing ones",)


def test_validation_examples_that_are_not_used_are_mentioned() -> None:
    arrays = together(part(role="train"), part(role="validation"), part(role="test"))
    assert "the validation examples are not used" in arrays.about.summary


def test_images_of_emnist_are_turned_unless_the_user_says_otherwise() -> None:
    def lying(lies: bool) -> Part:
        return part(x=PIXELS.swapaxes(1, 2), lies=lies)

    upright = together(part()).x_train
    assert np.array_equal(together(lying(True)).x_train, upright)
    assert "transposed, as EMNIST stores its images" in together(lying(True)).about.summary
    as_they_are = together(lying(False)).x_train
    assert np.array_equal(together(lying(True), reading=Reading(transpose=False)).x_train, as_they_are)
    assert np.array_equal(together(lying(False), reading=Reading(transpose=True)).x_train, upright)
    assert not np.array_equal(as_they_are, upright)


def test_a_row_of_a_square_number_of_inputs_can_be_turned() -> None:
    flat = part(x=PIXELS.swapaxes(1, 2).reshape(60, 16))
    assert np.array_equal(together(flat, reading=Reading(transpose=True)).x_train, together(part()).x_train)
    with pytest.raises(InputError, match="an example has 15 inputs, expected images, which alone can be transposed"):
        together(part(x=PIXELS.reshape(60, 16)[:, :15]), reading=Reading(transpose=True))


def test_parts_of_different_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="has examples of 8 inputs and 16 inputs, expected one size"):
        together(part(role="train"), part(x=PIXELS[:, :2], role="train"))
    with pytest.raises(InputError, match="training examples have 16 inputs and the test examples 8 inputs"):
        together(part(role="train"), part(x=PIXELS[:, :2], role="test"))


def test_words_and_numbers_as_labels_are_not_mixed() -> None:
    with pytest.raises(InputError, match="labels that are words in one file and numbers in another"):
        together(part(role="train"), part(np.array(["a", "b", "c"])[LABELS], role="train"))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train-images-idx3-ubyte", "train"),
        ("t10k-labels-idx1-ubyte.gz", "test"),
        ("mnist_test.csv", "test"),
        ("xTrain", "train"),
        ("Xtest", "test"),
        ("trainX", "train"),
        ("TestLabels", "test"),
        ("testlabels", "test"),
        ("usps.t.bz2", "test"),
        ("usps.bz2", None),
        ("data/val-00000-of-00001.parquet", "validation"),
        ("training/7/1.png", "train"),
        ("latest.csv", None),
        ("contest.csv", None),
        ("values.csv", None),
        ("optdigits.tra", "train"),
        ("optdigits.tes", "test"),
        ("mnisttrain.csv", "train"),
        ("MNISTtest.csv", "test"),
        ("greatest.csv", None),
        ("x", None),
    ],
)
def test_a_name_says_what_examples_are_for(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_a_name_is_made_of_words() -> None:
    assert words_of("kmnist-train-imgs.npz") == ["kmnist", "train", "imgs", "npz"]
    assert words_of("X_train") == ["x", "train"]
    assert words_of("trainingimages") == ["train", "images"]

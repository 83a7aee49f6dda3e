"""Files that belong together: which one is for training, and whether their columns are the same."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop_bench.data import Dataset, InputError, load_dataset
from tests.data.kinds import PIXELS, WORDS, X, Y, four, npz, parquet, png, text, write_all

RNG = np.random.default_rng(2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    return tmp_path / "files"


def refusal(given: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(given, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


def images_below(folder: str, numbers: range) -> dict[str, Callable[[], bytes]]:
    return {f"{folder}/{WORDS[Y[n]]}/{n % 15}.png": lambda n=n: png(X[n]) for n in numbers}  # type: ignore[misc]


def rows_of(dataset: Dataset, part: str) -> set[bytes]:
    return {row.tobytes() for row in getattr(dataset, f"x_{part}")}


def expected_rows(numbers: range) -> set[bytes]:
    return {X[n].tobytes() for n in numbers}


@pytest.mark.parametrize("given", ["digits/train,digits/test", "digits/test,digits/train", "digits/*", "./digits"])
def test_two_folders_with_files_of_the_same_names_are_both_read(folder: Path, given: str) -> None:
    write_all(folder, images_below("digits/train", range(15)) | images_below("digits/test", range(15, 30)))
    dataset = load_dataset(given)
    assert rows_of(dataset, "train") == expected_rows(range(15))
    assert rows_of(dataset, "test") == expected_rows(range(15, 30))


def table(numbers: range) -> str:
    return text([["label", *PIXELS], *([int(Y[n]), *map(int, X[n].ravel())] for n in numbers)])


def zipped(name: str, content: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("given", ["train.zip,test.zip", "*.zip", "."])
def test_two_archives_with_files_of_the_same_name_are_both_read(folder: Path, given: str) -> None:
    write_all(
        folder,
        {
            "train.zip": lambda: zipped("data.csv", table(range(40))),
            "test.zip": lambda: zipped("data.csv", table(range(40, 60))),
        },
    )
    dataset = load_dataset(given)
    assert rows_of(dataset, "train") == expected_rows(range(40))
    assert rows_of(dataset, "test") == expected_rows(range(40, 60))


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("optdigits.tra", "optdigits.tes"), "optdigits.t*"),
        (("optdigits.tra", "optdigits.tes"), "."),
        (("mnisttrain.csv", "mnisttest.csv"), "mnist*.csv"),
        (("mnist/train/0000.csv", "mnist/test/0000.csv"), "mnist/*/0000.csv"),
        (("mnist/train/0000.csv", "mnist/test/0000.csv"), "./mnist"),
    ],
)
def test_the_file_for_testing_is_not_taken_for_training(folder: Path, names: tuple[str, str], given: str) -> None:
    write_all(folder, {names[0]: lambda: table(range(40)), names[1]: lambda: table(range(40, 60))})
    dataset = load_dataset(given)
    assert rows_of(dataset, "train") == expected_rows(range(40))
    assert rows_of(dataset, "test") == expected_rows(range(40, 60))


def test_two_shards_of_a_pattern_are_joined_but_two_named_files_are_training_and_test(folder: Path) -> None:
    write_all(folder, {"part-0.csv": lambda: table(range(40)), "part-1.csv": lambda: table(range(40, 60))})
    joined = load_dataset("part-*.csv")
    assert (len(joined.y_train), len(joined.y_test)) == (52, 8)
    ordered = load_dataset(["part-1.csv", "part-0.csv"])
    assert (len(ordered.y_train), len(ordered.y_test)) == (20, 40)
    assert "part-1.csv is for training and part-0.csv for testing, in this order" in ordered.summary


def test_labels_that_are_corrected_beside_the_images_are_read_anew(folder: Path, write: Any) -> None:
    for name, content in four().items():
        write(folder / name, content())
    first = load_dataset("train-images-idx3-ubyte")
    changed = bytearray((folder / "train-labels-idx1-ubyte").read_bytes())
    changed[8:] = bytes((label + 1) % 3 for label in changed[8:])
    write(folder / "train-labels-idx1-ubyte", bytes(changed))
    second = load_dataset("train-images-idx3-ubyte")
    assert second.y_train.tolist() == [(label + 1) % 3 for label in first.y_train.tolist()]


# Tables beside each other


def pair_of(train: list[list[Any]], test: list[list[Any]], folder: Path) -> str:
    write_all(folder, {"train.csv": lambda: text(train), "test.csv": lambda: text(test)})
    return "train.csv,test.csv"


def made(n: int, columns: list[str], label: bool = True) -> list[list[Any]]:
    values = [[n_row % 3 if name == "label" else int(RNG.integers(0, 9)) for name in columns] for n_row in range(n)]
    return [list(columns), *values]


def test_columns_in_another_order_are_put_in_order(folder: Path) -> None:
    train, test = made(40, ["a", "b", "label"]), made(30, ["b", "label", "a"])
    dataset = load_dataset(pair_of(train, test, folder))
    assert dataset.x_test.tolist() == [[row[2], row[0]] for row in test[1:]]
    assert dataset.y_test.tolist() == [row[1] for row in test[1:]]


def test_another_column_in_place_of_the_label_is_none(folder: Path) -> None:
    train = made(40, ["label", *(f"f{n}" for n in range(10))])
    test = [["Sample", *train[0][1:]], *([n + 1, *row[1:]] for n, row in enumerate(made(30, train[0])[1:]))]
    dataset = load_dataset(pair_of(train, test, folder))
    assert dataset.n_inputs == 10
    assert "test.csv has no labels and is not used" in dataset.summary


def test_inputs_that_differ_are_refused(folder: Path) -> None:
    names = pair_of(made(40, ["label", "a", "b"]), made(30, ["label", "a", "c"]), folder)
    assert "test.csv: lacks the column 'b'" in refusal(names)
    names = pair_of(made(40, ["label", "a", "b"]), made(30, ["label", "a", "b", "c"]), folder)
    assert "test.csv: has the column 'c'" in refusal(names)


def test_the_training_table_says_where_the_labels_are(folder: Path) -> None:
    train = [[int(RNG.integers(0, 256)), int(RNG.integers(0, 256)), n % 3] for n in range(200)]
    test = [
        [n % 2, int(RNG.integers(0, 256)), 2 * (n % 2)] for n in range(40)
    ]  # alone, its first column looks like labels
    dataset = load_dataset(pair_of(train, test, folder))
    assert dataset.y_test.tolist() == [row[2] for row in test]


def test_a_label_that_is_named_may_be_missing_in_the_test(folder: Path) -> None:
    names = pair_of(made(40, ["Cover", "a", "b"]), made(30, ["a", "b"]), folder)
    dataset = load_dataset(names, label="Cover")
    assert dataset.n_inputs == 2
    assert "test.csv has no labels and is not used" in dataset.summary


@pytest.mark.parametrize("name", ["__index_level_0__", "Unnamed: 0.1", "PassengerId", "row_number", "id", "Index"])
def test_a_column_that_numbers_the_rows_is_no_input(folder: Path, name: str) -> None:
    numbers = RNG.permutation(1000)[:60].tolist()
    lines = [["label", name, "a"], *([n % 3, numbers[n], n % 7] for n in range(60))]
    write_all(folder, {"a.csv": lambda: text(lines)})
    assert load_dataset("a.csv").n_inputs == 1


def test_a_first_column_that_counts_is_no_input_whatever_its_name(folder: Path) -> None:
    write_all(
        folder, {"a.csv": lambda: text([["anything", "label", "a"], *([n + 1, n % 3, n % 7] for n in range(60))])}
    )
    assert load_dataset("a.csv").n_inputs == 1


def test_a_column_called_row_that_repeats_is_an_input(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: text([["row", "col", "label"], *([n // 8, n % 8, n % 3] for n in range(60))])})
    assert load_dataset("a.csv").n_inputs == 2


def test_two_columns_that_are_surely_labels_are_refused(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: text([["label", "class", "a"], *([n % 3, n % 3, n % 7] for n in range(60))])})
    assert "has the columns 'label' and 'class', expected one" in refusal("a.csv")


def test_two_columns_that_are_one_or_the_other_are_no_one_hot_labels(folder: Path) -> None:
    lines = [["male", "female", "age", "yield", "year", "survived"]]
    lines += [[n % 2, 1 - n % 2, 20 + n, n % 7, n % 5, int(n % 3 == 0)] for n in range(60)]  # type: ignore[list-item]
    write_all(folder, {"a.csv": lambda: text(lines)})
    assert "both the first and the last column look like labels" in refusal("a.csv")
    assert load_dataset("a.csv", label="survived").n_inputs == 5


def test_names_in_a_comment_are_names(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: "# x,class,z\n" + text([[n % 7, n % 3, n % 5] for n in range(60)])})
    assert "label column 'class' (by its name)" in load_dataset("a.csv").summary


def test_a_comma_at_the_end_of_the_names_alone_is_nothing(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: "label,a,b,\n" + text([[n % 3, n % 7, n % 5] for n in range(60)])})
    assert load_dataset("a.csv").n_inputs == 2


def test_words_that_python_takes_for_numbers_are_words(folder: Path) -> None:
    names = ("1_0", "10", "x")
    write_all(folder, {"a.csv": lambda: text([["label", "a"], *([names[n % 3], n % 7] for n in range(60))])})
    assert set(load_dataset("a.csv").class_names) == set(names)


def test_a_quoted_word_after_a_blank_has_no_quotes(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: "".join(f'{n % 7}.5, "{WORDS[n % 3]}"\n' for n in range(60))})
    assert load_dataset("a.csv").class_names == WORDS


def test_a_row_of_more_than_131072_letters_is_read(folder: Path) -> None:
    wide = [[n % 2, *RNG.integers(100, 256, 40_000).tolist()] for n in range(30)]
    write_all(folder, {"a.csv": lambda: text([["label", *(f"p{n}" for n in range(40_000))], *wide])})
    assert load_dataset("a.csv").n_inputs == 40_000


def test_a_table_that_begins_like_a_bitmap_is_a_table(folder: Path) -> None:
    write_all(folder, {"a.csv": lambda: text([["BMI", "age", "label"], *([n % 7, n % 5, n % 3] for n in range(60))])})
    assert load_dataset("a.csv").n_inputs == 2


def test_a_long_comment_before_arff_is_one(folder: Path) -> None:
    content = "% " + "words " * 1000 + "\n@relation x\n@attribute a real\n@attribute class {0,1}\n@data\n"
    write_all(folder, {"a.arff": lambda: content + "".join(f"{n % 7},{n % 2}\n" for n in range(60))})
    assert load_dataset("a.arff").n_inputs == 1


# Parquet, images, arrays


def test_a_name_of_labels_counts_more_than_classes_of_hugging_face(folder: Path) -> None:
    classes = {"names": ["a", "b", "c"], "_type": "ClassLabel"}
    info = {"info": {"features": {"gender": classes, "label": classes, "site": classes}}}
    columns = {"gender": Y % 2, "one": Y * 5, "label": Y, "two": Y * 2, "site": (Y + 1) % 3, "three": Y * 7 + 1}
    write_all(folder, {"a.parquet": lambda: parquet(columns, info)})
    dataset = load_dataset("a.parquet")
    assert dataset.class_names == ("a", "b", "c")
    assert sorted(dataset.y_train.tolist() + dataset.y_test.tolist()) == sorted(Y.tolist())
    renamed = {"gender": Y % 2, "one": Y * 5, "place": Y, "two": Y * 2, "three": Y * 7 + 1}
    info = {"info": {"features": {"gender": classes, "place": classes}}}
    write_all(folder, {"b.parquet": lambda: parquet(renamed, info)})
    assert "'gender' and 'place' both have classes" in refusal("b.parquet")
    only = {"one": Y * 5, "more": Y * 3, "place": Y, "two": Y * 2, "three": Y * 7 + 1}
    write_all(folder, {"c.parquet": lambda: parquet(only, {"info": {"features": {"place": classes}}})})
    assert "label column 'place' (as the file says)" in load_dataset("c.parquet").summary


def test_labels_of_images_may_be_missing_altogether_but_not_in_part(folder: Path) -> None:
    images = [{"bytes": png(x), "path": None} for x in X]
    labels: list[int | None] = Y.tolist()
    write_all(folder, {"train.parquet": lambda: parquet({"image": images, "label": labels})})
    write_all(folder, {"test.parquet": lambda: parquet({"image": images[:9], "label": [None] * 9})})
    assert "test.parquet has no labels and is not used" in load_dataset("*.parquet").summary
    write_all(folder, {"train.parquet": lambda: parquet({"image": images, "label": [None, *labels[1:]]})})
    assert "row 1, column 'label' is empty" in refusal("train.parquet")


def test_images_of_different_depth_are_refused(folder: Path) -> None:
    write_all(
        folder, images_below("digits", range(30)) | {"digits/owl/zz.png": lambda: png(X[0].astype(np.uint16) * 257)}
    )
    assert "is an image of 4 × 4 of 16 bits, expected 4 × 4" in refusal("./digits").replace("32 bits", "16 bits")


def test_a_file_in_a_folder_that_cannot_be_read_is_not_passed_over(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    write_all(folder, {"part-1.csv": lambda: table(range(40)), "part-2.csv": lambda: pointer})
    assert "part-2.csv: is a pointer of Git LFS" in refusal(".")
    write_all(folder, images_below("digits", range(30)) | {"digits/owl/zz.png": lambda: b""})
    assert "zz.png: is empty" in refusal("./digits")


def test_old_files_of_torchvision_beside_the_data_are_left_alone(folder: Path) -> None:
    files = four("MNIST/raw/{part}-{kind}-idx{n}-ubyte") | {"MNIST/processed/training.pt": lambda: b"\x80\x02."}
    write_all(folder, files)
    assert len(load_dataset(".").y_train) == 45


def test_a_picture_beside_a_table_is_no_data(folder: Path) -> None:
    write_all(folder, {"train.csv": lambda: table(range(40)), "amer_sign.png": lambda: png(X[0])})
    assert len(load_dataset(".").y_train) == 35
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("train.csv", table(range(40)))
        archive.writestr("amer_sign.png", png(X[0]))
    write_all(folder, {"a.zip": stream.getvalue})
    assert len(load_dataset("a.zip").y_train) == 35


def test_what_is_wrong_in_an_archive_has_its_name(folder: Path) -> None:
    write_all(folder, {"a.zip": lambda: zipped("deep/train.csv", "<html>")})
    assert refusal("a.zip").startswith("a.zip/deep/train.csv: is a web page")


def test_a_byte_that_flips_in_an_archive_is_refused(folder: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=X, y=Y)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("train.csv", table(range(60)))
    for name, content in {
        "a.npz": stream.getvalue(),
        "a.zip": archive.getvalue(),
        "a.csv.gz": gzip.compress(table(range(60)).encode()),
    }.items():
        for position in range(60, len(content) - 30, 37):
            damaged = bytearray(content)
            damaged[position] ^= 0xFF
            (folder / name).write_bytes(damaged)
            try:
                load_dataset(name)
            except InputError:
                continue
            assert position >= len(content) - 200, "only what nobody reads may be wrong"


def test_labels_as_bytes_are_words(folder: Path) -> None:
    write_all(folder, {"a.npz": lambda: npz(x=X, y=np.array([WORDS[y].encode() for y in Y]))})
    assert load_dataset("a.npz").class_names == WORDS


def test_a_label_that_no_array_has_is_refused(folder: Path) -> None:
    write_all(folder, {"a.npz": lambda: npz(x=X, y=Y, kind=(Y + 1) % 3)})
    assert "--label is 'nothing', which is no array of a.npz; expected one of x" in refusal("a.npz", label="nothing")
    dataset = load_dataset("a.npz", label="kind")
    assert sorted(dataset.y_train.tolist() + dataset.y_test.tolist()) == sorted(((Y + 1) % 3).tolist())
    write_all(folder, four())
    assert "--label is for tables and named arrays" in refusal("train-images-idx3-ubyte", label="first")


def test_files_of_libsvm_get_as_many_inputs_as_the_one_that_names_most(folder: Path) -> None:
    pytest.importorskip("sklearn")
    train = "".join(f"{n % 2} 1:{n % 5 + 1} 3:2\n" for n in range(40))
    test = "".join(f"{n % 2} 1:{n % 5 + 1} 2:7\n" for n in range(30))
    write_all(folder, {"a": lambda: train, "a.t": lambda: test})
    dataset = load_dataset("a,a.t")
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((40, 3), (30, 3))
    assert dataset.x_test[0].tolist() == [1, 7, 0]
    write_all(folder, {"b": lambda: "1 1:1\n2 900000000:1\n" * 30})
    assert "expected at most 4,000,000,000" in refusal("b")


@pytest.mark.parametrize(
    ("name", "lies"), [("emnist-letters-train.csv", True), ("mnist.csv", False), ("emnist-project/mnist.csv", False)]
)
def test_the_name_of_the_file_itself_says_whether_images_lie(folder: Path, name: str, lies: bool) -> None:
    write_all(folder, {name: lambda: table(range(60))})
    assert ("transposed" in load_dataset(name).summary) == lies

from pathlib import Path

import numpy as np
import pytest

from backprop_bench.data import NAMES, InputError, load_dataset
from backprop_bench.data.load import with_options


def write_rows(path: Path, n_rows: int, n_pixels: int = 2) -> Path:
    """Write rows with a label from 0 to 9 and pixels that are the number of the row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, [row % 10, *[row % 256] * n_pixels])) + "\n" for row in range(n_rows)))
    return path


@pytest.mark.parametrize(("n_rows", "n_test"), [(2, 1), (7, 1), (13, 1), (14, 2), (70, 10), (300, 42)])
def test_a_seventh_of_a_single_file_is_held_out(tmp_path: Path, n_rows: int, n_test: int) -> None:
    path = write_rows(tmp_path / "a.csv", n_rows)
    dataset = load_dataset(path)
    assert dataset.name == str(path)
    assert len(dataset.x_test) == len(dataset.y_test) == len(dataset.t_test) == n_test
    assert len(dataset.x_train) == len(dataset.y_train) == len(dataset.t_train) == n_rows - n_test
    rows = np.concatenate([dataset.x_train[:, 0], dataset.x_test[:, 0]])
    assert sorted(rows.tolist()) == sorted(row % 256 for row in range(n_rows))
    assert (np.diff(dataset.x_train[: 250 - n_test, 0].astype(int)) > 0).all(), "the rows keep their order"


def test_the_same_examples_are_held_out_each_time_and_of_each_class_alike(tmp_path: Path) -> None:
    first, second = (load_dataset(write_rows(tmp_path / name, 140)) for name in ("a.csv", "b.csv"))
    assert np.array_equal(first.x_test, second.x_test)
    assert np.bincount(first.y_test).tolist() == [2] * 10
    assert first.x_test[:, 0].tolist() != list(range(120, 140)), "not the last ones"


@pytest.mark.parametrize(("share", "n_test"), [(0.5, 35), (0.1, 7), (0.001, 1)])
def test_another_share_is_held_out_where_one_is_given(tmp_path: Path, share: float, n_test: int) -> None:
    path = write_rows(tmp_path / "a.csv", 70)
    dataset = load_dataset(path, test_share=share)
    assert len(dataset.x_test) == n_test
    assert dataset.name == f"{path}?test-share={share:g}"
    assert f"{100 * share:g} % of each class held out" in dataset.summary
    assert load_dataset(dataset.name).fingerprint() == dataset.fingerprint(), "the name says all"


def test_a_single_row_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 1 example, expected at least 2"):
        load_dataset(write_rows(tmp_path / "a.csv", 1))


def test_a_share_of_data_that_has_test_examples_is_refused(tmp_path: Path) -> None:
    train, test = write_rows(tmp_path / "train.csv", 20), write_rows(tmp_path / "test.csv", 20)
    with pytest.raises(InputError, match="has test examples of its own; --test-share is for data without any"):
        load_dataset([train, test], test_share=0.5)


def test_of_two_files_without_a_role_the_first_is_for_training(tmp_path: Path) -> None:
    dataset = load_dataset(f"{write_rows(tmp_path / 'b.csv', 30)}, {write_rows(tmp_path / 'a.csv', 20)}")
    assert (len(dataset.x_train), len(dataset.x_test)) == (30, 20)


@pytest.mark.parametrize("given", ["train.csv,test.csv", "test.csv,train.csv", "*.csv", ".", "t*.csv"])
def test_names_say_which_file_is_for_testing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    write_rows(tmp_path / "files" / "train.csv", 30)
    write_rows(tmp_path / "files" / "test.csv", 20)
    monkeypatch.chdir(tmp_path / "files")
    dataset = load_dataset(given)
    assert (len(dataset.x_train), len(dataset.x_test)) == (30, 20)


def test_the_folder_above_says_nothing_of_a_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "test" / "latest.csv", 70)
    assert (len(load_dataset(path).x_train), len(load_dataset(path).x_test)) == (60, 10)


def test_several_files_for_training_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, n_rows in (("train-1", 21), ("train-2", 22), ("test", 23)):
        write_rows(tmp_path / "files" / f"{name}.csv", n_rows)
    monkeypatch.chdir(tmp_path / "files")
    dataset = load_dataset(["train-*.csv", "test.csv"])
    assert (len(dataset.x_train), len(dataset.x_test)) == (43, 23)


def test_a_comma_in_the_name_of_a_file_does_not_split_it(tmp_path: Path) -> None:
    whole = write_rows(tmp_path / "a,b.csv", 14)
    assert len(load_dataset(whole).x_train) == 12
    other = write_rows(tmp_path / "c.csv", 3)
    dataset = load_dataset(f"{whole},{other}")
    assert (len(dataset.x_train), len(dataset.x_test)) == (14, 3)


def test_a_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_rows(tmp_path / "a.csv", 14)
    assert len(load_dataset("~/a.csv").x_train) == 12
    with pytest.raises(InputError, match="home folder of a user who is unknown"):
        load_dataset("~no-such-user/a.csv")


def test_training_and_test_files_with_different_columns_are_refused(tmp_path: Path) -> None:
    train, test = write_rows(tmp_path / "a.csv", 30), write_rows(tmp_path / "b.csv", 30, n_pixels=5)
    with pytest.raises(InputError, match=r"has 6 columns, expected 3, as .* has"):
        load_dataset(f"{train},{test}")


def test_the_missing_one_of_two_files_is_named(tmp_path: Path) -> None:
    train = write_rows(tmp_path / "a.csv", 3)
    with pytest.raises(InputError, match=r"there is no file or folder '.*gone\.csv', expected paths with commas"):
        load_dataset(f"{train},{tmp_path / 'gone.csv'}")


@pytest.mark.parametrize("name", ["minst", "MNIST", "/nowhere/a.csv", "a\0b", "x" * 5000, "nowhere/*.csv"])
def test_what_does_not_exist_is_answered_with_what_would(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(name)
    for possible in (*NAMES, "folder", "IDX", "CSV", "Parquet"):
        assert possible in str(caught.value)


@pytest.mark.parametrize("name", ["", " "])
def test_nothing_is_no_dataset(name: str) -> None:
    with pytest.raises(InputError, match="is no dataset; expected mnist"):
        load_dataset(name)


def test_a_string_that_is_a_name_is_no_path_and_a_path_is_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idx_folder: Path
) -> None:
    idx_folder.rename(tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("./mnist").x_train) == 7
    assert len(load_dataset(Path("mnist")).x_train) == 7
    assert len(load_dataset("mnist").x_train) == 60_000


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an empty folder, expected IDX, CSV"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("largest=0", "largest is '0', expected a number above 0"),
        ("largest=x", "largest is 'x', expected a number above 0"),
        ("largest=inf", "largest is 'inf', expected a number above 0"),
        ("test-share=1", "test-share is 1, expected a share below 1"),
        ("transpose=maybe", "transpose is 'maybe', expected yes or no"),
        ("largest=10", "has the input 69, expected at most --largest, which is 10"),
        ("label=none", "--label is 'none', which is no column"),
    ],
)
def test_a_bad_option_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(f"{write_rows(tmp_path / 'a.csv', 70)}?{text}")


def test_options_of_a_name_are_refused(tmp_path: Path) -> None:
    for name, options in (
        ("mnist", {"label": "first"}),
        ("mnist?label=first", {}),
        (with_options("mnist", {"largest": 3}), {}),
    ):
        with pytest.raises(InputError, match="mnist is read as it is published, expected it without la"):
            load_dataset(name, **options)  # type: ignore[arg-type]


def test_a_question_mark_in_a_path_is_no_option(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "what?.csv", 14)
    assert len(load_dataset(f"{path}?test-share=0.5").x_test) == 7


def test_options_may_have_any_letters() -> None:
    assert with_options("a.csv", {"label": "Größe & Farbe"}) == "a.csv?label=Gr%C3%B6%C3%9Fe%20%26%20Farbe"


def test_options_are_merged_and_numbers_keep_their_digits() -> None:
    assert with_options("a.csv?label=x&largest=2", {"largest": 16777215.0}) == "a.csv?label=x&largest=16777215"
    assert (
        with_options("a.csv", {"test-share": 0.123456789, "transpose": False})
        == "a.csv?transpose=no&test-share=0.123456789"
    )


def test_the_label_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,Größe & Farbe,b\n" + "".join(f"{row},{row % 2},{row * 2}\n" for row in range(20)))
    dataset = load_dataset(path, label="Größe & Farbe")
    assert dataset.class_names == ("0", "1")
    assert load_dataset(dataset.name).fingerprint() == dataset.fingerprint()

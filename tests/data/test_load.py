from pathlib import Path

import numpy as np
import pytest

from backprop_bench.data import InputError, load_dataset


def write_rows(path: Path, n_rows: int, n_pixels: int = 2) -> Path:
    path.write_text("".join(",".join(map(str, [row % 10, *[row % 256] * n_pixels])) + "\n" for row in range(n_rows)))
    return path


@pytest.mark.parametrize(("n_rows", "n_test"), [(2, 1), (7, 1), (13, 1), (14, 2), (70, 10)])
def test_the_last_seventh_of_a_single_csv_file_is_held_out(tmp_path: Path, n_rows: int, n_test: int) -> None:
    path = write_rows(tmp_path / "a.csv", n_rows)
    dataset = load_dataset(path)
    assert dataset.name == str(path)
    assert len(dataset.x_test) == len(dataset.y_test) == len(dataset.t_test) == n_test
    assert len(dataset.x_train) == len(dataset.y_train) == len(dataset.t_train) == n_rows - n_test
    assert np.concatenate([dataset.x_train[:, 0], dataset.x_test[:, 0]]).tolist() == list(range(n_rows))


def test_a_single_row_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 1 row, expected at least 2"):
        load_dataset(write_rows(tmp_path / "a.csv", 1))


def test_two_csv_files_may_have_one_row_each(tmp_path: Path) -> None:
    dataset = load_dataset(f"{write_rows(tmp_path / 'a.csv', 1)}, {write_rows(tmp_path / 'b.csv', 1)}")
    assert len(dataset.x_train) == len(dataset.x_test) == 1


def test_a_comma_in_the_name_of_a_file_does_not_split_it(tmp_path: Path) -> None:
    whole = write_rows(tmp_path / "a,b.csv", 14)
    assert len(load_dataset(whole).x_train) == 12
    other = write_rows(tmp_path / "c.csv", 3)
    dataset = load_dataset(f"{whole},{other}")
    assert (len(dataset.x_train), len(dataset.x_test)) == (14, 3)


def test_training_and_test_files_with_different_columns_are_refused(tmp_path: Path) -> None:
    train, test = write_rows(tmp_path / "a.csv", 3), write_rows(tmp_path / "b.csv", 3, n_pixels=4)
    with pytest.raises(InputError, match="training examples have 2 pixels and the test examples 4; expected the same"):
        load_dataset(f"{train},{test}")


def test_the_missing_one_of_two_csv_files_is_named(tmp_path: Path) -> None:
    train = write_rows(tmp_path / "a.csv", 3)
    with pytest.raises(InputError, match=r"there is no file .*gone\.csv, expected two CSV files"):
        load_dataset(f"{train},{tmp_path / 'gone.csv'}")


@pytest.mark.parametrize("name", ["", "minst", "MNIST", "/nowhere/a.csv", "a\0b", "x" * 5000, "a,b,c"])
def test_what_does_not_exist_is_answered_with_what_would(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(name)
    for possible in ("mnist", "fashion-mnist", "folder", "IDX", "train.csv,test.csv"):
        assert possible in str(caught.value)


def test_a_string_that_is_a_name_is_no_path_and_a_path_is_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idx_folder: Path
) -> None:
    idx_folder.rename(tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("./mnist").x_train) == 7
    assert len(load_dataset(Path("mnist")).x_train) == 7
    assert len(load_dataset("mnist").x_train) == 60_000


def test_a_folder_without_idx_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no train images file, expected train-images-idx3-ubyte"):
        load_dataset(tmp_path)

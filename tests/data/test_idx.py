import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from backprop_bench.data import InputError, load_dataset


@pytest.fixture
def plain(tmp_path: Path, idx_contents: dict[str, bytes]) -> Path:
    folder = tmp_path / "plain"
    folder.mkdir()
    for name, content in idx_contents.items():
        (folder / name).write_bytes(content)
    return folder


def refusal(path: object) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


def test_plain_files_are_read_byte_by_byte(plain: Path, idx_contents: dict[str, bytes]) -> None:
    dataset = load_dataset(plain)
    assert dataset.name == str(plain)
    assert dataset.x_train.tobytes() == idx_contents["train-images-idx3-ubyte"][16:]
    assert dataset.x_train.shape == (7, 6)
    assert dataset.y_train.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert dataset.y_test.tolist() == [0, 1, 2]
    assert dataset.t_test.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_arrays_are_ordinary_and_of_the_promised_types(plain: Path) -> None:
    dataset = load_dataset(plain)
    for array in (dataset.x_train, dataset.t_train, dataset.x_test, dataset.t_test):
        assert array.dtype == np.uint8
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int64
    for array in (dataset.x_train, dataset.t_train, dataset.y_train, dataset.x_test, dataset.t_test, dataset.y_test):
        assert type(array) is np.ndarray
        assert array.flags.writeable
        assert array.flags.c_contiguous


def test_packed_files_equal_plain_ones(plain: Path, idx_folder: Path) -> None:
    assert np.array_equal(load_dataset(plain).x_train, load_dataset(idx_folder).x_train)


@pytest.mark.parametrize("pattern", ["{part}-{kind}.{idx}", "{part}-{kind}.{idx}.gz", "mine-{part}-{kind}-{idx}"])
def test_one_file_is_enough_to_find_its_siblings(tmp_path: Path, plain: Path, pattern: str) -> None:
    expected = load_dataset(plain)
    folder = tmp_path / "renamed"
    folder.mkdir()
    for path in plain.iterdir():
        part, kind, idx = path.name.split("-", 2)
        name = pattern.format(part=part, kind=kind, idx=idx)
        content = path.read_bytes()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    for path in folder.iterdir():
        assert np.array_equal(load_dataset(path).x_test, expected.x_test)


def test_a_missing_file_of_labels_is_missed(plain: Path) -> None:
    (plain / "train-labels-idx1-ubyte").unlink()
    (plain / "t10k-labels-idx1-ubyte").unlink()
    assert "has inputs but no labels" in refusal(plain)


def test_a_missing_file_of_images_is_missed(plain: Path) -> None:
    (plain / "train-images-idx3-ubyte").unlink()
    (plain / "t10k-images-idx3-ubyte").unlink()
    assert "has no inputs, only t10k-labels-idx1-ubyte [3], train-labels-idx1-ubyte [7]" in refusal(plain)


@pytest.mark.parametrize(("name", "magic"), [("train-images-idx3-ubyte", 2049), ("t10k-labels-idx1-ubyte", 2051)])
def test_a_wrong_magic_number_is_refused(plain: Path, name: str, magic: int) -> None:
    path = plain / name
    path.write_bytes(struct.pack(">I", magic) + path.read_bytes()[4:])
    message = refusal(plain)
    assert str(path) in message
    assert "bytes, expected" in message


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("n_bytes", [0, 3, 7])
def test_a_header_that_is_too_short_is_refused(plain: Path, name: str, n_bytes: int) -> None:
    path = plain / name
    path.write_bytes(path.read_bytes()[:n_bytes])
    message = refusal(plain)
    assert str(path) in message
    said = {0: "is empty", 3: "begins with the bytes 00 00 08", 7: "has 7 bytes, expected an IDX header"}
    assert said[n_bytes] in message


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("change", [-1, 1])
def test_missing_and_trailing_bytes_are_refused(plain: Path, name: str, change: int) -> None:
    path = plain / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] if change < 0 else content + b"\0")
    message = refusal(plain)
    assert f"{path}: has {len(content) + change} bytes, expected {len(content)}" in message


def test_a_header_that_announces_more_than_any_memory_is_refused(plain: Path) -> None:
    path = plain / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">4I", 2051, *[2**32 - 1] * 3) + b"\0" * 9)
    assert "has 25 bytes" in refusal(plain)


@pytest.mark.parametrize("shape", [(0, 2, 3), (7, 0, 3)])
def test_a_header_that_announces_nothing_is_refused(plain: Path, shape: tuple[int, ...]) -> None:
    (plain / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, *shape))
    assert "expected at least one number" in refusal(plain)


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_gz_is_refused(idx_folder: Path, keep: float) -> None:
    path = idx_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    message = refusal(idx_folder)
    assert str(path) in message
    assert "ends too early" in message


@pytest.mark.parametrize("position", [0, 12, 30, -6])
def test_a_corrupt_gz_is_refused(idx_folder: Path, position: int) -> None:
    path = idx_folder / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)
    message = refusal(idx_folder)
    assert str(path) in message
    assert "gzip" in message


def test_different_numbers_of_images_and_labels_are_refused(plain: Path, idx_contents: dict[str, bytes]) -> None:
    (plain / "train-labels-idx1-ubyte").write_bytes(idx_contents["t10k-labels-idx1-ubyte"])
    message = refusal(plain)
    assert str(plain / "train-labels-idx1-ubyte") in message
    assert "holds 3 labels, expected 7" in message
    assert str(plain / "train-images-idx3-ubyte") in message


def test_training_and_test_images_of_different_size_are_refused(plain: Path) -> None:
    (plain / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, 3, 1, 5) + b"\0" * 15)
    message = refusal(plain)
    assert "training examples have 6 inputs and the test examples 5 inputs" in message

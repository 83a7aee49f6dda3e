import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import backprop_bench.data.cache
import backprop_bench.data.formats.csv_read
import backprop_bench.data.formats.read
from backprop_bench.data import Dataset, InputError, load_dataset
from backprop_bench.data.formats.part import Reading, Source
from backprop_bench.data.formats.table import Table


@pytest.fixture
def csv(tmp_path: Path, write: Callable[[Path, bytes], Path]) -> Path:
    return write(tmp_path / "a.csv", b"0,1,2\n1,3,4\n2,5,6\n")


@pytest.fixture
def expected(csv: Path) -> Dataset:
    return load_dataset(csv)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The CSV files that were decoded rather than loaded from the cache."""
    paths: list[Path] = []
    original = backprop_bench.data.formats.csv_read.read_csv

    def spy(source: Source, reading: Reading) -> Table:
        paths.append(source.path)
        return original(source, reading)

    monkeypatch.setattr(backprop_bench.data.formats.read, "read_csv", spy)
    return paths


def the_file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def assert_same(dataset: Dataset, expected: Dataset) -> None:
    for name in ("x_train", "t_train", "y_train", "x_test", "t_test", "y_test"):
        value, wanted = getattr(dataset, name), getattr(expected, name)
        assert value.dtype == wanted.dtype
        assert value.flags.writeable
        assert np.array_equal(value, wanted)


def test_a_second_load_decodes_nothing(csv: Path, expected: Dataset, decoded: list[Path]) -> None:
    assert_same(load_dataset(csv), expected)
    assert decoded == []


def test_what_is_said_of_a_file_has_a_cache_of_its_own(csv: Path, expected: Dataset, decoded: list[Path]) -> None:
    last = load_dataset(csv, label="last")
    assert not np.array_equal(last.x_train, expected.x_train)
    for _ in range(2):
        assert_same(load_dataset(csv), expected)
        assert_same(load_dataset(csv, label="last"), last)
    assert decoded == [csv]


def test_a_relative_path_finds_the_same_cache(
    csv: Path, expected: Dataset, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    dataset = load_dataset(csv.name)
    assert dataset.name == csv.name
    assert_same(dataset, expected)
    assert decoded == []


def test_a_changed_file_is_decoded_again_and_replaces_its_old_cache(
    csv: Path, expected: Dataset, decoded: list[Path], write: Callable[[Path, bytes], Path], cache: Path
) -> None:
    assert expected.x_train.tolist() == [[3, 4], [5, 6]]
    write(csv, b"0,1,2\n1,3,4\n2,5,7\n")
    assert load_dataset(csv).x_train.tolist() == [[3, 4], [5, 7]]
    assert decoded == [csv]
    assert load_dataset(csv).x_train.tolist() == [[3, 4], [5, 7]]
    assert decoded == [csv]
    the_file(cache)


def test_a_file_that_was_written_this_moment_is_not_cached(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("0,1,5\n1,2,7\n")
    future = time.time() + 60
    os.utime(path, (future, future))
    load_dataset(path)
    assert not cache.exists()


def test_a_file_that_changes_while_it_is_read_is_not_cached(
    csv: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = backprop_bench.data.formats.csv_read.read_csv

    def read_and_change(source: Source, reading: Reading) -> Table:
        table = original(source, reading)
        os.utime(source.path, (1, 1))
        return table

    monkeypatch.setattr(backprop_bench.data.formats.read, "read_csv", read_and_change)
    load_dataset(csv)
    assert not cache.exists()


def test_every_flipped_byte_is_noticed(csv: Path, expected: Dataset, decoded: list[Path], cache: Path) -> None:
    path = the_file(cache)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x01
        path.write_bytes(damaged)
        assert_same(load_dataset(csv), expected)
    # The checksum is a number in hexadecimal: no flip of its lowest bit leaves it the same.
    assert len(decoded) == len(content)
    assert path.read_bytes() == content


@pytest.mark.slow
def test_every_truncation_is_noticed(csv: Path, expected: Dataset, cache: Path) -> None:
    path = the_file(cache)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert_same(load_dataset(csv), expected)
        assert path.read_bytes() == content


def forged(key: object, shapes: object, body: bytes = b"") -> bytes:
    about = [["0", "1", "2"], 0.0, 255.0, [2], "", []]
    line = json.dumps({"key": key, "shapes": shapes, "inputs": "|u1", "about": about}).encode() + b"\n"
    return f"{zlib.crc32(line + body):08x}\n".encode() + line + body


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"\x93NUMPY\x01\x00" + b"\0" * 100,
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        b"00000000\n{}\n",
        b"00000000\n[]\n",
        b"00000000\n" + b"[" * 100_000,
        b"\xff" * 1000,
        forged({}, {}),
    ],
    ids=range(9),
)
def test_garbage_is_replaced(csv: Path, expected: Dataset, cache: Path, garbage: bytes) -> None:
    path = the_file(cache)
    content = path.read_bytes()
    path.write_bytes(garbage)
    assert_same(load_dataset(csv), expected)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "shapes",
    [
        {"x_train": [10**9, 10**9], "y_train": [1], "x_test": [1, 1], "y_test": [1]},
        {"x_train": [-1, -1], "y_train": [1], "x_test": [1, 1], "y_test": [1]},
        {"x_train": [0, 2], "y_train": [0], "x_test": [0, 2], "y_test": [0]},
        {"x_train": 7},
        None,
    ],
)
def test_a_forged_header_is_not_believed(csv: Path, expected: Dataset, cache: Path, shapes: object) -> None:
    path = the_file(cache)
    key = json.loads(path.read_bytes().split(b"\n")[1])["key"]
    path.write_bytes(forged(key, shapes))
    assert_same(load_dataset(csv), expected)


def test_the_cache_of_another_file_is_not_believed(
    csv: Path, expected: Dataset, cache: Path, tmp_path: Path, write: Callable[[Path, bytes], Path]
) -> None:
    own = the_file(cache)
    load_dataset(write(tmp_path / "b.csv", b"0,7,8\n1,7,7\n2,7,7\n"))
    (other,) = set(cache.iterdir()) - {own}
    own.write_bytes(other.read_bytes())
    assert_same(load_dataset(csv), expected)


def test_the_cache_of_another_format_is_not_believed(
    csv: Path, expected: Dataset, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backprop_bench.data.cache, "FORMAT", "backprop-bench arrays 0")
    assert_same(load_dataset(csv), expected)
    assert decoded == [csv]


def test_a_cache_folder_that_is_a_file_is_no_error(
    csv: Path, expected: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path / place))
        assert_same(load_dataset(csv), expected)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_cache_file_that_is_a_folder_is_no_error(csv: Path, expected: Dataset, cache: Path) -> None:
    path = the_file(cache)
    path.unlink()
    path.mkdir()
    assert_same(load_dataset(csv), expected)
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize("place", ["/proc/nothing/here", "/dev/null", "/dev/full", "a\0b"])
def test_a_cache_that_cannot_be_written_is_no_error(
    csv: Path, expected: Dataset, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(backprop_bench.data.cache, "cache_folder", lambda: Path(place))
    assert_same(load_dataset(csv), expected)


def test_a_full_disk_is_no_error_and_leaves_nothing_behind(
    csv: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    assert load_dataset(csv).y_train.tolist() == [1, 2]
    assert list(cache.iterdir()) == []


def test_what_a_killed_process_left_is_removed_when_it_is_old(csv: Path, cache: Path) -> None:
    cache.mkdir()
    old, new = cache / "csv-1.arrays.old.tmp", cache / "csv-1.arrays.new.tmp"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (1, 1))
    load_dataset(csv)
    assert not old.exists()
    assert new.exists()


def test_many_writers_at_once_leave_one_good_cache(csv: Path, cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        datasets = list(pool.map(load_dataset, [csv] * 32))
    for dataset in datasets:
        assert_same(dataset, datasets[0])
    the_file(cache)
    assert_same(load_dataset(csv), datasets[0])


def test_a_start_from_the_cache_imports_no_more_than_it_needs(cache: Path) -> None:
    load_dataset("mnist")
    code = (
        "from backprop_bench.data import load_dataset; dataset = load_dataset('mnist')\n"
        "import sys; heavy = {'pandas', 'pyarrow', 'scipy', 'PIL', 'sklearn', 'matplotlib', 'rich', 'pooch'}\n"
        "print(len(dataset.x_train), sorted((heavy | {'torch'}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "60000 []\n"


def test_a_relative_cache_folder_is_below_the_current_folder(
    csv: Path, tmp_path: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", "here/cache")
    monkeypatch.chdir(tmp_path)
    expected = load_dataset(csv)
    assert the_file(tmp_path / "here" / "cache").suffix == ".arrays"
    assert_same(load_dataset(csv), expected)
    assert decoded == [csv]
    assert backprop_bench.data.cache.cache_folder() == tmp_path / "here" / "cache"


def test_a_cache_folder_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", "~/cache")
    assert backprop_bench.data.cache.cache_folder() == tmp_path / "cache"


def test_a_cache_folder_of_an_unknown_user_is_refused_in_one_sentence(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", "~no-such-user/cache")
    with pytest.raises(
        InputError, match="BACKPROP_BENCH_CACHE is ~no-such-user/cache, whose user is unknown; expected"
    ):
        load_dataset(csv)


def test_without_a_setting_the_cache_is_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert backprop_bench.data.cache.cache_folder().name == "backprop-bench"

import bz2
import dataclasses
import gzip
import hashlib
import http.server
import importlib.util
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import backprop_bench.data.download
import backprop_bench.data.progress
import backprop_bench.data.sources
from backprop_bench.data import Dataset, InputError, load_dataset

NAME = "fashion-mnist"
IMAGES = "train-images-idx3-ubyte"


class Server(http.server.ThreadingHTTPServer):
    files: dict[str, bytes]
    mode: str
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.server.mode == "truncated" else content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, idx_contents: dict[str, bytes]) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.files = {f"/data/{name}.gz": gzip.compress(content) for name, content in idx_contents.items()}
    server.mode = "whole"
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST_URL", f"http://127.0.0.1:{server.server_port}/data/")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def small_fashion_mnist(monkeypatch: pytest.MonkeyPatch, idx_contents: dict[str, bytes], tmp_path: Path) -> None:
    """Ten images in place of Fashion-MNIST, and neither Debian's package nor the web."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in idx_contents.items()}
    published = backprop_bench.data.sources.PUBLISHED[NAME]
    small = dataclasses.replace(published, files=sums, classes=("a", "b", "c"))
    monkeypatch.setitem(backprop_bench.data.sources.PUBLISHED, NAME, small)
    monkeypatch.setattr(backprop_bench.data.sources, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def refusal() -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(NAME)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


def kept_files(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*")} - {NAME}


def test_mnist_has_the_known_sums(mnist: Dataset) -> None:
    assert mnist.name == "mnist"
    assert (mnist.x_train.shape, mnist.x_test.shape) == ((60_000, 784), (10_000, 784))
    assert (mnist.n_inputs, mnist.n_classes, mnist.x_max) == (784, 10, 255.0)
    assert np.bincount(mnist.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.x_train.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert mnist.x_train.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    assert mnist.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_mnist_targets_are_one_at_the_label_and_zero_elsewhere(mnist: Dataset) -> None:
    assert np.array_equal(mnist.t_train.argmax(axis=1), mnist.y_train)
    assert np.array_equal(mnist.t_train.sum(axis=1), np.ones(60_000))
    assert mnist.t_train.max() == 1


def test_a_wrong_byte_in_mnist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnist: Dataset, idx_folder: Path
) -> None:
    monkeypatch.setattr(backprop_bench.data.sources, "MNIST_FOLDER", idx_folder)
    with pytest.raises(InputError, match=f"{IMAGES}.gz: the sha256 .* is [0-9a-f]{{64}}, expected ba891046"):
        load_dataset("mnist")


def test_fashion_mnist_comes_from_the_given_folder_first(
    monkeypatch: pytest.MonkeyPatch, idx_folder: Path, server: Server
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST", str(idx_folder))
    dataset = load_dataset(NAME)
    assert dataset.name == NAME
    assert len(dataset.x_train) == 7
    assert server.asked == []


def test_a_given_folder_that_cannot_be_used_is_an_error_even_with_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, idx_folder: Path, server: Server
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST", str(tmp_path / "nowhere"))
    assert "BACKPROP_BENCH_FASHION_MNIST" in refusal()
    assert str(tmp_path / "nowhere") in refusal()
    (idx_folder / f"{IMAGES}.gz").write_bytes(b"junk")
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST", str(idx_folder))
    assert f"{IMAGES}.gz" in refusal()
    assert server.asked == []


def test_a_given_folder_with_other_images_is_refused_even_if_they_are_cached(
    monkeypatch: pytest.MonkeyPatch, idx_folder: Path, idx_contents: dict[str, bytes]
) -> None:
    path = idx_folder / f"{IMAGES}.gz"
    other = idx_contents[IMAGES][:-1] + b"\x01"
    path.write_bytes(gzip.compress(other))
    load_dataset(idx_folder)  # as a folder it may hold what it likes
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST", str(idx_folder))
    message = refusal()
    assert str(path) in message
    assert f"is {hashlib.sha256(other).hexdigest()}" in message
    assert f"expected {hashlib.sha256(idx_contents[IMAGES]).hexdigest()}" in message


def test_debians_package_is_used_before_the_web(
    monkeypatch: pytest.MonkeyPatch, idx_folder: Path, server: Server
) -> None:
    monkeypatch.setattr(backprop_bench.data.sources, "DEBIAN_FOLDER", idx_folder)
    assert len(load_dataset(NAME).x_train) == 7
    assert server.asked == []


def test_what_is_downloaded_is_kept_and_not_asked_for_again(server: Server, cache: Path) -> None:
    first = load_dataset(NAME)
    assert sorted(server.asked) == sorted(server.files)
    assert {f"{name}.gz" for name in backprop_bench.data.sources.PUBLISHED[NAME].files} <= kept_files(cache)
    second = load_dataset(NAME)
    assert len(server.asked) == 4
    assert np.array_equal(first.x_train, second.x_train)


def test_a_download_is_kept_in_a_relative_cache_folder_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", "cache")
    monkeypatch.chdir(tmp_path)
    first = load_dataset(NAME)
    assert np.array_equal(load_dataset(NAME).x_train, first.x_train)
    assert len(server.asked) == 4
    assert (tmp_path / "cache" / NAME / f"{IMAGES}.gz").exists()


def test_every_dataset_is_downloaded_over_https() -> None:
    urls = [published.url for published in backprop_bench.data.sources.PUBLISHED.values() if published.url]
    assert len(urls) == 5
    assert all(url.startswith("https://") for url in urls)


def test_a_download_that_was_damaged_later_is_replaced(server: Server, cache: Path) -> None:
    expected = load_dataset(NAME)
    (cache / NAME / f"{IMAGES}.gz").write_bytes(b"junk")
    assert np.array_equal(load_dataset(NAME).x_train, expected.x_train)
    assert len(server.asked) == 8
    assert (cache / NAME / f"{IMAGES}.gz").read_bytes() == server.files[f"/data/{IMAGES}.gz"]


def test_a_file_that_the_server_does_not_have_is_an_error(server: Server, cache: Path) -> None:
    del server.files["/data/t10k-labels-idx1-ubyte.gz"]
    message = refusal()
    assert "404" in message
    assert "t10k-labels-idx1-ubyte.gz" in message
    assert kept_files(cache) == set()


def test_a_truncated_download_is_an_error_and_leaves_nothing(server: Server, cache: Path) -> None:
    server.mode = "truncated"
    message = refusal()
    assert "broke off" in message
    assert kept_files(cache) == set()


def test_wrong_bytes_are_an_error_and_leave_nothing(
    server: Server, cache: Path, idx_contents: dict[str, bytes]
) -> None:
    other = idx_contents[IMAGES][:-1] + b"\x01"
    server.files[f"/data/{IMAGES}.gz"] = gzip.compress(other)
    message = refusal()
    assert f"{IMAGES}.gz" in message
    assert hashlib.sha256(other).hexdigest() in message
    assert backprop_bench.data.sources.PUBLISHED[NAME].files[IMAGES] in message
    assert kept_files(cache) == set()


def test_a_page_in_place_of_a_file_is_an_error_and_leaves_nothing(server: Server, cache: Path) -> None:
    server.files[f"/data/{IMAGES}.gz"] = b"<html>please log in</html>"
    assert "sha256" in refusal()
    assert kept_files(cache) == set()


def test_without_a_network_the_error_says_what_was_tried_and_what_helps(cache: Path, tmp_path: Path) -> None:
    message = refusal()
    for part in (
        str(cache / NAME),
        str(tmp_path / "debian"),
        "http://127.0.0.1:9/train-images-idx3-ubyte.gz",
        "no connection",
        "dataset-fashion-mnist",
        "BACKPROP_BENCH_FASHION_MNIST",
    ):
        assert part in message
    assert kept_files(cache) == set()


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(backprop_bench.data.download, "_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "no answer within" in refusal()
    assert kept_files(cache) == set()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/x", "http://", "http://[", "file:///etc"])
def test_an_address_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_FASHION_MNIST_URL", url)
    assert url.rstrip("/") in refusal()


def test_a_download_works_without_a_cache_to_keep_it_in(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path / "file"))
    assert len(load_dataset(NAME).x_train) == 7


def test_a_download_says_nothing_where_nobody_is_looking(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    load_dataset(NAME)
    assert capfd.readouterr() == ("", "")


def test_a_download_shows_a_bar_on_a_terminal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[backprop_bench.data.progress.ProgressBar] = []

    class Bar(backprop_bench.data.progress.ProgressBar):
        def __init__(self, title: str) -> None:
            super().__init__(title)
            bars.append(self)

    monkeypatch.setattr(backprop_bench.data.download, "is_watched", lambda: True)
    monkeypatch.setattr(backprop_bench.data.download, "ProgressBar", Bar)
    load_dataset(NAME)
    assert [bar.total for bar in bars] == [len(content) for content in server.files.values()]


# The other names, each with small files of its own


def small_files(name: str, idx_contents: dict[str, bytes]) -> dict[str, bytes]:
    """Return what is published under a name, made small."""
    packed = {f"{file_name}.gz": gzip.compress(content) for file_name, content in idx_contents.items()}
    if name == "kmnist":
        return packed
    if name == "usps":
        lines = [f"{1 + row % 3} 1:-1 2:{row / 10:g} 3:1\n" for row in range(10)]
        return {
            "usps.bz2": bz2.compress("".join(lines[:7]).encode()),
            "usps.t.bz2": bz2.compress("".join(lines[7:]).encode()),
        }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part in ("letters", "digits", "balanced"):
            for file_name, content in packed.items():
                archive.writestr(f"gzip/emnist-{part}-{file_name.replace('t10k', 'test')}", content)
        archive.writestr("gzip/emnist-letters-mapping.txt", "1 65 97\n")
    return {"gzip.zip": stream.getvalue()}


@pytest.fixture(params=["kmnist", "emnist-letters", "emnist-digits", "usps"])
def other(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, idx_contents: dict[str, bytes]
) -> tuple[str, dict[str, bytes]]:
    """Make the files of a name small; the web is out of reach."""
    name = str(request.param)
    if name == "emnist-letters":  # whose labels begin with 1
        for key in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
            content = idx_contents[key]
            idx_contents[key] = content[:8] + bytes(label + 1 for label in content[8:])
    contents = small_files(name, idx_contents)
    published = backprop_bench.data.sources.PUBLISHED[name]
    sums = {key: hashlib.new(published.algorithm, content).hexdigest() for key, content in contents.items()}
    assert list(sums) == list(published.files)
    monkeypatch.setitem(backprop_bench.data.sources.PUBLISHED, name, dataclasses.replace(published, files=sums))
    monkeypatch.setenv(backprop_bench.data.sources.folder_variable(name) + "_URL", "http://127.0.0.1:9/")
    return name, contents


def write_files(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def test_every_name_is_read_from_a_folder_of_the_user(
    other: tuple[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, contents = other
    write_files(tmp_path / "mine" / "below", contents)
    monkeypatch.setenv(backprop_bench.data.sources.folder_variable(name), str(tmp_path / "mine"))
    dataset = load_dataset(name)
    assert (len(dataset.y_train), len(dataset.y_test)) == (7, 3)
    assert dataset.y_train.tolist() == [0, 1, 2, 0, 1, 2, 0]
    first = {"kmnist": "o", "emnist-letters": "A", "emnist-digits": "0", "usps": "0"}
    assert dataset.class_names[0] == first[name]
    assert ("transposed" in dataset.summary) == name.startswith("emnist")
    assert dataset.ends == ((-1.0, 1.0) if name == "usps" else (0.0, 255.0))


def test_every_name_is_read_from_where_the_message_says(other: tuple[str, dict[str, bytes]]) -> None:
    name, contents = other
    with pytest.raises(InputError) as caught:
        load_dataset(name)
    message = str(caught.value)
    folder = backprop_bench.data.sources.kept_folder(name)
    assert f"put {' and '.join(contents)} into {folder}, or set" in message
    assert backprop_bench.data.sources.folder_variable(name) in message
    write_files(folder, contents)
    assert len(load_dataset(name).y_train) == 7


def test_every_name_is_verified(
    other: tuple[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, contents = other
    key = next(iter(contents))
    write_files(tmp_path / "mine", {**contents, key: contents[key] + b"\0"})
    monkeypatch.setenv(backprop_bench.data.sources.folder_variable(name), str(tmp_path / "mine"))
    with pytest.raises(
        InputError, match=rf"{key}: the (sha256|md5) of the file is .*, expected .*, that of {key} of {name}"
    ):
        load_dataset(name)


def test_every_name_is_downloaded_once(
    other: tuple[str, dict[str, bytes]], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, contents = other
    server.files = {f"/data/{key}": content for key, content in contents.items()}
    variable = backprop_bench.data.sources.folder_variable(name) + "_URL"
    monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}/data/")
    for _ in range(2):
        assert len(load_dataset(name).y_test) == 3
    assert sorted(server.asked) == sorted(server.files)


def test_digits_come_with_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    dataset = load_dataset("digits")
    bunch = datasets.load_digits()
    assert (len(dataset.y_train), len(dataset.y_test), dataset.n_classes, dataset.x_max) == (1541, 256, 10, 16.0)
    pairs = {x.tobytes(): label for x, label in zip(bunch.data.astype(np.uint8), bunch.target, strict=True)}
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        assert [pairs[row.tobytes()] for row in x] == y.tolist()


def test_without_scikit_learn_digits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"digits comes with scikit-learn, which is not installed; run pip install"):
        load_dataset("digits")

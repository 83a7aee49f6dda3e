"""What the tests of `data` share: a cache of their own, and small datasets on disk."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from backprop_bench.data import NAMES, Dataset, load_dataset
from backprop_bench.data.sources import folder_variable

IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
VARIABLES = [folder_variable(name) + ending for name in NAMES for ending in ("", "_URL")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(folder))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path_factory.mktemp("mnist")))
        return load_dataset("mnist")


def idx_bytes(kind: str, values: npt.NDArray[np.uint8]) -> bytes:
    magic = {"images": 2051, "labels": 2049}[kind]
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


@pytest.fixture
def idx_contents() -> dict[str, bytes]:
    """Seven training and three test images of 2 × 3 pixels, of three classes, by file name."""
    rng = np.random.default_rng(0)
    contents = {}
    for part, n_examples in (("train", 7), ("t10k", 3)):
        images = rng.integers(0, 256, (n_examples, 2, 3), np.uint8)
        labels = (np.arange(n_examples) % 3).astype(np.uint8)
        contents[f"{part}-images-idx3-ubyte"] = idx_bytes("images", images)
        contents[f"{part}-labels-idx1-ubyte"] = idx_bytes("labels", labels)
    return contents


def write_old(path: Path, content: bytes) -> Path:
    """Write a file that looks as if it had been there for an hour: younger ones are not cached."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    hour_ago = path.stat().st_mtime_ns - 3600 * 10**9
    os.utime(path, ns=(hour_ago, hour_ago))
    return path


@pytest.fixture
def write() -> Callable[[Path, bytes], Path]:
    return write_old


@pytest.fixture
def idx_folder(tmp_path: Path, idx_contents: dict[str, bytes]) -> Path:
    for name, content in idx_contents.items():
        write_old(tmp_path / "idx" / f"{name}.gz", gzip.compress(content))
    return tmp_path / "idx"

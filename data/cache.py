"""Decoded datasets, kept in the user's cache folder so that the next start is fast.

A cache is checked when it is read; where it is damaged or missing, the dataset is decoded again.
"""

import contextlib
import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_bench.data.dataset import Labels
from backprop_bench.data.errors import InputError

CACHE_VARIABLE = "BACKPROP_BENCH_CACHE"
FORMAT = "backprop-bench arrays 2"
_LABELS = "<i8"
_INPUTS = ("|u1", "<f4")
_LONGEST_HEADER = 1 << 20
_TICK_NS = 100_000_000  # no file system that matters dates files more coarsely
_STALE_S = 3600.0


class About(NamedTuple):
    """What was understood of the files.

    Attributes
    ----------
    classes
        Names of the classes, by number.
    x_min, x_max
        Smallest and largest possible input.
    shape
        Rows and columns of an example, and colours where it has them; the number of inputs where it is no image.
    summary
        One line that says it.
    warnings
        What a user should look at, a sentence each.
    """

    classes: tuple[str, ...]
    x_min: float
    x_max: float
    shape: tuple[int, ...]
    summary: str
    warnings: tuple[str, ...] = ()


class Arrays(NamedTuple):
    """What is decoded and cached: inputs [N, D], uint8 or float32, and labels [N], for training and for testing."""

    x_train: npt.NDArray[Any]
    y_train: Labels
    x_test: npt.NDArray[Any]
    y_test: Labels
    about: About


def cache_folder() -> Path:
    """Return the absolute folder of caches and downloads: ``$BACKPROP_BENCH_CACHE``, or else the user's cache folder.

    A relative one is below the current folder; ``~`` is a home folder.

    Raises
    ------
    InputError
        Where ``~`` belongs to a user who is unknown.
    """
    if folder := os.environ.get(CACHE_VARIABLE):
        try:
            return Path(folder).expanduser().absolute()
        except RuntimeError as error:
            raise InputError(f"{CACHE_VARIABLE} is {folder}, whose user is unknown; expected a folder") from error
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("backprop-bench", appauthor=False))


def cached(kind: str, files: Iterable[Path], decode: Callable[[], Arrays], detail: str = "") -> Arrays:
    """Return what ``decode`` returns, from the cache if these very files were decoded before.

    Parameters
    ----------
    kind
        In which way the files are decoded; results of different kinds are kept apart.
    files
        The files that ``decode`` reads. Files are the same if path, size and times of change are.
    decode
        Decodes them; what it raises is passed on.
    detail
        More of the way in which they are decoded.

    Returns
    -------
    Arrays
        Ordinary writable arrays of their own, never memory maps: a cache that changes later cannot change them.
    """
    files = [path.absolute() for path in files]
    before = _key(kind, files, detail)
    place = cache_folder() / f"{_file_name(kind, files, detail)}.arrays"
    if before is not None and (arrays := _load(place, before)) is not None:
        return arrays
    arrays = decode()
    after = _key(kind, files, detail)
    if before is not None and before == after and time.time_ns() - after["latest"] > _TICK_NS:
        _store(place, after, arrays)
    return arrays


def _key(kind: str, files: list[Path], detail: str) -> dict[str, Any] | None:
    """Return what a cache must be of to be the right one; ``None`` if a file cannot be looked at."""
    try:
        stats = [path.stat() for path in files]
    except (OSError, ValueError):
        return None
    return {
        "format": FORMAT,
        "kind": kind,
        "detail": detail,
        "files": _digest(files, stats),
        "latest": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def _digest(files: list[Path], stats: list[os.stat_result]) -> str:
    """Return a digest of paths, sizes and times of change; there may be as many files as images."""
    import hashlib  # here, as platformdirs above: a start without cache needs it not

    digest = hashlib.blake2b(digest_size=16)
    for path, stat in zip(files, stats, strict=True):
        digest.update(os.fsencode(path) + f"\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\0".encode())
    return digest.hexdigest()


def _file_name(kind: str, files: list[Path], detail: str) -> str:
    """Name by the paths and how they are read only, so that a file that was changed replaces its own old cache."""
    paths = b"\0".join([detail.encode(errors="surrogateescape"), *map(os.fsencode, files)])
    return f"{kind}-{zlib.crc32(paths):08x}{zlib.adler32(paths):08x}"


def _load(place: Path, key: dict[str, Any]) -> Arrays | None:
    """Return the arrays of an intact cache of this key, else ``None``.

    A cache is one line with the checksum of all that follows it, one line of JSON, then the bytes of the arrays.
    """
    try:
        with place.open("rb") as file:
            checksum = int(file.readline(16), 16)
            line = file.readline(_LONGEST_HEADER)
            header = json.loads(line)
            if header["key"] != key:
                return None
            about = _about(header["about"])
            dtypes = _dtypes(header["inputs"])
            shapes = {name: tuple(map(int, header["shapes"][name])) for name in dtypes}
            n_bytes = sum(math.prod(shape) * np.dtype(dtypes[name]).itemsize for name, shape in shapes.items())
            if n_bytes != os.fstat(file.fileno()).st_size - file.tell():
                return None
            actual = zlib.crc32(line)
            arrays = {}
            for name, shape in shapes.items():
                arrays[name] = np.empty(shape, dtypes[name])
                file.readinto(_bytes_of(arrays[name]))
                actual = zlib.crc32(_bytes_of(arrays[name]), actual)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return Arrays(**arrays, about=about) if actual == checksum else None


def _dtypes(inputs: str) -> dict[str, str]:
    if inputs not in _INPUTS:
        raise ValueError(inputs)
    return {"x_train": inputs, "y_train": _LABELS, "x_test": inputs, "y_test": _LABELS}


def _about(values: list[Any]) -> About:
    """Return what was understood, from JSON, which has lists for tuples."""
    classes, x_min, x_max, shape, summary, warnings = values
    return About(tuple(classes), float(x_min), float(x_max), tuple(shape), str(summary), tuple(warnings))


def _store(place: Path, key: dict[str, Any], arrays: Arrays) -> None:
    """Write a cache in one step; where that cannot be done there is none."""
    inputs = arrays.x_train.dtype.newbyteorder("<").str
    values = {name: np.ascontiguousarray(getattr(arrays, name), dtype) for name, dtype in _dtypes(inputs).items()}
    shapes = {name: list(value.shape) for name, value in values.items()}
    line = json.dumps({"key": key, "shapes": shapes, "inputs": inputs, "about": arrays.about}).encode() + b"\n"
    checksum = zlib.crc32(line)
    for value in values.values():
        checksum = zlib.crc32(_bytes_of(value), checksum)
    with contextlib.suppress(OSError, ValueError):
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(place.parent)
        with _temporary_file(place) as temporary:
            with temporary.open("wb") as file:
                file.write(f"{checksum:08x}\n".encode() + line)
                for value in values.values():
                    file.write(_bytes_of(value))
            temporary.replace(place)


@contextlib.contextmanager
def _temporary_file(place: Path) -> Iterator[Path]:
    """Give a file beside ``place`` that no other process has; nothing is left of it afterwards."""
    import tempfile  # here, as platformdirs above: a start from the cache needs neither

    handle, name = tempfile.mkstemp(prefix=f"{place.name}.", suffix=".tmp", dir=place.parent)
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    """Remove what processes that were killed while writing have left."""
    for path in folder.glob("*.arrays.*.tmp"):
        if time.time() - path.stat().st_mtime > _STALE_S:
            path.unlink(missing_ok=True)


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return array.data.cast("B")

"""CSV files of labels and pixels, read by pandas as fast as it can, into no more memory than they need."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.csv_rows import LARGEST_LABEL, LARGEST_PIXEL, Layout, read_layout, read_rows
from backprop_bench.data.dataset import Labels
from backprop_bench.data.errors import InputError
from backprop_bench.data.files import READ_ERRORS, open_unpacked
from backprop_bench.data.progress import ProgressBar, is_watched

if TYPE_CHECKING:
    import pandas as pd

_CELLS_PER_CHUNK = 1_000_000
_BIG_FILE = 20_000_000  # bytes, from which on reading takes long enough for a progress bar


class _Rows:
    """Inputs x [N, D] and labels y [N] that grow in place: no second copy is ever made."""

    def __init__(self, layout: Layout) -> None:
        self.x = np.empty((0, layout.n_columns - 1), np.uint8)
        self.y: Labels = np.empty(0, np.int64)

    def append(self, values: npt.NDArray[Any]) -> None:
        """Append rows of a label and its pixels."""
        n_before, n_after = len(self.y), len(self.y) + len(values)
        self.x.resize((n_after, self.x.shape[1]), refcheck=False)
        self.y.resize(n_after, refcheck=False)
        self.x[n_before:] = values[:, 1:]
        self.y[n_before:] = values[:, 0]


def read_csv(path: Path) -> tuple[npt.NDArray[np.uint8], Labels]:
    """Read a CSV file: in every line a label, then its pixels; a first line of names is skipped.

    The file is UTF-8 text, possibly packed by gzip. Blank lines, quotes and any line ends are allowed.

    Returns
    -------
    tuple
        Inputs [N, D] as uint8 and labels [N] as int64.

    Raises
    ------
    InputError
        If anything else is found; names line and column.
    """
    layout = read_layout(path)
    rows = _Rows(layout)
    if not _read_fast(path, layout, rows):
        _read_exactly(path, layout, rows)
    if len(rows.y) == 0:
        raise InputError(f"{path}: has a header only, expected lines of a label and its pixels after it")
    return rows.x, rows.y


def _read_fast(path: Path, layout: Layout, rows: _Rows) -> bool:
    """Append what pandas reads, up to the first chunk in which something is strange; return whether none was."""
    try:
        with path.open("rb") as packed, _progress(path) as show:
            for frame in _frames(open_unpacked(packed, path), layout):
                values = _checked(frame, layout)
                if values is None:
                    return False
                rows.append(values)
                show(packed.tell())
    except (*READ_ERRORS, ValueError, OverflowError):
        return False
    return True


def _frames(stream: Any, layout: Layout) -> "Iterator[pd.DataFrame]":
    import pandas as pd

    with pd.read_csv(
        stream,
        header=None,
        skiprows=layout.n_skipped,
        chunksize=max(1, _CELLS_PER_CHUNK // layout.n_columns),
        na_filter=False,
        low_memory=False,
        engine="c",
    ) as reader:
        yield from reader


def _checked(frame: "pd.DataFrame", layout: Layout) -> npt.NDArray[Any] | None:
    """Return labels and pixels, or ``None`` if they are not all whole numbers in their range."""
    if frame.shape[1] != layout.n_columns or any(dtype.kind not in "iuf" for dtype in frame.dtypes):
        return None
    values: npt.NDArray[Any] = frame.to_numpy()
    if values.dtype.kind == "f" and not np.array_equal(values, np.trunc(values)):
        return None
    largest = values.max(axis=0)
    if not (values.min() >= 0 and largest[0] <= LARGEST_LABEL and largest[1:].max() <= LARGEST_PIXEL):
        return None
    return values


def _read_exactly(path: Path, layout: Layout, rows: _Rows) -> None:
    """Append the rows that are not there yet; this finds what is wrong with one, if anything is."""
    rest = read_rows(path, layout, len(rows.y))
    n_rows = max(1, _CELLS_PER_CHUNK // layout.n_columns)
    while chunk := list(itertools.islice(rest, n_rows)):
        rows.append(np.array(chunk))


@contextlib.contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how many bytes of the file were read; it shows nothing if nobody is looking."""
    size = path.stat().st_size
    if size < _BIG_FILE or not is_watched():
        yield _show_nothing
        return
    bar = ProgressBar(f"reading {path.name}", size)
    try:
        yield bar.show
    finally:
        bar.close()


def _show_nothing(n_bytes: int) -> None:
    pass

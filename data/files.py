"""Reads files, packed or not: by their first bytes, whatever they are called."""

import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from backprop_bench.data.errors import InputError

PACKINGS: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
"""How a packed file begins, and what it is packed with."""

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a file may raise; :func:`unreadable` turns it into words."""

_PIECE = 1 << 22  # bytes
BOMB_BYTES = 1 << 30
BOMB_RATIO: Final = 200
"""What unpacks to more than so many bytes and so many times its size is no data: zeros alone pack to a thousandth."""


def is_file(path: Path) -> bool:
    """Whether there is a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a name that no folder can have is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def packing(head: bytes) -> str | None:
    """Return what a file that begins so is packed with; ``None`` if it is not packed."""
    return next((name for magic, name in PACKINGS.items() if head.startswith(magic)), None)


def open_unpacked(packed: IO[bytes]) -> IO[bytes]:
    """Return a stream of the unpacked bytes of an open file."""
    import bz2  # here: a start from the cache needs none of them
    import gzip

    kind = packing(packed.read(8))
    packed.seek(0)
    match kind:
        case "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=packed, mode="rb"))
        case "bzip2":
            return cast("IO[bytes]", bz2.BZ2File(packed))
        case "xz":
            return cast("IO[bytes]", lzma.LZMAFile(packed))
        case _:
            return packed


def unpacked_pieces(path: Path, shown: str, size: int = _PIECE) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file, so many at a time.

    Parameters
    ----------
    path
        The file.
    shown
        What it is called in messages.
    size
        Bytes of a piece; the last one may have fewer.

    Raises
    ------
    InputError
        If it cannot be read to its end, or unpacks to far more than any data does.
    """
    n_bytes = 0
    try:
        with path.open("rb") as packed:
            stream = open_unpacked(packed)
            limit = most_unpacked(path)
            while piece := stream.read(size):
                n_bytes += len(piece)
                if stream is not packed and n_bytes > limit:
                    raise bomb(path, shown, f"more than {limit / 1e9:.1f} GB")
                yield piece
    except READ_ERRORS as error:
        raise unreadable(path, error, shown) from error


def most_unpacked(path: Path) -> int:
    """Return the bytes that a packed file may unpack to."""
    return max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)


def bomb(path: Path, shown: str, size: str) -> InputError:
    """Return the `InputError` for a packed file that unpacks to such a size."""
    return InputError(
        f"{shown}: has {path.stat().st_size:,} bytes and unpacks to {size}, expected data, which packs to no less than "
        f"1/{BOMB_RATIO} of its size"
    )


def read_unpacked(path: Path, shown: str | None = None) -> bytes:
    """Return all bytes of a file, unpacked; raises `InputError` as :func:`unpacked_pieces` does."""
    return b"".join(unpacked_pieces(path, shown or str(path)))


def first_bytes(path: Path, shown: str, n_bytes: int = 4096) -> bytes:
    """Return the first unpacked bytes of a file; raises `InputError` if it cannot be read."""
    try:
        with path.open("rb") as packed:
            return open_unpacked(packed).read(n_bytes)
    except READ_ERRORS as error:
        raise unreadable(path, error, shown) from error


def unreadable(path: Path, error: BaseException, shown: str | None = None) -> InputError:
    """Return the `InputError` for a file that could not be read to its end."""
    import gzip

    packed = _packing_of(path) or "packed"
    if isinstance(error, EOFError):
        problem = f"the {packed} file ends too early, expected a complete one; it may be a download that broke off"
    elif isinstance(error, gzip.BadGzipFile | zlib.error | lzma.LZMAError) or (
        isinstance(error, OSError) and error.errno is None
    ):
        problem = f"the {packed} file is damaged ({error}), expected an intact one"
    elif isinstance(error, FileNotFoundError):
        problem = "there is no such file, expected one that can be read"
    else:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error}), expected a readable file"
    return InputError(f"{shown or path}: {problem}")


def _packing_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return packing(file.read(8))
    except OSError:
        return None

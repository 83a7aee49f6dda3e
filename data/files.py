"""Reads files, packed by gzip or not."""

import zlib
from pathlib import Path
from typing import IO, cast

from backprop_bench.data.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading a file that :func:`open_unpacked` opened may raise; :func:`unreadable` turns it into words."""


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


def open_unpacked(packed: IO[bytes], path: Path) -> IO[bytes]:
    """Return a stream of the unpacked bytes of an open file.

    A file is taken for packed if it is named ``.gz`` or begins like a gzip file.
    """
    import gzip  # here: a start from the cache needs it not

    begins_packed = packed.read(2) == _GZIP_MAGIC
    packed.seek(0)
    if path.suffix == ".gz" or begins_packed:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed, mode="rb"))
    return packed


def read_unpacked(path: Path) -> bytes:
    """Return all bytes of a file, unpacked; raises `InputError` if it cannot be read to its end."""
    try:
        with path.open("rb") as packed:
            return open_unpacked(packed, path).read()
    except READ_ERRORS as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: BaseException) -> InputError:
    """Return the `InputError` for a file that could not be read to its end."""
    import gzip

    if isinstance(error, EOFError):
        problem = "the gzip file ends too early, expected a complete one; it may be a download that broke off"
    elif isinstance(error, gzip.BadGzipFile | zlib.error):
        problem = f"the gzip file is damaged ({error}), expected an intact one"
    elif isinstance(error, FileNotFoundError):
        problem = "there is no such file, expected one that can be read"
    else:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error}), expected a readable file"
    return InputError(f"{path}: {problem}")

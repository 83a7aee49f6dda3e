"""Files that are written whole or not at all."""

import os
import uuid
from pathlib import Path

from backprop_bench.data import InputError


def temporary_beside(path: Path) -> Path:
    """Return a name in the same folder that no other process uses, for what is then moved to its place."""
    return path.with_name(f".{uuid.uuid4().hex}.tmp")


def write_whole(path: Path, content: bytes, sync: bool = False) -> Path:
    """Write a file by way of a temporary one beside it, making its folder where there is none.

    Where several processes write the same file at once, one of them wins, and each of them has written a whole one.
    With ``sync`` it is on the disk before it stands in its place.

    Raises
    ------
    InputError
        When the file cannot be written; what stood there before is intact.
    """
    if not path.name:
        raise InputError(f"{str(path)!r}: cannot write; expected the name of a file")
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror}") from error
    return path

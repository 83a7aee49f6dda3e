"""Files that are written whole or not at all."""

from pathlib import Path

from backprop_bench.data import InputError


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file by way of a temporary one beside it, making its folder where there is none.

    Raises
    ------
    InputError
        When the file cannot be written; what stood there before is intact.
    """
    if not path.name:
        raise InputError(f"{str(path)!r}: cannot write; expected the name of a file")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror}") from error
    return path

"""An object of this process under a name that workers know: a class from a cell of a notebook has no file."""

import contextlib
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cloudpickle

from backprop_bench.bench.core.implementations import METHODS
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.data import InputError

FILE = '''"""Written by backprop_bench: the class {name}, which has no file that could be imported."""

import sys
from pathlib import Path

import cloudpickle

sys.path[:0] = {paths!r}
{name} = cloudpickle.loads(Path(__file__).with_suffix(".pickle").read_bytes())
'''
"""A file with a class, as workers import it. What the class imports from your folder is found, too."""


@contextlib.contextmanager
def named(implementation: str | type) -> Iterator[str]:
    """Give a name by which workers find an implementation, as long as the block lasts.

    Parameters
    ----------
    implementation
        A name that the command line takes, or a class with the methods of :class:`backprop_bench.data.Trainer`.

    Raises
    ------
    InputError
        For what is neither, lacks a method, or cannot be sent to another process.
    """
    with tempfile.TemporaryDirectory(prefix="backprop-bench-") as folder:
        yield kept(implementation, Path(folder))


def kept(implementation: str | type, parent: Path) -> str:
    """Return a name by which workers find an implementation as long as there is a folder; see :func:`named`.

    Parameters
    ----------
    parent
        Folder in which a class gets a folder of its own, named after what it is.
    """
    if isinstance(implementation, str):
        return implementation
    check_class(implementation)
    name = implementation.__name__
    try:
        content = cloudpickle.dumps(implementation)
    except Exception as error:
        raise InputError(
            f"{name} cannot be sent to another process: {error}; expected a class that holds no open file, lock or "
            "generator"
        ) from error
    folder = parent / f"{zlib.crc32(content):08x}"
    file = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file.with_suffix(".pickle"), content)
        write_whole(file, FILE.format(name=name, paths=_own_paths()).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot write {name} there: {error.strerror}") from error
    return f"{file.resolve()}:{name}"


def check_class(implementation: object) -> None:
    """Raise `InputError` for what is no class with the methods of a trainer."""
    if not isinstance(implementation, type):
        kind = type(implementation).__name__
        raise InputError(
            f"{implementation!r} is of the type {kind}; expected a class, such as Mine and not Mine(), or the name of "
            "an implementation"
        )
    missing = [method for method in METHODS if not callable(getattr(implementation, method, None))]
    if missing:
        raise InputError(
            f"{implementation.__name__} has no method {' and no '.join(missing)}; expected {', '.join(METHODS)}"
        )


def _own_paths() -> list[str]:
    """Return the folders from which this process imports what is not installed."""
    folders = [str(Path(folder or ".").resolve()) for folder in sys.path]
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir() and not _is_installed(Path(folder))]


def _is_installed(folder: Path) -> bool:
    """Say whether a worker has a folder on its path anyway: of Python itself, and of what is installed."""
    return "site-packages" in folder.parts or folder.is_relative_to(Path(sys.base_prefix).resolve())

"""An object of this process under a name that workers know: a class from a cell of a notebook has no file."""

import contextlib
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cloudpickle

from backprop_bench.bench.core.implementations import lacks
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.worker.sources import is_elsewhere
from backprop_bench.data import InputError

FILE = '''"""Written by backprop_bench: the class {name}, which has no file that could be imported."""

import sys
from pathlib import Path

import cloudpickle

sys.path[:0] = {first!r}
sys.path += {last!r}
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
        Folder in which a class gets a folder of its own, named by a checksum of what it is.
    """
    if isinstance(implementation, str):
        return implementation
    check_class(implementation)
    name = implementation.__name__
    try:
        content = _by_value(implementation)
    except Exception as error:
        raise InputError(
            f"{name} cannot be sent to another process: {error}; expected a class that holds no open file, lock or "
            "generator"
        ) from error
    folder = parent / f"{zlib.crc32(content):08x}"
    file = folder / f"{name}.py"
    first, last = _own_paths()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file.with_suffix(".pickle"), content)
        write_whole(file, FILE.format(name=name, first=first, last=last).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot write {name} there: {error.strerror}") from error
    return f"{file.resolve()}:{name}"


def renamed(text: str, name: str, label: str) -> str:
    """Say the label of a class where workers say the name of it or of the file which it was written to."""
    return text if name == label else text.replace(name, label).replace(name.rpartition(":")[0], label)


def check_class(implementation: object) -> None:
    """Raise `InputError` for what is no class with the methods of a trainer."""
    if not isinstance(implementation, type):
        kind = type(implementation).__name__
        raise InputError(
            f"{implementation!r} is of the type {kind}; expected a class, such as Mine and not Mine(), or the name of "
            "an implementation"
        )
    reason = lacks(implementation)
    if reason is not None:
        raise InputError(
            f"{implementation.__name__} {reason}; for a class of another form write weights=[…] and train=…, as "
            "backprop_bench.adapt takes them"
        )


def _by_value(implementation: type) -> bytes:
    """Return a class as bytes, with its code where that is in a module of yours, so that no later change gets in."""
    module = sys.modules.get(implementation.__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or is_elsewhere(Path(file).resolve()) or _is_installed(Path(file)):
        return bytes(cloudpickle.dumps(implementation))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(implementation))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _own_paths() -> tuple[list[str], list[str]]:
    """Return the folders from which this process imports what is not installed: before Python's own, and after them."""
    folders = [str(Path(folder or ".").resolve()) for folder in sys.path]
    places = {folder: place for place, folder in reversed(list(enumerate(folders)))}
    own = [folder for folder in places if Path(folder).is_dir() and not _is_installed(Path(folder))]
    python = min((place for folder, place in places.items() if _is_installed(Path(folder))), default=len(folders))
    own.sort(key=lambda folder: places[folder])
    return [each for each in own if places[each] < python], [each for each in own if places[each] > python]


def _is_installed(folder: Path) -> bool:
    """Say whether a worker has a folder on its path anyway: of Python itself, and of what is installed."""
    python = Path(sysconfig.get_path("stdlib")).resolve()
    return bool({"site-packages", "dist-packages"} & set(folder.parts)) or folder.is_relative_to(python)

"""How Numba compiles the kernels, and when what it compiled before is out of date.

Numba's cache compares only the file of a function with what it was. These functions call each other across files, so
the cache has to depend on all of them: the name of every cached function carries a digest of the whole package.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import filelock
import numba
from numba.core.caching import IndexDataCacheFile
from numba.extending import intrinsic as numba_intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def digest_of(folder: Path) -> str:
    """Return a digest of all Python files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


SOURCES = digest_of(Path(__file__).parent)


class CacheFile(IndexDataCacheFile):
    """The cache of a function, to which one process after the other writes.

    Numba gives entries of two processes that write at once the same name, and later loads one for the other: code for
    float64 where float32 was asked for.
    """

    def save(self, key: object, data: object) -> None:
        """Save an entry."""
        with filelock.FileLock(f"{self._index_path}.lock"):
            super().save(key, data)


def _cached(function: Function, fastmath: set[str]) -> Function:
    function.__qualname__ += f"_{SOURCES}"  # Numba names the files of its cache by it
    compile_it = numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=fastmath)
    dispatcher: Any = compile_it(function)
    if hasattr(dispatcher, "_cache"):  # it has none where nothing is compiled
        dispatcher._cache._cache_file.__class__ = CacheFile
    return cast("Function", dispatcher)


def compiled(function: Function) -> Function:
    """Compile: sums may be reordered, so that they vectorise; NaN and infinity keep their meaning."""
    return _cached(function, {"contract", "reassoc", "nsz"})


def compiled_in_order(function: Function) -> Function:
    """Compile where the order of operations makes the result exact."""
    return _cached(function, {"contract"})


def inlined(function: Function) -> Function:
    """Put the function into its callers: for what takes less time than to hand over its arguments."""
    return cast("Function", numba.njit(inline="always")(function))


def intrinsic(define: Callable[..., Any]) -> Any:
    """Return a function for kernels whose code is written in LLVM's language.

    ``define`` gets Numba's context and the types of the arguments. It returns a signature and what writes the code.
    """
    return numba_intrinsic(define)

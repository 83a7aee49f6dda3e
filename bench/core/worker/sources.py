"""Which code a worker runs: checksums of the suite's source, and of what a file of yours imports beside it."""

import sys
import zlib
from pathlib import Path

from backprop_bench.bench.core.implementations import Implementation
from backprop_bench.bench.core.machine.environment import SOURCES, SUITE, source_crc32

SUITE_SOURCE = "the suite's source"
"""What stands in place of the path of a file."""


def sources_of(implementation: Implementation) -> dict[str, str]:
    """Return the checksums of what is run: of the suite, and where it is a file of yours, of that and its imports.

    Of the modules that are imported now, those count that lie in the folder of the file, or below it, unless they are
    installed packages. A file is named by its path from that folder.
    """
    sources = {SUITE_SOURCE: source_crc32(SUITE)}
    if implementation.side == "yours" and implementation.module.endswith(".py"):
        own = Path(implementation.module).resolve()
        files = {own, *(path for path in _imported() if path.is_relative_to(own.parent))}
        sources |= {
            path.relative_to(own.parent).as_posix(): file_crc32(path)
            for path in sorted(files)
            if not is_elsewhere(path)
        }
    return sources


def file_crc32(path: Path) -> str:
    """Return the checksum of a file, or that it is missing."""
    try:
        return f"{zlib.crc32(path.read_bytes()):08x}"
    except OSError:
        return "missing"


def is_elsewhere(path: Path) -> bool:
    """Say whether a file belongs to the suite, whose source has a checksum of its own, or to an installed package."""
    in_suite = path.is_relative_to(SUITE) and path.relative_to(SUITE).parts[0] in SOURCES
    return in_suite or "site-packages" in path.parts


def _imported() -> list[Path]:
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [Path(file).resolve() for file in files if isinstance(file, str)]

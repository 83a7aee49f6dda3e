"""`Sources`: which code a run has run so far; it may not change while the run is under way."""

import threading
from collections.abc import Mapping

from backprop_bench.bench.core.worker.sources import SUITE_SOURCE
from backprop_bench.data import InputError


class Sources:
    """Checksums of the code of every implementation, as workers report them. Several threads may ask.

    Parameters
    ----------
    known
        By implementation, what is known from the start: checksums by path.
    suite
        Checksum of the suite's source; ``None`` where that is still to be seen.
    """

    def __init__(self, known: Mapping[str, Mapping[str, str]] | None = None, suite: str | None = None) -> None:
        self._known = {name: dict(files) for name, files in (known or {}).items()}
        self._suite = suite
        self._lock = threading.Lock()

    def check(self, implementation: str, sources: Mapping[str, str]) -> None:
        """Compare what a worker has run with what was run before; raises `InputError` where it has changed."""
        with self._lock:
            known = self._known.setdefault(implementation, {})
            if self._suite is not None:
                known[SUITE_SOURCE] = self._suite
            for path, checksum in sources.items():
                before = known.setdefault(path, checksum)
                if checksum != before:
                    whose = "" if path == SUITE_SOURCE else f", which {implementation} uses,"
                    raise InputError(
                        f"{path}{whose} has changed during the run: its checksum was {before} and is {checksum}; "
                        "expected the same code in all of it, so start a new run; what is recorded is kept"
                    )

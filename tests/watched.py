"""Which Python functions run: none of a module whose functions are compiled."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType


def python_functions(files: set[Path], run: Callable[[], object]) -> set[str]:
    """Return the names of the functions in these files that Python itself runs, in this thread and new ones.

    By `sys.settrace`: to a profiler, Numba shows its compiled functions as well.
    """
    paths = {path.resolve() for path in files}
    known: dict[str, bool] = {}
    seen: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if name not in known:
            known[name] = Path(name).resolve() in paths
        if event == "call" and known[name]:
            seen.add(frame.f_code.co_name)

    before = sys.gettrace()
    threading.settrace(note)
    sys.settrace(note)
    try:
        run()
    finally:
        sys.settrace(before)
        threading.settrace(before)
    return seen

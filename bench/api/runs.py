"""``runs``: what has been measured? The list of ``results/index.html`` as a table."""

from pathlib import Path

import pandas as pd

from backprop_bench.bench.cli.index import runs_in
from backprop_bench.bench.report.index import newest_first
from backprop_bench.data import InputError

COLUMNS = ("name", "begun", "command", "answer", "troubles", "machine")


def runs(results: str | Path = "results") -> pd.DataFrame:
    """List the runs in a folder, the newest first; nothing is measured, and no file is written.

    Parameters
    ----------
    results
        The folder, as ``time`` and ``compare`` take it.

    Returns
    -------
    pandas.DataFrame
        A row per run: ``name`` of its folder; when it was ``begun``, in UTC; its ``command``; the sentences of its
        ``answer``; its ``troubles``, what failed in it or why it cannot be read; and its ``machine``.

    Raises
    ------
    InputError
        Where there is no such folder.
    """
    folder = Path(results)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; expected one with runs, such as `results`")
    rows = [
        (run.folder, run.begun, run.command, " ".join(run.answer), " ".join(run.troubles), run.machine)
        for run in newest_first(runs_in(folder))
    ]
    listed = pd.DataFrame(rows, columns=list(COLUMNS))
    return listed.astype({"begun": "datetime64[us, UTC]"})

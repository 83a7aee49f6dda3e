"""What `micro` prints at its end: microseconds per example, from the file of pytest-benchmark."""

from collections.abc import Mapping, Sequence
from typing import Any

from backprop_bench.bench.micro.extent import EPOCH, PARTS, WHOLE_STEP
from backprop_bench.bench.report.numbers import ABSENT, count_range, plain
from backprop_bench.bench.report.table import Table, make_table

COLUMNS = (*PARTS, WHOLE_STEP, EPOCH)
GROUPED = "--group-by=group,name --columns=median,iqr,rounds"
"""Options with which `pytest-benchmark compare` shows the same benchmark of several runs side by side."""


def per_example_table(benchmarks: Sequence[Mapping[str, Any]]) -> Table:
    """Return the median microseconds per example: a row for each implementation and batch size.

    Parameters
    ----------
    benchmarks
        Those in a file that `micro` made pytest-benchmark write.
    """
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for benchmark in benchmarks:
        info = benchmark["extra_info"]
        row = rows.setdefault((info["implementation"], info["batch_size"]), {})
        row[info["part"]] = plain(info["us_per_example"])
    names = list(dict.fromkeys(name for name, _ in rows))
    cells = [
        [f"{name}, {size}", *(rows[name, size].get(column, ABSENT) for column in COLUMNS)]
        for name, size in sorted(rows, key=lambda key: (names.index(key[0]), key[1]))
    ]
    rounds = count_range((benchmark["stats"]["rounds"] for benchmark in benchmarks), "round")
    return make_table(
        "Microseconds per example",
        ["<implementation, batch size", *COLUMNS],
        cells,
        f"Median of {rounds}, each implementation by itself; `backprop-bench compare` says which one is faster.",
    )


def how_to_compare(before: Sequence[str], saved: str) -> str:
    """Return how to compare a run that pytest-benchmark has saved with the last one before it.

    Parameters
    ----------
    before, saved
        Names of the files, such as "0001_commit_time.json", in their order.
    """
    number = _number(saved)
    if not before:
        following = f"{int(number) + 1:04}"
        return f"Saved as {number}. After the next run:\npytest-benchmark compare {number} {following} {GROUPED}"
    return f"Saved as {number}. Compare:\npytest-benchmark compare {_number(before[-1])} {number} {GROUPED}"


def _number(file_name: str) -> str:
    return file_name.partition("_")[0]

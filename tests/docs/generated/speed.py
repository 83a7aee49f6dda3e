"""docs/speed.md: what the committed runs of `ladder`, `scale` and `time-to-accuracy` say."""

import functools
from collections.abc import Iterator
from pathlib import Path

from backprop_bench.bench.core.implementations import BASELINES
from backprop_bench.bench.core.records.kinds import AnyRecord, Block
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind, read_description, read_records
from backprop_bench.bench.core.records.recorded_run import comparable
from backprop_bench.bench.core.stats.ratios import paired_ratio
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.ladder.analysis import Ladder, summarize_ladder
from backprop_bench.bench.ladder.stages import side_of_stages
from backprop_bench.bench.ladder.view import draw_ladder, ladder_sentences, ladder_tables
from backprop_bench.bench.report.certainty import self_test_sentence, stop_sentence
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import speed
from backprop_bench.bench.report.table import Table
from backprop_bench.bench.scaling.analysis import Scaling, summarize_scale
from backprop_bench.bench.scaling.map_view import draw_map, lead_sentences, lead_tables
from backprop_bench.bench.scaling.plan import COUNTED, FETCH
from backprop_bench.bench.scaling.view import draw_scaling, scaling_sentences, scaling_table
from backprop_bench.bench.time_to_accuracy.analysis import summarize_time_to_accuracy
from backprop_bench.bench.time_to_accuracy.measure import TARGETS
from backprop_bench.bench.time_to_accuracy.view import (
    draw_time_to_accuracy,
    time_to_accuracy_sentences,
    time_to_accuracy_table,
)
from tests.docs.generated import REFERENCE, listed, listed_with_tables, put

LADDERS = ("ladder", "ladder-threads", "ladder-per-example")
INTEL = tuple(name.replace("ladder", "ladder-intel") for name in LADDERS)
RUNS = (*LADDERS, *INTEL, "scale", "race")
"""Folders of the committed runs."""
ARTICLE = "article-recipe"
"""Folder of the run that times the article's recipe: the fastest from scratch first, then frameworks."""
MAIN = "ladder"
"""The ladder of which all tables are shown; of the same on another processor all but work and memory, of the others
that of the times, or none."""
PRODUCTS = "NumPy's products alone"


@functools.cache
def reference_run(name: str) -> tuple[Description, list[AnyRecord]]:
    """Return the description and the rows of a committed run."""
    description = read_description(REFERENCE / name)
    return description, comparable(description.plan, read_records(REFERENCE / name))


@functools.cache
def reference_ladder(name: str) -> Ladder:
    """Return what a committed run of ladder says."""
    return summarize_ladder(*reference_run(name), side_of_stages())


@functools.cache
def reference_scale() -> list[Scaling]:
    """Return what the committed run of scale says."""
    return summarize_scale(*reference_run("scale"), COUNTED, list(BASELINES), FETCH)


def shown() -> dict[str, tuple[list[str], list[Table], Drawing]]:
    """Return sentences, tables and figure of every committed run."""
    ladders = {name: reference_ladder(name) for name in RUNS if name.startswith("ladder")}
    scale = reference_scale()
    of_ladders = {
        name: (ladder_sentences(ladder), _shown_tables(name, ladder), draw_ladder(ladder))
        for name, ladder in ladders.items()
    }
    tables = [scaling_table(item) for item in scale]
    (drawn,) = draw_map(scale)
    return {
        **of_ladders,
        "map": (lead_sentences(scale), lead_tables(scale), drawn),
        "scale": (scaling_sentences(scale), tables, draw_scaling(scale)),
        "race": _to_accuracy(),
    }


def _to_accuracy() -> tuple[list[str], list[Table], Drawing]:
    results = summarize_time_to_accuracy(*reference_run("race"), TARGETS)
    return time_to_accuracy_sentences(results), [time_to_accuracy_table(results)], draw_time_to_accuracy(results)


def _shown_tables(name: str, ladder: Ladder) -> list[Table]:
    tables = ladder_tables(ladder)
    if name == INTEL[0]:
        return tables[:-1]
    return tables if name == MAIN else tables[:1] if name in LADDERS else []


def short() -> str:
    """Return what the page begins with: the comparison of the fastest stages, their memory, and the machine."""
    ladder, (description, _) = reference_ladder("ladder"), reference_run("ladder")
    fastest = ladder.sides[0].fastest
    ahead = [sentence for sentence in ladder_sentences(ladder) if sentence.startswith(f"{fastest.implementation} ")]
    assert fastest.training_bytes is not None
    assert fastest.parameter_bytes is not None
    memory = (
        f"{fastest.implementation} holds {fastest.training_bytes / 2**20:.3g} MiB in training, "
        f"{fastest.training_bytes / fastest.parameter_bytes:.3g} times its weights."
    )
    what = f"{_where(description)}: 784-128-10, batches of 64, float32, {description.threads} thread each."
    on_the_map = f"{_where(reference_run('scale')[0])}: all places."
    return listed([*ahead, memory, what, *lead_sentences(reference_scale()), on_the_map])


def _where(description: Description) -> str:
    cpu = description.environment["cpu"]
    return f"Measured on {cpu['model']}, {cpu['usable_cores']} cores, on {description.created[:10]}"


def numpy() -> str:
    """Return how much faster plain NumPy is than ordinary PyTorch, and the dense-GEMM baseline of NumPy."""
    timed = of_kind(reference_run("ladder")[1], Block)

    pairs = (
        ("scratch-numpy (float32)", "float32", "torch-eager (tensors by index)", "tensors by index"),
        ("scratch-inplace (no temporaries)", "no temporaries", "torch-eager (tensors by index)", "tensors by index"),
        ("the dense-GEMM baseline of NumPy", PRODUCTS, "scratch-numpy (float32)", "float32"),
    )
    return listed(
        [
            f"{speed(first, second, paired_ratio(timed, numerator, denominator).interval, 'per epoch')}."
            for first, numerator, second, denominator in pairs
        ]
    )


def article() -> str:
    """Return how much faster the fastest from scratch trains the article's recipe than each framework."""
    description, rows = reference_run(ARTICLE)
    summary = summarize(description, rows)
    (question,) = summary.questions
    first, *others = (entry.label for entry in description.plan.questions[0].originals)
    timed = of_kind(rows, Block)
    ratios = {name: paired_ratio(timed, first, name).interval for name in others}
    nearest_first = sorted(others, key=lambda name: -ratios[name].estimate)
    ahead = [f"{speed(first, name, ratios[name], 'per epoch')}." for name in nearest_first]
    test = self_test_sentence(question)
    assert test is not None
    measured = f"{_where(description)}, {description.threads} thread each."
    return listed([*ahead, stop_sentence(summary, question), test, measured])


def page(text: str) -> str:
    """Return the page with its blocks."""
    runs = {name: listed_with_tables(sentences, tables) for name, (sentences, tables, _) in shown().items()}
    return put(text, {"short": short(), "numpy": numpy(), "article": article(), **runs})


def figures() -> Iterator[tuple[Path, Drawing]]:
    """Yield the folder of every figure, and the figure."""
    for name, (_, _, drawing) in shown().items():
        yield REFERENCE / ("scale" if name == "map" else name) / "figures", drawing

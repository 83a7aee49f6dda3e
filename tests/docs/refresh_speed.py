"""Write the results of the committed runs into docs/speed.md: ``python -m tests.docs.refresh_speed``."""

import functools
import re
from pathlib import Path

from backprop_bench.bench.core.implementations import BASELINES, IMPLEMENTATIONS
from backprop_bench.bench.core.records.kinds import AnyRecord, Block
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind, read_description, read_records
from backprop_bench.bench.core.stats.ratios import paired_ratio
from backprop_bench.bench.ladder.analysis import Ladder, summarize_ladder
from backprop_bench.bench.ladder.view import draw_ladder, ladder_sentences, ladder_tables
from backprop_bench.bench.report.drawing import Drawing, save
from backprop_bench.bench.report.numbers import speed
from backprop_bench.bench.report.table import to_markdown
from backprop_bench.bench.scaling.analysis import Scaling, summarize_scale
from backprop_bench.bench.scaling.plan import AXES, FETCH
from backprop_bench.bench.scaling.view import draw_scaling, scaling_sentences, scaling_table
from backprop_bench.bench.time_to_accuracy.analysis import summarize_time_to_accuracy
from backprop_bench.bench.time_to_accuracy.measure import TARGETS
from backprop_bench.bench.time_to_accuracy.view import (
    draw_time_to_accuracy,
    time_to_accuracy_sentences,
    time_to_accuracy_table,
)

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "speed.md", ROOT / "results" / "reference"


LADDERS = ("ladder", "ladder-threads", "ladder-per-example")
RUNS = (*LADDERS, *(name.replace("ladder", "ladder-amd") for name in LADDERS), "scale", "race")
"""Folders of the committed runs."""
PRODUCTS = "NumPy's products alone"


@functools.cache
def reference_run(name: str) -> tuple[Description, list[AnyRecord]]:
    """Return the description and the rows of a committed run."""
    return read_description(REFERENCE / name), read_records(REFERENCE / name)


@functools.cache
def reference_ladder(name: str) -> Ladder:
    """Return what a committed run of ladder says."""
    side_of = {name: known.side for name, known in {**IMPLEMENTATIONS, **BASELINES}.items()}
    return summarize_ladder(*reference_run(name), side_of)


@functools.cache
def reference_scale() -> list[Scaling]:
    """Return what the committed run of scale says."""
    counted = {name: what for name, (what, _) in AXES.items()}
    return summarize_scale(*reference_run("scale"), counted, list(BASELINES), FETCH)


def shown() -> dict[str, tuple[list[str], list[str], Drawing]]:
    """Return sentences, tables and figure of every committed run."""
    ladders = {name: reference_ladder(name) for name in RUNS if name.startswith("ladder")}
    scale = reference_scale()
    of_ladders = {
        name: (ladder_sentences(ladder), [to_markdown(table) for table in ladder_tables(ladder)], draw_ladder(ladder))
        for name, ladder in ladders.items()
    }
    tables = [to_markdown(scaling_table(item)) for item in scale]
    results = summarize_time_to_accuracy(*reference_run("race"), TARGETS)
    return {
        **of_ladders,
        "scale": (scaling_sentences(scale), tables, draw_scaling(scale)),
        "race": (
            time_to_accuracy_sentences(results),
            [to_markdown(time_to_accuracy_table(results))],
            draw_time_to_accuracy(results),
        ),
    }


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
    environment = description.environment
    where = (
        f"Measured on {environment['cpu']['model']}, {environment['cpu']['usable_cores']} cores, with "
        f"{description.threads} thread each, on {description.created[:10]}: 784-128-10, batches of 64, float32."
    )
    overtaken = f"is faster than {fastest.implementation}"
    behind = [sentence for sentence in scaling_sentences(reference_scale()) if overtaken in sentence]
    return "".join(f"* {sentence}\n" for sentence in (*ahead, *behind, memory, where)).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def numpy() -> str:
    """Return how much faster plain NumPy is than ordinary PyTorch, and the dense-GEMM baseline of NumPy."""
    timed = of_kind(reference_run("ladder")[1], Block)

    pairs = (
        ("scratch-numpy (float32)", "float32", "torch-eager (tensors by index)", "tensors by index"),
        ("scratch-inplace (no temporaries)", "no temporaries", "torch-eager (tensors by index)", "tensors by index"),
        ("the dense-GEMM baseline of NumPy", PRODUCTS, "scratch-numpy (float32)", "float32"),
    )
    return "".join(
        f"* {speed(first, second, paired_ratio(timed, numerator, denominator).interval, 'per epoch')}.\n"
        for first, numerator, second, denominator in pairs
    ).replace("\N{NO-BREAK SPACE}", " ")


def blocks() -> dict[str, str]:
    """Return what stands in each block of the page."""
    texts = {"short": short(), "numpy": numpy()}
    for name, (sentences, tables, _) in shown().items():
        text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + "\n".join(tables) + "\n"
        texts[name] = text.replace("\N{NO-BREAK SPACE}", " ")
    return texts


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a block in the page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def refresh() -> None:
    """Put the blocks into the page and draw its figures."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        text = pattern(name).sub(lambda _, block=block: block, text)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")
    for name, (_, _, drawing) in shown().items():
        save(drawing, REFERENCE / name / "figures")


if __name__ == "__main__":
    refresh()

"""The slides of a run: the derivation, then what the run and those beside it say. Pure functions of the records."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from backprop_bench.bench.compare import answer as claims
from backprop_bench.bench.compare import setting, tables
from backprop_bench.bench.compare.charts import epoch_charts
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report import certainty
from backprop_bench.bench.report.findings import Findings
from backprop_bench.bench.report.numbers import clean, named, two_digits
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.scaling.analysis import Scaling
from backprop_bench.bench.scaling.view import scaling_sentences
from backprop_bench.bench.slides.markdown import Block, Slide, Words, front, to_markdown
from backprop_bench.bench.slides.pictures import chart_pictures, network_picture, scaling_picture

QUESTIONS = "Is it right? How fast is it? Why do they differ?"
TITLE = "Back-propagation from scratch and in PyTorch"
RESULT_COLUMNS = ("implementation", "test accuracy", "wall time per epoch", "faster than")
"""Beginnings of the columns of the results for which a slide has room; all are in the report."""
MACHINE = ("dataset", "threads", "cpu: model", "memory", "operating system")
SOFTWARE = ("checkout: commit", "python", "packages: numpy", "packages: torch")
"""Rows of the environment, likewise."""


@dataclass(frozen=True)
class Beside:
    """A run of another command than ``compare``: its description, what it says, and its axes if it is of ``scale``."""

    description: Description
    findings: Findings
    scalings: Sequence[Scaling] = ()


def make_slides(summary: Summary, beside: Mapping[str, Beside]) -> tuple[str, dict[str, bytes]]:
    """Return the slides of a run and of those beside it in Markdown, and pictures by the names of their files."""
    source, pictures = _source(summary.description), {"network.png": network_picture()}
    answer = [*(Words(text, bold=True) for text in claims.warnings(summary)), *map(Words, claims.answer(summary))]
    opening = Slide(QUESTIONS, answer, source, ["These sentences are made from the records of the run."])
    found = [
        *_is_it_right(summary),
        *_how_fast(summary),
        *(_ladder(beside["ladder"]) if "ladder" in beside else ()),
        *(_scale(beside["scale"]) if "scale" in beside else ()),
        *_why(summary, beside.get("explain")),
        *_failed(beside.values()),
        *_where_measured(summary, beside.values()),
    ]
    lesson = resources.files("backprop_bench.bench.slides").joinpath("lesson.md").read_text(encoding="utf-8")
    text = [front(TITLE, source), to_markdown([opening], pictures), lesson, to_markdown(found, pictures)]
    return "\n\n".join(text), pictures


def _is_it_right(summary: Summary) -> Iterator[Slide]:
    blocks: list[Block] = [
        Words(
            "Same initial weights, same batches, same order: outputs, gradients and weights after many steps are "
            "compared number by number. The tolerances follow from rounding, not from what was found."
        ),
        Words(f"{claims.verification_sentence(summary)}.", bold=True),
        errors_table(summary),
    ]
    notes = [
        "Of every kind of check the table has the largest error. All of them are in the report.",
        "Nothing is timed before this holds: the time of a wrong computation is no time to compare.",
    ]
    yield Slide("Is it right?", blocks, _source(summary.description), notes)


def errors_table(summary: Summary) -> Table:
    """Return, of every kind of check, the largest error as a fraction of its tolerance."""
    checks = [check for question in summary.questions for check in question.verifications]
    kinds = dict.fromkeys((check.dtype, check.check) for check in checks)
    rows = []
    for dtype, name in sorted(kinds, key=lambda kind: kind[0], reverse=True):
        same = [check for check in checks if (check.dtype, check.check) == (dtype, name)]
        worst = max(same, key=lambda check: (not check.passed, claims.share_of_tolerance(check)))
        error = f"{two_digits(100 * claims.share_of_tolerance(worst))} % of its tolerance"
        passed = f"{sum(check.passed for check in same)} of {len(same)}"
        rows.append([dtype, name, passed, error, named(worst.implementation)])
    return make_table("Verification", ["<precision", "<compared", "<passed", "largest error", "<implementation"], rows)


def _how_fast(summary: Summary) -> Iterator[Slide]:
    source = _source(summary.description)
    sure = [
        Words(
            "In every round each of them trains one short block, in random order: what slows the machine slows all of "
            "them. Brackets are 95 % confidence intervals over process replicates."
        )
    ]
    for question, chart in zip(summary.questions, epoch_charts(summary), strict=True):
        title, results = clean(question.title), tables.results_table(question)
        said = [certainty.stop_sentence(summary, question), certainty.self_test_sentence(question) or ""]
        headline = Words(f"{claims.headline(question)}.", bold=True)
        shown: list[Block] = [headline, *chart_pictures(chart), _columns(results)]
        yield Slide(f"How fast? {title}", shown, source, [results.note, *said])
        sure += [Words(f"{title}: {text}") for text in said if text]
    note = "Two times from two separate runs, divided by each other, are the usual way to a wrong ratio."
    yield Slide("How sure is that?", sure, source, [note])


def _columns(table: Table) -> Table:
    kept = [index for index, column in enumerate(table.columns) if column.name.startswith(RESULT_COLUMNS)]
    columns = tuple(table.columns[index] for index in kept)
    return dataclasses.replace(table, columns=columns, rows=tuple(tuple(row[i] for i in kept) for row in table.rows))


def _ladder(run: Beside) -> Iterator[Slide]:
    blocks = [picture for chart in run.findings.charts for picture in chart_pictures(chart)]
    said, notes = map(Words, run.findings.sentences), _notes(run.findings.tables)
    yield Slide("What is the speed-up of each stage?", [*blocks, *said], _source(run.description), notes)


def _scale(run: Beside) -> Iterator[Slide]:
    """Yield the first axis, and the others along which an implementation overtakes another."""
    drawn = [scaling for scaling in run.scalings if any(curve.points for curve in scaling.curves)]
    for scaling in [*drawn[:1], *(scaling for scaling in drawn[1:] if scaling.crossovers)]:
        said, title = scaling_sentences([scaling]), f"How does time grow? Along {clean(scaling.counted)}"
        yield Slide(title, [scaling_picture(scaling), *map(Words, said[:2])], _source(run.description), said)


def _why(summary: Summary, run: Beside | None) -> Iterator[Slide]:
    differing = setting.differing_fields(list(setting.recipes_of(summary).values()))
    differences = _rows(setting.recipes_table(summary), differing)
    yield Slide("Why? What differs at once", [differences], _source(summary.description))
    if run is None:
        unknown = (
            "This run compares implementations as they are. It did not change one factor at a time, so it does not say "
            "how much any single cause accounts for."
        )
        remedy = "backprop-bench explain does; its run beside this one fills these slides."
        yield Slide("Why? Not yet known", [Words(unknown), Words(remedy)], _source(summary.description))
        return
    for part in run.findings.parts:  # their first sentences are about their charts, in the same order
        for chart, text in zip(part.charts, part.sentences, strict=False):
            notes = [*part.sentences, *_notes(part.tables)]
            shown: list[Block] = [*chart_pictures(chart), Words(text)]
            yield Slide(f"Why? {clean(chart.title)}", shown, _source(run.description), notes)


def _failed(beside: Iterable[Beside]) -> Iterator[Slide]:
    """Yield what failed in the runs beside; what failed in the run itself is on its first slide."""
    for run in beside:
        yield Slide("What failed", list(map(Words, run.findings.failures)), _source(run.description))


def _where_measured(summary: Summary, beside: Iterable[Beside]) -> Iterator[Slide]:
    table = _rows(setting.environment_table(summary), (*MACHINE, *SOFTWARE))
    yield Slide("Where it was measured", [table], _source(summary.description))
    commands = [found.command for found in (summary.description, *(run.description for run in beside))]
    again = [Words("The numbers hold for one machine and one set of versions. On yours:")]
    yield Slide("Measure it yourself", [*again, *(Words(command, bold=True) for command in commands)])
    own = [
        Words("Is a network of your own right, and where does it go wrong if not?"),
        Words("backprop-bench parity path/to/file.py:ClassName", bold=True),
    ]
    notes = ["docs/notebook.ipynb goes through the derivation, with questions for a class."]
    yield Slide("Check a network of your own", own, notes=notes)


def _rows(table: Table, first_cells: Sequence[str]) -> Table:
    return dataclasses.replace(table, rows=tuple(row for row in table.rows if row[0] in first_cells))


def _notes(found: Sequence[Table]) -> list[str]:
    return [f"{table.title}: {table.note}" for table in found if table.note]


def _source(description: Description) -> str:
    """Return which run the numbers of a slide are of."""
    model = description.environment.get("cpu", {}).get("model")
    command = " ".join(description.command.split()[1:2])
    return " · ".join([command, description.created[:10], *([clean(model)] if model else [])])

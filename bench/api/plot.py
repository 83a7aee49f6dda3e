"""``plot``: the figure of a result, as its report has it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from backprop_bench.bench.api.compare import Comparison
from backprop_bench.bench.api.timing import Timing
from backprop_bench.bench.api.training import Training
from backprop_bench.bench.cli.report import COMPARE, findings_of_run
from backprop_bench.bench.compare.figures import drawable, left_out
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.run_folder import command_of_run
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.predictions.load import outcomes_of_run
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import listing
from backprop_bench.data import InputError

Result = Comparison | Timing | Training | str | Path
Drawn = Mapping[str, Callable[[], Drawing]]
"""By name of a figure, what draws it."""


def plot(result: Result, figure: str | None = None) -> Figure:
    """Draw a result; a notebook shows the figure, and ``savefig`` writes it.

    Parameters
    ----------
    result
        Of ``time``, ``train`` or ``compare``, or the folder of a run of any command, such as ``"results/latest"``.
    figure
        Which one: a name of a file in the folder ``figures`` of a report, such as ``"ratios"`` or
        ``"learning-curves"``; ``None`` for that which answers the question.

    Returns
    -------
    matplotlib.figure.Figure
        10.5 inches wide. What it shows in words is its label.

    Raises
    ------
    InputError
        For what has no figure, or not this one, naming those that there are.
    """
    with style.look():
        drawing = _drawing(result, figure)
    drawing.figure.set_label(drawing.alt)
    return drawing.figure


def _drawing(result: Result, figure: str | None) -> Drawing:
    if isinstance(result, Training):
        return _of_summary(result.summary, figure)
    if isinstance(result, Comparison | Timing):
        result = result.folder
    if not isinstance(result, str | Path):
        kind = type(result).__name__
        raise InputError(f"{kind} has no figure; expected a result of time, train or compare, or the folder of a run")
    folder = Path(result).resolve()
    if command_of_run(folder) == COMPARE:
        run = read_run(folder)
        return _of_summary(
            summarize(run.description, run.rows, outcomes_of_run(folder, run.description, run.rows)), figure
        )
    drawings = [drawing for part in findings_of_run(folder).parts for drawing in part.draw()]
    return _chosen({drawing.name: lambda drawing=drawing: drawing for drawing in drawings}, figure, {})  # type: ignore[misc]


def _of_summary(summary: Summary, figure: str | None) -> Drawing:
    drawn = drawable(summary)
    performances = [item for question in summary.questions for item in question.performances]
    timed, trained = any(item.wall_s.n for item in performances), any(item.curve for item in performances)
    main = "overview" if timed and trained else "epoch-times" if timed else "learning-curves"
    return _chosen(drawn, figure or (main if main in drawn else None), left_out(summary))


def _chosen(drawn: Drawn, figure: str | None, left_out: Mapping[str, str]) -> Drawing:
    if not drawn:
        raise InputError("there is nothing to draw: nothing was timed or trained")
    name = next(iter(drawn)) if figure is None else figure
    if name not in drawn:
        reason = f": {left_out[name]}" if name in left_out else ""
        raise InputError(f"there is no figure {name!r} of this result{reason}; expected {listing(drawn, 'or')}")
    return drawn[name]()

"""``backprop-bench calibrate``: A/A tests and injected slowdowns."""

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on, run_all
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.report.findings import Finding, Findings, save_figure
from backprop_bench.bench.selftest.analysis import Calibration, summarize_calibration
from backprop_bench.bench.selftest.plan import Trials, plan_calibration
from backprop_bench.bench.selftest.repeatability_command import repeatability
from backprop_bench.bench.selftest.view import (
    calibration_charts,
    calibration_sentences,
    calibration_table,
    draw_calibration,
)
from backprop_bench.data import InputError


@click.command()
@click.option("--implementation", default="scratch-numpy", show_default=True, help="What is compared with itself.")
@click.option("--trials", default=200, show_default=True, help="Number of A/A tests: trials with equal copies.")
@click.option("--slowed", default=20, show_default=True, help="Trials of every injected slowdown.")
@click.option(
    "--slowdown",
    "slowdowns",
    type=float,
    multiple=True,
    default=(2.0, 3.0),
    show_default=True,
    metavar="PERCENT",
    help="Injected slowdown of the second copy; repeatable.",
)
@click.option("--cost", default=0, show_default=True, help="Trials of block-switching overhead; minutes each.")
@click.option(
    "--target",
    type=float,
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="Half-width of the 95 % CI at which a trial stops.",
)
@click.option(
    "--budget", type=float, default=20.0, show_default=True, metavar="SECONDS", help="Time budget of every trial."
)
@click.option(
    "--at-once",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Trials in parallel, each on its own cores.",
)
@run_options("trials that were stopped")
def calibrate(
    options: RunOptions,
    implementation: str,
    trials: int,
    slowed: int,
    slowdowns: tuple[float, ...],
    cost: int,
    target: float,
    budget: float,
    at_once: int,
) -> None:
    """Measure false-positive rate and detection rate: one implementation against itself, and against a slowed copy.

    In an A/A test the 95 % CI should exclude 1 in 5 % of the trials. With an injected slowdown it should exclude 1 in
    as many as possible. The smallest slowdown that nine of ten trials detect is the resolution on this machine.

    \b
    Examples:
      backprop-bench calibrate
      backprop-bench calibrate --trials 50 --slowed 10 --slowdown 2 --slowdown 5
      backprop-bench calibrate --implementation torch-eager --trials 0 --slowed 0 --cost 1 --budget 400
      backprop-bench calibrate --resume
    """  # noqa: D301 (click reads the backspace)
    shares = tuple(slowdown / 100 for slowdown in slowdowns)
    asked = Trials(trials, slowed, shares, cost, target / 100, budget, at_once)
    folder = folder_of_run(
        options,
        lambda dataset: plan_calibration(implementation, dataset, asked),
        choose_cores=functools.partial(_cores_of_trials, at_once=at_once),
    )
    bars = Bars()

    def measure(run: RunContext) -> None:
        with bars.stage("trials", len(run.plan.questions)):
            run_all(run)

    measured = go_on(folder, _Trials(bars), measure)
    finish(options.output, lambda: calibrate_findings(measured), folder)


def _cores_of_trials(cpus: str | None, threads: int, at_once: int) -> tuple[int, ...]:
    cores = chosen_cores(cpus, threads)
    if at_once * threads > len(cores):
        raise InputError(
            f"--at-once is {at_once}, but there are {len(cores)} cores for trials of {threads} threads each; "
            f"expected 1 to {len(cores) // threads}"
        )
    return cores


def calibrate_findings(run: RecordedRun) -> Findings:
    """Return the findings of a run of ``calibrate``."""
    calibration = summarize_calibration(run.description, run.rows)
    finding = Finding(
        name="calibration",
        sentences=calibration_sentences(calibration),
        tables=[calibration_table(calibration)],
        charts=calibration_charts(calibration),
    )
    failures = sorted({row.message for row in of_kind(run.rows, Failure)})
    return Findings([finding], failures, bool(failures), functools.partial(_write_calibration, calibration))


def _write_calibration(calibration: Calibration, folder: Path) -> list[Path]:
    content = (json.dumps(calibration.to_dict(), indent=2) + "\n").encode()
    figures = save_figure(draw_calibration(calibration), folder) if calibration.slowdowns else []
    return [write_whole(folder / "calibration.json", content), *figures]


class _Trials:
    """Reports progress by trial."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextlib.contextmanager
    def stage(self, title: str, total: float) -> Iterator[None]:  # noqa: ARG002 (part of the interface)
        """Run a stage, which is a trial."""
        yield
        self._bars.advance(title)

    def advance(self, detail: str, steps: float = 1) -> None:
        """Ignore the steps within a trial."""


DESCRIPTORS = (
    Descriptor(
        calibrate,
        calibrate_findings,
        latest="latest-calibration",
        section="noise",
        heading="Tests of the method",
        sources={"calibration": ("block",)},
    ),
    Descriptor(repeatability),
)

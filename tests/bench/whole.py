"""The article's experiment whole, as a run of ``compare`` would have recorded it, made up from known numbers."""

import dataclasses
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backprop_bench.bench.compare.plan import plan_comparison
from backprop_bench.bench.core.records.kinds import AnyRecord, Block, Epoch, Start, Stop, TimedWork, Verification
from backprop_bench.bench.core.records.plan import Description, Entry, Question
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.data import Dataset, load_dataset

EXAMPLE_S = {
    "as-published": {
        "scratch-numpy": 300e-6,
        "mini-batches": 15e-6,
        "mini-batches, float32": 10e-6,
        "PyTorch's recipe": 10e-6,
        "torch-eager": 16e-6,
        "torch-loader": 20e-6,
    },
    "same-recipe": {"scratch-numpy": 6e-6, "scratch-compiled": 2e-6, "torch-eager": 10e-6, "torch-loader": 14e-6},
}
"""Seconds per example, exactly, in every block."""
ACCURACY = {
    "scratch-numpy": 0.971,
    "mini-batches, float32": 0.941,
    "cross-entropy": 0.973,
    "cross-entropy, mini-batches": 0.971,
    "torch-loader": 0.974,
    "all at once": 0.19,
}
"""After the last epoch, on the average of the seeds."""
STEP = 0.01
"""How much less it is an epoch earlier."""


def whole_run(
    accuracy: Mapping[str, float] | None = None,
    example_s: Mapping[str, Mapping[str, float]] | None = None,
    without: Iterable[str] = (),
    seeds: int = 4,
    dataset: Dataset | None = None,
) -> RecordedRun:
    """Make a run.

    Parameters
    ----------
    accuracy, example_s
        What differs from :data:`ACCURACY` and :data:`EXAMPLE_S`.
    without
        Labels that nothing is recorded of.
    seeds
        From which each recipe is trained.
    """
    plan = plan_comparison("default", dataset or load_dataset("mnist"))
    questions = tuple(dataclasses.replace(one, seeds=tuple(range(seeds))) for one in plan.questions)
    plan = dataclasses.replace(plan, questions=questions)
    times = {name: {**known, **(example_s or {}).get(name, {})} for name, known in EXAMPLE_S.items()}
    reached = {**ACCURACY, **(accuracy or {})}
    description = Description(
        plan=plan,
        environment={"cpu": {"model": "made up"}},
        dataset="mnist",
        dataset_crc32="0",
        threads=1,
        cpus=(0,),
        command="backprop-bench compare",
    )
    rows: list[AnyRecord] = []
    for question in questions:
        entries = [entry for entry in question.entries if entry.name not in set(without)]
        rows += [row for entry in entries for row in _of_entry(question, entry, times[question.name], reached)]
        rows.append(Stop(session=0, question=question.name, reason="precise", replicates=8, spent_s=9.0))
    return RecordedRun(Path(), description, rows)


def whole_summary(
    accuracy: Mapping[str, float] | None = None,
    example_s: Mapping[str, Mapping[str, float]] | None = None,
    without: Iterable[str] = (),
    seeds: int = 4,
) -> Summary:
    """Return the summary of :func:`whole_run`."""
    run = whole_run(accuracy, example_s, without, seeds)
    return summarize(run.description, run.rows)


def _of_entry(
    question: Question, entry: Entry, example_s: Mapping[str, float], accuracy: Mapping[str, float]
) -> list[AnyRecord]:
    rows: list[AnyRecord] = [] if entry.second_copy else [_checked(question, entry)]
    if entry.timed:
        rows += _timed(question, entry, example_s[entry.name])
    if entry.trained and not entry.second_copy:
        known = accuracy.get(entry.label, accuracy["torch-loader"])
        rows += [
            _epoch(question, entry, seed, epoch, known)
            for seed in question.seeds
            for epoch in range(question.epochs + 1)
        ]
    return rows


def _checked(question: Question, entry: Entry) -> Verification:
    return Verification(
        session=0,
        question=question.name,
        implementation=entry.label,
        reference="torch-eager",
        check="gradients",
        dtype="float32",
        passed=True,
        difference=1e-8,
        tolerance=1e-5,
        where="layer 1 weight[0, 0]",
    )


def _epoch(question: Question, entry: Entry, seed: int, epoch: int, known: float) -> Epoch:
    noise = random.Random(f"{question.name} {entry.recipe_name} {seed} {epoch}").gauss(0, 0.0003)
    reached = known - STEP * (question.epochs - epoch) + noise if epoch else 0.1
    return Epoch(
        session=0,
        question=question.name,
        implementation=entry.label,
        seed=seed,
        epoch=epoch,
        examples=question.examples,
        loss=0.5 / epoch if epoch else None,
        accuracy=max(0.0, reached),
        trained_by="scratch-compiled",
    )


def _timed(question: Question, entry: Entry, example_s: float) -> list[AnyRecord]:
    of: dict[str, Any] = {"session": 0, "question": question.name, "implementation": entry.label}
    rows: list[AnyRecord] = []
    for replicate in range(8):
        rows.append(
            Start(
                **of,
                replicate=replicate,
                timing_pass=1,
                cores=None,
                threads=(),
                block_batches=1,
                energy="none",
                import_s=None,
                load_s=None,
                prepare_s=None,
                first_s=0.1,
            )
        )
        for number in range(4):
            wall_s = 1000 * example_s
            place: dict[str, Any] = {
                "replicate": replicate,
                "round": number,
                "position": 0,
                "at_s": 1.0,
                "injected": 0.0,
            }
            rows.append(Block(**of, **place, examples=1000, wall_s=wall_s, cpu_s=wall_s, loss=0.1, energy_j=None))
        work: dict[str, Any] = {"turns": 4, "checked": 4, "batches": 99, "passed": True}
        work |= {"difference": 1e-9, "tolerance": 1e-6, "where": "weight"}
        rows.append(TimedWork(**of, number=replicate, reference="scratch-compiled", **work))
    return rows

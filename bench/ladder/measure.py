"""The stages of the ladder: from lists to compiled loops, from a newcomer's PyTorch to its fastest, and peers."""

import dataclasses
import secrets
from typing import Any

from backprop_bench.bench.core.engine.accuracy import open_entry
from backprop_bench.bench.core.engine.book import Book
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.plan import BLOCK_S, MIN_REPLICATES, Extent, check_timing, make_question
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.implementations import BASELINES, named_implementation
from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.kinds import End, Failure, Memory
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.worker.client import Worker, WorkerError, start_again
from backprop_bench.bench.core.worker.replies import MemoryUse
from backprop_bench.bench.core.worker.shared_data import SharedForms
from backprop_bench.data import Dataset, InputError, Recipe

ROUNDS = 8
"""In a process replicate: with so many implementations, their start takes longer than their blocks."""
VERIFICATION_STEPS = 200
"""Weight updates after which the verification compares float64 weights."""
MEMORY_BATCHES = 20
"""Of the training whose memory is measured."""
LADDER = "ladder"
"""Name of the question in the records."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of the ladder.

    Attributes
    ----------
    name
        What the records call it.
    implementation
        What is run.
    changes
        How its recipe differs from the shared one. Where it does, the stage changes what is computed, not only how.
    """

    name: str
    implementation: str
    changes: tuple[tuple[str, Any], ...] = ()


DOUBLE = ("dtype", "float64")
STAGES = (
    Stage("lists, example by example", "scratch-python", (("batch_size", 1), DOUBLE)),
    Stage("NumPy, example by example", "scratch-numpy", (("batch_size", 1), DOUBLE)),
    Stage("all examples at once", "scratch-numpy", (("batch_size", None), DOUBLE)),
    Stage("batches", "scratch-numpy", (DOUBLE,)),
    Stage("float32", "scratch-numpy"),
    Stage("no temporaries", "scratch-inplace"),
    Stage("compiled, zeros left out", "scratch-compiled"),
    Stage("DataLoader", "torch-loader"),
    Stage("tensors by index", "torch-eager"),
    Stage("fused optimizer", "torch-fused"),
    Stage("no autograd", "torch-manual"),
    Stage("compiled step", "torch-compile"),
    Stage("CUDA graph", "torch-cuda-graph"),
    Stage("scikit-learn", "sklearn"),
    Stage("JAX", "jax"),
    Stage("NumPy's products alone", "numpy-products"),
    Stage("PyTorch's products alone", "torch-products"),
)
"""By side, in the order they build on each other. The last are the dense-GEMM baselines."""
BEFORE_BLAS = "no temporaries"
"""The stage before the one with other kernels of OpenBLAS."""
SELF_TEST = "float32"
"""The stage of the A/A test."""


def plan_ladder(
    dataset: Dataset,
    recipe: Recipe,
    examples: int | None,
    target: float,
    budget_s: float,
    selected: tuple[str, ...] = (),
    core_type: str | None = None,
) -> tuple[Plan, dict[str, str]]:
    """Plan what ``ladder`` does.

    Parameters
    ----------
    recipe
        What every stage computes, apart from its own changes. Of stages that are then the same, the first one is timed.
    examples
        Training examples, the first ones of the dataset; ``None`` for all.
    target
        Relative half-width of the interval of every ratio at which timing may stop.
    budget_s
        Seconds for the timing.
    selected
        Implementations whose stages are timed; empty for all.
    core_type
        Whose kernels are faster than those that OpenBLAS picks; ``None`` where there are none.

    Returns
    -------
    plan
        A question in which nothing is trained for accuracy.
    left_out
        Why stages are not in it, by name.

    Raises
    ------
    InputError
        For implementations without a stage, fewer than two stages, or an impossible target or budget.
    """
    known = list(dict.fromkeys(stage.implementation for stage in STAGES if stage.implementation not in BASELINES))
    for name in selected:
        if name not in known:
            raise InputError(f"{name!r} is no stage of the ladder; expected one of {', '.join(known)}")
    asked = [stage for stage in STAGES if not selected or stage.implementation in (*selected, *BASELINES)]
    left_out = {stage.name: reason for stage in asked if (reason := _unavailable(stage)) is not None}
    by_recipe: dict[tuple[str, Recipe], Entry] = {}
    for stage in asked:
        if stage.name not in left_out:
            entry = _entry(stage, recipe)
            by_recipe.setdefault((entry.implementation, entry.recipe), entry)
    entries = list(by_recipe.values())
    place = next((number for number, entry in enumerate(entries, 1) if entry.name == BEFORE_BLAS), None)
    if place is not None and core_type is not None:
        name = f"OpenBLAS as {core_type}"
        entries.insert(place, dataclasses.replace(entries[place - 1], alias=name, core_type=core_type))
    timed = [entry for entry in entries if entry.implementation not in BASELINES]
    if len(timed) < 2:
        raise InputError(f"the ladder has {len(timed)} of its stages here, expected two or more to compare")
    copied = next((entry for entry in timed if entry.name == SELF_TEST), timed[-1])
    entries.append(dataclasses.replace(copied, second_copy=True))
    timing = Timing(target, budget_s, BLOCK_S, ROUNDS, MIN_REPLICATES, secrets.randbits(32))
    check_timing(timing, len(entries))
    extent = Extent(examples=examples, epochs=0, seeds=0, budget_s=budget_s)
    question = make_question(
        LADDER, f"The ladder: one idea a stage, {_shape(recipe)}", dataset, extent, entries, timing
    )
    return Plan((question,), part_blocks=0, part_seconds=0.0, verification_steps=VERIFICATION_STEPS), left_out


def _shape(recipe: Recipe) -> str:
    return f"{'-'.join(map(str, recipe.layer_sizes))}, batch {recipe.batch_size}"


def _unavailable(stage: Stage) -> str | None:
    return named_implementation(stage.implementation).unavailable()


def _entry(stage: Stage, recipe: Recipe) -> Entry:
    changed = ", ".join(f"{name} {'all' if value is None else value}" for name, value in stage.changes)
    recipe_name = f"shared, {changed}" if changed else "shared"
    return Entry(stage.implementation, recipe_name, recipe.replace(**dict(stage.changes)), alias=stage.name)


def run_ladder(run: RunContext) -> None:
    """Verify and time every stage, then measure the memory of each; recorded results are not measured again."""
    Runner(run).run()
    book = run.book
    (question,) = run.plan.questions
    missing = [
        entry
        for entry in question.originals
        if book.find(End, question, implementation=entry.label)
        and not book.find(Memory, question, implementation=entry.label)
        and not book.find(Failure, question, implementation=entry.label, phase="memory")
    ]
    try:
        with SharedForms(run.dataset) as shared, run.progress.stage("memory", len(missing)):
            for entry in missing:
                _measure_memory(question, entry, shared, run.threads, book)
                run.progress.advance(entry.name)
    finally:
        start_again()


def _measure_memory(question: Question, entry: Entry, shared: SharedForms, threads: int, book: Book) -> None:
    examples = shared.of(entry.recipe, question.examples)
    try:
        with Worker(threads, descriptors=[examples.descriptor], environment=entry.environment) as worker:
            open_entry(entry, examples, worker, threads, list(usable_core_numbers()))
            use = worker.ask("memory", MemoryUse, batches=MEMORY_BATCHES)
    except WorkerError as failure:
        book.add_failure(question, entry, "memory", None, str(failure))
        return
    book.add(
        Memory(
            session=book.session,
            question=question.name,
            implementation=entry.label,
            parameter_bytes=use.parameter_bytes,
            training_bytes=use.training_bytes,
        )
    )

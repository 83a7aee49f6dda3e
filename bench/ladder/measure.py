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
class Rung:
    """One step of the ladder.

    Attributes
    ----------
    name
        What the records call it.
    implementation
        What is run.
    changes
        How its recipe differs from the shared one. Where it does, the rung changes what is computed, not only how.
    """

    name: str
    implementation: str
    changes: tuple[tuple[str, Any], ...] = ()


DOUBLE = ("dtype", "float64")
RUNGS = (
    Rung("lists, example by example", "scratch-python", (("batch_size", 1), DOUBLE)),
    Rung("NumPy, example by example", "scratch-numpy", (("batch_size", 1), DOUBLE)),
    Rung("all examples at once", "scratch-numpy", (("batch_size", None), DOUBLE)),
    Rung("batches", "scratch-numpy", (DOUBLE,)),
    Rung("float32", "scratch-numpy"),
    Rung("no temporaries", "scratch-inplace"),
    Rung("compiled, zeros left out", "scratch-compiled"),
    Rung("DataLoader", "torch-loader"),
    Rung("tensors by index", "torch-eager"),
    Rung("fused optimizer", "torch-fused"),
    Rung("no autograd", "torch-manual"),
    Rung("compiled step", "torch-compile"),
    Rung("CUDA graph", "torch-cuda-graph"),
    Rung("scikit-learn", "sklearn"),
    Rung("JAX", "jax"),
    Rung("NumPy's products alone", "numpy-products"),
    Rung("PyTorch's products alone", "torch-products"),
)
"""By side, in the order they build on each other. The last are the dense-GEMM baselines."""
BEFORE_BLAS = "no temporaries"
"""The rung below the one with other kernels of OpenBLAS."""
SELF_TEST = "float32"
"""The rung that is timed against itself."""


def plan_ladder(
    dataset: Dataset,
    recipe: Recipe,
    examples: int | None,
    target: float,
    budget_s: float,
    chosen: tuple[str, ...] = (),
    core_type: str | None = None,
) -> tuple[Plan, dict[str, str]]:
    """Plan what ``ladder`` does.

    Parameters
    ----------
    recipe
        What every rung computes, but for what it changes itself. Of rungs that are the same then, the first one is
        climbed.
    examples
        Training examples, the first ones of the dataset; ``None`` for all.
    target
        Half-width of the interval of every ratio, as a share of it, at which timing may stop.
    budget_s
        Seconds for the timing.
    chosen
        Implementations whose rungs are climbed; empty for all.
    core_type
        Whose kernels OpenBLAS had better use; ``None`` where it picks the fastest by itself.

    Returns
    -------
    plan
        A question in which nothing is trained for accuracy.
    left_out
        Why rungs are not in it, by name.

    Raises
    ------
    InputError
        For implementations that have no rung, fewer than two rungs, or a target or budget that is impossible.
    """
    known = list(dict.fromkeys(rung.implementation for rung in RUNGS if rung.implementation not in BASELINES))
    for name in chosen:
        if name not in known:
            raise InputError(f"{name!r} is no stage of the ladder; expected one of {', '.join(known)}")
    asked = [rung for rung in RUNGS if not chosen or rung.implementation in (*chosen, *BASELINES)]
    left_out = {rung.name: reason for rung in asked if (reason := _unavailable(rung)) is not None}
    by_recipe: dict[tuple[str, Recipe], Entry] = {}
    for rung in asked:
        if rung.name not in left_out:
            entry = _entry(rung, recipe)
            by_recipe.setdefault((entry.implementation, entry.recipe), entry)
    entries = list(by_recipe.values())
    place = next((number for number, entry in enumerate(entries, 1) if entry.name == BEFORE_BLAS), None)
    if place is not None and core_type is not None:
        name = f"OpenBLAS as {core_type}"
        entries.insert(place, dataclasses.replace(entries[place - 1], alias=name, core_type=core_type))
    climbed = [entry for entry in entries if entry.implementation not in BASELINES]
    if len(climbed) < 2:
        raise InputError(f"the ladder has {len(climbed)} of its stages here, expected two or more to compare")
    copied = next((entry for entry in climbed if entry.name == SELF_TEST), climbed[-1])
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


def _unavailable(rung: Rung) -> str | None:
    return named_implementation(rung.implementation).unavailable()


def _entry(rung: Rung, recipe: Recipe) -> Entry:
    changed = ", ".join(f"{name} {'all' if value is None else value}" for name, value in rung.changes)
    said = f"shared, {changed}" if changed else "shared"
    return Entry(rung.implementation, said, recipe.replace(**dict(rung.changes)), alias=rung.name)


def run_ladder(run: RunContext) -> None:
    """Verify and time every stage, then measure the memory of each; what is recorded already is not done again."""
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

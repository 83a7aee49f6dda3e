"""The rungs of the ladder: from lists to the limit by hand, from a newcomer's PyTorch to its fastest, and peers."""

import dataclasses
import secrets
from typing import Any

from bench.compute.schedule import Timing
from bench.implementations import FLOORS, named_implementation
from bench.run.plan import BLOCK_S, MIN_SETS, Entry, Extent, Plan, check_timing, make_question
from data import SHARED, Dataset, InputError, fit_recipe

ROUNDS = 8
"""In a process set: with so many implementations, their start takes longer than their blocks."""
PROOF_STEPS = 200
"""Weight changes after which the parity proof compares float64 weights."""
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
    Rung("lists, case by case", "scratch-python", (("batch_size", 1), DOUBLE)),
    Rung("NumPy, case by case", "scratch-numpy", (("batch_size", 1), DOUBLE)),
    Rung("all cases at once", "scratch-numpy", (("batch_size", None), DOUBLE)),
    Rung("batches", "scratch-numpy", (DOUBLE,)),
    Rung("float32", "scratch-numpy"),
    Rung("no temporaries", "scratch-inplace"),
    Rung("compiled, zeros left out", "scratch-compiled"),
    Rung("DataLoader", "torch-loader"),
    Rung("tensors by index", "torch-eager"),
    Rung("fused optimizer", "torch-fused"),
    Rung("no autograd", "torch-manual"),
    Rung("compiled step", "torch-compile"),
    Rung("scikit-learn", "sklearn"),
    Rung("JAX", "jax"),
    Rung("NumPy's products alone", "numpy-products"),
    Rung("PyTorch's products alone", "torch-products"),
)
"""By side, the slowest first; each is one idea further than the one before it on the same side. The last are floors."""
BEFORE_BLAS = "no temporaries"
"""The rung below the one with other kernels of OpenBLAS."""
SELF_TEST = "float32"
"""The rung that is timed against itself."""


def plan_ladder(
    dataset: Dataset,
    cases: int | None,
    target: float,
    budget_s: float,
    chosen: tuple[str, ...] = (),
    core_type: str | None = None,
) -> tuple[Plan, dict[str, str]]:
    """Plan what ``ladder`` does.

    Parameters
    ----------
    cases
        Training cases, the first ones of the dataset; ``None`` for all.
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
    known = list(dict.fromkeys(rung.implementation for rung in RUNGS if rung.implementation not in FLOORS))
    for name in chosen:
        if name not in known:
            raise InputError(f"{name!r} has no rung on the ladder; expected one of {', '.join(known)}")
    asked = [rung for rung in RUNGS if not chosen or rung.implementation in (*chosen, *FLOORS)]
    left_out = {rung.name: reason for rung in asked if (reason := _unavailable(rung)) is not None}
    entries = [_entry(rung, dataset) for rung in asked if rung.name not in left_out]
    place = next((number for number, entry in enumerate(entries, 1) if entry.name == BEFORE_BLAS), None)
    if place is not None and core_type is not None:
        name = f"OpenBLAS as {core_type}"
        entries.insert(place, dataclasses.replace(entries[place - 1], rung=name, core_type=core_type))
    climbed = [entry for entry in entries if entry.implementation not in FLOORS]
    if len(climbed) < 2:
        raise InputError(f"the ladder has {len(climbed)} rungs here, expected two or more to compare")
    copied = next((entry for entry in climbed if entry.name == SELF_TEST), climbed[-1])
    entries.append(dataclasses.replace(copied, again=True))
    timing = Timing(target, budget_s, BLOCK_S, ROUNDS, MIN_SETS, secrets.randbits(32))
    check_timing(timing, len(entries))
    extent = Extent(cases=cases, epochs=0, seeds=0, budget_s=budget_s)
    question = make_question(LADDER, "The ladder: one idea a rung", dataset, extent, entries, timing)
    return Plan((question,), part_blocks=0, part_seconds=0.0, proof_steps=PROOF_STEPS), left_out


def _unavailable(rung: Rung) -> str | None:
    return named_implementation(rung.implementation).unavailable()


def _entry(rung: Rung, dataset: Dataset) -> Entry:
    recipe = fit_recipe(SHARED, dataset).replace(**dict(rung.changes))
    changed = ", ".join(f"{name} {'all' if value is None else value}" for name, value in rung.changes)
    return Entry(rung.implementation, f"shared, {changed}" if changed else "shared", recipe, rung=rung.name)

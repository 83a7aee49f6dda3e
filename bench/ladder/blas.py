"""Which kernels of OpenBLAS are fastest on this processor: OpenBLAS picks them by the model, not by a measurement."""

import contextlib
import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from backprop_bench.bench.core.engine.timed_worker import TimedWorker
from backprop_bench.bench.core.machine.environment import environment, usable_core_numbers
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.stats.intervals import Interval, geometric_mean_interval
from backprop_bench.bench.core.stats.ratios import p10, seconds_per_example
from backprop_bench.bench.core.worker.client import WorkerError
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.data import SHARED, Dataset, fit_recipe

CORE_TYPES = {
    "Haswell": {"avx2", "fma"},
    "Zen": {"avx2", "fma"},
    "SkylakeX": {"avx512f"},
    "Cooperlake": {"avx512_bf16"},
    "SapphireRapids": {"amx_tile"},
}
"""Values of ``OPENBLAS_CORETYPE``, and the instructions without which one ends in an illegal instruction."""
REPLICATES, ROUNDS, BLOCK_S = 4, 10, 0.03
EXAMPLES = 640
MIN_SPEEDUP = 1.02
"""Speed-up from which on another core type is selected."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """The result of a probe.

    Attributes
    ----------
    picked
        The core type that OpenBLAS picks by itself.
    fastest
        The one whose products take the least time; ``None`` where none is significantly faster than `picked`.
    speedups
        By core type, time(picked) / time(core type) of the matrix products of a step of the shared recipe.
    """

    picked: str
    fastest: str | None
    speedups: Mapping[str, Interval]


def select_core_type(speedups: Mapping[str, Interval]) -> str | None:
    """Return the core type with the largest speed-up among those of 2 % or more whose interval lies above 1."""
    significant = {
        name: speedup.estimate
        for name, speedup in speedups.items()
        if speedup.low > 1 and speedup.estimate >= MIN_SPEEDUP
    }
    return max(significant, key=lambda name: significant[name], default=None)


def possible_core_types(simd: Sequence[str] | None) -> list[str]:
    """Return the core types that a processor with these instructions can run."""
    return [name for name, needed in CORE_TYPES.items() if needed <= set(simd or ())]


def probe_blas(dataset: Dataset, threads: int) -> Probe | None:
    """Time the matrix products of a step with every core type, interleaved; ``None`` where NumPy has no OpenBLAS."""
    names = possible_core_types(environment().cpu.simd)
    by_name: dict[str, list[float]] = {}
    picked = ""
    with SharedForms(dataset.subset(EXAMPLES)) as shared:
        entry = Entry("numpy-products", "shared", fit_recipe(SHARED, dataset))
        n_examples = min(EXAMPLES, len(dataset.x_train))
        examples = shared.of(entry.recipe, n_examples)
        for number in range(REPLICATES):
            picked, times = _replicate([None, *names], entry, examples, threads, number, n_examples)
            if not picked:
                return None
            for name, seconds in times.items():
                by_name.setdefault(name, []).append(seconds)
    speedups = {name: geometric_mean_interval(ratios) for name, ratios in by_name.items() if len(ratios) == REPLICATES}
    return Probe(picked, select_core_type(speedups), speedups)


def _replicate(
    names: Sequence[str | None],
    entry: Entry,
    examples: SharedExamples,
    threads: int,
    number: int,
    n_examples: int,
) -> tuple[str, dict[str, float]]:
    """Return what OpenBLAS picks by itself, and the speed-up of every core type, without those that break."""
    cores = list(usable_core_numbers())[:threads]
    rng = random.Random(number)
    times: dict[str | None, list[float]] = {}
    picked = ""
    with contextlib.ExitStack() as stack:
        workers: dict[str | None, TimedWorker] = {}
        for name in names:
            of_type = dataclasses.replace(entry, core_type=name)
            with contextlib.suppress(WorkerError):
                worker, opened = stack.enter_context(opened_worker(of_type, examples, threads, cores))
                used = architecture(opened.threads)
                picked = used if name is None else picked
                if name is not None and (used.lower() != name.lower() or used == picked):
                    continue  # it was not built in, or is what it picks by itself
                worker.ask("begin", Begun, seed=0)
                timed = TimedWorker(worker, of_type, n_examples, None, ROUNDS)
                timed.warm_up(BLOCK_S, None)
                workers[name] = timed
        for _ in range(ROUNDS):
            for name in rng.sample(list(workers), len(workers)):
                try:
                    block, _ = workers[name].block(1 + EXAMPLES // 64, "")
                except WorkerError:
                    del workers[name]
                    continue
                times.setdefault(name, []).append(seconds_per_example(block))
    if None not in workers:
        return "", {}
    own = p10(times[None])
    return picked, {str(name): own / p10(times[name]) for name in workers if name is not None}


def architecture(pools: Sequence[Mapping[str, Any]]) -> str:
    """Return the core type that OpenBLAS uses in a process; empty where it has none."""
    names = [str(pool.get("architecture", "")) for pool in pools if pool.get("internal_api") == "openblas"]
    return names[0] if names else ""

"""A plausible run as it would have been recorded, made up: the same arguments give the same rows."""

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backprop_bench.bench.core.network import LabelledExamples, Outcomes, TrainedNetwork
from backprop_bench.bench.core.records.reader import RECORDS
from backprop_bench.bench.core.stats.schedule import balanced_orders
from backprop_bench.data import RECIPES, Layer
from tests.bench.plain import Row, as_rows, typed, write_description

THREE = ("scratch-numpy", "torch-eager", "torch-loader")
FOURTEEN = (
    "scratch-numpy",
    "scratch-python",
    "scratch-inplace",
    "scratch-compiled",
    "scratch-numpy-float64",
    "torch-eager",
    "torch-loader",
    "torch-compile",
    "torch-cuda-graph",
    "torch-foreach",
    "sklearn",
    "jax",
    "tinygrad",
    "mine",
)
EPOCH_S = {
    "scratch-numpy": 1.21,
    "scratch-python": 310.0,
    "scratch-inplace": 0.74,
    "scratch-compiled": 0.31,
    "torch-eager": 2.46,
    "torch-loader": 7.9,
    "torch-compile": 1.12,
    "torch-cuda-graph": 0.083,
    "sklearn": 2.9,
    "jax": 1.7,
}
"""Wall seconds of an epoch; two seconds for every other name."""

PARTS = {"fetch": 0.11, "forward": 0.27, "backward": 0.41, "update": 0.21}
BATCH_SIZE = 64
"""Examples of a step whose parts are timed."""
BLOCK_S, ROUNDS, BUDGET_S = 0.05, 6, 90.0


def recorded_run(
    implementations: Sequence[str] = THREE,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 5,
    epoch_s: Mapping[str, float] | None = None,
    accuracy: Mapping[str, float] | None = None,
    diverged: tuple[str, int] | None = None,
    failures: Mapping[str, str] | None = None,
    parity_failure: str | None = None,
    with_parity: bool = True,
    with_parts: bool = True,
    n_replicates: int = 4,
    replicate_spread: float = 0.008,
    target: float = 0.05,
    stop_reason: str = "precise",
    self_test_ratio: float | None = 1.0,
    interfered: float = 0.04,
    with_energy: bool = False,
    keep_rows: int | None = None,
) -> tuple[dict[str, Any], list[Row]]:
    """Make a run with one question of different recipes and one of the same recipe.

    Parameters
    ----------
    implementations
        Those of the second question; the first question has the first and the last of them.
    seeds, epochs
        Of the trainings of both questions. With one seed there are no intervals over seeds.
    epoch_s, accuracy
        Seconds per epoch and final accuracy by implementation, beside what is made up.
    diverged
        Implementation and seed whose loss stops being a number after its first epoch.
    failures
        Message by implementation for those that fail the verification, and so measure nothing.
    parity_failure
        Implementation whose weights do not agree.
    n_replicates
        Process replicates of either question; with none of them nothing was timed.
    replicate_spread
        How much an implementation differs from process replicate to process replicate, as a share of its time.
    target, stop_reason
        Half-width to be reached, and why timing stopped.
    self_test_ratio
        Time of the first implementation's second copy by its own; ``None`` for a run without that copy.
    interfered
        Share of the blocks under interference, which then took half as long again.
    keep_rows
        How many rows a run that was cut short had written.

    Returns
    -------
    tuple
        The description of the run and its rows.
    """
    second_copy = implementations[:1] if self_test_ratio is not None else ()
    questions = [
        _question("as-published", (implementations[0], implementations[-1]), (), seeds, epochs, target),
        _question("same-recipe", implementations, second_copy, seeds, epochs, target),
    ]
    made = _Maker({**EPOCH_S, **(epoch_s or {})}, accuracy or {}, diverged, failures or {}, parity_failure)
    timing = _TimingMaker(made, replicate_spread, self_test_ratio or 1.0, interfered, with_energy)
    rows: list[Row] = []
    for question in questions:
        rows += made.parity(question) if with_parity else []
        rows += made.trainings(question)
        rows += timing.timing(question, n_replicates, stop_reason) if n_replicates else []
        rows += made.parts(question) if with_parts else []
    return _description(questions), rows if keep_rows is None else rows[:keep_rows]


def write_run(folder: Path, command: str, description: dict[str, Any], rows: Sequence[Row], threads: int = 1) -> Path:
    """Leave a run of a command on the disk, as somebody recorded it."""
    told = {"environment": {}, "dataset": "mnist", "dataset_crc32": "0", "cpus": [0], "profile": command}
    folder.mkdir(parents=True)
    write_description(folder, {**told, **description, "threads": threads, "command": f"backprop-bench {command}"})
    (folder / RECORDS).write_text("".join(json.dumps(row) + "\n" for row in as_rows(typed(rows))))
    return folder


def _question(
    name: str,
    implementations: Sequence[str],
    second_copy: Sequence[str],
    seeds: Sequence[int],
    epochs: int,
    target: float,
) -> dict[str, Any]:
    published = name == "as-published"
    recipes = ["article-scratch", "article-torch"] if published else ["shared"] * len(implementations)
    entries = [_entry(implementation, recipe) for implementation, recipe in zip(implementations, recipes, strict=True)]
    return {
        "name": name,
        "title": "The article's experiment: per-example from scratch, mini-batches in PyTorch"
        if published
        else "Same recipe, same weights, same batches, one thread each",
        "examples": 15_000 if published else 60_000,
        "test_examples": 10_000,
        "epochs": epochs,
        "seeds": list(seeds),
        "entries": [
            *entries,
            *(_entry(implementation, recipes[0], second_copy=True) for implementation in second_copy),
        ],
        "timing": {
            "target": target,
            "budget_s": BUDGET_S,
            "block_s": BLOCK_S,
            "rounds": ROUNDS,
            "min_replicates": 3,
            "order_seed": 7,
        },
    }


def _entry(implementation: str, recipe: str, second_copy: bool = False) -> dict[str, Any]:
    return {
        "implementation": implementation,
        "label": f"{implementation} (A/A)" if second_copy else implementation,
        "second_copy": second_copy,
        "injected": 0.0,
        "recipe_name": recipe,
        "recipe": RECIPES[recipe].to_dict(),
    }


def _description(questions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "suite_version": "0.1.0",
        "profile": "default",
        "created": "2026-11-23T15:00:00+00:00",
        "threads": 1,
        "cpus": [2, 3, 4, 6],
        "dataset": "mnist",
        "environment": {
            "cpu": {
                "model": "AMD EPYC 9R14",
                "architecture": "x86_64",
                "logical_cores": 16,
                "usable_cores": 16,
                "quota_cores": None,
                "simd": ["avx2", "fma", "avx512f"],
                "cache_bytes": {"L1d": 32768, "L2": 1 << 20, "L3": 32 << 20},
                "governor": None,
                "turbo": None,
                "virtual_machine": True,
            },
            "memory_bytes": 32 << 30,
            "operating_system": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "Linux 6.1.0",
            "libc": "glibc 2.36",
            "python": "CPython 3.12.7",
            "packages": {"numpy": "2.4.6", "torch": "2.13.0"},
            "checkout": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
            "gpus": [],
        },
        "recipes": {name: recipe.to_dict() for name, recipe in RECIPES.items()},
        "plan": {"questions": questions},
    }


def made_up_outcomes(
    description: Mapping[str, Any],
    n_classes: int = 10,
    *,
    side: float = 6,
    n_examples: int = 200,
    wrong: float = 0.2,
    implementations_differ: int = 0,
    names: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
) -> Outcomes:
    """Make up the networks that a recorded run would have kept, and its test examples.

    Parameters
    ----------
    side
        Of the square images; √30 for 30 inputs, which are none.
    wrong
        Share of the test examples that a network gets wrong; networks with the same recipe the same ones.
    implementations_differ
        Examples in which a network differs from that before it.
    names
        Of the classes; their numbers otherwise.
    only
        Implementations that kept a network; all otherwise.
    """
    rng = np.random.default_rng(5)
    n_inputs, n_units = round(side**2), 15
    labels = np.arange(n_examples) % n_classes
    inputs = rng.integers(0, 256, (n_examples, n_inputs)).astype(np.uint8)
    networks, drawn = [], {}
    for question in description["plan"]["questions"]:
        for entry in question["entries"]:
            if entry["second_copy"] or (only is not None and entry["implementation"] not in only):
                continue
            key = (question["name"], entry["recipe_name"])
            if key not in drawn:
                missed = rng.random(n_examples) < wrong
                said = np.where(missed, (labels + rng.integers(1, n_classes, n_examples)) % n_classes, labels)
                layers = tuple(
                    Layer(rng.normal(0, 0.1, shape).astype(np.float32), np.zeros(shape[1], np.float32))
                    for shape in ((n_inputs, n_units), (n_units, n_classes))
                )
                drawn[key] = layers, said, rng.uniform(0.3, 1.0, n_examples).astype(np.float32)
            elif implementations_differ:
                layers, said, shares = drawn[key]
                other = said.copy()
                other[:implementations_differ] = (other[:implementations_differ] + 1) % n_classes
                drawn[key] = layers, other, shares
            layers, said, shares = drawn[key]
            last = (0, question["epochs"], layers, said, shares, (0.0, 1.0), "sigmoid", "softmax")
            networks.append(TrainedNetwork(question["name"], entry["label"], *last))
    classes = tuple(names or map(str, range(n_classes)))
    return Outcomes(tuple(networks), LabelledExamples(inputs, (0.0, 255.0), labels, classes))


class _Maker:
    """Makes up the rows of one question at a time."""

    def __init__(
        self,
        epoch_s: Mapping[str, float],
        accuracy: Mapping[str, float],
        diverged: tuple[str, int] | None,
        failures: Mapping[str, str],
        parity_failure: str | None,
    ) -> None:
        self.epoch_s, self.accuracies, self.diverged = epoch_s, accuracy, diverged
        self.failures, self.parity_failure = failures, parity_failure
        self.random = random.Random("a recorded run")

    def parity(self, question: dict[str, Any]) -> list[Row]:
        names = [entry["implementation"] for entry in question["entries"] if not entry["second_copy"]]
        rows: list[Row] = []
        for name in names[1:]:
            for dtype, bound in (("float64", 1e-12), ("float32", 1e-5)):
                for check in ("gradients", "weights"):
                    passed = not (name == self.parity_failure and check == "weights")
                    difference = bound * (self.random.uniform(0.01, 0.2) if passed else 3e4)
                    where = f"step 12, layer 1, weight [391, {len(rows)}]"
                    values = (question["name"], name, names[0], check, dtype, passed, difference, bound, where)
                    rows.append(_row("parity", *values))
        return rows

    def able(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of a question that did not fail."""
        return [entry for entry in question["entries"] if entry["implementation"] not in self.failures]

    def trainings(self, question: dict[str, Any]) -> list[Row]:
        names = [entry["implementation"] for entry in question["entries"] if not entry["second_copy"]]
        rows = [
            _row("failure", question["name"], name, "verification", None, self.failures[name])
            for name in names
            if name in self.failures
        ]
        able = [entry["implementation"] for entry in self.able(question) if not entry["second_copy"]]
        for seed, name in itertools.product(question["seeds"], able):
            rows += [self._epoch(question, name, seed, epoch) for epoch in range(question["epochs"] + 1)]
        return rows

    def _epoch(self, question: dict[str, Any], name: str, seed: int, epoch: int) -> Row:
        lost = self.diverged == (name, seed) and epoch > 1
        if epoch == 0 or lost:
            loss, accuracy = None, 0.1 + self.random.uniform(-0.02, 0.02)
        else:
            final = self.accuracies.get(name, 0.978)
            loss, accuracy = 0.4 / epoch, final - 0.05 / epoch**1.3 + self.random.gauss(0, 0.0012)
        return _row("epoch", question["name"], name, seed, epoch, question["examples"], loss, accuracy)

    def parts(self, question: dict[str, Any]) -> list[Row]:
        rows: list[Row] = []
        for name in (entry["implementation"] for entry in self.able(question) if not entry["second_copy"]):
            if name in ("torch-compile", "torch-cuda-graph", "sklearn"):
                continue
            step_s = self.epoch_s.get(name, 2.0) / 938
            fetch = 3.0 if name == "torch-loader" else 1.0
            for block in range(5):
                for part, share in PARTS.items():
                    spread = self.random.lognormvariate(0, 0.03)
                    wall_s = 200 * step_s * share * spread * (fetch if part == "fetch" else 1.0)
                    rows.append(_row("part", question["name"], name, part, block, 200, BATCH_SIZE, wall_s))
        return rows


class _TimingMaker:
    """Makes up the process replicates of one question at a time."""

    def __init__(
        self, made: _Maker, replicate_spread: float, self_test_ratio: float, interfered: float, with_energy: bool
    ) -> None:
        self.made, self.replicate_spread, self.self_test_ratio = made, replicate_spread, self_test_ratio
        self.interfered, self.with_energy = interfered, with_energy
        self.random = random.Random("timed blocks")

    def timing(self, question: dict[str, Any], n_replicates: int, reason: str) -> list[Row]:
        able = self.made.able(question)
        if not able:
            return [_row("stop", question["name"], "failed", 0, 0.0)]
        orders = balanced_orders(len(able), [question["timing"]["order_seed"]])
        rows: list[Row] = []
        for number in range(n_replicates):
            rows += [self._start(question, entry["label"], number) for entry in able]
            luck = [self.random.lognormvariate(0, self.replicate_spread) for _ in able]
            for round_ in range(ROUNDS):
                slowdown = self.random.lognormvariate(0, 0.1)  # of the machine in this round, the same for all
                for position, index in enumerate(next(orders)):
                    place = (number, round_, position)
                    rows.append(self._block(question, able[index], place, slowdown * luck[index], len(rows)))
            rows += [self._end(question, entry["label"], number) for entry in able]
        only_one = sum(not entry["second_copy"] for entry in able) < 2
        return [*rows, _row("stop", question["name"], "alone" if only_one else reason, n_replicates, 61.3)]

    def _start(self, question: dict[str, Any], label: str, number: int) -> Row:
        import_s = (1.4 if label.startswith("torch") else 0.12) * self.random.lognormvariate(0, 0.05)
        alone = (import_s, 0.41, 0.003) if number == 0 else (None, None, None)
        first_s = 9.2 if label == "torch-compile" else 0.004
        energy = "RAPL package-0" if self.with_energy else "RAPL: no package in /sys/class/powercap/intel-rapl:*"
        return _row("start", question["name"], label, number, 1, [2, 3], [], 2560, energy, *alone, first_s)

    def _block(
        self, question: dict[str, Any], entry: dict[str, Any], place: tuple[int, int, int], slowdown: float, n: int
    ) -> Row:
        per_example = self.made.epoch_s.get(entry["implementation"], 2.0) / 60_000
        examples = max(64, round(BLOCK_S / per_example))
        wall_s = per_example * examples * slowdown * self.random.lognormvariate(0, 0.01)
        wall_s *= self.self_test_ratio if entry["second_copy"] else 1.0
        interfered = self.random.random() < self.interfered
        wall_s *= 1.5 if interfered else 1.0
        energy_j = 31.0 * wall_s if self.with_energy else None
        measured = (examples, 0.0, 0.06 * n, wall_s, 1.01 * wall_s, 0.4, energy_j)
        block = _row("block", question["name"], entry["label"], *place, *measured)
        return block | self._interference_of(wall_s, interfered, n)

    def _interference_of(self, wall_s: float, interfered: bool, n: int) -> dict[str, Any]:
        found = {
            "steal_s": 0.02 if interfered and n % 2 else 0.0,
            "psi_cpu_some_us": round(0.004e6 * wall_s),
            "waited_s": wall_s * (0.3 if interfered else 0.002),
            "throttles": None,
            "voluntary_switches": 1,
            "involuntary_switches": 3 if interfered else 0,
            "minor_faults": 2,
            "major_faults": 0,
        }
        return {name: value for name, value in found.items() if n % 5 or name != "psi_cpu_some_us"}

    def _end(self, question: dict[str, Any], label: str, number: int) -> Row:
        held = (310 if label.startswith("torch") else 190) << 20
        peak = held + self.random.randrange(5 << 20, 40 << 20)
        evaluation_s = 0.08 * self.random.lognormvariate(0, 0.03)
        return _row("end", question["name"], label, number, evaluation_s, peak, held)


ORDER: dict[str, tuple[str, ...]] = {
    "parity": (
        *("question", "implementation", "reference", "check", "dtype", "passed"),
        "difference",
        "tolerance",
        "where",
    ),
    "epoch": ("question", "implementation", "seed", "epoch", "examples", "loss", "accuracy"),
    "start": (
        *("question", "implementation", "replicate", "timing_pass", "cores", "threads", "block_batches", "energy"),
        *("import_s", "load_s", "prepare_s", "first_s"),
    ),
    "block": (
        *("question", "implementation", "replicate", "round", "position", "examples", "injected", "at_s"),
        *("wall_s", "cpu_s", "loss", "energy_j"),
    ),
    "end": ("question", "implementation", "replicate", "evaluation_s", "peak_rss_bytes", "data_rss_bytes"),
    "part": ("question", "implementation", "part", "block", "steps", "batch_size", "wall_s"),
    "stop": ("question", "reason", "replicates", "spent_s"),
    "failure": ("question", "implementation", "phase", "number", "message"),
}


def _row(kind: str, *values: Any) -> Row:
    return {"kind": kind, "session": 0, **dict(zip(ORDER[kind], values, strict=True))}

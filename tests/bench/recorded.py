"""A plausible run as it would have been recorded, made up: the same arguments give the same rows."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from bench.records import KINDS, Row
from data import RECIPES

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
    keep_rows: int | None = None,
) -> tuple[dict[str, Any], list[Row]]:
    """Make a run with one question of different recipes and one of the same recipe.

    Parameters
    ----------
    implementations
        Those of the second question; the first question has the first and the last of them.
    seeds, epochs
        Of both questions. With one seed there are no intervals over seeds.
    epoch_s, accuracy
        Seconds per epoch and final accuracy by implementation, beside what is made up.
    diverged
        Implementation and seed whose loss stops being a number after its first epoch.
    failures
        Message by implementation for those that measure nothing.
    parity_failure
        Implementation whose weights do not agree.
    keep_rows
        How many rows a run that was cut short had written.

    Returns
    -------
    tuple
        The description of the run and its rows.
    """
    questions = [
        _question("as-published", (implementations[0], implementations[-1]), seeds, epochs),
        _question("same-recipe", implementations, seeds, epochs),
    ]
    made = _Maker({**EPOCH_S, **(epoch_s or {})}, accuracy or {}, diverged, failures or {}, parity_failure)
    rows: list[Row] = []
    for question in questions:
        rows += made.parity(question) if with_parity else []
        rows += made.measurements(question)
        rows += made.parts(question) if with_parts else []
    return _description(questions), rows if keep_rows is None else rows[:keep_rows]


def _question(name: str, implementations: Sequence[str], seeds: Sequence[int], epochs: int) -> dict[str, Any]:
    published = name == "as-published"
    recipes = ["article-scratch", "article-torch"] if published else ["shared"] * len(implementations)
    return {
        "name": name,
        "title": "The article's experiment: per-case by hand, mini-batches in PyTorch"
        if published
        else "Same recipe, same weights, same batches, one thread each",
        "cases": 15_000 if published else 60_000,
        "test_cases": 10_000,
        "epochs": epochs,
        "seeds": list(seeds),
        "entries": [
            {"implementation": implementation, "recipe_name": recipe, "recipe": RECIPES[recipe].to_dict()}
            for implementation, recipe in zip(implementations, recipes, strict=True)
        ],
    }


def _description(questions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "suite_version": "0.1.0",
        "profile": "default",
        "created": "2026-11-23T15:00:00+00:00",
        "threads": 1,
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
        names = [entry["implementation"] for entry in question["entries"]]
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

    def measurements(self, question: dict[str, Any]) -> list[Row]:
        names = [entry["implementation"] for entry in question["entries"]]
        able = [name for name in names if name not in self.failures]
        rows = [
            _row("failure", question["name"], name, None, self.failures[name])
            for name in names
            if name in self.failures
        ]
        for seed in question["seeds"]:
            rows += [row for name in able for row in self._beginning(question, name, seed)]
            for epoch in range(1, question["epochs"] + 1):
                slowdown = self.random.lognormvariate(0, 0.1)  # of the machine in this round, the same for all
                for position, name in enumerate(able):
                    rows += self._epoch(question, name, seed, epoch, position, slowdown)
            for name in able:
                held = (310 if name.startswith("torch") else 190) << 20
                peak = held + self.random.randrange(5 << 20, 40 << 20)
                rows.append(_row("memory", question["name"], name, seed, peak, held))
        return rows

    def _beginning(self, question: dict[str, Any], name: str, seed: int) -> list[Row]:
        import_s = (1.4 if name.startswith("torch") else 0.12) * self.random.lognormvariate(0, 0.05)
        return [
            _row("start", question["name"], name, seed, import_s, 0.41, 0.003, 1),
            self._evaluation(question, name, seed, 0, 0.1 + self.random.uniform(-0.02, 0.02)),
        ]

    def _epoch(
        self, question: dict[str, Any], name: str, seed: int, epoch: int, position: int, slowdown: float
    ) -> list[Row]:
        lost = self.diverged == (name, seed) and epoch > 1
        wall_s = (
            self.epoch_s.get(name, 2.0) * question["cases"] / 60_000 * slowdown * self.random.lognormvariate(0, 0.02)
        )
        number = question["seeds"].index(seed) * question["epochs"] + epoch - 1
        final = self.accuracies.get(name, 0.978)
        accuracy = 0.098 if lost else final - 0.05 / epoch**1.3 + self.random.gauss(0, 0.0012)
        loss = None if lost else 0.4 / epoch
        measured = (epoch, number, position, question["cases"], wall_s, wall_s * 1.01, loss)
        return [
            _row("epoch", question["name"], name, seed, *measured),
            self._evaluation(question, name, seed, epoch, accuracy),
        ]

    def _evaluation(self, question: dict[str, Any], name: str, seed: int, epoch: int, accuracy: float) -> Row:
        wall_s = 0.08 * self.random.lognormvariate(0, 0.03)
        return _row("evaluation", question["name"], name, seed, epoch, question["test_cases"], wall_s, wall_s, accuracy)

    def parts(self, question: dict[str, Any]) -> list[Row]:
        rows: list[Row] = []
        for name in (entry["implementation"] for entry in question["entries"]):
            if name in self.failures or name in ("torch-compile", "torch-cuda-graph", "sklearn"):
                continue
            step_s = self.epoch_s.get(name, 2.0) / 938
            fetch = 3.0 if name == "torch-loader" else 1.0
            for block in range(5):
                for part, share in PARTS.items():
                    spread = self.random.lognormvariate(0, 0.03)
                    wall_s = 200 * step_s * share * spread * (fetch if part == "fetch" else 1.0)
                    rows.append(_row("part", question["name"], name, part, block, 200, 64, wall_s))
        return rows


def _row(kind: str, *values: Any) -> Row:
    return {"kind": kind, "session": 0, **dict(zip(KINDS[kind], values, strict=True))}

"""A worker process: one implementation, one recipe, driven by one-line messages.

``python -m bench.run.worker`` reads a JSON object per line from its standard input and answers each with one on its
standard output. It waits in a blocking read, so that a worker whose turn it is not uses no core. What an
implementation prints goes to standard error. The worker ends when its input ends, that is with its driver.
"""

import contextlib
import ctypes
import dataclasses
import gc
import json
import math
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from bench.implementations import named_implementation
from bench.records import Row
from bench.run.conduct import check_conduct
from bench.run.disturbance import Snapshot, disturbance
from bench.run.environment import thread_pools, verify_threads
from bench.run.inspection import drift, inspect, shows_all
from bench.run.parity import SLOW_STEPS, first_batch, n_proof_cases, prove
from data import (
    Cases,
    DividesSteps,
    InputError,
    Recipe,
    Trainer,
    UnsupportedRecipe,
    batch_order,
    evaluation_cases,
    initial_parameters,
    load_dataset,
    training_cases,
)


class Bench:
    """What a worker has on its bench: an implementation, a recipe, the cases, and a trainer at work."""

    trainer: Trainer
    train_cases: Cases
    test_cases: Cases
    recipe: Recipe
    make: type[Trainer]
    threads: int
    data_rss_bytes: int
    peak_rss_bytes: int

    def prove(self, implementation: str, recipe: Row, dataset: str, steps: int) -> Row:
        """Run the parity proof."""
        proofs = prove(named_implementation(implementation), Recipe.from_dict(recipe), load_dataset(dataset), steps)
        return {"proofs": [dataclasses.asdict(proof) for proof in proofs]}

    def inspect(self, implementation: str, against: str, recipe: Row, dataset: str, steps: int) -> Row:
        """Compare two implementations quantity by quantity; what breaks the protocol is not compared further."""
        known, chosen = named_implementation(implementation), Recipe.from_dict(recipe)
        found, expected = known.load(), named_implementation(against).load()
        cases = training_cases(chosen, load_dataset(dataset).subset(n_proof_cases(chosen)))
        conduct = check_conduct(chosen, found, first_batch(chosen, cases))
        if not conduct.passed:
            return {"equal": False, "conduct": conduct.where, "quantities": [], "traced": False}
        steps = min(steps, SLOW_STEPS) if known.slow else steps
        quantities = inspect(chosen, found, expected, cases, steps)
        parameters = initial_parameters(chosen)
        return {
            "equal": all(quantity.passed for quantity in quantities),
            "conduct": None,
            "steps": steps,
            "quantities": [quantity.to_dict() for quantity in quantities],
            "traced": shows_all(found(chosen, parameters), expected(chosen, parameters)),
        }

    def drift(self, implementation: str, against: str, recipe: Row, dataset: str, steps: int) -> Row:
        """Train two implementations and measure how far they come apart."""
        chosen = Recipe.from_dict(recipe)
        found, expected = (named_implementation(name).load() for name in (implementation, against))
        return {"points": drift(chosen, found, expected, training_cases(chosen, load_dataset(dataset)), steps)}

    def open(
        self,
        implementation: str,
        recipe: Row,
        dataset: str,
        cases: int | None,
        hold_out: int | None,
        spawned: float,
        threads: int,
    ) -> Row:
        """Import the implementation and bring the data into the recipe's form."""
        self.make = named_implementation(implementation).load()
        imported = time.time()
        self.recipe = Recipe.from_dict(recipe)
        loaded = load_dataset(dataset)
        loaded = (loaded.hold_out(hold_out) if hold_out else loaded).subset(cases)
        self.train_cases = training_cases(self.recipe, loaded)
        self.test_cases = evaluation_cases(self.recipe, loaded)
        load_s = time.time() - imported
        too_many = verify_threads(threads)
        if too_many:
            raise RuntimeError(too_many)
        self.threads = threads
        del loaded  # the cases as they are stored are not needed any more
        give_back_free_memory()
        reset_peak_memory()
        self.data_rss_bytes = peak_memory_bytes()
        self.peak_rss_bytes = 0
        return {
            "import_s": imported - spawned,
            "load_s": load_s,
            "threads": thread_pools(),
        }

    def begin(self, seed: int) -> Row:
        """Make a new trainer from the initial weights of a seed."""
        self.recipe = self.recipe.replace(seed=seed)
        start = time.perf_counter()
        self.trainer = self.make(self.recipe, initial_parameters(self.recipe))
        return {"prepare_s": time.perf_counter() - start}

    def train(self, epoch: int) -> Row:
        """Train one epoch, counted from 1."""
        cases = self.train_cases
        order = batch_order(self.recipe, len(cases.x), epoch - 1)
        give_back_free_memory()
        reset_peak_memory()
        before = Snapshot.take()
        cpu, wall = time.process_time(), time.perf_counter()
        loss = self.trainer.train_epoch(cases.x, cases.t, order)
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        moved = disturbance(before, Snapshot.take())
        self.peak_rss_bytes = max(self.peak_rss_bytes, peak_memory_bytes())
        too_many = verify_threads(self.threads)
        if too_many:
            raise RuntimeError(too_many)
        return {
            "cases": len(order),
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "loss": float(loss) if math.isfinite(loss) else None,
            **moved,
        }

    def evaluate(self) -> Row:
        """Compute the accuracy on the test cases."""
        cases = self.test_cases
        cpu, wall = time.process_time(), time.perf_counter()
        accuracy = float((self.trainer.predict(cases.x).argmax(axis=1) == cases.y).mean())
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        return {"cases": len(cases.y), "wall_s": wall_s, "cpu_s": cpu_s, "accuracy": accuracy}

    def time_parts(self, steps: int) -> Row:
        """Time the parts of some training steps, each on its own; none where the trainer does not divide its steps."""
        if not isinstance(self.trainer, DividesSteps):
            return {"wall_s": {}, "batch_size": 0}
        cases = self.train_cases
        order = batch_order(self.recipe, len(cases.x), 0)[: self.recipe.batch_size]
        parts = self.trainer.step_parts(cases.x, cases.t, order)
        walls = dict.fromkeys(parts, 0.0)
        for _ in range(steps):
            for name, run in parts.items():
                start = time.perf_counter()
                run()
                walls[name] += time.perf_counter() - start
        return {"wall_s": walls, "batch_size": len(order)}

    def memory(self) -> Row:
        """Return what was resident when the data was loaded, and the peak while training."""
        return {"data_rss_bytes": self.data_rss_bytes, "peak_rss_bytes": self.peak_rss_bytes}


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory_bytes() -> int:
    """Return the peak of this process's resident memory, since :func:`reset_peak_memory` where the system can."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak_memory() -> None:
    """Let the peak start again from what is resident now; Linux only, elsewhere the peak of loading stays in it."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")


def give_back_free_memory() -> None:
    """Return to the system what loading or evaluating left free, so that it is not taken for what training needs."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # the GNU C library has it, others do it by themselves
        ctypes.CDLL(None).malloc_trim(0)


def answer(commands: dict[str, Callable[..., Row]], line: str) -> Row:
    """Carry out one message and return the answer; an exception becomes an answer of its own."""
    message: dict[str, Any] = json.loads(line)
    do = message.pop("do")
    try:
        return {"done": commands[do](**message)}
    except UnsupportedRecipe as error:
        return {"unsupported": str(error)}
    except InputError as error:
        return {"refused" if do in ("prove", "inspect", "drift", "open") else "raised": str(error)}
    except Exception as error:  # noqa: BLE001 (whatever an implementation raises is reported, and the run goes on)
        return {"raised": " ".join(f"{type(error).__name__}: {error}".split())}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer messages until there are no more; a thread that waits for them sees at once when the driver is gone."""
    bench = Bench()
    commands: dict[str, Callable[..., Row]] = {
        "prove": bench.prove,
        "inspect": bench.inspect,
        "drift": bench.drift,
        "open": bench.open,
        "begin": bench.begin,
        "train": bench.train,
        "evaluate": bench.evaluate,
        "time_parts": bench.time_parts,
        "memory": bench.memory,
    }
    inbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in requests:
            inbox.put(line)
        os._exit(0)  # the driver is gone: what is being computed is for nobody

    threading.Thread(target=listen, daemon=True).start()
    while True:
        print(json.dumps(answer(commands, inbox.get())), file=answers, flush=True)


def main() -> None:
    """Serve on the standard streams; a Ctrl-C is the driver's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()

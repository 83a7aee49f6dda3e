"""A worker process: one implementation, one recipe, driven by one-line messages.

``python -m backprop_bench.bench.core.worker.server`` reads a JSON object per line from its standard input and
answers each with one on its standard output. It waits in a blocking read, so a worker whose turn it is not uses no core.
What an implementation prints goes to standard error. The worker ends when its input ends, that is with its driver.
"""

import ctypes
import dataclasses
import gc
import itertools
import json
import math
import os
import platform
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import threadpoolctl

from backprop_bench.bench.core.implementations import LoadError, describe_error, named_implementation
from backprop_bench.bench.core.machine.cores import pin
from backprop_bench.bench.core.machine.energy import EnergyMeter
from backprop_bench.bench.core.machine.environment import thread_pools, verify_threads
from backprop_bench.bench.core.machine.interference import Snapshot, disturbance
from backprop_bench.bench.core.records.rows import Row
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.shared_data import map_cases
from backprop_bench.bench.mutation.likely import Reading, read_conduct, read_difference
from backprop_bench.bench.verify.checks import SLOW_STEPS, first_batch, n_proof_cases, prove
from backprop_bench.bench.verify.inspection import drift, first_step_apart, inspect, shows_all
from backprop_bench.bench.verify.protocol import check_conduct
from backprop_bench.data import (
    Cases,
    DividesSteps,
    InputError,
    Order,
    Recipe,
    Trainer,
    UnsupportedRecipe,
    batch_order,
    initial_parameters,
    load_dataset,
    training_cases,
)

RUN_IN = 6
"""One batch before a block for so many in it, or for fewer; none where a block is a single batch.

Of 60 ms that is 10 ms. On a 2-core EPYC the first 10 ms after a worker's turn had come took up to 9 % longer, the next
10 ms up to 1 %: caches and branch predictors are still those of another process.
"""

SMALL = 8
"""Units in every layer of the network that is trained before memory is measured."""


class Bench:
    """What a worker has on its bench: an implementation, a recipe, the cases, and a trainer at work."""

    trainer: Trainer
    train_cases: Cases
    test_cases: Cases
    recipe: Recipe
    make: type[Trainer]
    threads: int
    pools: threadpoolctl.ThreadpoolController | None = None
    """The thread pools of the libraries that were loaded when the blocks began."""
    meter: EnergyMeter
    data_rss_bytes: int | None
    """``None`` where the system cannot start the peak anew: then the peak of importing is in it."""
    epoch: int
    order: Order
    batches_done: int
    """Of the epoch that the blocks have got to, its order, and how many of its batches are done."""
    blocks_done: int

    def prove(self, implementation: str, recipe: Row, dataset: str, steps: int) -> Row:
        """Run the parity proof; where it fails, look for the mistakes that are known to look like this."""
        known, chosen, loaded = named_implementation(implementation), Recipe.from_dict(recipe), load_dataset(dataset)
        proofs = prove(known, chosen, loaded, steps)
        reading = Reading()
        failed = next((proof for proof in proofs if not proof.passed), None)
        if failed is not None:
            here = chosen.replace(dtype=failed.dtype)
            cases = training_cases(here, loaded.subset(n_proof_cases(here)))
            if failed.check == "conduct":
                reading = read_conduct(here, first_batch(here, cases), failed.where)
            else:
                reading = read_difference(here, known.load(), named_implementation(known.twin).load(), cases)
        return {"proofs": [dataclasses.asdict(proof) for proof in proofs], "questions": reading.questions}

    def inspect(
        self, implementation: str, against: str, recipe: Row, dataset: str, steps: int, read: bool = True
    ) -> Row:
        """Compare two implementations quantity by quantity; what breaks the protocol is not compared further.

        Parameters
        ----------
        read
            Whether to look for the mistakes that are known to look like this, where they are not equal.
        """
        known, chosen = named_implementation(implementation), Recipe.from_dict(recipe)
        found, expected = load_once(known), load_once(named_implementation(against))
        cases = training_cases(chosen, load_dataset(dataset).subset(n_proof_cases(chosen)))
        conduct = check_conduct(chosen, found, first_batch(chosen, cases))
        if not conduct.passed:
            reading = read_conduct(chosen, first_batch(chosen, cases), conduct.where) if read else Reading()
            outcome = {"equal": False, "conduct": conduct.where, "quantities": [], "traced": False}
            return {**outcome, "first_step": None, "reading": reading.to_dict()}
        steps = min(steps, SLOW_STEPS) if known.slow else steps
        quantities = inspect(chosen, found, expected, cases, steps)
        equal = all(quantity.passed for quantity in quantities)
        moved = any(item.name in ("W", "b") and item.difference is not None and not item.passed for item in quantities)
        parameters = initial_parameters(chosen)
        return {
            "equal": equal,
            "conduct": None,
            "steps": steps,
            "steps_per_epoch": -(-len(cases.x) // (chosen.batch_size or len(cases.x))),
            "quantities": [quantity.to_dict() for quantity in quantities],
            "traced": shows_all(found(chosen, parameters), expected(chosen, parameters)),
            "first_step": first_step_apart(chosen, found, expected, cases, steps) if moved else None,
            "reading": (read_difference(chosen, found, expected, cases) if read and not equal else Reading()).to_dict(),
        }

    def trial(self, patterns: str, recipe: Row, held_out: int, twins: list[str], stops: bool, keeps: bool) -> Row:
        """Train a small task of 1986."""
        from backprop_bench.bench.historical.trial import (
            run_trial,  # it needs SciPy, which no worker that is timed is to load
        )

        return run_trial(patterns, Recipe.from_dict(recipe), held_out, twins, stops, keeps)

    def stretches(self, twin: str, epoch: int, batches: int) -> Row:
        """Train one epoch, counted from 1, beside a twin that begins anew every so many batches."""
        from backprop_bench.bench.historical.trial import train_in_stretches

        make = named_implementation(twin).load()
        apart = train_in_stretches(self.trainer, make, self.recipe, self.train_cases, epoch, batches)
        self._check_threads()
        return {"distance": _number(apart)}

    def drift(self, implementation: str, against: str, recipe: Row, dataset: str, steps: int) -> Row:
        """Train two implementations and measure how far they come apart."""
        chosen = Recipe.from_dict(recipe)
        found, expected = (load_once(named_implementation(name)) for name in (implementation, against))
        return {"points": drift(chosen, found, expected, training_cases(chosen, load_dataset(dataset)), steps)}

    def open(self, implementation: str, recipe: Row, cases: Row, spawned: float, threads: int, cores: list[int]) -> Row:
        """Import the implementation, map the cases, keep to the cores."""
        self.make = load_once(named_implementation(implementation))
        imported = time.monotonic()
        self.recipe = Recipe.from_dict(recipe)
        self.train_cases, self.test_cases = map_cases(cases)
        use_memory_as_if_loaded()
        load_s = took(imported, time.monotonic())
        self.threads = threads
        self._check_threads()
        pinned = pin(cores)
        self.meter = EnergyMeter.find()
        self.data_rss_bytes = peak_memory_bytes() if reset_peak_memory() else None
        return {
            "import_s": took(spawned, imported),
            "load_s": load_s,
            "threads": thread_pools(),
            "cores": cores if pinned else None,
        }

    def _check_threads(self) -> None:
        too_many = verify_threads(self.threads, self.pools)
        if too_many:
            raise RuntimeError(too_many)

    def begin(self, seed: int, learning_rate: float | None = None) -> Row:
        """Make a new trainer from the initial weights of a seed, with another learning rate where one is given."""
        self.recipe = self.recipe.replace(seed=seed, learning_rate=learning_rate or self.recipe.learning_rate)
        self.epoch, self.order, self.batches_done, self.blocks_done = -1, np.empty(0, np.int64), 0, 0
        start = time.perf_counter()
        self.trainer = self.make(self.recipe, initial_parameters(self.recipe))
        return {"prepare_s": took(start, time.perf_counter())}

    def train(self, epoch: int) -> Row:
        """Train one epoch, counted from 1; its time is good for a look, not for a comparison."""
        cases = self.train_cases
        order = batch_order(self.recipe, len(cases.x), epoch - 1)
        cpu, wall = time.process_time(), time.perf_counter()
        loss = self.trainer.train_epoch(cases.x, cases.t, order)
        wall_s, cpu_s = took(wall, time.perf_counter()), time.process_time() - cpu
        self._check_threads()
        return {"cases": len(order), "wall_s": wall_s, "cpu_s": cpu_s, "loss": _number(loss)}

    def warm_up(self, block_s: float, batches: int | None) -> Row:
        """Train the first batch, then blocks of so many batches, or find how many take about so many seconds."""
        first_s, _ = self._timed(self._take(1))
        if batches is None:
            batches = self._find_batches(block_s)
        self._timed(self._take(2 * batches))
        self.pools = threadpoolctl.ThreadpoolController()  # what is loaded now; finding that out takes a while
        self._check_threads()
        torch = sys.modules.get("torch")
        self.meter = EnergyMeter.find(gpu=torch is not None and torch.cuda.is_initialized())
        return {"first_s": first_s, "block_batches": batches, "energy": self.meter.source or self.meter.reason}

    def _find_batches(self, block_s: float) -> int:
        batches, rate_s = 1, math.inf
        while True:
            rate_s = min(rate_s, *(self._timed(self._take(batches))[0] / batches for _ in range(3)))
            if batches * rate_s >= block_s / 2:
                return max(1, round(block_s / rate_s))
            batches *= 2

    def block(self, batches: int, extra: float, cut_cost: bool = False) -> Row:
        """Train a block and time it; a few batches before it, untimed, bring caches back to it.

        Parameters
        ----------
        batches
            That are counted.
        extra
            Share of its own time that it is made to take longer: a slowdown to be found.
        cut_cost
            Whether another block follows in the same turn, and as many batches in calls of their own: both timed apart.
        """
        run_in, pieces = self._take(-(-batches // RUN_IN) if batches > 1 else 0), self._take(batches)
        for cases in run_in:
            self.trainer.train_epoch(self.train_cases.x, self.train_cases.t, cases)
        joules, before, cpu = self.meter.read(), Snapshot.take(), time.process_time()
        wall_s, loss = self._timed(pieces, extra)
        cpu_s = time.process_time() - cpu
        energy_j = None if joules is None else self.meter.joules(joules, self.meter.read())
        moved = disturbance(before, Snapshot.take())
        went_on = self._go_on(batches) if cut_cost else {}
        self._check_threads()
        return {
            "cases": sum(map(len, pieces)),
            "extra": extra,
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "loss": _number(loss),
            "energy_j": energy_j,
            **moved,
            **went_on,
        }

    def _go_on(self, batches: int) -> Row:
        """Train another block, and as many batches in calls of their own; every other time these first."""
        stretches = {"later": [batches], "single": [1] * batches}
        self.blocks_done += 1
        row: Row = {}
        for name in sorted(stretches, reverse=self.blocks_done % 2 == 0):
            calls = [cases for n_batches in stretches[name] for cases in self._take(n_batches)]
            row |= {f"{name}_cases": sum(map(len, calls)), f"{name}_calls": len(calls)}
            row[f"{name}_wall_s"] = self._timed(calls)[0]
        return row

    def _take(self, batches: int) -> list[Order]:
        """Return the next batches of the training, cut where an epoch ends."""
        n_cases = len(self.train_cases.x)
        size = self.recipe.batch_size or n_cases
        taken = []
        while batches:
            if self.batches_done * size >= len(self.order):
                self.epoch += 1
                self.order, self.batches_done = batch_order(self.recipe, n_cases, self.epoch), 0
            left = -(-n_cases // size) - self.batches_done
            now = min(batches, left)
            taken.append(self.order[self.batches_done * size : (self.batches_done + now) * size])
            self.batches_done += now
            batches -= now
        return taken

    def _timed(self, pieces: list[Order], extra: float = 0.0) -> tuple[float, float]:
        """Train the cases and return the wall seconds and the last loss."""
        x, t, train = self.train_cases.x, self.train_cases.t, self.trainer.train_epoch
        start = time.perf_counter()
        for cases in pieces:
            loss = train(x, t, cases)
        end = time.perf_counter()
        if extra:
            longer = end + extra * took(start, end)
            while end < longer:
                end = time.perf_counter()
        return took(start, end), loss

    def race(self, target: float, epochs: int, pieces: int) -> Row:
        """Train until the accuracy on the test cases reaches a target, or for so many epochs.

        The accuracy is looked at so many times an epoch, between batches; that is not in the time.

        Returns
        -------
        Row
            ``curve``: epochs, seconds of training so far, and accuracy after every piece; whether it ``reached`` it.
        """
        n_cases = len(self.train_cases.x)
        size = self.recipe.batch_size or n_cases
        n_batches = -(-n_cases // size)
        ends = [n_batches * (piece + 1) // pieces for piece in range(pieces)]
        curve: list[tuple[float, float, float]] = []
        wall_s = 0.0
        for epoch in range(epochs):
            for begin, end in itertools.pairwise([0, *ends]):
                if begin < end:
                    wall_s += self._timed(self._take(end - begin))[0]
                    accuracy = self.evaluate()["accuracy"]
                    curve.append((epoch + end / n_batches, wall_s, accuracy))
                    if accuracy >= target:
                        return {"curve": curve, "reached": True}
        return {"curve": curve, "reached": False}

    def evaluate(self) -> Row:
        """Compute the accuracy on the test cases."""
        cases = self.test_cases
        start = time.perf_counter()
        accuracy = float((self.trainer.predict(cases.x).argmax(axis=1) == cases.y).mean())
        return {"evaluation_s": took(start, time.perf_counter()), "accuracy": accuracy}

    def keep(self, path: str) -> Row:
        """Write the network that is trained, and what it makes of the test cases, to a file."""
        from backprop_bench.bench.core.trained import save_trained  # what no worker that is timed needs

        save_trained(Path(path), self.trainer, self.recipe, self.test_cases.x)
        return {}

    def end(self) -> Row:
        """Return the peak of memory in training and what was resident when the data was mapped; then evaluate."""
        peak = peak_memory_bytes()
        self.pools = None
        self._check_threads()
        evaluation_s = self.evaluate()["evaluation_s"]
        return {"evaluation_s": evaluation_s, "peak_rss_bytes": peak, "data_rss_bytes": self.data_rss_bytes}

    def memory(self, batches: int) -> Row:
        """Return how many bytes a training of so many batches holds: weights, what it keeps, and what it needs at once.

        A small network is trained before, so that code which is loaded or compiled for any network is not counted; what
        is compiled for each shape anew is.
        """
        small = self.recipe.replace(layer_sizes=(SMALL,) * len(self.recipe.layer_sizes))
        size = small.batch_size or SMALL
        rng = np.random.default_rng(0)
        x, t = rng.random((size, SMALL)).astype(small.dtype), np.eye(SMALL, dtype=small.dtype)[np.arange(size) % SMALL]
        self.make(small, initial_parameters(small)).train_epoch(x, t, np.arange(size))
        parameters = initial_parameters(self.recipe)
        n_cases = len(self.train_cases.x)
        order = batch_order(self.recipe, n_cases, 0)[: batches * (self.recipe.batch_size or n_cases)]
        give_back_memory()
        before = peak_memory_bytes() if reset_peak_memory() else None
        self.make(self.recipe, parameters).train_epoch(self.train_cases.x, self.train_cases.t, order)
        return {
            "parameter_bytes": sum(array.nbytes for layer in parameters for array in layer.arrays()),
            "training_bytes": None if before is None else peak_memory_bytes() - before,
        }

    def time_parts(self, steps: int) -> Row:
        """Time the parts of some training steps, each on its own; none where the trainer does not divide its steps."""
        if not isinstance(self.trainer, DividesSteps):
            return {"wall_s": {}, "steps": 0, "batch_size": 0}
        cases = self.train_cases
        order = batch_order(self.recipe, len(cases.x), 0)[: self.recipe.batch_size]
        parts = self.trainer.step_parts(cases.x, cases.t, order)
        walls = dict.fromkeys(parts, 0.0)
        for _ in range(steps):
            for name, run in parts.items():
                start = time.perf_counter()
                run()
                walls[name] += took(start, time.perf_counter())
        return {"wall_s": walls, "steps": steps, "batch_size": len(order)}


def took(start: float, end: float) -> float:
    """Return the seconds between two readings of a clock; raises `RuntimeError` where it did not go forward."""
    if not end > start:
        raise RuntimeError(f"the clock went from {start!r} s to {end!r} s; expected it to go forward")
    return end - start


def _number(loss: float) -> float | None:
    return float(loss) if math.isfinite(loss) else None


LOADED_BYTES = 16 << 20


def use_memory_as_if_loaded() -> None:
    """Take and give back some memory, as a process does that loads its data itself.

    The GNU C library keeps memory for reuse up to the size of the largest piece that was given back so far, and returns
    larger ones to the system. In a process whose data is mapped, nothing large was: every array of some 100 kB would be
    fetched from the system anew, and cleared, in each step of training. A weight change after every case took more than
    twice as long for it, which it does not in an ordinary process.
    """
    np.ones(LOADED_BYTES, np.uint8)


def give_back_memory() -> None:
    """Give freed memory back to the system, so that what is taken anew is seen; only the GNU C library is asked."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory_bytes() -> int:
    """Return the peak of this process's resident memory, since :func:`reset_peak_memory` where the system can."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak_memory() -> bool:
    """Let the peak start again from what is resident now; returns False where the system cannot."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def answer(commands: dict[str, Callable[..., Row]], line: str) -> Row:
    """Carry out one message and return the answer; an exception becomes an answer of its own."""
    message: dict[str, Any] = json.loads(line)
    do = message.pop("do")
    try:
        return {"done": commands[do](**message)}
    except (UnsupportedRecipe, LoadError) as error:
        return {"unsupported": str(error)}
    except InputError as error:
        return {"refused" if do in ("prove", "inspect", "drift", "open", "keep") else "raised": str(error)}
    except Exception as error:  # noqa: BLE001 (whatever an implementation raises is reported, and the run goes on)
        return {"raised": describe_error(error)}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer messages until there are no more; a thread that waits for them sees at once when the driver is gone."""
    bench = Bench()
    commands: dict[str, Callable[..., Row]] = {
        "prove": bench.prove,
        "inspect": bench.inspect,
        "drift": bench.drift,
        "trial": bench.trial,
        "stretches": bench.stretches,
        "open": bench.open,
        "begin": bench.begin,
        "train": bench.train,
        "evaluate": bench.evaluate,
        "warm_up": bench.warm_up,
        "block": bench.block,
        "time_parts": bench.time_parts,
        "race": bench.race,
        "memory": bench.memory,
        "keep": bench.keep,
        "end": bench.end,
    }
    inbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in requests:
            inbox.put(line)
        if os.getpgrp() == os.getpid():  # the driver is gone: what is being computed here, and below, is for nobody
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    own = os.getpid()
    while True:
        reply = answer(commands, inbox.get())
        if os.getpid() != own:  # a copy that an implementation has made and let return: one answer is enough
            os._exit(0)
        print(json.dumps(reply), file=answers, flush=True)


def main() -> None:
    """Serve on the standard streams; a Ctrl-C is the driver's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # who asks the user a question is told that there is no answer
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()

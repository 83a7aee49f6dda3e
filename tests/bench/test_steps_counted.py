"""What a training step does is counted, and said of an implementation of yours."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import backprop_bench as bb
from backprop_bench.bench.compare.own import own_sentences, step_table
from backprop_bench.bench.core.records.kinds import StepWork
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import QuestionSummary
from backprop_bench.bench.verify.step_work import count_step
from backprop_bench.data import Examples, Floats, Layer, Order, Parameters, Recipe
from tests.bench.plain import summarize
from tests.bench.recorded import recorded_run
from tests.recipes import random_examples
from tests.tiny import write_tiny_dataset

RECIPE = Recipe(layer_sizes=(5, 3), batch_size=4, dtype="float32")
EXAMPLES: Examples = random_examples(RECIPE, 8)


class Base:
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe, self.w = recipe, parameters[0].weight.copy()

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        raise NotImplementedError

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return (Layer(x.T @ t, None),)

    def predict(self, x: Floats) -> Floats:
        return x

    def parameters(self) -> Parameters:
        return (Layer(self.w, None),)


class Counted(Base):
    """Two fancy indices, two products, four other operations."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        x, t = x[order], t[order]
        error = self.error(x @ self.w, t)
        self.w -= np.float32(0.1) * (x.T @ error)
        return float(np.square(error).sum())

    def error(self, y: Floats, t: Floats) -> Floats:
        return y - t


def test_operations_new_arrays_and_calls_are_those_that_one_counts_by_reading() -> None:
    step = count_step(Counted, RECIPE, EXAMPLES)
    assert step is not None
    assert (step.examples, step.operations, step.products, step.wider) == (4, 9, 2, 0)
    of_batch, of_outputs, of_weights = 4 * 5, 4 * 3, 5 * 3
    # x and t of the batch; y; the error; its square; the gradient, and the gradient times the rate
    assert step.new_bytes == 4 * (of_batch + of_outputs + 3 * of_outputs + 2 * of_weights)
    assert step.python_calls == 2, "train_epoch and error"


class InFloat64(Counted):
    def error(self, y: Floats, t: Floats) -> Floats:
        return y.astype(np.float64) - t


def test_operations_in_a_wider_type_are_counted() -> None:
    step = count_step(InFloat64, RECIPE, EXAMPLES)
    assert step is not None
    # astype, the difference, the gradient, times the rate, the square; the update is in float32
    assert step.wider == 5
    assert step.operations == 10


class OneByOne(Counted):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        return sum(super(OneByOne, self).train_epoch(x, t, order[i : i + 1]) for i in range(len(order)))


def test_a_loop_over_the_examples_shows_in_operations_and_calls() -> None:
    step, once = count_step(OneByOne, RECIPE, EXAMPLES), count_step(Counted, RECIPE, EXAMPLES)
    assert step is not None
    assert once is not None
    assert step.operations == 4 * once.operations
    assert step.python_calls > 4


class InTorch(Base):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        w = torch.from_numpy(np.asarray(self.w)).requires_grad_()
        loss = (torch.from_numpy(np.asarray(x))[:4] @ w - torch.from_numpy(np.asarray(t))[:4]).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss)


def test_tensors_are_counted_in_the_backward_pass_too() -> None:
    step = count_step(InTorch, RECIPE, EXAMPLES)
    assert step is not None
    assert step.products == 2, "x w, and the gradient of w"
    assert step.operations >= 6


class Broken(Base):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        raise ValueError("no")


class Unseen(Base):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        return float(np.asarray(x).tolist()[0][0])


@pytest.mark.parametrize("trainer", [Broken, Unseen])
def test_nothing_is_said_of_what_fails_or_is_not_seen(trainer: type[Base]) -> None:
    assert count_step(trainer, RECIPE, EXAMPLES) is None


MINE = "scratch-inplace"
"""Stands for one of yours among made-up records."""


def question_with(parts: dict[str, float], **counted: int) -> QuestionSummary:
    """Return a question in which one of yours was timed beside scratch-numpy, whose step has ten of everything."""
    question = summarize(*recorded_run((MINE, "scratch-numpy"))).questions[-1]
    ten = {"operations": 10, "products": 3, "new_bytes": 1000, "wider": 0, "python_calls": 10}
    of: dict[str, Any] = {"session": 0, "question": question.name, "examples": 64, **ten}
    performances = []
    for item in question.performances:
        if item.implementation == MINE:
            step, source = StepWork(**{**of, **counted, "implementation": MINE}), "mine.py:Mine"
            own = tuple((name, Interval(seconds, seconds, seconds, 3)) for name, seconds in parts.items())
        else:
            step, source = StepWork(**{**of, "implementation": "scratch-numpy"}), "scratch-numpy"
            own = tuple((name, Interval(1e-6, 1e-6, 1e-6, 3)) for name in parts)
        performances.append(dataclasses.replace(item, source=source, step=step, parts=own))
    return dataclasses.replace(question, performances=tuple(performances))


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        ({"operations": 14}, ": 14 array operations in place of 10"),
        ({"new_bytes": 2_500_000}, ": 2.50 MB of new arrays in place of 1.00 kB"),
        ({"wider": 4}, ": 4 operations in float64, though the recipe has float32"),
        ({"python_calls": 64}, ": 64 calls of Python functions in place of 10"),
        (
            {"operations": 8, "new_bytes": 0},
            ": 8 array operations in place of 10 and 0 B of new arrays in place of 1.00 kB",
        ),
    ],
)
def test_the_answer_says_what_differs_in_a_step(counted: dict[str, int], words: str) -> None:
    (sentence,) = own_sentences(question_with({}, **counted), with_times=False)
    assert sentence.replace("\N{NO-BREAK SPACE}", " ").startswith(
        f"What differs in a step of {MINE} from one of scratch-numpy"
    )
    assert sentence.replace("\N{NO-BREAK SPACE}", " ").endswith(words)


def test_where_nothing_differs_that_is_said() -> None:
    (sentence,) = own_sentences(question_with({}, operations=10), with_times=False)
    assert (
        sentence == f"In a step, {MINE} does as many array operations as scratch-numpy, and makes as large new arrays"
    )


def test_the_part_that_makes_most_of_the_difference_is_named_with_its_share() -> None:
    (sentence,) = own_sentences(question_with({"forward": 2e-6, "backward": 4e-6}), with_times=False)
    assert sentence.endswith(": the part backward, which makes 75 % of the difference")


def test_the_table_has_the_counts() -> None:
    table = step_table(question_with({}, operations=14))
    assert [tuple(row[:3]) for row in table.rows] == [(MINE, "14", "3"), ("scratch-numpy", "10", "3")]
    assert step_table(summarize(*recorded_run()).questions[-1]).rows == ()


@pytest.mark.slow
def test_a_class_in_columns_is_counted_when_it_is_timed(tmp_path: Path) -> None:
    dataset = str(write_tiny_dataset(tmp_path, 200, 60))

    class Wide:
        """In float64, whatever it is given."""

        def __init__(self) -> None:
            self.W1: Any = None
            self.W2: Any = None

        def fit(self, x: Any, t: Any, learning_rate: float) -> Any:
            x = x.astype("float64")
            h = 1 / (1 + np.exp(-self.W1 @ x))
            y = 1 / (1 + np.exp(-self.W2 @ h))
            d2 = (y - t) * y * (1 - y)
            d1 = self.W2.T @ d2 * h * (1 - h)
            self.W2 = self.W2 - learning_rate * d2 @ h.T
            self.W1 = self.W1 - learning_rate * d1 @ x.T
            return 0.5 * ((y - t) ** 2).sum()

    made = bb.adapt(Wide, weights=["W1", "W2"], train="fit", layout="columns")
    options: dict[str, Any] = {"layer_sizes": (16, 7, 3), "batch_size": 8, "dataset": dataset, "results": tmp_path}
    timed = bb.time(made, "scratch-numpy", recipe="article-scratch", dtype="float32", budget_s=3, **options)
    assert timed.failures == ()
    assert "What differs in a step of Wide from one of scratch-numpy: " in str(timed)
    assert "operations in float64, though the recipe has float32" in str(timed)

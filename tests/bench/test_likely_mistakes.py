"""A wrong implementation gets a message that names the quantity and the likely mistake."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.core.engine import verification
from backprop_bench.bench.core.worker.client import Worker
from backprop_bench.bench.mutation.altered import _counting_epochs, _dividing
from backprop_bench.bench.mutation.handlers import diagnose
from backprop_bench.bench.verify.handlers import inspect
from backprop_bench.bench.verify.replies import Inspection, Reading
from backprop_bench.bench.verify.view import conclusion as concluded
from backprop_bench.bench.verify.view import reading as words
from backprop_bench.data import ExtendedRecipe, Recipe, batch_order, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.recipes import random_examples
from tests.tiny import write_tiny_dataset

pytestmark = pytest.mark.xdist_group("likely_mistakes")  # what its fixtures make is made once

BEGINNER = Path(__file__).with_name("beginner.py").read_text(encoding="utf-8")
STEPS = 40

SOFTMAX = Recipe(layer_sizes=(16, 8, 7, 3), batch_size=8, learning_rate=0.5, dtype="float64")
SQUARED = SOFTMAX.replace(output_activation="sigmoid", loss="squared_error", reduction="sum")
MOMENTUM = SOFTMAX.replace(optimizer="momentum", learning_rate=0.1, momentum=0.7)
DECAY = SOFTMAX.replace(weight_decay=0.05)
SCHEDULE = SOFTMAX.replace(schedule=((1, 0.1, 0.0),))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60)


def write_mine(folder: Path, old: str = "", new: str = "") -> str:
    """Write the beginner's network with other code in one or more places; returns what the command line calls it."""
    assert old in BEGINNER
    (folder / "mine.py").write_text(BEGINNER.replace(old, new) if old else BEGINNER, encoding="utf-8")
    return f"{folder / 'mine.py'}:Beginner"


@dataclasses.dataclass(frozen=True)
class Result:
    """The replies of a worker about an implementation."""

    outcome: Inspection
    known: Reading

    def __getitem__(self, name: str) -> Any:
        return getattr(self.outcome, name)


def inspected(name: str, dataset: str, recipe: Recipe) -> Result:
    outcome = inspect(name, "scratch-numpy", recipe.to_dict(), dataset, STEPS)
    known = Reading()
    if not outcome.equal:
        known = diagnose(name, recipe.to_dict(), dataset, "scratch-numpy")
    return Result(outcome, known)


def reading(result: Result) -> list[str]:
    return [] if result["equal"] else words(result.known)


def conclusion(dtype: str, result: Result) -> str:
    return concluded(dtype, result.outcome)


def with_one_hidden_layer(recipe: Recipe) -> Recipe:
    return recipe.replace(layer_sizes=(16, 8, 3))


SAME, FIRST = "A known mistake computes exactly this: ", "The first of it is explained by: "
IN_TRAINING_ALONE = "A known mistake computes exactly this in train_epoch, though gradients is right: "
ALIKE = "Similar known mistakes raise the question: "
WEIGHTS, LAST = "weights of layer 1 after 40 steps", "gradient of layer 3"
BATCH, DERIVATIVE, BACK = "order[start : start + size]", " * y[n] * (1 - y[n])", "@ self.w[2 * n].T"
LINE_BACK = BEGINNER[: BEGINNER.index(BACK)].count("\n") + 1
VELOCITY = "v[...] = self.recipe.momentum * v - self.rate * (dw + self.recipe.weight_decay * w)\n            w += v"
LOSS = "total += self.loss(y[-1], t[examples])"
UPDATE = "self.change(self.backward(y, t[examples]))"
MISTAKES = {
    "sum for mean": (SOFTMAX, " / len(t)", "", f"dE/dW, {LAST}", SAME, "did you sum over the examples, although"),
    "mean for sum": (
        SQUARED,
        '"mean":',
        '"sum":',
        f"dE/dW, {LAST}",
        SAME,
        "did you take the mean over the examples, although",
    ),
    "mean over the outputs": (SOFTMAX, "len(t)", "t.size", f"dE/dW, {LAST}", SAME, "mean over the outputs as well"),
    "no derivative": (
        SOFTMAX,
        DERIVATIVE,
        "",
        "dE/dW, gradient of layer 2",
        SAME,
        "forget to multiply by the derivative of the hidden",
    ),
    "no derivative of the first": (
        SOFTMAX,
        DERIVATIVE,
        " * (y[n] * (1 - y[n]) if n > 1 else 1)",
        "dE/dW, gradient of layer 1",
        SAME,
        "derivative of the activation in the first hidden layer?",
    ),
    "no derivative of the outputs": (
        SQUARED,
        "dz = dz * y[-1] * (1 - y[-1])",
        "pass",
        f"dE/dW, {LAST}",
        SAME,
        "derivative of the output activation?",
    ),
    "derivative of the activation": (
        SOFTMAX,
        DERIVATIVE,
        " * sigmoid(y[n]) * (1 - sigmoid(y[n]))",
        "dE/dW, gradient of layer 2",
        SAME,
        "do you pass y instead of z?",
    ),
    "derivative of z": (
        SOFTMAX,
        DERIVATIVE,
        " * (np.log(y[n] / (1 - y[n])) if n else y[n]) * (1 - (np.log(y[n] / (1 - y[n])) if n else y[n]))",
        "dE/dW, gradient of layer 2",
        SAME,
        "do you pass the pre-activation z?",
    ),
    "derivative not cancelled": (
        SOFTMAX,
        'self.recipe.loss == "squared_error":',
        "True:",
        f"dE/dW, {LAST}",
        SAME,
        "which it already contains?",
    ),
    "back through updated weights": (
        SOFTMAX,
        BACK,
        "@ (self.w[2 * n] - self.rate * y[n].T @ dz).T",
        "dE/dW, gradient of layer 2",
        SAME,
        "do you update the weights of a layer before you propagate its error back?",
    ),
    "not transposed back": (
        SOFTMAX,
        BACK,
        BACK[:-2],
        f"gradients raised ValueError in line {LINE_BACK}:",
        SAME,
        "forget to transpose",
    ),
    "gradient transposed": (
        SOFTMAX,
        "y[n].T @ dz",
        "dz.T @ y[n]",
        "of shape [8, 16]",
        SAME,
        "gradient [fan_out, fan_in],",
    ),
    "no gradient of the biases": (
        SOFTMAX,
        "dz.sum(axis=0)",
        "0 * dz[0]",
        f"dE/db, {LAST}",
        SAME,
        "did you forget the gradient of the biases?",
    ),
    "biases averaged": (SOFTMAX, "dz.sum(", "dz.mean(", f"dE/db, {LAST}", SAME, "averaged over the batch, although"),
    "t - y": (SOFTMAX, "dz = y[-1] - t", "dz = t - y[-1]", f"dE/dW, {LAST}", SAME, "y − t rather than t − y?"),
    "ascent": (
        SOFTMAX,
        "- self.rate",
        "+ self.rate",
        WEIGHTS,
        SAME,
        "is the sign of your weight update right?",
    ),
    "softmax twice": (
        SOFTMAX,
        "softmax(z)\n        return",
        "softmax(softmax(z))\n        return",
        "that differs is outputs.",
        FIRST,
        "does your network end with softmax, and your loss apply it again?",
    ),
    "softmax twice in predict": (
        SOFTMAX,
        "return self.forward(x)[-1]",
        "return softmax(self.forward(x)[-1])",
        "that differs is outputs.",
        SAME,
        "does predict apply softmax to outputs of softmax?",
    ),
    "softmax over the examples": (
        SOFTMAX,
        "e.sum(axis=1, keepdims=True)",
        "e.sum(axis=0)",
        "that differs is outputs.",
        FIRST,
        "does your softmax sum over the examples rather than over the outputs?",
    ),
    "no velocity": (MOMENTUM, "v[...] =", "v =", "differ from step 2 on", SAME, "do you keep the velocity"),
    "gradient for a velocity": (
        MOMENTUM,
        VELOCITY,
        "w -= self.rate * (dw + self.recipe.momentum * v)\n            v[...] = dw",
        "differ from step 3 on",
        SAME,
        "does your momentum keep the last gradient",
    ),
    "rate decays by batch": (
        SOFTMAX,
        UPDATE,
        f"{UPDATE}; self.rate *= 0.995",
        "from step 2 on",
        ALIKE,
        "decay after every batch rather than after every epoch?",
    ),
    "schedule ignored": (
        SCHEDULE,
        "rates(self.epoch)",
        "rates(0)",
        "from step 12 on, batch 1 of 11 in epoch 2: at first all of them.",
        SAME,
        "do you follow the schedule of the recipe?",
    ),
    "no decay": (DECAY, "self.recipe.weight_decay * w", "0", WEIGHTS, SAME, "did you forget the weight decay?"),
    "order ignored": (
        SOFTMAX,
        BATCH,
        BATCH.replace("order", "np.arange(len(t))"),
        WEIGHTS,
        SAME,
        "in the order that train_epoch gets?",
    ),
    "targets not shuffled": (
        SOFTMAX,
        "t[examples]",
        "t[start : start + size]",
        WEIGHTS,
        SAME,
        "in the order of your inputs?",
    ),
    "every example a batch": (
        SOFTMAX,
        "self.recipe.batch_size or len(order)",
        "1",
        WEIGHTS,
        SAME,
        "after every example rather",
    ),
    "float32 within": (
        SOFTMAX,
        "layer.arrays()]\n        self.v",
        "layer.arrays()]\n        self.w = [w.astype(np.float32).astype(float) for w in self.w]\n        self.v",
        "that differs is outputs.",
        ALIKE,
        "are some of your arrays float32, although the recipe has float64?",
    ),
    "loss summed": (
        SOFTMAX,
        "return total / len(order)",
        "return total",
        "loss by epoch.",
        SAME,
        "rather than the mean?",
    ),
    "loss afterwards": (
        SOFTMAX,
        f"{LOSS}\n            {UPDATE}",
        f"{UPDATE}\n            {LOSS.replace('y[-1]', 'self.forward(x[examples])[-1]')}",
        "loss by epoch.",
        SAME,
        "do you compute the loss of a batch after its weight update?",
    ),
    "trained in place": (
        SOFTMAX,
        "array.copy() for layer in parameters",
        "array for layer in parameters",
        "train_epoch changes the initial layer 1 weight",
        SAME,
        "do you train the initial weights in place rather than copies?",
    ),
}
"""Recipe, code its replacement, the quantity, how sure the diagnosis is, and the question."""


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "old", "new", "quantity", "sure", "question"), MISTAKES.values(), ids=MISTAKES)
def test_a_common_mistake_is_named_with_the_quantity_in_which_it_shows(
    tmp_path: Path, dataset: str, recipe: Recipe, old: str, new: str, quantity: str, sure: str, question: str
) -> None:
    outcome = inspected(write_mine(tmp_path, old, new), dataset, recipe)
    assert not outcome["equal"]
    assert quantity in conclusion("float64", outcome)
    sentences = reading(outcome)
    assert any(sentence.startswith(sure) for sentence in sentences), sentences
    assert question in sentences[-1].split(" Or: ")[0] or (sure == SAME and question in sentences[-1]), sentences


@pytest.mark.parametrize(
    "name",
    ["no derivative", "derivative of the activation", "back through updated weights", "no velocity", "biases averaged"],
)
def test_it_is_named_in_a_network_of_one_hidden_layer_too(tmp_path: Path, dataset: str, name: str) -> None:
    recipe, old, new, _, sure, question = MISTAKES[name]
    sentences = reading(inspected(write_mine(tmp_path, old, new), dataset, with_one_hidden_layer(recipe)))
    assert any(sentence.startswith(sure) for sentence in sentences), sentences
    assert question in sentences[-1]


def write_smoothing(folder: Path, smoothing: float) -> str:
    """Write the beginner's network with smoothed targets; returns what the command line calls it."""
    smoothed = f"((1 - {smoothing}) * t + {smoothing} / t.shape[1])"
    source = BEGINNER.replace("dz = y[-1] - t", f"dz = y[-1] - {smoothed}").replace("-(t * ", f"-({smoothed} * ")
    (folder / "mine.py").write_text(source.replace("(y - t)", f"(y - {smoothed})"), encoding="utf-8")
    return f"{folder / 'mine.py'}:Beginner"


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.2])
@pytest.mark.parametrize(
    ("recipe", "advice"),
    [
        (SOFTMAX, " Leave them as they are, and say --label-smoothing with your value."),
        (ExtendedRecipe.of(SOFTMAX).replace(label_smoothing=0.1), " They are smoothed already when it gets them."),
        (SQUARED, ""),
    ],
    ids=["softmax", "smoothed already", "squared error"],
)
def test_who_smooths_the_targets_is_told_that_the_suite_does(
    tmp_path: Path, dataset: str, recipe: Recipe, advice: str, smoothing: float
) -> None:
    _, cause, question = reading(inspected(write_smoothing(tmp_path, smoothing), dataset, recipe))
    assert cause == f"{SAME}the targets are smoothed by {smoothing:g}."
    assert question == f"Question: do you smooth the targets within the network?{advice}"


def test_of_another_smoothing_no_value_is_advised_and_nothing_is_asked_twice(tmp_path: Path, dataset: str) -> None:
    sentences = reading(inspected(write_smoothing(tmp_path, 0.3), dataset, SOFTMAX))
    questions = sentences[-1].removeprefix(ALIKE).split(" Or: ")
    assert len(questions) > 1, "others look alike, too"
    assert len({question.split("?")[0] for question in questions}) == len(questions)
    assert "--label-smoothing with your value" in sentences[-1]


IN_TRAINING = {
    "no derivative": (
        SOFTMAX,
        DERIVATIVE,
        " * (y[n] * (1 - y[n]) if self.asked else 1)",
        "forget to multiply by the derivative",
    ),
    "back through updated weights": (
        with_one_hidden_layer(SQUARED),
        BACK,
        "@ (self.w[2 * n] - (0 if self.asked else self.rate * y[n].T @ dz)).T",
        "update the weights of a layer before you propagate its error back?",
    ),
}
"""Recipe, code, its replacement, and the question."""


@pytest.mark.parametrize(("recipe", "old", "new", "question"), IN_TRAINING.values(), ids=IN_TRAINING)
def test_a_mistake_of_a_training_that_has_code_of_its_own_is_named_though_gradients_is_right(
    tmp_path: Path, dataset: str, recipe: Recipe, old: str, new: str, question: str
) -> None:
    name = write_mine(tmp_path, old, new)
    source = (tmp_path / "mine.py").read_text().replace("self.epoch = 0", "self.epoch, self.asked = 0, False")
    asked = "self.asked = True\n        gradients = self.backward(self.forward(x), t)\n        self.asked = False"
    source = source.replace("return self.backward(self.forward(x), t)", f"{asked}\n        return gradients")
    (tmp_path / "mine.py").write_text(source)
    outcome = inspected(name, dataset, recipe)
    sentences = reading(outcome)
    assert "gradient" not in sentences[0]
    assert sentences[1].startswith(IN_TRAINING_ALONE), sentences
    assert question in sentences[-1]


def test_a_mistake_that_computes_exactly_this_is_the_only_one_that_is_named(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, DERIVATIVE, ""), dataset, SOFTMAX)
    assert reading(outcome) == [
        "What differs: gradient in layers 1 and 2; first update in layers 1 and 2; loss.",
        "A known mistake computes exactly this: the derivative of the hidden activation is missing.",
        "Question: did you forget to multiply by the derivative of the hidden activation?",
    ]


def test_of_two_mistakes_that_compute_the_same_on_a_recipe_another_one_tells_which_it_is(
    tmp_path: Path, dataset: str
) -> None:
    # with a learning rate of 0.5, twice the decay is what is left where it is not multiplied by the rate
    outcome = inspected(write_mine(tmp_path, "weight_decay * w", "weight_decay * 2 * w"), dataset, DECAY)
    _, mistakes, _ = reading(outcome)
    assert mistakes == f"{SAME}weight decay is the derivative of λ w² instead of ½ λ w²."


def test_of_two_mistakes_that_no_recipe_of_its_sizes_tells_apart_both_are_named_with_what_does(
    tmp_path: Path, dataset: str
) -> None:
    fixed = "self.recipe = recipe.replace(learning_rate=0.5, weight_decay=0.05)"
    name = write_mine(tmp_path, "weight_decay * w", "weight_decay * 2 * w")
    source = (tmp_path / "mine.py").read_text().replace("self.recipe = recipe", fixed)
    (tmp_path / "mine.py").write_text(
        source.replace("recipe.learning_rate", "0.5").replace(
            "self.rate, _ = self.recipe.rates(self.epoch)", "self.rate = 0.5"
        )
    )
    _, mistakes, apart, questions = reading(inspected(name, dataset, DECAY))
    first, second = "weight decay is the derivative of λ w² instead of ½ λ w²", "weight decay is not multiplied by the"
    assert mistakes == f"{SAME}{first}; or {second} learning rate."
    assert apart == "To tell these apart, compare with --learning-rate 0.167."
    asked = (
        "Question: is your penalty λ w² rather than ½ λ w²?",
        "Or: is your weight decay multiplied by the learning rate?",
    )
    assert questions == " ".join(asked)


TWO_MISTAKES = {
    "gradient and loss": (
        ((" / len(t)", ""), ("return total / len(order)", "return total")),
        "the gradient is the sum over the batch instead of the mean",
        "the loss is summed over the examples instead of averaged",
    ),
    "gradient and batches": (
        ((DERIVATIVE, ""), ("range(0, len(order), size)", "range(0, len(order) - size + 1, size)")),
        "the derivative of the hidden activation is missing",
        "epochs without the short last batch, which is a convention and no mistake",
    ),
    "outputs and gradient": (
        (("return self.forward(x)[-1]", "return softmax(self.forward(x)[-1])"), (DERIVATIVE, "")),
        "softmax is applied twice in predict",
        "the derivative of the hidden activation is missing",
    ),
}
"""Code and its replacement, twice, and what is wrong, first and then."""


@pytest.mark.parametrize(("edits", "first", "then"), TWO_MISTAKES.values(), ids=TWO_MISTAKES)
def test_the_second_of_two_mistakes_is_named_after_the_first(
    tmp_path: Path, dataset: str, edits: tuple[tuple[str, str], ...], first: str, then: str
) -> None:
    name = write_mine(tmp_path)
    source = (tmp_path / "mine.py").read_text()
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    (tmp_path / "mine.py").write_text(source)
    sentences = reading(inspected(name, dataset, SOFTMAX))
    assert sentences[1:3] == [f"{FIRST}{first}.", f"With that mended, what remains is: {then}."]
    assert sentences[3].startswith("Question: ")
    assert " Or: " in sentences[3]


def test_a_second_mistake_that_nobody_knows_is_said_to_remain(tmp_path: Path, dataset: str) -> None:
    name = write_mine(tmp_path, DERIVATIVE, "")
    source = (tmp_path / "mine.py").read_text().replace("return total / len(order)", "return 0.7 * total / len(order)")
    (tmp_path / "mine.py").write_text(source)
    sentences = reading(inspected(name, dataset, SOFTMAX))
    assert sentences[1] == f"{FIRST}the derivative of the hidden activation is missing."
    assert sentences[2] == "With that mended, this remains, and has no known cause: loss × 0.7."


def test_a_value_that_is_not_that_of_the_recipe_is_named(tmp_path: Path, dataset: str) -> None:
    name = write_mine(tmp_path, "self.rate, _ = self.recipe.rates(self.epoch)", "self.rate = 0.3")
    assert reading(inspected(name, dataset, SOFTMAX))[1:] == [
        f"{SAME}the learning rate is 0.3, whatever the recipe says.",
        "Question: is your learning rate 0.3?",
    ]
    name = write_mine(tmp_path, "self.recipe.batch_size or len(order)", "20")
    assert reading(inspected(name, dataset, SOFTMAX))[1:] == [
        f"{SAME}a batch has 20 examples, whatever the recipe says.",
        "Question: is your batch size 20?",
    ]


def test_no_mistake_in_the_gradient_is_asked_about_where_the_gradient_is_right(tmp_path: Path, dataset: str) -> None:
    name = write_mine(tmp_path, "w += v", "w += v * (1 + 0.3 * (w.ndim == 1))")
    sentences = reading(inspected(name, dataset, SOFTMAX))
    assert sentences[0] == "What differs: first update of the biases × 1.3; loss."
    assert "the gradient of the biases" not in " ".join(sentences[1:])
    assert sentences[1].endswith("the weight update of the biases of every layer is 1.3 times what it should be.")


OVERFLOWS = {
    "no maximum": ("np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z)", "subtract the largest z of each example?"),
    "maximum of the batch": (
        "np.exp(z - z.max(axis=1, keepdims=True))",
        "np.exp(z - z.max())",
        "subtract the largest z of each example, and not that of the batch?",
    ),
}


@pytest.mark.parametrize(("old", "new", "question"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_a_softmax_that_overflows_is_equal_with_a_warning(
    tmp_path: Path, dataset: str, old: str, new: str, question: str
) -> None:
    outcome = inspected(write_mine(tmp_path, old, new), dataset, SOFTMAX)
    assert outcome["equal"]
    (warning,) = outcome["overflows"]
    assert warning.startswith("outputs are not finite where pre-activations of the output layer are large")
    assert warning.endswith(question)
    assert inspected(write_mine(tmp_path), dataset, SOFTMAX)["overflows"] == ()


def test_a_hidden_activation_that_overflows_is_named_with_its_layer(tmp_path: Path, dataset: str) -> None:
    naive = "z = y[-1] @ W + b\n            z = np.exp(z) * z / np.exp(z) if len(y) == 1 else z"
    outcome = inspected(write_mine(tmp_path, "z = y[-1] @ W + b", naive), dataset, SOFTMAX)
    layers = [
        warning.partition("pre-activations of ")[2].partition(" are large")[0] for warning in outcome["overflows"]
    ]
    assert layers == ["hidden layer 1"]


def test_gradients_that_differ_when_they_are_computed_again_are_named(tmp_path: Path, dataset: str) -> None:
    name = write_mine(tmp_path, "self.epoch = 0", "self.epoch, self.times = 0, 0")
    source = (tmp_path / "mine.py").read_text()
    again = "self.times += 1\n        return self.backward(self.forward(x), t * self.times)"
    (tmp_path / "mine.py").write_text(source.replace("return self.backward(self.forward(x), t)", again))
    outcome = inspected(name, dataset, SOFTMAX)
    assert outcome["protocol"].startswith("gradients returns other values for layer 1 weight when it is")
    assert "did you forget to reset the gradients to 0" in " ".join(reading(outcome))


def test_a_factor_that_nobody_knows_is_named_as_one(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, "dz = dz / len(t)", "dz = 0.7 * dz / len(t)"), dataset, SOFTMAX)
    assert reading(outcome) == [
        "What differs: gradient × 0.7; first update × 0.7; loss.",
        f"{SAME}the error of the outputs is 0.7 times what it should be.",
        "Question: is there a factor 0.7 in the gradient?",
    ]


HIDDEN = " * y[n] * (1 - y[n])"
TRAINED = """\
            y = self.forward(x[examples])
            total += self.loss(y[-1], t[examples])
            self.change(self.backward(y, t[examples]))
"""
VARIANTS = {
    "penalty in the gradient": (
        "dz.sum(axis=0)), *layers)",
        "dz.sum(axis=0)), *layers)\n            layers[0].weight[...] += 0.02 * self.w[2 * n]",
        "0.02 w is added to the gradient of the weights of every layer, as by a penalty",
    ),
    "penalty by the batch, of biases too": (
        "Layer(y[n].T @ dz, dz.sum(axis=0))",
        "Layer(*(g + 0.8 / len(t) * w for g, w in zip((y[n].T @ dz, dz.sum(0)), self.w[2 * n : 2 * n + 2])))",
        "0.8/B w is added to the gradient of every layer, as by a penalty",
    ),
    "penalty in the update": (
        "w += v",
        "w += v - self.rate * 0.02 * w",
        "0.02 w is added to the gradient of the weights",
    ),
    "weights made smaller": ("w += v", "w += v - 0.01 * w", "the weights and biases are multiplied by 0.99 in every"),
    "penalty in the loss": (
        LOSS,
        LOSS + " + len(examples) * 0.01 * sum((w**2).sum() for w in self.w[::2])",
        "0.02 / 2 Σ w² of the weights is added to the reported loss",
    ),
    "clipped": (
        "y[n].T @ dz",
        "np.clip(y[n].T @ dz, -0.01, 0.01)",
        "the gradient of the weights of layer 3 is clipped to ±0.01; and",
    ),
    "one layer of three": (
        HIDDEN,
        HIDDEN + " * (2 if n == 1 else 1)",
        "the gradient of layer 1 is 2 times what it should be",
    ),
    "first layer in two ways": (
        "y[n].T @ dz",
        "(y[n].T @ dz) * (len(t) if n == 0 else 1)",
        "the gradient of the weights of layer 1 is B times what it should be",
    ),
    "weights from dE/dy": (
        "Layer(y[n].T @ dz, dz.sum(axis=0))",
        "Layer(y[n].T @ dz, (dz if n else dz / (y[1] * (1 - y[1]))).sum(axis=0))",
        "the gradient of the biases of layer 1 lacks the derivative of the activation",
    ),
    "derivative of tanh": (
        HIDDEN,
        " * (1 - y[n] ** 2)",
        "the error is multiplied by 1 − y² rather than by the derivative of the activation of layer 2; and",
    ),
    "not minus the targets": ("dz = y[-1] - t", "dz = y[-1]", "the targets are not subtracted from the outputs"),
    "frozen": ("w += v", "w += v * (w.shape[0] != 16)", "the weights of layer 1 are never updated"),
    "centred inputs": ("y = [x]", "y = [x - 0.5]", "0.5 is subtracted from the inputs"),
    "binary inputs": ("y = [x]", "y = [(x > 0.5) * 1.0]", "the inputs are 0 or 1, whether they are above 0.5"),
    "other targets": (
        "self.backward(y, t[examples])",
        "self.backward(y, np.roll(t[examples], 1, 1))",
        "the targets are those of the next class",
    ),
    "in two halves": (
        TRAINED,
        """\
            for part in (examples[:4], examples[4:]):
                if len(part):
                    y = self.forward(x[part])
                    total += self.loss(y[-1], t[part])
                    self.change(self.backward(y, t[part]))
""",
        "the weights are updated after every 4 examples of a batch",
    ),
    "mean squared error for a loss": (
        "return float(-(t * np.log(y)).sum())",
        "return float(((y - t) ** 2).mean())",
        "the reported loss of a batch is 1/(B C) Σ (y − t)²",
    ),
}


@pytest.mark.parametrize(("old", "new", "mistake"), VARIANTS.values(), ids=VARIANTS)
def test_what_is_no_line_of_a_catalogue_is_found_by_layer_or_by_estimate(
    tmp_path: Path, dataset: str, old: str, new: str, mistake: str
) -> None:
    sentences = reading(inspected(write_mine(tmp_path, old, new), dataset, SOFTMAX))
    assert len(sentences) > 1, sentences
    assert mistake in sentences[1]
    assert "; or " not in sentences[1]


def test_a_mistake_that_nobody_knows_is_described(tmp_path: Path, dataset: str) -> None:
    odd = "dz.sum(axis=0) * (1 + 0.1 * np.arange(dz.shape[1]) * (n == 1))"
    outcome = inspected(write_mine(tmp_path, "dz.sum(axis=0)", odd), dataset, SOFTMAX)
    assert reading(outcome) == [
        "What differs: gradient of the biases in layer 2; first update of the biases in layer 2; loss.",
        "No known mistake affects exactly these quantities.",
    ]


def test_a_mistake_that_begins_late_is_said_to(tmp_path: Path, dataset: str) -> None:
    late = "self.epoch += 1\n        self.rate *= 0.9 if self.epoch > 3 else 1"
    outcome = inspected(write_mine(tmp_path, "self.epoch += 1", late), dataset, SOFTMAX)
    assert "differ from step 34 on, batch 1 of 11 in epoch 4" in conclusion("float64", outcome)
    (sentences,) = reading(outcome)
    assert sentences.startswith("Known mistakes are tried for 3 epochs of a few batches, and nothing differs there")


def test_a_mistake_is_found_in_float32_too(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, " / len(t)", ""), dataset, SOFTMAX.replace(dtype="float32"))
    assert "did you sum over the examples, although the recipe takes their mean?" in " ".join(reading(outcome))


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"batch_size": None}, {"layer_sizes": (16, 16, 3)}])
def test_a_mistake_is_found_whatever_the_sizes(tmp_path: Path, dataset: str, changes: dict[str, Any]) -> None:
    outcome = inspected(write_mine(tmp_path, DERIVATIVE, ""), dataset, SOFTMAX.replace(**changes))
    assert "did you forget to multiply by the derivative of the hidden activation?" in " ".join(reading(outcome))


@pytest.mark.parametrize("recipe", [SOFTMAX, SQUARED, MOMENTUM, DECAY, SCHEDULE])
def test_a_correct_network_raises_no_question(tmp_path: Path, dataset: str, recipe: Recipe) -> None:
    outcome = inspected(write_mine(tmp_path), dataset, recipe)
    assert outcome["equal"]
    assert reading(outcome) == []


def test_the_verification_before_timing_asks_the_same(tmp_path: Path, dataset: str) -> None:
    with Worker(1) as worker:
        outcome = verification.verify(worker, write_mine(tmp_path, DERIVATIVE, ""), SOFTMAX, dataset, STEPS)
    assert outcome.questions == ("did you forget to multiply by the derivative of the hidden activation?",)


@pytest.mark.parametrize(("size", "times"), [(None, 2), (3, 1)])
def test_who_updates_more_often_in_a_batch_has_the_learning_rate_of_the_epoch(size: int | None, times: int) -> None:
    recipe = Recipe(layer_sizes=(4, 3), batch_size=6).replace(rate_factor=0.5)
    examples, trainer = random_examples(recipe, 15), _dividing(NumpyTrainer, size, times, 1)
    altered = trainer(recipe, initial_parameters(recipe))
    for epoch in range(3):
        altered.train_epoch(examples.x, examples.t, batch_order(recipe, 15, epoch))
        assert altered.epoch == epoch
    assert altered.n_visited == 45


def test_who_counts_the_epochs_as_steps_of_adam_begins_with_1() -> None:
    recipe = Recipe(layer_sizes=(4, 3), batch_size=6, optimizer="adam")
    examples, trainer = random_examples(recipe, 15), _counting_epochs(NumpyTrainer)
    altered: Any = trainer(recipe, initial_parameters(recipe))
    for epoch in range(3):
        altered.train_epoch(examples.x, examples.t, batch_order(recipe, 15, epoch))
        assert altered.optimizer.steps == epoch + 1

# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Back-propagation from scratch
#
# You write a network, derive its gradient, verify it, and time it reliably.
#
# Equations have the numbers of [derivation.md](derivation.md), which derives them. Run the cells from top to bottom, in
# less than a minute. At each **Question**, answer before you go on. For most answers, change a cell and rerun it.
#
# You need this project, installed by `make install`, and a program that opens notebooks.

# %%
import time
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import threadpoolctl
import torch
from IPython.display import Markdown

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.stats.intervals import Interval, geometric_mean_interval
from backprop_bench.bench.mutation.likely import read_difference
from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.report.numbers import speed
from backprop_bench.bench.report.table import to_markdown
from backprop_bench.bench.verify.inspection import inspect
from backprop_bench.bench.verify.view import parity_grid, reading
from backprop_bench.data import (
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    Trainer,
    batch_order,
    evaluation_examples,
    initial_parameters,
    load_dataset,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

# %%
torch.set_num_threads(1)  # one thread for both sides: more are no faster for so small a network
one_thread = threadpoolctl.threadpool_limits(1)

# %% [markdown]
# ## One neuron
#
# A unit computes the weighted sum of its inputs plus a bias, the pre-activation $z$. Its output is the sigmoid of that:
#
# $$z = \sum_i x_i \, w_i + b \quad (1) \qquad\qquad y = \sigma(z) = \frac{1}{1 + e^{-z}} \quad (2)$$
#
# Here is the first hidden unit of the worked example in [derivation.md](derivation.md).


# %%
def sigmoid(z: Floats) -> Floats:
    """Rise smoothly from 0 to 1."""
    return 1 / (1 + np.exp(-z))  # (2)


x, w, b = np.array([0.5, -1.0]), np.array([0.1, 0.3]), 0.05
z = x @ w + b  # (1)
print(f"z = {z:.6f}, y = {sigmoid(z):.6f}")

# %% [markdown]
# **Question.** What are the largest and the smallest $y$ that other weights can give? What does `sigmoid` return for
# $z = -1000$, and why is it right in spite of its warning?
#
# Let this unit be the whole network, with the target $t = 1$. Its error is the loss
#
# $$E = \frac{1}{2} (y - t)^2 \quad (3)$$
#
# How does $E$ change with a weight? One can simply try: move the weight a little both ways and compare.

# %%
t = 1.0


def loss_of(w: Floats) -> float:
    """Return the loss of the single neuron."""
    return float(0.5 * (sigmoid(x @ w + b) - t) ** 2)  # (3)


h = 1e-5
differences = [(loss_of(w + h * unit) - loss_of(w - h * unit)) / (2 * h) for unit in np.eye(2)]
print("differences:", differences)

# %% [markdown]
# That takes two forward passes per weight. The chain rule needs one for all weights: $E$ depends on $y$, $y$ on $z$,
# and $z$ on the weight.
#
# $$\frac{\partial E}{\partial y} = y - t \quad (4)$$
#
# $$\frac{\partial E}{\partial z} = \frac{\partial E}{\partial y} \cdot y \, (1 - y) \quad (5)$$
#
# $$\frac{\partial E}{\partial w_i} = \frac{\partial E}{\partial z} \cdot x_i \quad (6)$$

# %%
y = sigmoid(x @ w + b)
dy = y - t  # (4)
dz = dy * y * (1 - y)  # (5)
dw = dz * x  # (6)
print("derivation: ", dw.tolist())
assert np.allclose(dw, differences, rtol=1e-6)

# %% [markdown]
# **Question.** Use the target minus the output in (4). Which other sign must change, and what happens to the loss if it
# does not?
#
# **Question.** A unit makes its largest error where $y \approx 0$ and $t = 1$. How large is its gradient? Which factor
# is the cause?

# %% [markdown]
# ## A network
#
# A hidden unit affects $E$ through *all* outputs, so the chain rule sums over them:
#
# $$\frac{\partial E}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \quad (7)$$
#
# After that, (5) and (6) are as before. Then gradient descent updates all weights:
#
# $$\Delta w = -\varepsilon \, \frac{\partial E}{\partial w} \quad (8)$$
#
# For a batch of B examples, each row of a matrix is one example, and every sum is a matrix product: $Z = XW + b$,
# $dY = dZ \, W^T$, $dW = X^T dZ$. This class is complete. The project requires `__init__` and the last four methods
# ([your-own.md](your-own.md)).


# %%
class FromScratch:
    """One hidden layer of sigmoids, sigmoid outputs, squared error; B examples, D inputs, J hidden units, C outputs."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.W1, self.b1, self.W2, self.b2 = (array.copy() for layer in parameters for array in layer.arrays())

    def forward(self, x: Floats) -> tuple[Floats, Floats]:
        """Return hidden activations [B, J] and outputs [B, C] for inputs [B, D]."""
        y = sigmoid(x @ self.W1 + self.b1)  # (1), (2)
        o = sigmoid(y @ self.W2 + self.b2)  # (1), (2)
        return y, o

    def backward(self, x: Floats, t: Floats, y: Floats, o: Floats) -> Parameters:
        """Return dE/dw of a batch."""
        do = (o - t) / len(x)  # (4), and (26): the mean over the examples
        dz2 = do * o * (1 - o)  # (5)
        dy = dz2 @ self.W2.T  # (7)
        dz1 = dy * y * (1 - y)  # (5)
        return Layer(x.T @ dz1, dz1.sum(axis=0)), Layer(y.T @ dz2, dz2.sum(axis=0))  # (6)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Train one epoch in this order and return the mean loss, each example before the update of its batch."""
        loss, size = 0.0, self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            y, o = self.forward(x[examples])
            loss += float(0.5 * ((o - t[examples]) ** 2).sum())  # (3)
            dW1, dW2 = self.backward(x[examples], t[examples], y, o)
            for weights, gradient in zip(
                (self.W1, self.b1, self.W2, self.b2), (*dW1.arrays(), *dW2.arrays()), strict=True
            ):
                weights -= self.recipe.learning_rate * gradient  # (8)
        return loss / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of a batch without an update."""
        return self.backward(x, t, *self.forward(x))

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [B, C]."""
        return self.forward(x)[1]

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return Layer(self.W1.copy(), self.b1.copy()), Layer(self.W2.copy(), self.b2.copy())


# %% [markdown]
# A recipe says what to compute: layer sizes, activation functions, loss, batch size, learning rate. The training
# examples are the first 2,000 digits of MNIST; the test examples are 1,000 others.

# %%
recipe = Recipe(
    layer_sizes=(784, 30, 10),
    output_activation="sigmoid",
    loss="squared_error",
    reduction="mean",
    batch_size=10,
    learning_rate=3.0,
    dtype="float64",
)
mnist = load_dataset("mnist").subset(2000, 1000)
train, test = training_examples(recipe, mnist), evaluation_examples(recipe, mnist)
start = initial_parameters(recipe)
print(train.x.shape, train.t.shape, test.x.shape)

# %% [markdown]
# **Question.** The initial weights are small random numbers. What would the hidden units learn from zeros?

# %% [markdown]
# ## Is it right?
#
# ### Central differences
#
# As with the single neuron, move a weight both ways and compare $E$. All 23,860 weights would take long, so take some
# of each array.


# %%
def batch_loss(trainer: FromScratch, x: Floats, t: Floats) -> float:
    """Return the mean loss of a batch."""
    return float(0.5 * ((trainer.predict(x) - t) ** 2).sum() / len(x))  # (3), (26)


def difference(name: str, place: int, h: float, x: Floats, t: Floats) -> float:
    """Return the central difference of the loss for one weight of an array, by its flat index, of a fresh network."""
    losses = []
    for step in (h, -h):
        trainer = FromScratch(recipe, start)
        getattr(trainer, name).flat[place] += step
        losses.append(batch_loss(trainer, x, t))
    return (losses[0] - losses[1]) / (2 * h)


x_batch, t_batch = train.x[:20], train.t[:20]
hidden, output = FromScratch(recipe, start).gradients(x_batch, t_batch)
arrays = {"W1": hidden.weight, "b1": hidden.bias, "W2": output.weight, "b2": output.bias}
for name, gradient in arrays.items():
    assert gradient is not None
    # The largest derivatives: near 0, the difference is mostly rounding error.
    places = np.argsort(-np.abs(gradient), axis=None)[:5].tolist()
    off = max(abs(difference(name, place, 1e-5, x_batch, t_batch) / gradient.flat[place] - 1) for place in places)
    print(f"{name}: largest relative error {off:.0e}")
    assert off < 1e-5

# %% [markdown]
# How small should the step be?

# %%
place = int(np.abs(output.weight).argmax())
steps = np.logspace(-12, 0, 37)
off_by = [abs(difference("W2", place, h, x_batch, t_batch) / output.weight.flat[place] - 1) for h in steps]
plt.figure(figsize=(7, 3))
plt.loglog(steps, off_by, "o-")
plt.xlabel("step h")
plt.ylabel("relative error")
plt.title("A step can be too large, and too small")
plt.show()

# %% [markdown]
# **Question.** On the right, the curve rises with slope 2. Why? On the left, why is a smaller step worse? Where would
# the minimum be with `float32`?

# %% [markdown]
# ### Reference implementations
#
# Central differences agree to about nine digits. Two programs with the same arithmetic agree to fifteen. So compare
# with two reference implementations. The project's NumPy version shares no code with yours. In the PyTorch version,
# autograd computes the derivatives.


# %%
def largest_difference(actual: Parameters, expected: Parameters) -> float:
    """Return the largest difference of two sets of arrays, relative to the largest value of its array."""
    pairs = zip(
        (array for layer in actual for array in layer.arrays()),
        (array for layer in expected for array in layer.arrays()),
        strict=True,
    )
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in pairs)


mine = FromScratch(recipe, start).gradients(x_batch, t_batch)
others: dict[str, type[Trainer]] = {
    "scratch-numpy": NumpyTrainer,
    "torch-eager": named_implementation("torch-eager").load(),
}
for name, other in others.items():
    apart = largest_difference(mine, other(recipe, start).gradients(x_batch, t_batch))
    print(f"gradient, against {name}: {apart:.1e}")
    assert apart < 1e-12

# %% [markdown]
# The same directly with autograd:

# %%
W1, b1, W2, b2 = (torch.tensor(array, requires_grad=True) for layer in start for array in layer.arrays())
o = torch.sigmoid(torch.sigmoid(torch.tensor(x_batch) @ W1 + b1) @ W2 + b2)
loss = 0.5 * ((o - torch.tensor(t_batch)) ** 2).sum() / len(x_batch)
loss.backward()  # type: ignore[no-untyped-call]
grads = [tensor.grad.numpy() for tensor in (W1, b1, W2, b2) if tensor.grad is not None]
autograd = (Layer(grads[0], grads[1]), Layer(grads[2], grads[3]))
print(f"gradient, against autograd: {largest_difference(mine, autograd):.1e}")
assert largest_difference(mine, autograd) < 1e-12

# %% [markdown]
# **Question.** Use `torch.nn.functional.mse_loss(o, t)` as the loss. By which factor does the gradient differ, and why?
#
# A correct gradient does not make training correct. So train all three from the same weights, on the same batches in
# the same order. Then compare the weights after an epoch of 200 steps:

# %%
trained = {}
all_three: dict[str, type[Trainer]] = {"from scratch": FromScratch, **others}
for name, trainer in all_three.items():
    network = trainer(recipe, start)
    network.train_epoch(train.x, train.t, batch_order(recipe, len(train.x), 0))
    trained[name] = network.parameters()
for name in others:
    apart = largest_difference(trained["from scratch"], trained[name])
    print(f"weights after 200 steps, against {name}: {apart:.1e}")
    assert apart < 1e-9

# %% [markdown]
# **Question.** The difference grows from the first step to the last. Does it go on growing? What do you expect with
# `dtype="float32"`? Try it. [parity.md](parity.md) derives the tolerances.

# %% [markdown]
# ## Training
#
# Train ten epochs on 2,000 digits. Accuracy is the share of the 1,000 test examples with the right digit.


# %%
def learn(trainer: type[Trainer], epochs: int = 10) -> tuple[list[float], list[float]]:
    """Train a network and return the loss and the test accuracy after every epoch."""
    network = trainer(recipe, start)
    losses, accuracies = [], []
    for epoch in range(epochs):
        losses.append(network.train_epoch(train.x, train.t, batch_order(recipe, len(train.x), epoch)))
        accuracies.append(float((network.predict(test.x).argmax(axis=1) == test.y).mean()))
    return losses, accuracies


curves = {"from scratch": learn(FromScratch), "torch-eager": learn(others["torch-eager"])}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for (name, (losses, accuracies)), look in zip(curves.items(), ("o-", "x--"), strict=True):
    left.plot(range(1, 11), losses, look, label=name)
    right.plot(range(1, 11), accuracies, look, label=name)
left.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
right.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
right.legend()
plt.show()

# %% [markdown]
# The two curves coincide, because recipe, weights and batches are the same. If one of two networks is more accurate,
# something else differs.
#
# **Question.** The article behind this project finds its PyTorch network more accurate, *perhaps* because of
# cross-entropy and mini-batches. What else may differ between its two programs? [why.md](why.md) has the answer.

# %% [markdown]
# ## Find the mistake
#
# Here is a network with a hidden mistake. First see how it learns:

# %%
NUMBER = 0  # another number is another mistake; this recipe does not reach all of them
planted = make_trainer(MISTAKES[NUMBER].edits)
losses, accuracies = learn(planted)
plt.figure(figsize=(5, 3))
plt.plot(range(1, 11), curves["from scratch"][1], "o-", label="correct")
plt.plot(range(1, 11), accuracies, "s-", label="with the mistake")
plt.xlabel("epoch")
plt.ylabel("test accuracy")
plt.ylim(0, 1)
plt.legend()
plt.show()

# %% [markdown]
# **Question.** Would you notice the mistake without the other curve? A network that learns may still be wrong.
#
# Now compare it with a correct one, quantity by quantity, in the order of computation: forward, then backward from the
# last layer to the first, then training. Anything after the first difference may follow from it.


# %%
def compare(trainer: type[Trainer]) -> Markdown:
    """Return the verification table of an implementation."""
    quantities = inspect(recipe, trainer, NumpyTrainer, train, steps=200)
    grid = parity_grid("Against scratch-numpy", quantities, 200)
    return Markdown(to_markdown(grid))  # type: ignore[no-untyped-call]


compare(planted)

# %% [markdown]
# **Question.** Which quantity differs first, and in which layer? What is right just before it? Which equation is
# between the two? Write down your guess before you run the next cell.

# %%
diagnosis = read_difference(recipe, planted, NumpyTrainer, train)
print("\n".join(reading(diagnosis)))

# %% [markdown]
# `backprop-bench parity path/to/file.py:ClassName` does the same for a file of your own. Your class from above passes:

# %%
compare(FromScratch)

# %% [markdown]
# **Question.** Break a line of `FromScratch` and rerun the notebook down to here. Can your neighbour find it from the
# table alone?

# %% [markdown]
# ## How fast is it?
#
# The usual way is to time each once and divide. Do that five times.

# %%
EAGER = others["torch-eager"]
order = batch_order(recipe, len(train.x), 0)


def timer_of(trainer: type[Trainer]) -> Callable[[int], float]:
    """Return a function that trains a network on so many examples and returns the seconds."""
    network = trainer(recipe, start)

    def seconds(n_examples: int) -> float:
        begin = time.perf_counter()
        network.train_epoch(train.x, train.t, order[:n_examples])
        return time.perf_counter() - begin

    seconds(200)  # warm-up: the first batches load, allocate and compile
    return seconds


for _ in range(5):
    ratio = timer_of(EAGER)(1000) / timer_of(FromScratch)(1000)
    print(f"speed-up over torch-eager: {ratio:.2f}×")

# %% [markdown]
# **Question.** Which of the five would you publish? With how many digits?
#
# System interference slows down one or the other by chance. So time them in *pairs* of short blocks, one right after
# the other, in random order. Divide within each pair, so that interference with both cancels. The logarithms of the
# ratios have a mean and a 95 % CI.


# %%
def paired_ratio(first: type[Trainer], second: type[Trainer], pairs: int = 40, seed: int = 0) -> Interval:
    """Return time(first) / time(second) with its 95 % CI, from pairs of short blocks."""
    rng = np.random.default_rng(seed)
    timers = timer_of(first), timer_of(second)
    ratios = []
    for _ in range(pairs):
        times = [0.0, 0.0]
        for side in rng.permutation(2):
            times[side] = timers[side](200)
        ratios.append(times[0] / times[1])
    return geometric_mean_interval(ratios)


for name, other in {"torch-eager": EAGER, "its copy": FromScratch}.items():
    print(speed("your network", name, paired_ratio(FromScratch, other)))

# %% [markdown]
# The second line is an A/A test: it compares your network with itself. Its interval should contain 1, and does so 19
# times out of 20. If it often does not, the measurement is wrong, and the first line is unreliable, too.
#
# **Question.** Does the second interval contain 1? Run the cell ten times, or keep a core busy meanwhile. What happens
# to the two intervals, and what to the five numbers from before?
#
# **Question.** All these pairs come from one process. Restart the kernel and repeat. Is the new estimate within the old
# interval? Why may it not be? [method.md](method.md) has the answer.
#
# **Question.** Batches of 10 examples and 30 hidden units are small. Which side gains more from larger ones, and why?
# `backprop-bench scale` measures it; [speed.md](speed.md) shows it.

# %% [markdown]
# ## Summary
#
# 1. **Is it right?** Verify it with central differences, then with a reference implementation, number by number. That
#    it learns shows little.
# 2. **How fast is it?** Verify before you time. Time in pairs, with a 95 % CI and an A/A test.
# 3. **Why do two networks differ?** Change one thing at a time, or better, try all combinations ([why.md](why.md)).

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
# # Back-propagation by hand
#
# You write a network, derive its gradient, find out whether it is right, and time it without fooling yourself.
#
# Equations carry the numbers of [derivation.md](derivation.md), where each of them is derived. Run the cells from top
# to bottom; all of them together take less than a minute. Where it says **Question**, answer before you go on: most of
# them can be answered by changing a cell and running it again.
#
# It needs this project, as `make install` installs it, and something that opens notebooks.

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
torch.set_num_threads(1)  # one thread for everybody: more are no faster here, and it is fair to both sides
one_thread = threadpoolctl.threadpool_limits(1)

# %% [markdown]
# ## One neuron
#
# A unit takes a weighted sum of its inputs, adds a bias, and passes on the sigmoid of that:
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
# **Question.** What are the largest and the smallest $y$ that you can make with other weights? What does `sigmoid` say
# for $z = -1000$, and why is it right in spite of its warning?
#
# Let this unit be the whole network, and let its target be $t = 1$. How far it is away is the loss
#
# $$E = \frac{1}{2} (y - t)^2 \quad (3)$$
#
# How does $E$ change when a weight changes? One can simply try: move the weight a little both ways, and look.

# %%
t = 1.0


def loss_of(w: Floats) -> float:
    """Return the loss of the single neuron."""
    return float(0.5 * (sigmoid(x @ w + b) - t) ** 2)  # (3)


h = 1e-5
tried = [(loss_of(w + h * unit) - loss_of(w - h * unit)) / (2 * h) for unit in np.eye(2)]
print("tried:  ", tried)

# %% [markdown]
# That takes two forward passes for every weight. The chain rule gets all of them from one: $E$ depends on $y$, $y$ on
# $z$, $z$ on the weight.
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
print("derived:", dw.tolist())
assert np.allclose(dw, tried, rtol=1e-6)

# %% [markdown]
# **Question.** Take the target minus the output in (4) instead. Which other sign must change, and what happens to the
# loss if you forget it?
#
# **Question.** A unit that is surely wrong has $y \approx 0$ where $t = 1$. How large is its gradient? Which factor is
# to blame?

# %% [markdown]
# ## A network
#
# With a hidden layer, a hidden unit acts on $E$ through *all* outputs, so the ways add up:
#
# $$\frac{\partial E}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \quad (7)$$
#
# From there (5) and (6) are as before. Then all weights move downhill by a small step:
#
# $$\Delta w = -\varepsilon \, \frac{\partial E}{\partial w} \quad (8)$$
#
# For a batch of B examples each row of a matrix is one example, and every sum becomes a product: $Z = XW + b$, $dY = dZ
# W^T$, $dW = X^T dZ$. This class is all of it. The five methods from `train_epoch` on are what the project asks of any
# implementation ([your-own.md](your-own.md)).


# %%
class ByHand:
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
        """Go once over the examples in this order and return their mean loss, each as it was seen."""
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
        """Return dE/dw of a batch and leave the weights alone."""
        return self.backward(x, t, *self.forward(x))

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [B, C]."""
        return self.forward(x)[1]

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return Layer(self.W1.copy(), self.b1.copy()), Layer(self.W2.copy(), self.b2.copy())


# %% [markdown]
# A recipe says what is computed: sizes, functions, loss, batch, step length. The examples are the first 2,000 digits of
# MNIST for training, and 1,000 others for testing.

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
# **Question.** The weights begin at small random numbers. What would the hidden units learn if all weights began at 0?

# %% [markdown]
# ## Is it right?
#
# ### Against differences
#
# As with the one neuron: move a weight both ways and watch $E$. For every one of the 23,860 weights that would take a
# while, so take some of each array.


# %%
def batch_loss(trainer: ByHand, x: Floats, t: Floats) -> float:
    """Return the mean loss of a batch."""
    return float(0.5 * ((trainer.predict(x) - t) ** 2).sum() / len(x))  # (3), (26)


def difference(name: str, place: int, h: float, x: Floats, t: Floats) -> float:
    """Return the central difference of the loss by one weight of an array, counted row by row, of a fresh network."""
    losses = []
    for step in (h, -h):
        trainer = ByHand(recipe, start)
        getattr(trainer, name).flat[place] += step
        losses.append(batch_loss(trainer, x, t))
    return (losses[0] - losses[1]) / (2 * h)


x_batch, t_batch = train.x[:20], train.t[:20]
hidden, output = ByHand(recipe, start).gradients(x_batch, t_batch)
arrays = {"W1": hidden.weight, "b1": hidden.bias, "W2": output.weight, "b2": output.bias}
for name, gradient in arrays.items():
    assert gradient is not None
    # The steepest weights: where the gradient is nearly 0, rounding is all that there is to compare.
    places = np.argsort(-np.abs(gradient), axis=None)[:5].tolist()
    off = max(abs(difference(name, place, 1e-5, x_batch, t_batch) / gradient.flat[place] - 1) for place in places)
    print(f"{name}: differences and derivation agree to {off:.0e} of the gradient")
    assert off < 1e-5

# %% [markdown]
# How small should the step be? Try all of them:

# %%
place = int(np.abs(output.weight).argmax())
steps = np.logspace(-12, 0, 37)
off_by = [abs(difference("W2", place, h, x_batch, t_batch) / output.weight.flat[place] - 1) for h in steps]
plt.figure(figsize=(7, 3))
plt.loglog(steps, off_by, "o-")
plt.xlabel("step h")
plt.ylabel("relative difference")
plt.title("A step can be too large, and too small")
plt.show()

# %% [markdown]
# **Question.** On the right the curve rises with slope 2. Where does that come from? And on the left, why does a
# smaller step make it worse? Where would the minimum be with `float32`?

# %% [markdown]
# ### Against others
#
# Differences are blunt: they agree to some nine digits. Two programs that do the same arithmetic agree to fifteen. So
# compare with the network by hand of this project, which shares no line with yours, and with PyTorch, where no
# derivative was written by anybody: autograd found them.


# %%
def largest_difference(found: Parameters, expected: Parameters) -> float:
    """Return the largest difference of two replicates of arrays, each relative to the largest value of its array."""
    pairs = zip(
        (array for layer in found for array in layer.arrays()),
        (array for layer in expected for array in layer.arrays()),
        strict=True,
    )
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in pairs)


mine = ByHand(recipe, start).gradients(x_batch, t_batch)
others: dict[str, type[Trainer]] = {
    "scratch-numpy": NumpyTrainer,
    "torch-eager": named_implementation("torch-eager").load(),
}
for name, other in others.items():
    apart = largest_difference(mine, other(recipe, start).gradients(x_batch, t_batch))
    print(f"gradient, against {name}: {apart:.1e}")
    assert apart < 1e-12

# %% [markdown]
# The same with autograd in the open:

# %%
W1, b1, W2, b2 = (torch.tensor(array, requires_grad=True) for layer in start for array in layer.arrays())
o = torch.sigmoid(torch.sigmoid(torch.tensor(x_batch) @ W1 + b1) @ W2 + b2)
loss = 0.5 * ((o - torch.tensor(t_batch)) ** 2).sum() / len(x_batch)
loss.backward()  # type: ignore[no-untyped-call]
slopes = [tensor.grad.numpy() for tensor in (W1, b1, W2, b2) if tensor.grad is not None]
found = (Layer(slopes[0], slopes[1]), Layer(slopes[2], slopes[3]))
print(f"gradient, against autograd: {largest_difference(mine, found):.1e}")
assert largest_difference(mine, found) < 1e-12

# %% [markdown]
# **Question.** Write `torch.nn.functional.mse_loss(o, t)` for the loss. By which factor is the gradient off, and why?
#
# One right gradient is not yet right training. So train all three from the same weights, on the same batches in the
# same order, and compare the weights after an epoch of 200 steps:

# %%
trained = {}
everybody: dict[str, type[Trainer]] = {"by hand": ByHand, **others}
for name, trainer in everybody.items():
    network = trainer(recipe, start)
    network.train_epoch(train.x, train.t, batch_order(recipe, len(train.x), 0))
    trained[name] = network.parameters()
for name in others:
    apart = largest_difference(trained["by hand"], trained[name])
    print(f"weights after 200 steps, against {name}: {apart:.1e}")
    assert apart < 1e-9

# %% [markdown]
# **Question.** The difference has grown from the first step to the last. Would it go on growing? What would you expect
# with `dtype="float32"`? Try it: the bounds are derived in [parity.md](parity.md).

# %% [markdown]
# ## Training
#
# Ten epochs on 2,000 digits. Accuracy is the share of the 1,000 test examples whose largest output is the right digit.


# %%
def learn(trainer: type[Trainer], epochs: int = 10) -> tuple[list[float], list[float]]:
    """Train a network and return the loss and the test accuracy after every epoch."""
    network = trainer(recipe, start)
    losses, accuracies = [], []
    for epoch in range(epochs):
        losses.append(network.train_epoch(train.x, train.t, batch_order(recipe, len(train.x), epoch)))
        accuracies.append(float((network.predict(test.x).argmax(axis=1) == test.y).mean()))
    return losses, accuracies


curves = {"by hand": learn(ByHand), "torch-eager": learn(others["torch-eager"])}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for (name, (losses, accuracies)), look in zip(curves.items(), ("o-", "x--"), strict=True):
    left.plot(range(1, 11), losses, look, label=name)
    right.plot(range(1, 11), accuracies, look, label=name)
left.set(xlabel="epoch", ylabel="loss in training", ylim=(0, None))
right.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
right.legend()
plt.show()

# %% [markdown]
# The two curves lie on each other, as they must: same recipe, same weights, same batches. Whoever finds one of two
# networks more accurate than the other has changed something else, too.
#
# **Question.** The article that this project follows up finds its PyTorch network more accurate, *perhaps* because of
# cross-entropy and mini-batches. What else may differ between its two programs? [why.md](why.md) takes it apart.

# %% [markdown]
# ## Find the mistake
#
# Here is a network with a mistake in it. Which one is not shown. First see how it learns:

# %%
NUMBER = 0  # another number is another mistake; some of them are out of reach of this recipe
planted = make_trainer(MISTAKES[NUMBER].edits)
losses, accuracies = learn(planted)
plt.figure(figsize=(5, 3))
plt.plot(range(1, 11), curves["by hand"][1], "o-", label="right")
plt.plot(range(1, 11), accuracies, "s-", label="with the mistake")
plt.xlabel("epoch")
plt.ylabel("test accuracy")
plt.ylim(0, 1)
plt.legend()
plt.show()

# %% [markdown]
# **Question.** Would you have noticed, without the other curve? A network that learns is not a network that is right.
#
# Now compare it with a right one, quantity by quantity, in the order of the computation: forward, then backward from
# the last layer to the first, then training. All that comes after the first difference may be its consequence.


# %%
def compare(trainer: type[Trainer]) -> Markdown:
    """Return the table of the parity proof for an implementation."""
    quantities = inspect(recipe, trainer, NumpyTrainer, train, steps=200)
    grid = parity_grid("Against scratch-numpy", [quantity.to_dict() for quantity in quantities], 200)
    return Markdown(to_markdown(grid))  # type: ignore[no-untyped-call]


compare(planted)

# %% [markdown]
# **Question.** Which is the first quantity that differs, and in which layer? What is right just before it? Between the
# two lies one equation: which? Write down your suspicion before you run the next cell.

# %%
found_in = read_difference(recipe, planted, NumpyTrainer, train)
print("\n".join(reading({"reading": found_in.to_dict()})))

# %% [markdown]
# The same is done to a file of your own by `backprop-bench parity path/to/file.py:ClassName`. Your class from above
# passes:

# %%
compare(ByHand)

# %% [markdown]
# **Question.** Break a line of `ByHand`, run the notebook again down to here, and let your neighbour find it from the
# table alone.

# %% [markdown]
# ## How fast, honestly?
#
# The usual way: time the one, time the other, divide. Do it five times.

# %%
EAGER = others["torch-eager"]
order = batch_order(recipe, len(train.x), 0)


def timer_of(trainer: type[Trainer]) -> Callable[[int], float]:
    """Return what trains a network for so many examples and returns the seconds that it took."""
    network = trainer(recipe, start)

    def seconds(n_examples: int) -> float:
        begin = time.perf_counter()
        network.train_epoch(train.x, train.t, order[:n_examples])
        return time.perf_counter() - begin

    seconds(200)  # the first batches load, allocate and compile: they are no part of what is compared
    return seconds


for _ in range(5):
    ratio = timer_of(ByHand)(1000) / timer_of(EAGER)(1000)
    print(f"time(by hand) / time(torch-eager) = {ratio:.2f}")

# %% [markdown]
# **Question.** Which of the five would you have published? How many digits of it?
#
# Whatever else the machine does slows down now the one, now the other. So time them in *pairs*: short blocks, one right
# after the other, in random order, and divide within each pair. What slows both cancels. The logarithms of the ratios
# have a mean and an interval.


# %%
def paired_ratio(first: type[Trainer], second: type[Trainer], pairs: int = 40, seed: int = 0) -> Interval:
    """Return time(first) / time(second) with its 95 % interval, from pairs of short blocks."""
    rng = np.random.default_rng(seed)
    timers = timer_of(first), timer_of(second)
    ratios = []
    for _ in range(pairs):
        times = [0.0, 0.0]
        for side in rng.permutation(2):
            times[side] = timers[side](200)
        ratios.append(times[0] / times[1])
    return geometric_mean_interval(ratios)


for name, other in {"torch-eager": EAGER, "by hand": ByHand}.items():
    interval = paired_ratio(ByHand, other)
    print(f"time(by hand) / time({name}) = {interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})")

# %% [markdown]
# The second line compares your network with itself. Its interval should hold 1, and does so 19 times out of 20: if it
# does not, something is wrong with the measuring, and the first line is worth nothing either.
#
# **Question.** Is 1 in the second interval? Run the cell ten times, or start something that needs a core meanwhile:
# what happens to the two intervals, and what would have happened to the five numbers from before?
#
# **Question.** All these pairs come from one process. Restart the kernel and measure again: is the new estimate within
# the old interval? Why may it not be? [method.md](method.md) has the answer, and what this project does about it.
#
# **Question.** Batches of 10 examples and 30 hidden units are small. Who gains more from larger ones, and why?
# `backprop-bench scale` measures it; [speed.md](speed.md) shows it.

# %% [markdown]
# ## What to take home
#
# 1. **Is it right?** Compare with differences, then with somebody else's program, number by number. That it learns
#    proves nothing.
# 2. **How fast?** Nothing is timed before it is right. Then in pairs, with an interval, and once against itself.
# 3. **Why do two networks differ?** Change one thing at a time; better, all combinations ([why.md](why.md)).

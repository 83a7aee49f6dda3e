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
# English | [中文](notebook.zh-CN.ipynb)
#
# In one hour you derive the gradient of a network, write it, verify it, find the mistake in somebody else's, and time
# it reliably. You need the derivative of a function of several variables, the chain rule, and some NumPy.
#
# | minutes | section | afterwards you can |
# |---:|---|---|
# | 8 | 1. One neuron | derive the gradient of a neuron, and check it with central differences |
# | 12 | 2. A network | derive and write back-propagation through a hidden layer |
# | 10 | 3. Is it right? | verify a gradient, and say how close is close enough |
# | 6 | 4. Training | tell whether two networks learn the same, and why they may not |
# | 12 | 5. Find the mistake | read where two networks differ, and explain the derivative of the hidden activation |
# | 12 | 6. How fast is it? | time two programs in pairs, with a confidence interval and an A/A test |
#
# Run the cells from top to bottom, which takes about a minute. There are 16 exercises. Answer each one before you
# unfold its solution. For a class of an hour, take the exercises 2, 4, 6, 10, 11, 13 and 14. The others are homework.
#
# The outputs below were stored when the notebook was last run. Yours will be the same, apart from times, and from the
# size of rounding errors.
#
# Equations have the numbers of [derivation.md](derivation.md), which derives them step by step. You need this project,
# installed by `make install`, and a program that opens notebooks.

# %%
import os

# One thread each: more are no faster for so small a network. NumPy reads this when it is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", VECLIB_MAXIMUM_THREADS="1")

import tempfile
import time
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch

import backprop_bench as bb

torch.set_num_threads(1)
Array = npt.NDArray[np.float64]

# %% [markdown]
# ## 1. One neuron
#
# A neuron, or unit, computes the weighted sum of its inputs plus a bias, the pre-activation $z$. Its activation $y$ is
# the sigmoid of that:
#
# $$z = \sum_i x_i \, w_i + b \quad (1) \qquad\qquad y = \sigma(z) = \frac{1}{1 + e^{-z}} \quad (2)$$
#
# Here is the first hidden unit of the worked example in [derivation.md](derivation.md).


# %%
def sigmoid(z: Array) -> Array:
    """Rise smoothly from 0 to 1."""
    y: Array = 1 / (1 + np.exp(-z))  # (2)
    return y


x, w, b = np.array([0.5, -1.0]), np.array([0.1, 0.3]), 0.05
z = x @ w + b  # (1)
print(f"z = {z:.6f}, y = {sigmoid(z):.6f}")

# %% [markdown]
# **Exercise 1.** Which values of $y$ can other weights give, by (2), and which in `float64`? What does `sigmoid` return
# for $z = -1000$? Why is it right in spite of its warning?
#
# <details>
# <summary>Solution</summary>
#
# By (2), every value between 0 and 1, and neither of the two. In `float64`, both: from about $z = 37$ on, $e^{-z}$ is
# lost beside 1. So an output can have exactly no error, and then no gradient.
#
# For $z = -1000$, $e^{1000}$ exceeds the largest number, and NumPy goes on with infinity. $1 / (1 + \infty) = 0$ is the
# number next to $e^{-1000} \approx 10^{-434}$, since that is less than the smallest positive number,
# $5 \cdot 10^{-324}$.
#
# ```python
# with np.errstate(over="ignore"):
#     print(sigmoid(np.array([36.0, 37.0, -1000.0])) == [1, 1, 0])
# ```
#
# It prints:
#
# ```text
# [False  True  True]
# ```
#
# </details>

# %% [markdown]
# Let this unit be the whole network, with the target $t = 1$. Its error is measured by the loss
#
# $$E = \frac{1}{2} (y - t)^2 \quad (3)$$
#
# How does $E$ change with a weight? Try it: move the weight a little both ways and compare.

# %%
t = 1.0


def loss_of(w: Array) -> float:
    """Return the loss of the single neuron."""
    return float(0.5 * (sigmoid(x @ w + b) - t) ** 2)  # (3)


h = 1e-5
differences = [(loss_of(w + h * unit) - loss_of(w - h * unit)) / (2 * h) for unit in np.eye(2)]
print("central differences:", *(f"{number:.9f}" for number in differences))

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
print("chain rule:         ", *(f"{number:.9f}" for number in dw))
assert np.allclose(dw, differences, rtol=1e-6)

# %% [markdown]
# **Exercise 2.** Many texts write the error as $t - y$. Which other sign must change then? Predict what happens to $E$
# if it does not. Then try it with one step of size 1.
#
# <details>
# <summary>Solution</summary>
#
# $t - y = -(y - t)$, so every derivative changes its sign, and the update must add it instead of subtracting it. Who
# changes only one of the two signs goes uphill: $E$ grows.
#
# ```python
# print(f"E = {loss_of(w):.4f}, downhill {loss_of(w - dw):.4f}, uphill {loss_of(w + dw):.4f}")
# ```
#
# It prints:
#
# ```text
# E = 0.1512, downhill 0.1288, uphill 0.1749
# ```
#
# </details>
#
# **Exercise 3.** A unit makes its largest error where $y \approx 0$ and $t = 1$. How large is $\partial E/\partial z$
# there? At which $y$ is it largest? Which loss would keep it large where the error is large?
#
# <details>
# <summary>Solution</summary>
#
# By (4) and (5) it is $-(1 - y)^2 \, y$. Near $y = 0$ that is about $-y$: the worst error learns least. The factor
# $y \, (1 - y)$ is the cause. The derivative of $(1 - y)^2 \, y$ is $(1 - y)(1 - 3y)$, so the largest value is at
# $y = 1/3$.
#
# A loss whose $\partial E/\partial y$ contains $1 / (y \, (1 - y))$ cancels the factor. That is cross-entropy,
# $E = -\ln y$ for $t = 1$: $\partial E/\partial z = -\frac{1}{y} \, y \, (1 - y) = y - 1$.
#
# ```python
# for y_k in (0.001, 1 / 3, 0.5):
#     print(f"y = {y_k:.3f}: squared error {-((1 - y_k) ** 2) * y_k:.3f}, cross-entropy {y_k - 1:.3f}")
# ```
#
# It prints:
#
# ```text
# y = 0.001: squared error -0.001, cross-entropy -0.999
# y = 0.333: squared error -0.148, cross-entropy -0.667
# y = 0.500: squared error -0.125, cross-entropy -0.500
# ```
#
# </details>

# %% [markdown]
# ## 2. A network
#
# Now the network has a layer of hidden units $j$ between its inputs $i$ and its outputs $k$. A hidden unit affects $E$
# through *all* outputs, so the chain rule sums over them:
#
# $$\frac{\partial E}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \quad (7)$$
#
# From there on, (5) and (6) hold for a hidden unit as for any other. Then gradient descent updates all weights, with
# the learning rate $\varepsilon$:
#
# $$\Delta w = -\varepsilon \, \frac{\partial E}{\partial w} \quad (8)$$
#
# For a batch of B examples, each row of a matrix is one example, and every sum is a matrix product. The class is
# complete.


# %%
def mean_loss(o: Array, t: Array) -> float:
    """Return the mean loss of outputs [B, C]."""
    return float(0.5 * ((o - t) ** 2).sum() / len(o))  # (3), and (26): the mean over the examples


class Network:
    """One hidden layer of sigmoids, sigmoid outputs; B examples, D inputs, J hidden units, C outputs."""

    def __init__(self, sizes: Sequence[int]) -> None:
        n_inputs, n_hidden, n_outputs = sizes
        rng = np.random.default_rng(0)
        self.W1, self.b1 = rng.normal(0, n_inputs**-0.5, (n_inputs, n_hidden)), np.zeros(n_hidden)
        self.W2, self.b2 = rng.normal(0, n_hidden**-0.5, (n_hidden, n_outputs)), np.zeros(n_outputs)

    def weights(self) -> list[Array]:
        """Return all weights."""
        return [self.W1, self.b1, self.W2, self.b2]

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return hidden activations [B, J] and outputs [B, C] for inputs [B, D]."""
        y = sigmoid(x @ self.W1 + self.b1)  # (1), (2)
        o = sigmoid(y @ self.W2 + self.b2)  # (1), (2)
        return y, o

    def backward(self, x: Array, t: Array, y: Array, o: Array) -> list[Array]:
        """Return dE/dw of a batch, in the order of the weights."""
        do = (o - t) / len(x)  # (4), (26)
        dz2 = do * o * (1 - o)  # (5)
        dy = dz2 @ self.W2.T  # (7)
        dz1 = dy * y * (1 - y)  # (5)
        return [x.T @ dz1, dz1.sum(axis=0), y.T @ dz2, dz2.sum(axis=0)]  # (6)

    def gradients(self, x: Array, t: Array) -> list[Array]:
        """Return dE/dw of a batch without an update."""
        return self.backward(x, t, *self.forward(x))

    def predict(self, x: Array) -> Array:
        """Return the outputs [B, C]."""
        return self.forward(x)[1]

    def train(self, x: Array, t: Array, learning_rate: float) -> float:
        """Update the weights once and return the mean loss of the batch, before the update."""
        y, o = self.forward(x)
        for w, dw in zip(self.weights(), self.backward(x, t, y, o), strict=True):
            w -= learning_rate * dw  # (8)
        return mean_loss(o, t)


# %% [markdown]
# **Exercise 4.** `x` is [B, D], `dz1` is [B, J], `dz2` is [B, C], `W2` is [J, C]. Cover the class and find each product
# from the shapes alone: which one is $\partial E/\partial W_1$, which one (7)? What does each of them sum over? Which
# line could you not have found from shapes?
#
# <details>
# <summary>Solution</summary>
#
# $\partial E/\partial W_1$ has the shape of `W1`, [D, J]. Of `x` and `dz1` only `x.T @ dz1` has it. It sums over the B
# examples, since each of them adds to the loss. (7) leads from [B, C] to [B, J], which only `dz2 @ W2.T` does. It sums
# over the C outputs. The third product, `x @ W1`, sums over the D inputs, as (1) does.
#
# Shapes say nothing of factors of the same shape. `dy * y * (1 - y)` and `dy` are both [B, J], so a forgotten
# derivative raises no error. Nor does a forgotten `/ len(x)`. Section 5 comes back to this.
#
# </details>

# %% [markdown]
# The training examples are the first 2,000 digits of MNIST; the test examples are 1,000 others. A target is 1 for the
# right digit and 0 for the nine others.

# %%
mnist = bb.load_dataset("mnist").subset(2000, 1000)
x_train, x_test = mnist.x_train / 255, mnist.x_test / 255
t_train = mnist.t_train.astype(np.float64)
SIZES = (784, 30, 10)
print("x", x_train.shape, "t", t_train.shape, "x_test", x_test.shape)
print("weights", [w.shape for w in Network(SIZES).weights()])

# %% [markdown]
# **Exercise 5.** The initial weights are small random numbers. Set all of them to zero. What are the gradients of both
# layers in the first step? What can the hidden units learn in all steps to come?
#
# <details>
# <summary>Solution</summary>
#
# All hidden activations are 0.5, so all hidden units have the same gradient in layer 2. In layer 1 it is 0, since the
# weights in (7) are 0. From the second step on layer 1 moves, too. But every hidden unit has the same weights and gets
# the same error. So all of them stay equal forever, and 30 hidden units can do no more than one. After an epoch, the
# network is no better than chance.
#
# ```python
# zeros = Network(SIZES)
# for array in zeros.weights():
#     array[...] = 0
# print(f"first step: dE/dW1 at most {abs(zeros.gradients(x_train[:10], t_train[:10])[0]).max():.0f}")
# for first in range(0, 2000, 10):
#     zeros.train(x_train[first : first + 10], t_train[first : first + 10], 3.0)
# print(f"after an epoch: W1 at most {abs(zeros.W1).max():.3f}")
# print(f"all hidden units are equal: {np.allclose(zeros.W1, zeros.W1[:, :1])}")
# print(f"test accuracy {(zeros.predict(x_test).argmax(axis=1) == mnist.y_test).mean():.1%}")
# ```
#
# It prints:
#
# ```text
# first step: dE/dW1 at most 0
# after an epoch: W1 at most 0.012
# all hidden units are equal: True
# test accuracy 8.7%
# ```
#
# </details>

# %% [markdown]
# ## 3. Is it right?
#
# ### Central differences
#
# As with the single neuron, move a weight both ways and compare $E$. All 23,860 weights would take long, so take some
# of each array.


# %%
network = Network(SIZES)
x_batch, t_batch = x_train[:20], t_train[:20]


def central_difference(w: Array, place: int, h: float) -> float:
    """Return the central difference of the loss for one weight in an array of the network, by its flat index."""
    before, losses = w.flat[place], []
    for step in (h, -h):
        w.flat[place] = before + step
        losses.append(mean_loss(network.predict(x_batch), t_batch))
    w.flat[place] = before
    return (losses[0] - losses[1]) / (2 * h)


NAMES = ["W1", "b1", "W2", "b2"]
gradients = network.gradients(x_batch, t_batch)


# %%
for name, w, dw in zip(NAMES, network.weights(), gradients, strict=True):
    # The largest derivatives: near 0, the difference is mostly rounding error.
    places = np.argsort(-np.abs(dw), axis=None)[:5].tolist()
    off = max(abs(central_difference(w, place, 1e-5) / dw.flat[place] - 1) for place in places)
    print(f"{name}: largest relative error {off:.0e}")
    assert off < 1e-5

# %% [markdown]
# How small should the step be?

# %% tags=["rounding"]
place = int(np.abs(gradients[2]).argmax())
steps = np.logspace(-12, 0, 37)
off_by = [abs(central_difference(network.W2, place, h) / gradients[2].flat[place] - 1) for h in steps]
plt.figure(figsize=(7, 3))
plt.loglog(steps, off_by, "o-")
plt.xlabel("step h")
plt.ylabel("relative error")
plt.title("A step can be too large, and too small")
plt.show()

# %% [markdown]
# **Exercise 6.** On the right, the curve rises with slope 2. Why? On the left, why is a smaller step worse, and with
# which slope? Estimate the best step from these two, for `float64` and for `float32`.
#
# <details>
# <summary>Solution</summary>
#
# On the right, Taylor's theorem: $E(w + h) - E(w - h) = 2h \, E' + \frac{h^3}{3} E^{(3)} + \dots$ Terms of even order
# cancel. Divided by $2h$, the error is $\frac{h^2}{6} E^{(3)}$, which has slope 2.
#
# On the left, rounding: both losses are rounded, each by about $u E$, where $u$ is $10^{-16}$ in `float64` and
# $6 \cdot 10^{-8}$ in `float32`. Their difference is divided by $2h$, so the error is about $u E / h$, which has slope
# −1.
#
# The sum of the two is smallest at $h^3 = 3 u E / |E^{(3)}|$. The right side of the curve gives $E^{(3)}$, so:
#
# ```python
# error = central_difference(network.W2, place, 0.1) - gradients[2].flat[place]
# loss, third_derivative = mean_loss(network.predict(x_batch), t_batch), 6 * error / 0.1**2
# for dtype, u in (("float64", 1.1e-16), ("float32", 6.0e-8)):
#     print(f"{dtype}: best step {(3 * u * loss / abs(third_derivative)) ** (1 / 3):.0e}")
# ```
#
# It prints:
#
# ```text
# float64: best step 3e-05
# float32: best step 2e-02
# ```
#
# What remains is an error of the order of $u^{2/3}$: about ten digits agree in `float64`, and four or five in
# `float32`. So gradients are verified in `float64`.
#
# </details>

# %% [markdown]
# ### Another implementation
#
# Central differences agree to about nine digits. Two programs with the same arithmetic agree to about fifteen, so a
# comparison with another program says more. Here is the same network in PyTorch, where autograd computes the
# derivatives.


# %%
class InPyTorch:
    """The same network in PyTorch; starts from the weights of another one."""

    def __init__(self, network: Network) -> None:
        self.weights = [torch.tensor(w, requires_grad=True) for w in network.weights()]

    def outputs(self, x: Array) -> torch.Tensor:
        """Return the outputs [B, C] as a tensor."""
        W1, b1, W2, b2 = self.weights
        return torch.sigmoid(torch.sigmoid(torch.from_numpy(x) @ W1 + b1) @ W2 + b2)  # (1), (2)

    def loss(self, x: Array, t: Array) -> torch.Tensor:
        """Return the mean loss of a batch."""
        return 0.5 * ((self.outputs(x) - torch.from_numpy(t)) ** 2).sum() / len(x)  # (3), (26)

    def gradients(self, x: Array, t: Array) -> list[Array]:
        """Return dE/dw of a batch without an update."""
        return [dw.numpy() for dw in torch.autograd.grad(self.loss(x, t), self.weights)]

    def predict(self, x: Array) -> Array:
        """Return the outputs [B, C]."""
        o: Array = self.outputs(x).detach().numpy()
        return o

    def train(self, x: Array, t: Array, learning_rate: float) -> float:
        """Update the weights once and return the mean loss of the batch, before the update."""
        loss = self.loss(x, t)
        with torch.no_grad():
            for w, dw in zip(self.weights, torch.autograd.grad(loss, self.weights), strict=True):
                w -= learning_rate * dw  # (8)
        return loss.item()


def largest_difference(actual: Sequence[Array], expected: Sequence[Array]) -> float:
    """Return the largest difference of two lists of arrays, relative to the largest value of its array."""
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in zip(actual, expected, strict=True))


# %%
apart = largest_difference(gradients, InPyTorch(network).gradients(x_batch, t_batch))
print(f"gradients, from scratch and by autograd: largest difference {apart:.0e}")
assert apart < 1e-12

# %% [markdown]
# **Exercise 7.** Use `torch.nn.functional.mse_loss(o, t)` as the loss. Predict by which factor the gradient differs.
# Which learning rate trains the same weights?
#
# <details>
# <summary>Solution</summary>
#
# `mse_loss` leaves out the ½ of (3), and takes the mean over the 10 outputs as well: a factor of 2 / 10. Five times the
# learning rate makes up for it, 15 instead of 3.
#
# ```python
# other = InPyTorch(network)
# loss = torch.nn.functional.mse_loss(other.outputs(x_batch), torch.from_numpy(t_batch))
# dW1 = torch.autograd.grad(loss, other.weights)[0].numpy()
# print(f"factor {abs(dW1).max() / abs(gradients[0]).max():.3f}")
# ```
#
# It prints:
#
# ```text
# factor 0.200
# ```
#
# </details>

# %% [markdown]
# A correct gradient does not make training correct. So train both from the same weights, on the same batches in the
# same order. Then compare the weights.

# %%
LEARNING_RATE, BATCH = 3.0, 10
mine, other = Network(SIZES), InPyTorch(Network(SIZES))
for first in range(0, 2000, BATCH):
    for each in (mine, other):
        each.train(x_train[first : first + BATCH], t_train[first : first + BATCH], LEARNING_RATE)
apart = largest_difference(mine.weights(), [w.detach().numpy() for w in other.weights])
print(f"weights after 200 steps: largest difference {apart:.0e}")
assert apart < 1e-9

# %% [markdown]
# **Exercise 8.** Both programs do the same arithmetic. Why do they not agree exactly? Predict the difference after
# 2,000 steps, ten times as many, and what `float32` changes. Then try it.
#
# <details>
# <summary>Solution</summary>
#
# They add up in different orders, and every sum is rounded. In `float32`, roundings are $2^{29} \approx 5 \cdot 10^8$
# times as large, and so is the difference. It does not become ten times as large in ten times as many steps: roundings
# have both signs, and training pulls both networks towards the same weights. Where a learning rate is so high that
# training diverges, it pulls them apart instead.
#
# ```python
# for dtype in (np.float64, np.float32):
#     mine = Network(SIZES)
#     for name in NAMES:
#         setattr(mine, name, getattr(mine, name).astype(dtype))
#     other = InPyTorch(mine)
#     for step in range(1, 2001):
#         batch = slice(10 * step % 2000, 10 * step % 2000 + 10)
#         for each in (mine, other):
#             each.train(x_train[batch].astype(dtype), t_train[batch].astype(dtype), 3.0)
#         if step in (200, 2000):
#             apart = largest_difference(mine.weights(), [w.detach().numpy() for w in other.weights])
#             print(f"{dtype.__name__}, {step} steps: {apart:.0e}")
# ```
#
# It prints:
#
# ```text
# float64, 200 steps: 1e-15
# float64, 2000 steps: 3e-15
# float32, 200 steps: 7e-07
# float32, 2000 steps: 1e-06
# ```
#
# </details>

# %% [markdown]
# This project compares more, and says what it means: gradients, outputs, weights and losses, with a tolerance that
# follows from rounding ([parity.md](parity.md)). It starts both from weights of its own. A recipe says what they are to
# compute.

# %%
recipe = bb.Recipe(
    layer_sizes=SIZES,
    output_activation="sigmoid",
    loss="squared_error",
    reduction="mean",
    batch_size=BATCH,
    learning_rate=LEARNING_RATE,
    dtype="float64",
)
Mine = bb.adapt(Network, weights=NAMES, train="train", gradients="gradients", predict="predict")
print(*bb.check(Mine, recipe, steps=200).sentences, sep="\n")

# %% [markdown]
# ## 4. Training
#
# Train ten epochs on 2,000 digits. Accuracy is the share of the 1,000 test examples with the right digit.


# %%
def learn(
    network: Network | InPyTorch, epochs: int = 10, learning_rate: float = LEARNING_RATE
) -> tuple[list[float], list[float]]:
    """Train a network and return the mean loss and the test accuracy after every epoch."""
    rng, losses, accuracies = np.random.default_rng(1), [], []
    for _ in range(epochs):
        batches = rng.permutation(len(x_train)).reshape(-1, BATCH)
        each = [network.train(x_train[batch], t_train[batch], learning_rate) for batch in batches]
        losses.append(float(np.mean(each)))
        accuracies.append(float((network.predict(x_test).argmax(axis=1) == mnist.y_test).mean()))
    return losses, accuracies


curves = {"from scratch": learn(Network(SIZES)), "PyTorch": learn(InPyTorch(Network(SIZES)))}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for (name, (losses, accuracies)), look in zip(curves.items(), ("o-", "x--"), strict=True):
    left.plot(range(1, 11), losses, look, label=name)
    right.plot(range(1, 11), accuracies, look, label=name)
    print(f"{name}: test accuracy {accuracies[-1]:.1%} after 10 epochs")
left.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
right.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
right.legend()
plt.show()

# %% [markdown]
# The curves coincide, because weights, batches and settings are the same. If one of two networks is more accurate,
# something else differs.
#
# **Exercise 9.** The article behind this project finds its PyTorch network more accurate, *perhaps* because of
# cross-entropy and mini-batches. The other one has squared error, and one example at a time. Which trainings would you
# run to find out? What must be the same in all of them? What else may differ between the article's two programs?
#
# <details>
# <summary>Solution</summary>
#
# At least the four combinations of the two losses with the two batch sizes, since the effect of one may depend on the
# other. Everything else is the same: initial weights, data, order, epochs, precision. Each combination is trained from
# several seeds, since one seed may favour one of them. And each has a learning rate that suits it, selected on examples
# held out from training: with one rate for all, you compare how well that rate suits each of them.
#
# The programs may also differ in the learning rate, the initial weights, biases, the range and the order of the inputs,
# the number of hidden units and epochs, and the precision.
#
# [why.md](why.md) has this experiment and its numbers. The article's reason is half right.
#
# </details>

# %% [markdown]
# ## 5. Find the mistake
#
# A colleague has written the same network in fewer lines. It learns:


# %%
class Colleague(Network):
    """The network of a colleague."""

    def backward(self, x: Array, t: Array, y: Array, o: Array) -> list[Array]:
        """Return dE/dw of a batch, in the order of the weights."""
        delta2 = (o - t) * o * (1 - o) / len(x)
        delta1 = delta2 @ self.W2.T
        return [x.T @ delta1, delta1.sum(axis=0), y.T @ delta2, delta2.sum(axis=0)]


theirs = learn(Colleague(SIZES))[1]
plt.figure(figsize=(5, 3))
plt.plot(range(1, 11), curves["from scratch"][1], "o-", label="yours")
plt.plot(range(1, 11), theirs, "s-", label="your colleague's")
plt.xlabel("epoch")
plt.ylabel("test accuracy")
plt.ylim(0, 1)
plt.legend()
plt.show()
print(f"after 10 epochs: yours {curves['from scratch'][1][-1]:.1%}, your colleague's {theirs[-1]:.1%}")

# %% [markdown]
# There is a mistake in it. Would you have noticed without your own curve? A network that learns may still be wrong.
#
# Compare it with a correct one, quantity by quantity, in the order of computation: forward, then backward from the last
# layer to the first, then training. Anything after the first difference may follow from it. DIFFERS (3) means that the
# largest error is 3 times the largest right value of the array.

# %%
Theirs = bb.adapt(Colleague, weights=NAMES, train="train", gradients="gradients", predict="predict")
checked = bb.check(Theirs, recipe, steps=200)
checked.table[["quantity", "layer 1", "layer 2"]]

# %% [markdown]
# **Exercise 10.** Read the table from top to bottom. Which quantity differs first, and in which layer? What is right
# just before it? Which equation, and which line, is between the two? Write down your guess before you run the next
# cell.
#
# <details>
# <summary>Solution</summary>
#
# The outputs are right, so the forward pass is. The gradients of layer 2 are right, so (4), (5) of the outputs and (6)
# are. The first that differs is the gradient of layer 1. Between the two are (7) and (5) of the hidden layer, that is
# the line of `delta1`. Its product with `W2.T` is (7). What is missing is (5), the derivative of the hidden activation.
#
# Everything below, also the weights of layer 2, follows from it: they are trained on wrong hidden activations.
#
# </details>

# %%
print(*checked.sentences, sep="\n")

# %% [markdown]
# **Exercise 11.** Why does the gradient of the hidden layer contain the derivative of its own activation?
#
# 1. Follow a weight $w_{ij}$ on its way to $E$. Which quantities does it change, one after the other? Write the chain
#    rule with one factor for each step.
# 2. Which factor has your colleague left out? For which hidden units would the rest be right?
# 3. Take one example. How does the rest differ from the gradient, in sign and in size? Where does the 3 of DIFFERS (3)
#    come from? What changes as the network learns?
# 4. Is the rest the gradient of another loss?
#
# <details>
# <summary>Solution</summary>
#
# **1.** The weight acts on the pre-activation $z_j$, this on the activation $y_j$, and $y_j$ on $E$ through all
# outputs. A weight has no other way to the loss than through the activation function of its own unit, and every step of
# the way is a factor:
#
# $$\frac{\partial E}{\partial w_{ij}}
# = \frac{\partial E}{\partial y_j} \cdot \frac{d y_j}{d z_j} \cdot \frac{\partial z_j}{\partial w_{ij}}
# = \Bigl( \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \Bigr) \cdot y_j \, (1 - y_j) \cdot x_i$$
#
# **2.** The middle one. What remains is $\partial E/\partial y_j \cdot x_i$: how $E$ changes with the activation, where
# it should be how $E$ changes with the pre-activation. It would be right for linear units, $y_j = z_j$, whose
# derivative is 1.
#
# **3.** For one example, the part of unit $j$ is the right one divided by $y_j \, (1 - y_j)$. So the sign is right, and
# the size is at least four times too large, since $y_j \, (1 - y_j) \le \frac14$. At first most $y_j$ are near 0.5. The
# error is then 4 − 1 = 3 times the gradient, and it does little harm: layer 1 learns as if its learning rate were four
# times as high. A trained unit is near 0 or 1 for many examples. There the gradient is small, since the weight can
# hardly move the activation any more. What your colleague has is not small, and goes on pushing. The factor differs
# from unit to unit and from example to example, so the sum over examples points elsewhere, and some of its signs are
# wrong:
#
# ```python
# for epochs in (0, 10):
#     trained = Network(SIZES)
#     learn(trained, epochs)
#     y, o = trained.forward(x_train)
#     right = trained.backward(x_train, t_train, y, o)[0]
#     wrong = Colleague.backward(trained, x_train, t_train, y, o)[0]
#     lengths = np.linalg.norm(right), np.linalg.norm(wrong)
#     angle = np.degrees(np.arccos((right * wrong).sum() / lengths[0] / lengths[1]))
#     signs = (right * wrong > 0)[right != 0].mean()
#     print(f"after {epochs} epochs: {lengths[1] / lengths[0]:.1f} times as long,", end=" ")
#     print(f"{angle:.0f} degrees apart, {signs:.0%} of the signs right")
# ```
#
# It prints:
#
# ```text
# after 0 epochs: 4.1 times as long, 1 degrees apart, 100% of the signs right
# after 10 epochs: 9.1 times as long, 42 degrees apart, 80% of the signs right
# ```
#
# **4.** No. Second derivatives do not depend on the order. Take one hidden unit with the weights $w$ before and $v$
# after it, and write $s = \partial E/\partial z_k$. Your colleague has $G_w = s \, v \, x$ and $G_v = s \, y$. For the
# gradient of any loss, $\partial G_w/\partial v$ and $\partial G_v/\partial w$ would be equal. Their difference is
#
# $$\frac{\partial G_w}{\partial v} - \frac{\partial G_v}{\partial w}
# = \bigl(1 - y \, (1 - y)\bigr) \, x \, \Bigl(s + \frac{d s}{d z_k} \, v \, y\Bigr)$$
#
# For linear units, 1 stands in the place of $y \, (1 - y)$, and it is 0. For sigmoids it is not. So there is no loss
# that your colleague's network descends, and central differences of no loss can confirm its gradient.
#
# </details>

# %% [markdown]
# **Exercise 12.** Three further mistakes. Which of them would central differences notice? Which ones the learning
# curve, and which ones the comparison of trained weights?
#
# 1. The gradient is the sum over the batch instead of the mean, and the learning rate is 0.3 instead of 3.
# 2. `W2` is updated before (7) uses it.
# 3. Every epoch visits the batches in the same order.
#
# <details>
# <summary>Solution</summary>
#
# **1.** Central differences of the mean loss notice it: the gradient is 10 times too large. Training does not, since
# the product of learning rate and gradient is the same. It would with a short last batch: for 3 examples, 0.3 times the
# sum is 0.9 times their mean, not 3 times.
#
# **2.** The comparison of weights, after the first step. `gradients` makes no update, so it is right, and central
# differences agree with it. What the curve shows depends on the learning rate, as the error does: with 3, the network
# learns badly, and with 0.3 it learns as well as the right one.
#
# **3.** The comparison of weights alone, from the second epoch on. Every gradient is right, and the order is a setting,
# not a part of the loss. The curve looks like any other.
#
# ```python
# class TooEarly(Network):
#     def train(self, x, t, learning_rate):
#         y, o = self.forward(x)
#         dz2 = (o - t) / len(x) * o * (1 - o)
#         self.W2 -= learning_rate * y.T @ dz2
#         self.b2 -= learning_rate * dz2.sum(axis=0)
#         dz1 = dz2 @ self.W2.T * y * (1 - y)
#         self.W1 -= learning_rate * x.T @ dz1
#         self.b1 -= learning_rate * dz1.sum(axis=0)
#         return mean_loss(o, t)
#
#
# right, early = Network(SIZES), TooEarly(SIZES)
# for each in (right, early):
#     each.train(x_train[:10], t_train[:10], 3.0)
# for name, a, b in zip(NAMES, early.weights(), right.weights(), strict=True):
#     print(f"{name} after the first step: equal {np.allclose(a, b, rtol=1e-9)}")
# for rate in (3.0, 0.3):
#     ends = [learn(each(SIZES), learning_rate=rate)[1][-1] for each in (Network, TooEarly)]
#     print(f"learning rate {rate}: right {ends[0]:.1%}, with the mistake {ends[1]:.1%}")
# ```
#
# It prints:
#
# ```text
# W1 after the first step: equal False
# b1 after the first step: equal False
# W2 after the first step: equal True
# b2 after the first step: equal True
# learning rate 3.0: right 87.5%, with the mistake 48.9%
# learning rate 0.3: right 84.0%, with the mistake 84.0%
# ```
#
# </details>

# %% [markdown]
# ## 6. How fast is it?
#
# The usual way is to time each once and divide. Do that five times. Your times differ from those below, and the next
# ones from yours.


# %% tags=["times"]
def timer_of(network: Network | InPyTorch) -> Callable[[int], float]:
    """Return a function that trains a network on so many examples and returns the seconds."""

    def seconds(n_examples: int) -> float:
        begin = time.perf_counter()
        for first in range(0, n_examples, BATCH):
            network.train(x_train[first : first + BATCH], t_train[first : first + BATCH], LEARNING_RATE)
        return time.perf_counter() - begin

    seconds(200)  # warm-up: the first batches load, allocate and compile
    return seconds


for _ in range(5):
    mine, other = Network(SIZES), InPyTorch(Network(SIZES))
    print(f"speed-up over PyTorch: {timer_of(other)(1000) / timer_of(mine)(1000):.2f}×")

# %% [markdown]
# **Exercise 13.** Which of the five would you publish, with how many digits? Two of such ratios are 0.5 and 2. What is
# their mean, and what is the mean of the inverse ratios? Which mean does not depend on which one you divide by?
#
# <details>
# <summary>Solution</summary>
#
# None: one number does not say how far the next one may be from it. Digits that change from one try to the next are
# noise.
#
# The mean of 0.5 and 2 is 1.25, so the second program seems faster. The inverse ratios are 2 and 0.5, with the same
# mean of 1.25, so the first one seems faster as well. The geometric mean is 1 both ways, because the mean of the
# logarithms only changes its sign when you divide the other way round.
#
# </details>

# %% [markdown]
# System interference slows down one or the other by chance. So time them in *pairs* of short blocks, one right after
# the other, in random order. Divide within each pair, so that interference with both cancels. The logarithms of the
# ratios have a mean and a 95 % confidence interval (95 % CI).


# %% tags=["times"]
def paired_ratio(first: Network | InPyTorch, second: Network | InPyTorch, pairs: int = 100) -> str:
    """Return time(first) / time(second), the geometric mean of pairs of short blocks, with its 95 % CI."""
    rng, timers, logarithms = np.random.default_rng(0), (timer_of(first), timer_of(second)), []
    for _ in range(pairs):
        times = [0.0, 0.0]
        for side in rng.permutation(2):
            times[side] = timers[side](500)
        logarithms.append(np.log(times[0] / times[1]))
    mean, error = np.mean(logarithms), np.std(logarithms, ddof=1) / np.sqrt(pairs)
    # 1.98: t distribution, 100 pairs
    low, middle, high = np.exp([mean - 1.98 * error, mean, mean + 1.98 * error])
    return f"{middle:.2f} (95 % CI {low:.2f} to {high:.2f})"


print("time of PyTorch / yours: ", paired_ratio(InPyTorch(Network(SIZES)), Network(SIZES)))
print("time of yours / its copy:", paired_ratio(Network(SIZES), Network(SIZES)))

# %% [markdown]
# The second line is an A/A test: it compares your network with itself. Its interval should contain 1.
#
# **Exercise 14.** How often should the interval of an A/A test miss 1? What do you conclude if it misses 1 in 8 of 20
# tries? Keep a core busy and run both cells again: what happens to the interval, and what to the five numbers from
# before?
#
# <details>
# <summary>Solution</summary>
#
# In 1 of 20 tries, since it is a 95 % CI. Chance alone makes 8 or more of 20 a rare thing:
#
# ```python
# from math import comb
#
# chance = sum(comb(20, n) * 0.05**n * 0.95 ** (20 - n) for n in range(8, 21))
# print(f"once in {1 / chance:.0f}")
# ```
#
# It prints:
#
# ```text
# once in 350032
# ```
#
# So the measurement is wrong, and the interval of the first line is unreliable, too. Either one side has an advantage
# that has nothing to do with its code, such as always being the first. Or the pairs are not independent: interference
# that lasts longer than a pair makes neighbours alike, and then the interval is too narrow.
#
# With a busy core, the five numbers scatter. The interval becomes wider, but its middle moves less, because most of the
# interference meets both sides of a pair.
#
# </details>
#
# **Exercise 15.** All these pairs come from one process. Restart the kernel and repeat. Is the new estimate within the
# old interval? What stays the same within a process and changes with the next one?
#
# <details>
# <summary>Solution</summary>
#
# It may well be outside. Where arrays lie in memory, and so how they share the caches, is settled once for a process.
# So is the core it runs on, as a rule. All pairs of a process have this in common, so their interval says nothing of
# it. Only several processes can: an estimate from each of them, and an interval over these. [method.md](method.md) says
# how this project does it.
#
# </details>

# %% [markdown]
# `bb.time` does all that, in half a minute. It verifies first, and then times in rounds, in several processes.
# `"torch-eager"` is PyTorch as most people write it, with `nn.Module`. The second sentence counts what a step does.

# %% tags=["times"]
timed = bb.time(Mine, "torch-eager", recipe=recipe, results=tempfile.mkdtemp())
print(*timed.sentences, sep="\n")
bb.plot(timed)

# %% [markdown]
# **Exercise 16.** Batches of 10 examples and 30 hidden units are small. Which side gains more from larger ones? Split
# the time of a step into two parts to explain it.
#
# <details>
# <summary>Solution</summary>
#
# PyTorch. The time of a step is the calls plus the arithmetic. A call of PyTorch costs more than one of NumPy: it looks
# up the operation by type and device, and records what autograd needs. That does not depend on the size. The arithmetic
# grows with the size, and most of it is matrix products, which both leave to libraries of about the same speed. So in a
# small network the calls decide, in a large one the arithmetic.
#
# Try it: `SIZES = (784, 300, 10)` and `BATCH = 100`. `backprop-bench scale` measures it, and [speed.md](speed.md) shows
# it.
#
# </details>

# %% [markdown]
# ## Summary
#
# 1. **Is it right?** Verify it with central differences, then with another implementation, number by number. That it
#    learns shows little.
# 2. **How fast is it?** Verify before you time. Time in pairs, with a 95 % CI and an A/A test.
# 3. **Why do two networks differ?** Change one thing at a time, or better, try all combinations ([why.md](why.md)).
#
# To check and time a network of your own, see [your-own.md](your-own.md).

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
# # 从零手写反向传播
#
# [English](notebook.ipynb) | 中文
#
# 用一个小时，你将推导一个网络的梯度，把它写出来，验证它，从别人的代码里找出错误，再可靠地给它计时。你需要会求多元函数的导数，会用链式法则，并懂一点 NumPy。
#
# | 分钟 | 内容 | 学完之后，你能 |
# |---:|---|---|
# | 8 | 1. 一个神经元 | 推导一个神经元的梯度，并用中心差分检查 |
# | 12 | 2. 一个网络 | 推导并写出穿过隐藏层的反向传播 |
# | 10 | 3. 写对了吗？ | 验证梯度，并说出多接近才算相等 |
# | 6 | 4. 训练 | 判断两个网络学到的是否一样，以及为什么可能不一样 |
# | 12 | 5. 找出错误 | 看出两个网络从哪里开始不同，并解释隐藏层激活函数的导数 |
# | 12 | 6. 有多快？ | 把两个程序成对计时，给出置信区间，并做 A/A 测试 |
#
# 从上到下依次运行各单元格，总共大约一分钟。共有 16 道练习，先自己回答，再展开答案。一小时的课堂上，做练习 2、4、6、10、11、13 和 14，其余留作课后作业。
#
# 下面的输出是上一次运行时保存的。除了时间和舍入误差的大小，你得到的应当与之相同。
#
# 公式的编号与 [derivation.md](zh/derivation.md) 一致，那里有逐步的推导。你需要用 `make install` 安装好本项目，还需要一个能打开 notebook 的程序。

# %%
import os

# 各用一个线程：网络这么小，多了也不会更快。NumPy 在导入时读取这些变量。
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
# ## 1. 一个神经元
#
# 神经元（也叫单元）先求输入的加权和，再加上偏置，得到预激活值 $z$。它的激活值 $y$ 是 $z$ 的 sigmoid：
#
# $$z = \sum_i x_i \, w_i + b \quad (1) \qquad\qquad y = \sigma(z) = \frac{1}{1 + e^{-z}} \quad (2)$$
#
# 下面是 [derivation.md](zh/derivation.md) 算例中的第一个隐藏单元。


# %%
def sigmoid(z: Array) -> Array:
    """从 0 平滑地升到 1。"""
    y: Array = 1 / (1 + np.exp(-z))  # (2)
    return y


x, w, b = np.array([0.5, -1.0]), np.array([0.1, 0.3]), 0.05
z = x @ w + b  # (1)
print(f"z = {z:.6f}, y = {sigmoid(z):.6f}")

# %% [markdown]
# **练习 1.** 换用别的权重，按 (2)，$y$ 能取到哪些值？在 `float64` 里又能取到哪些值？$z = -1000$ 时 `sigmoid` 返回什么？它给出了警告，结果为什么仍然正确？
#
# <details>
# <summary>参考答案</summary>
#
# 按 (2)，能取到 0 与 1 之间的一切值，但取不到这两个端点。在 `float64` 里，两个端点都能取到：从 $z = 37$ 左右开始，$e^{-z}$ 与 1 相加时就被舍去了。于是输出可能恰好没有误差，此后也就没有梯度。
#
# $z = -1000$ 时，$e^{1000}$ 超过了最大的浮点数，NumPy 便用无穷大继续算下去。$1 / (1 + \infty) = 0$ 正是最接近 $e^{-1000} \approx 10^{-434}$ 的数，因为后者比最小的正数 $5 \cdot 10^{-324}$ 还小。
#
# ```python
# with np.errstate(over="ignore"):
#     print(sigmoid(np.array([36.0, 37.0, -1000.0])) == [1, 1, 0])
# ```
#
# 输出：
#
# ```text
# [False  True  True]
# ```
#
# </details>

# %% [markdown]
# 先把这个单元当作整个网络，目标值 $t = 1$。它的误差用损失来衡量：
#
# $$E = \frac{1}{2} (y - t)^2 \quad (3)$$
#
# 权重变化时，$E$ 怎样变化？试一试就知道：把权重向两边各移动一点，再作比较。

# %%
t = 1.0


def loss_of(w: Array) -> float:
    """返回单个神经元的损失。"""
    return float(0.5 * (sigmoid(x @ w + b) - t) ** 2)  # (3)


h = 1e-5
differences = [(loss_of(w + h * unit) - loss_of(w - h * unit)) / (2 * h) for unit in np.eye(2)]
print("central differences:", *(f"{number:.9f}" for number in differences))

# %% [markdown]
# 这样做，每个权重要两次前向传播。用链式法则，所有权重合起来只要一次：$E$ 依赖 $y$，$y$ 依赖 $z$，$z$ 依赖权重。
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
# **练习 2.** 许多书把误差写成 $t - y$。这时还有哪个符号要跟着改？如果不改，$E$ 会怎样？先预测，再走长度为 1 的一步试试。
#
# <details>
# <summary>参考答案</summary>
#
# $t - y = -(y - t)$，所以每个导数都变号，更新时就必须加上它，而不是减去它。两个符号只改一个，就是在往上坡走：$E$ 变大。
#
# ```python
# print(f"E = {loss_of(w):.4f}, downhill {loss_of(w - dw):.4f}, uphill {loss_of(w + dw):.4f}")
# ```
#
# 输出：
#
# ```text
# E = 0.1512, downhill 0.1288, uphill 0.1749
# ```
#
# </details>
#
# **练习 3.** 当 $y \approx 0$ 而 $t = 1$ 时，单元的误差最大。此时 $\partial E/\partial z$ 有多大？$y$ 为多少时它（按绝对值）最大？什么样的损失能让它在误差大的地方也大？
#
# <details>
# <summary>参考答案</summary>
#
# 由 (4) 和 (5)，它等于 $-(1 - y)^2 \, y$。在 $y = 0$ 附近约为 $-y$：错得最厉害的，反而学得最少。原因是因子 $y \, (1 - y)$。$(1 - y)^2 \, y$ 的导数是 $(1 - y)(1 - 3y)$，所以在 $y = 1/3$ 处最大。
#
# 如果某个损失的 $\partial E/\partial y$ 含有 $1 / (y \, (1 - y))$，就能消去这个因子。这就是交叉熵。$t = 1$ 时 $E = -\ln y$，于是 $\partial E/\partial z = -\frac{1}{y} \, y \, (1 - y) = y - 1$。
#
# ```python
# for y_k in (0.001, 1 / 3, 0.5):
#     print(f"y = {y_k:.3f}: squared error {-((1 - y_k) ** 2) * y_k:.3f}, cross-entropy {y_k - 1:.3f}")
# ```
#
# 输出：
#
# ```text
# y = 0.001: squared error -0.001, cross-entropy -0.999
# y = 0.333: squared error -0.148, cross-entropy -0.667
# y = 0.500: squared error -0.125, cross-entropy -0.500
# ```
#
# </details>

# %% [markdown]
# ## 2. 一个网络
#
# 现在，网络的输入 $i$ 与输出 $k$ 之间多了一层隐藏单元 $j$。一个隐藏单元通过*所有*输出影响 $E$，所以链式法则要对它们求和：
#
# $$\frac{\partial E}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \quad (7)$$
#
# 从这里往前，(5) 和 (6) 对隐藏单元同样成立。最后，梯度下降以学习率 $\varepsilon$ 更新所有权重：
#
# $$\Delta w = -\varepsilon \, \frac{\partial E}{\partial w} \quad (8)$$
#
# 一批有 B 个样本时，矩阵的每一行是一个样本，每个求和都是一次矩阵乘法。下面这个类是完整的。


# %%
def mean_loss(o: Array, t: Array) -> float:
    """返回输出 [B, C] 的平均损失。"""
    return float(0.5 * ((o - t) ** 2).sum() / len(o))  # (3)，以及 (26)：对样本取平均


class Network:
    """一个 sigmoid 隐藏层，sigmoid 输出；B 个样本，D 个输入，J 个隐藏单元，C 个输出。"""

    def __init__(self, sizes: Sequence[int]) -> None:
        n_inputs, n_hidden, n_outputs = sizes
        rng = np.random.default_rng(0)
        self.W1, self.b1 = rng.normal(0, n_inputs**-0.5, (n_inputs, n_hidden)), np.zeros(n_hidden)
        self.W2, self.b2 = rng.normal(0, n_hidden**-0.5, (n_hidden, n_outputs)), np.zeros(n_outputs)

    def weights(self) -> list[Array]:
        """返回所有权重。"""
        return [self.W1, self.b1, self.W2, self.b2]

    def forward(self, x: Array) -> tuple[Array, Array]:
        """由输入 [B, D] 返回隐藏激活值 [B, J] 和输出 [B, C]。"""
        y = sigmoid(x @ self.W1 + self.b1)  # (1), (2)
        o = sigmoid(y @ self.W2 + self.b2)  # (1), (2)
        return y, o

    def backward(self, x: Array, t: Array, y: Array, o: Array) -> list[Array]:
        """按权重的顺序返回一批的 dE/dw。"""
        do = (o - t) / len(x)  # (4), (26)
        dz2 = do * o * (1 - o)  # (5)
        dy = dz2 @ self.W2.T  # (7)
        dz1 = dy * y * (1 - y)  # (5)
        return [x.T @ dz1, dz1.sum(axis=0), y.T @ dz2, dz2.sum(axis=0)]  # (6)

    def gradients(self, x: Array, t: Array) -> list[Array]:
        """返回一批的 dE/dw，不做更新。"""
        return self.backward(x, t, *self.forward(x))

    def predict(self, x: Array) -> Array:
        """返回输出 [B, C]。"""
        return self.forward(x)[1]

    def train(self, x: Array, t: Array, learning_rate: float) -> float:
        """更新一次权重，返回更新之前这一批的平均损失。"""
        y, o = self.forward(x)
        for w, dw in zip(self.weights(), self.backward(x, t, y, o), strict=True):
            w -= learning_rate * dw  # (8)
        return mean_loss(o, t)


# %% [markdown]
# **练习 4.** `x` 的形状是 [B, D]，`dz1` 是 [B, J]，`dz2` 是 [B, C]，`W2` 是 [J, C]。盖住上面的类，只凭形状写出各个乘积：哪个是 $\partial E/\partial W_1$，哪个是 (7)？它们各自在对什么求和？哪一行是只凭形状写不出来的？
#
# <details>
# <summary>参考答案</summary>
#
# $\partial E/\partial W_1$ 的形状与 `W1` 相同，是 [D, J]。由 `x` 和 `dz1` 只有 `x.T @ dz1` 能得到它。它对 B 个样本求和，因为每个样本都对损失有贡献。(7) 从 [B, C] 到 [B, J]，只有 `dz2 @ W2.T` 做得到，它对 C 个输出求和。第三个乘积 `x @ W1` 与 (1) 一样，对 D 个输入求和。
#
# 形状相同的因子，形状就说明不了什么。`dy * y * (1 - y)` 和 `dy` 都是 [B, J]，所以漏掉一个导数并不会报错。漏掉 `/ len(x)` 也不会。第 5 节会回到这一点。
#
# </details>

# %% [markdown]
# 训练样本是 MNIST 的前 2,000 个数字，测试样本是另外 1,000 个。正确的数字目标值为 1，其余九个为 0。

# %%
mnist = bb.load_dataset("mnist").subset(2000, 1000)
x_train, x_test = mnist.x_train / 255, mnist.x_test / 255
t_train = mnist.t_train.astype(np.float64)
SIZES = (784, 30, 10)
print("x", x_train.shape, "t", t_train.shape, "x_test", x_test.shape)
print("weights", [w.shape for w in Network(SIZES).weights()])

# %% [markdown]
# **练习 5.** 初始权重是小的随机数。假如把它们全部设为零，第一步时两层的梯度各是什么？此后的所有步里，隐藏单元能学到什么？
#
# <details>
# <summary>参考答案</summary>
#
# 所有隐藏单元的激活值都是 0.5，所以它们在第 2 层的梯度全都相同。第 1 层的梯度是 0，因为 (7) 中的权重都是 0。从第二步起，第 1 层也动了。但每个隐藏单元的权重相同，收到的误差也相同，所以它们永远相同：30 个隐藏单元并不比一个强。训练一轮（epoch）之后，网络并不比瞎猜好。
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
# 输出：
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
# ## 3. 写对了吗？
#
# ### 中心差分
#
# 与单个神经元一样，把权重向两边移动，再比较 $E$。全部 23,860 个权重太费时间，所以每个数组只取几个。


# %%
network = Network(SIZES)
x_batch, t_batch = x_train[:20], t_train[:20]


def central_difference(w: Array, place: int, h: float) -> float:
    """返回损失对网络某个数组里一个权重的中心差分；权重由展平后的下标指定。"""
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
    # 取最大的导数：接近 0 时，差分大半是舍入误差。
    places = np.argsort(-np.abs(dw), axis=None)[:5].tolist()
    off = max(abs(central_difference(w, place, 1e-5) / dw.flat[place] - 1) for place in places)
    print(f"{name}: largest relative error {off:.0e}")
    assert off < 1e-5

# %% [markdown]
# 步长应该多小？

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
# **练习 6.** 曲线右边以斜率 2 上升，为什么？在左边，为什么步长越小反而越差，斜率是多少？根据这两点，估计 `float64` 和 `float32` 的最佳步长。
#
# <details>
# <summary>参考答案</summary>
#
# 右边是泰勒公式：$E(w + h) - E(w - h) = 2h \, E' + \frac{h^3}{3} E^{(3)} + \dots$ 偶数阶的项互相抵消。除以 $2h$ 之后，误差是 $\frac{h^2}{6} E^{(3)}$，斜率为 2。
#
# 左边是舍入：两个损失各有约 $u E$ 的舍入误差，$u$ 在 `float64` 里是 $10^{-16}$，在 `float32` 里是 $6 \cdot 10^{-8}$。两者之差要除以 $2h$，所以误差约为 $u E / h$，斜率为 −1。
#
# 两者之和在 $h^3 = 3 u E / |E^{(3)}|$ 处最小。曲线的右边给出 $E^{(3)}$，于是：
#
# ```python
# error = central_difference(network.W2, place, 0.1) - gradients[2].flat[place]
# loss, third_derivative = mean_loss(network.predict(x_batch), t_batch), 6 * error / 0.1**2
# for dtype, u in (("float64", 1.1e-16), ("float32", 6.0e-8)):
#     print(f"{dtype}: best step {(3 * u * loss / abs(third_derivative)) ** (1 / 3):.0e}")
# ```
#
# 输出：
#
# ```text
# float64: best step 3e-05
# float32: best step 2e-02
# ```
#
# 剩下的误差约为 $u^{2/3}$ 的量级：在 `float64` 里大约十位数字一致，在 `float32` 里只有四五位。所以梯度要用 `float64` 来验证。
#
# </details>

# %% [markdown]
# ### 另一个实现
#
# 中心差分大约能核对九位数字。两个做同样运算的程序大约有十五位一致，所以与另一个程序比较，说明的东西更多。下面用 PyTorch 写同一个网络，导数由自动微分（autograd）计算。


# %%
class InPyTorch:
    """PyTorch 写的同一个网络；从另一个网络的权重出发。"""

    def __init__(self, network: Network) -> None:
        self.weights = [torch.tensor(w, requires_grad=True) for w in network.weights()]

    def outputs(self, x: Array) -> torch.Tensor:
        """以张量返回输出 [B, C]。"""
        W1, b1, W2, b2 = self.weights
        return torch.sigmoid(torch.sigmoid(torch.from_numpy(x) @ W1 + b1) @ W2 + b2)  # (1), (2)

    def loss(self, x: Array, t: Array) -> torch.Tensor:
        """返回一批的平均损失。"""
        return 0.5 * ((self.outputs(x) - torch.from_numpy(t)) ** 2).sum() / len(x)  # (3), (26)

    def gradients(self, x: Array, t: Array) -> list[Array]:
        """返回一批的 dE/dw，不做更新。"""
        return [dw.numpy() for dw in torch.autograd.grad(self.loss(x, t), self.weights)]

    def predict(self, x: Array) -> Array:
        """返回输出 [B, C]。"""
        o: Array = self.outputs(x).detach().numpy()
        return o

    def train(self, x: Array, t: Array, learning_rate: float) -> float:
        """更新一次权重，返回更新之前这一批的平均损失。"""
        loss = self.loss(x, t)
        with torch.no_grad():
            for w, dw in zip(self.weights, torch.autograd.grad(loss, self.weights), strict=True):
                w -= learning_rate * dw  # (8)
        return loss.item()


def largest_difference(actual: Sequence[Array], expected: Sequence[Array]) -> float:
    """返回两组数组的最大差异，相对于所在数组的最大值。"""
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in zip(actual, expected, strict=True))


# %%
apart = largest_difference(gradients, InPyTorch(network).gradients(x_batch, t_batch))
print(f"gradients, from scratch and by autograd: largest difference {apart:.0e}")
assert apart < 1e-12

# %% [markdown]
# **练习 7.** 改用 `torch.nn.functional.mse_loss(o, t)` 作损失。预测梯度相差多少倍。学习率取多大，才能训练出同样的权重？
#
# <details>
# <summary>参考答案</summary>
#
# `mse_loss` 没有 (3) 里的 ½，而且还对 10 个输出取了平均，所以是原来的 2 / 10。把学习率提高到五倍就能补回来，也就是用 15 代替 3。
#
# ```python
# other = InPyTorch(network)
# loss = torch.nn.functional.mse_loss(other.outputs(x_batch), torch.from_numpy(t_batch))
# dW1 = torch.autograd.grad(loss, other.weights)[0].numpy()
# print(f"factor {abs(dW1).max() / abs(gradients[0]).max():.3f}")
# ```
#
# 输出：
#
# ```text
# factor 0.200
# ```
#
# </details>

# %% [markdown]
# 梯度正确，还不等于训练正确。所以让两者从同样的权重出发，以同样的顺序训练同样的小批量，再比较权重。

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
# **练习 8.** 两个程序做的是同样的运算，为什么结果不完全相等？预测训练 2,000 步（十倍的步数）之后的差异，以及换成 `float32` 会怎样。然后试一试。
#
# <details>
# <summary>参考答案</summary>
#
# 它们求和的顺序不同，而每次求和都要舍入。在 `float32` 里，舍入误差是 $2^{29} \approx 5 \cdot 10^8$ 倍，差异也随之增大。步数增加到十倍，差异并没有增加到十倍：舍入误差有正有负，而且训练把两个网络拉向同样的权重。只有学习率高到训练发散时，训练才会把它们推开。
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
# 输出：
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
# 本项目比较得更多，并且说明结果意味着什么：它比较梯度、输出、权重和损失，容差由舍入误差推导得出（[parity.md](parity.md)）。两者都从它给出的权重出发。要算什么，由训练配置（recipe）说明。

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
# ## 4. 训练
#
# 用 2,000 个数字训练十轮。准确率是 1,000 个测试样本中判断正确的比例。


# %%
def learn(
    network: Network | InPyTorch, epochs: int = 10, learning_rate: float = LEARNING_RATE
) -> tuple[list[float], list[float]]:
    """训练网络，返回每一轮的平均损失和测试准确率。"""
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
# 两条曲线重合，因为权重、小批量和设置都相同。如果两个网络里有一个更准确，那一定还有别的地方不同。
#
# **练习 9.** 本项目所依据的文章发现它的 PyTorch 网络更准确，*可能*是因为交叉熵和小批量。另一个网络用的是平方误差，一次训练一个样本。要弄清原因，你会做哪些训练？它们之间什么必须相同？文章的两个程序还可能有什么不同？
#
# <details>
# <summary>参考答案</summary>
#
# 至少要有两种损失与两种批量大小的四种组合，因为一个因素的作用可能取决于另一个。其余一切都相同：初始权重、数据、顺序、轮数、精度。每种组合用几个随机种子训练，因为单个种子可能恰好偏向其中一种。每种组合还要有适合自己的学习率，在从训练样本中留出的样本上选定。如果只用同一个学习率，比较的就是它更适合谁。
#
# 两个程序的学习率、初始权重、偏置、输入的范围和顺序、隐藏单元数、轮数以及精度，也都可能不同。
#
# [why.md](zh/why.md) 做了这个实验，并给出数字。文章的解释对了一半。
#
# </details>

# %% [markdown]
# ## 5. 找出错误
#
# 一位同事用更少的代码写了同样的网络。它也能学习：


# %%
class Colleague(Network):
    """同事的网络。"""

    def backward(self, x: Array, t: Array, y: Array, o: Array) -> list[Array]:
        """按权重的顺序返回一批的 dE/dw。"""
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
# 里面有一个错误。如果没有你自己的那条曲线，你会发现吗？能学习的网络，仍然可能是错的。
#
# 把它与一个正确的网络逐个量比较，按计算的顺序：先前向，再从最后一层到第一层反向，最后是训练。第一处不同之后的一切，都可能只是它的后果。表中 exact 表示完全相同，15 digits 表示十五位数字一致，DIFFERS 表示不同。DIFFERS (3) 的意思是：最大误差是该数组中最大正确值的 3 倍。

# %%
Theirs = bb.adapt(Colleague, weights=NAMES, train="train", gradients="gradients", predict="predict")
checked = bb.check(Theirs, recipe, steps=200)
checked.table[["quantity", "layer 1", "layer 2"]]

# %% [markdown]
# **练习 10.** 从上到下读这张表。哪个量最先不同，在哪一层？紧接在它之前的哪个量还是对的？两者之间是哪个公式、哪一行代码？先写下你的猜测，再运行下一个单元格。
#
# <details>
# <summary>参考答案</summary>
#
# 输出是对的，所以前向传播是对的。第 2 层的梯度是对的，所以 (4)、输出的 (5) 以及 (6) 都是对的。最先不同的是第 1 层的梯度。两者之间是 (7) 和隐藏层的 (5)，也就是 `delta1` 那一行。它与 `W2.T` 的乘积是 (7)，缺的是 (5)，即隐藏层激活函数的导数。
#
# 再往下的一切都由此而来，包括第 2 层的权重：它们是在错误的隐藏激活值上训练出来的。
#
# </details>

# %%
print(*checked.sentences, sep="\n")

# %% [markdown]
# 上面的检查说：有一个已知的错误，算出的结果与此完全相同，那就是漏掉了隐藏层激活函数的导数。
#
# **练习 11.** 隐藏层的梯度里，为什么有它自己的激活函数的导数？
#
# 1. 跟着权重 $w_{ij}$ 走到 $E$。它依次改变了哪些量？写出链式法则，每一步对应一个因子。
# 2. 你的同事漏掉了哪个因子？剩下的部分，对什么样的隐藏单元才是正确的？
# 3. 取一个样本。剩下的部分与梯度相比，符号和大小有什么不同？DIFFERS (3) 里的 3 是从哪里来的？随着网络学习，什么在改变？
# 4. 剩下的部分是不是另一个损失的梯度？
#
# <details>
# <summary>参考答案</summary>
#
# **1.** 权重改变预激活值 $z_j$，$z_j$ 改变激活值 $y_j$，$y_j$ 再改变所有输出，从而改变 $E$。权重要影响损失，只能经过自己那个单元的激活函数，路上的每一步都是一个因子：
#
# $$\frac{\partial E}{\partial w_{ij}}
# = \frac{\partial E}{\partial y_j} \cdot \frac{d y_j}{d z_j} \cdot \frac{\partial z_j}{\partial w_{ij}}
# = \Bigl( \sum_k \frac{\partial E}{\partial z_k} \, w_{jk} \Bigr) \cdot y_j \, (1 - y_j) \cdot x_i$$
#
# **2.** 中间那个。剩下的是 $\partial E/\partial y_j \cdot x_i$：它说的是 $E$ 怎样随激活值变化，而这里需要的是 $E$ 怎样随预激活值变化。对线性单元 $y_j = z_j$ 它是正确的，因为那里的导数是 1。
#
# **3.** 对单个样本，单元 $j$ 的那部分等于正确值除以 $y_j \, (1 - y_j)$。所以符号是对的，大小至少是正确值的四倍，因为 $y_j \, (1 - y_j) \le \frac14$。开始时大多数 $y_j$ 接近 0.5，误差就是梯度的 4 − 1 = 3 倍，危害也不大：第 1 层的学习率好像变成了四倍。训练之后，一个单元在许多样本上接近 0 或 1。那里的梯度很小，因为权重几乎推不动激活值了。同事算出来的却不小，还在继续推。这个倍数随单元和样本而变，所以对样本求和之后方向就偏了，有些符号也错了：
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
# 输出：
#
# ```text
# after 0 epochs: 4.1 times as long, 1 degrees apart, 100% of the signs right
# after 10 epochs: 9.1 times as long, 42 degrees apart, 80% of the signs right
# ```
#
# **4.** 不是。二阶导数与求导次序无关。取一个隐藏单元，前面的权重为 $w$，后面的权重为 $v$，记 $s = \partial E/\partial z_k$。同事算的是 $G_w = s \, v \, x$ 和 $G_v = s \, y$。如果它们是某个损失的梯度，$\partial G_w/\partial v$ 与 $\partial G_v/\partial w$ 就应当相等。两者之差是
#
# $$\frac{\partial G_w}{\partial v} - \frac{\partial G_v}{\partial w}
# = \bigl(1 - y \, (1 - y)\bigr) \, x \, \Bigl(s + \frac{d s}{d z_k} \, v \, y\Bigr)$$
#
# 对线性单元，$y \, (1 - y)$ 的位置上是 1，差为 0。对 sigmoid 则不为 0。所以，同事的网络不是在沿任何一个损失下降，任何损失的中心差分都不可能证实它的“梯度”。
#
# </details>

# %% [markdown]
# **练习 12.** 再看三个错误。哪些能被中心差分发现？哪些能从学习曲线看出来？哪些要靠比较训练后的权重？
#
# 1. 梯度是整批的和，而不是平均值，同时学习率是 0.3 而不是 3。
# 2. 在 (7) 用到 `W2` 之前，就更新了它。
# 3. 每一轮都以同样的顺序训练各个小批量。
#
# <details>
# <summary>参考答案</summary>
#
# **1.** 平均损失的中心差分能发现：梯度是正确值的 10 倍。训练中看不出来，因为学习率与梯度的乘积没有变。如果最后一批不满，就能看出来了：有 3 个样本时，和的 0.3 倍是平均值的 0.9 倍，而不是 3 倍。
#
# **2.** 比较权重能发现，第一步之后就能。`gradients` 不做更新，所以是对的，与中心差分也一致。曲线能说明多少取决于学习率，因为误差也取决于它：学习率为 3 时，网络学得很差；为 0.3 时，和正确的网络学得一样好。
#
# **3.** 只有比较权重能发现，而且要从第二轮起。每个梯度都是对的，顺序是一种设置，不是损失的一部分。曲线看上去一切正常。
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
# 输出：
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
# ## 6. 有多快？
#
# 通常的做法是各计时一次，再相除。这里做五次。你的时间与下面的不同，下一次又与这一次不同。


# %% tags=["times"]
def timer_of(network: Network | InPyTorch) -> Callable[[int], float]:
    """返回一个函数：它用这么多样本训练网络，并返回所用的秒数。"""

    def seconds(n_examples: int) -> float:
        begin = time.perf_counter()
        for first in range(0, n_examples, BATCH):
            network.train(x_train[first : first + BATCH], t_train[first : first + BATCH], LEARNING_RATE)
        return time.perf_counter() - begin

    seconds(200)  # 预热：最初几批要加载、分配内存、编译
    return seconds


for _ in range(5):
    mine, other = Network(SIZES), InPyTorch(Network(SIZES))
    print(f"speed-up over PyTorch: {timer_of(other)(1000) / timer_of(mine)(1000):.2f}×")

# %% [markdown]
# **练习 13.** 五个数里你会发表哪一个，保留几位数字？设有两个这样的比值：0.5 和 2。它们的平均值是多少？取倒数之后，平均值又是多少？哪种平均值与谁除以谁无关？
#
# <details>
# <summary>参考答案</summary>
#
# 一个也不发表：单独一个数说明不了下一个会离它多远。每次都在变的数字就是噪声。
#
# 0.5 和 2 的平均值是 1.25，于是第二个程序好像更快。倒数是 2 和 0.5，平均值同样是 1.25，于是第一个程序好像也更快。几何平均两边都是 1，因为换个方向相除，对数的平均值只是变号。
#
# </details>

# %% [markdown]
# 系统干扰会随机地拖慢其中一方。所以把它们*成对*计时：每次一小段，一个紧接着另一个，先后随机。在每一对之内相除，两者都受到的干扰就抵消了。比值的对数有平均值，也有 95% 置信区间。


# %% tags=["times"]
def paired_ratio(first: Network | InPyTorch, second: Network | InPyTorch, pairs: int = 100) -> str:
    """返回 time(first) / time(second)：成对计时块的几何平均及其 95% 置信区间。"""
    rng, timers, logarithms = np.random.default_rng(0), (timer_of(first), timer_of(second)), []
    for _ in range(pairs):
        times = [0.0, 0.0]
        for side in rng.permutation(2):
            times[side] = timers[side](500)
        logarithms.append(np.log(times[0] / times[1]))
    mean, error = np.mean(logarithms), np.std(logarithms, ddof=1) / np.sqrt(pairs)
    # 1.98：t 分布，100 对
    low, middle, high = np.exp([mean - 1.98 * error, mean, mean + 1.98 * error])
    return f"{middle:.2f} (95 % CI {low:.2f} to {high:.2f})"


print("time of PyTorch / yours: ", paired_ratio(InPyTorch(Network(SIZES)), Network(SIZES)))
print("time of yours / its copy:", paired_ratio(Network(SIZES), Network(SIZES)))

# %% [markdown]
# 第二行是 A/A 测试：你的网络与它自己比较。置信区间应当包含 1。
#
# **练习 14.** A/A 测试的置信区间不包含 1，应该多久发生一次？如果 20 次里有 8 次不包含，你得出什么结论？让一个核一直忙着，再运行这两个单元格：置信区间怎样变，前面的五个数又怎样变？
#
# <details>
# <summary>参考答案</summary>
#
# 20 次里 1 次，因为它是 95% 置信区间。20 次里出现 8 次或更多，单凭偶然是很罕见的：
#
# ```python
# from math import comb
#
# chance = sum(comb(20, n) * 0.05**n * 0.95 ** (20 - n) for n in range(8, 21))
# print(f"once in {1 / chance:.0f}")
# ```
#
# 输出：
#
# ```text
# once in 350032
# ```
#
# 所以测量有问题，第一行的置信区间也不可信。要么有一方占了与代码无关的便宜，例如总是先跑。要么各对之间不独立：持续时间比一对更长的干扰使相邻的几对相像，这时置信区间就偏窄。
#
# 有一个核忙着时，五个数会很分散。置信区间变宽，但中间值移动较小，因为大部分干扰同时落在一对的两边。
#
# </details>
#
# **练习 15.** 所有这些对都来自同一个进程。重启内核，再做一遍。新的估计值在旧的置信区间里吗？什么在一个进程里保持不变，换一个进程又会改变？
#
# <details>
# <summary>参考答案</summary>
#
# 很可能在外面。数组放在内存的什么位置，从而怎样共用缓存，对一个进程来说是一次定下的，通常连在哪个核上运行也是。同一个进程的所有对都有这些共同点，所以它们的置信区间对此一无所知。只有多个进程才行：每个进程得到一个估计值，再由这些估计值得出置信区间。[method.md](method.md) 说明本项目怎样做。
#
# </details>

# %% [markdown]
# 这一切 `bb.time` 都会做，只要半分钟。它先验证，再用多个进程分轮次交错计时。`"torch-eager"` 是多数人那样用 `nn.Module` 写的 PyTorch。输出的第二句数出一步里做了多少操作。

# %% tags=["times"]
timed = bb.time(Mine, "torch-eager", recipe=recipe, results=tempfile.mkdtemp())
print(*timed.sentences, sep="\n")
bb.plot(timed)

# %% [markdown]
# **练习 16.** 每批 10 个样本、30 个隐藏单元，都算小的。规模变大时，哪一方得益更多？把一步的用时分成两部分来解释。
#
# <details>
# <summary>参考答案</summary>
#
# PyTorch。一步的用时等于调用加运算。PyTorch 的一次调用比 NumPy 的贵：它要按类型和设备查找操作，还要记下自动微分所需的东西。这与规模无关。运算量随规模增长，其中大部分是矩阵乘法，而双方都把它交给速度相近的库。所以网络小时由调用决定，网络大时由运算决定。
#
# 试一试：`SIZES = (784, 300, 10)`，`BATCH = 100`。`backprop-bench scale` 测量它，[speed.md](speed.md) 给出结果。
#
# </details>

# %% [markdown]
# ## 小结
#
# 1. **写对了吗？** 先用中心差分验证，再与另一个实现逐个数比较。网络能学习，说明不了什么。
# 2. **有多快？** 先验证，再计时。成对计时，给出 95% 置信区间，并做 A/A 测试。
# 3. **两个网络为什么不同？** 一次只改一个因素，最好是试遍所有组合（[why.md](zh/why.md)）。
#
# 要检查自己的网络并给它计时，见 [your-own.md](zh/your-own.md)。

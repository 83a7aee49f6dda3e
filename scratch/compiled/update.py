"""Weight updates: a function for each optimizer, which passes once over weights, gradient and what it keeps."""

from typing import Any

import numpy as np

from backprop_bench.data import Floats
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.network import Network, Rule, State
from backprop_bench.scratch.compiled.threads import share_of

SGD, MOMENTUM, RMSPROP, ADAM = range(4)
KINDS = {"sgd": SGD, "momentum": MOMENTUM, "rmsprop": RMSPROP, "adam": ADAM}
"""The number of each optimizer."""


@compiled
def update(w: Floats, dw: Floats, first: Floats, second: Floats, is_bias: bool, n_updates: int, rule: Rule) -> None:
    """Update weights w [N] by their gradient dw [N], which becomes 0; ``first`` and ``second`` [N] are of the state.

    This is update number ``n_updates``, counted from 1.
    """
    number = w.dtype.type
    rate, decay, epsilon = number(rule.learning_rate), number(rule.weight_decay), number(rule.epsilon)
    if is_bias and not rule.decays_biases:
        decay = number(0)
    if rule.kind == SGD:
        descend(w, dw, decay, rate)
    elif rule.kind == MOMENTUM:
        counts = number(rule.learning_rate * (1 - rule.momentum)) if rule.is_dampened else rate
        descend_with_momentum(w, dw, first, decay, counts, number(rule.momentum), rule.is_nesterov)
    elif rule.kind == RMSPROP:
        rmsprop(w, dw, second, decay, rate, number(rule.decay2), number(1 - rule.decay2), epsilon)
    else:
        correction1, correction2 = 1 - rule.decay1**n_updates, 1 - rule.decay2**n_updates
        root = np.sqrt(1 / correction2)
        if rule.is_reordered:
            corrected, factor = rule.learning_rate / (root * correction1), 1.0
        else:
            corrected, factor = rule.learning_rate / correction1, root
        keeps, adds = (number(rule.decay1), number(rule.decay2)), (number(1 - rule.decay1), number(1 - rule.decay2))
        adam(w, dw, first, second, decay, number(corrected), keeps, adds, number(factor), epsilon)


@compiled
def descend(w: Floats, dw: Floats, decay: Any, rate: Any) -> None:
    """Update weights by gradient descent."""
    for k in range(w.size):
        w[k] -= rate * (dw[k] + decay * w[k])
        dw[k] = 0


@compiled
def descend_with_momentum(
    w: Floats, dw: Floats, change: Floats, decay: Any, rate: Any, momentum: Any, is_nesterov: bool
) -> None:
    """Update weights by gradient descent with momentum, or Nesterov's; ``change`` [N] are the updates before."""
    if is_nesterov:
        for k in range(w.size):
            g = dw[k] + decay * w[k]
            change[k] = momentum * change[k] - rate * g
            w[k] += momentum * change[k] - rate * g
            dw[k] = 0
    else:
        for k in range(w.size):
            change[k] = momentum * change[k] - rate * (dw[k] + decay * w[k])
            w[k] += change[k]
            dw[k] = 0


@compiled
def rmsprop(w: Floats, dw: Floats, square: Floats, decay: Any, rate: Any, keep: Any, add: Any, epsilon: Any) -> None:
    """Update weights by RMSprop; ``square`` [N] are running means."""
    for k in range(w.size):
        g = dw[k] + decay * w[k]
        square[k] = keep * square[k] + add * g * g
        w[k] -= rate * g / (np.sqrt(square[k]) + epsilon)
        dw[k] = 0


@compiled
def adam(
    w: Floats,
    dw: Floats,
    mean: Floats,
    square: Floats,
    decay: Any,
    rate: Any,
    keeps: tuple[Any, Any],
    adds: tuple[Any, Any],
    factor: Any,
    epsilon: Any,
) -> None:
    """Update weights by Adam; ``mean`` and ``square`` [N] are running means, the root of the latter counts ``factor``.

    ``keeps`` and ``adds`` are β and 1 − β of both.
    """
    for k in range(w.size):
        g = dw[k] + decay * w[k]
        mean[k] = keeps[0] * mean[k] + adds[0] * g
        square[k] = keeps[1] * square[k] + adds[1] * g * g
        w[k] -= rate * mean[k] / (np.sqrt(square[k]) * factor + epsilon)
        dw[k] = 0


@compiled
def update_share(share: int, n_updates: int, network: Network, state: State, rule: Rule) -> None:
    """Update a share of all weights by the gradient in the state."""
    n_shares, gradient, first, second = network.n_shares, state.gradient, state.first, state.second
    low, high = share_of(network.first.size, share, n_shares)
    update_part(low, high, network.first, gradient.first, first.first, second.first, False, n_updates, rule)
    low, high = share_of(network.above.size, share, n_shares)
    update_part(low, high, network.above, gradient.above, first.above, second.above, False, n_updates, rule)
    low, high = share_of(network.biases.size, share, n_shares)
    update_part(low, high, network.biases, gradient.biases, first.biases, second.biases, True, n_updates, rule)


@compiled
def update_part(
    low: int,
    high: int,
    w: Floats,
    dw: Floats,
    first: Floats,
    second: Floats,
    is_bias: bool,
    n_updates: int,
    rule: Rule,
) -> None:
    """Do as :func:`update` with the numbers from low to high of each array."""
    update(w[low:high], dw[low:high], first[low:high], second[low:high], is_bias, n_updates, rule)

"""The epoch of one thread: a call of :func:`train_share` trains it from the first batch to the last."""

from typing import Any

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.compiled.gradients import (
    add_first_and_go_on,
    add_gradient,
    add_gradient_of_others,
    update_by_gradient,
)
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.layers import backward, first_layer, forward_above
from backprop_bench.scratch.compiled.masks import WORD, find_nonzeros
from backprop_bench.scratch.compiled.network import (
    Network,
    Settings,
    State,
    Workspace,
    biases_of,
    rows_of_layer,
    weights_of_share,
)
from backprop_bench.scratch.compiled.threads import (
    SUBNORMALS_ARE_ZERO,
    Arrivals,
    read_mxcsr,
    share_of,
    wait_at_barrier,
    write_mxcsr,
)
from backprop_bench.scratch.compiled.update import update_share
from backprop_bench.scratch.compiled.vectors import LANES, prefetch


@compiled
def prefetch_targets(t: Floats, examples: Order) -> None:
    """Ask for the targets t [N, C] of some examples, which are anywhere in memory."""
    t_flat, n_classes = t.reshape(t.size), t.shape[1]
    for example in examples:
        for j in range(0, n_classes, LANES):
            prefetch(t_flat, example * n_classes + j)
        prefetch(t_flat, (example + 1) * n_classes - 1)


@compiled
def step_size(network: Network, settings: Settings) -> Any:
    """Return minus the learning rate in the dtype of the weights."""
    return network.first.dtype.type(-settings.rule.learning_rate)


@compiled
def train_one_by_one(
    x: Floats, t: Floats, order: Order, network: Network, settings: Settings, workspace: Workspace
) -> float:
    """Train on the examples of x [N, D] and t [N, C] in this order, one by one; returns the loss, summed over them.

    The weights of the first layer change as the next example passes them.
    """
    loss, last, scale = 0.0, order.size - 1, step_size(network, settings)
    z = rows_of_layer(workspace.y, 0, 1, network, workspace)
    dz = rows_of_layer(workspace.dz, 0, 1, network, workspace)
    weights, b = weights_of_share(0, network), biases_of(0, network)
    find_nonzeros(x, order[:1], workspace)
    first_layer(0, 1, x, order[1:2], network, workspace)
    for number in range(order.size):
        find_nonzeros(x, order[number : number + 2], workspace)
        prefetch_targets(t, order[number + 1 : number + 2])
        forward_above(0, 1, 1, 1, network, settings, workspace)
        loss += backward(0, 1, 1, t, order[number : number + 1], network, settings, workspace)
        if number < last:
            following = order[number + 2 : number + 3]
            add_gradient_of_others(0, 0, 1, 1, scale, network, settings, workspace)
            add_first_and_go_on(x, following, dz, scale, b, z, weights, workspace)
        else:
            add_gradient(0, 0, 1, 1, x, scale, network, settings, workspace)
    return loss


@compiled
def train_batches(
    share: int,
    arrived: Arrivals,
    x: Floats,
    t: Floats,
    order: Order,
    batch_size: int,
    network: Network,
    n_updates: int,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> float:
    """Train on the examples in batches of any size: one thread's share of it, see :func:`train_share`.

    All threads wait for each other when z of the first layer is there, when dE/dz is, and when weights or gradient are
    changed.
    """
    loss, n_threads, rule = 0.0, network.n_shares, settings.rule
    for start in range(0, order.size, batch_size):
        end = min(start + batch_size, order.size)
        is_one_word = end - start <= WORD
        for first in range(start, end, WORD):
            last = min(first + WORD, end)
            examples, following = order[first:last], order[last : last + WORD]
            find_nonzeros(x, examples, workspace)
            first_layer(share, examples.size, x, following, network, workspace)
            wait_at_barrier(arrived, n_threads)
            low, high = share_of(examples.size, share, n_threads)
            prefetch_targets(t, examples[low:high])
            forward_above(low, high, examples.size, end - start, network, settings, workspace)
            loss += backward(low, high, end - start, t, examples, network, settings, workspace)
            wait_at_barrier(arrived, n_threads)
            if is_one_word and not rule.leaves_zeros:
                update_by_gradient(share, examples.size, x, n_updates, network, state, settings, workspace)
            else:
                minus = step_size(network, settings)
                scale, target = (minus, network) if is_one_word else (settings.one, state.gradient)
                add_gradient(share, 0, examples.size, examples.size, x, scale, target, settings, workspace)
            wait_at_barrier(arrived, n_threads)
        if not is_one_word:
            update_share(share, n_updates, network, state, rule)
            wait_at_barrier(arrived, n_threads)
        n_updates += 1
    return loss


@compiled
def train_share(
    share: int,
    arrived: Arrivals,
    x: Floats,
    t: Floats,
    order: Order,
    batch_size: int,
    network: Network,
    n_updates: int,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> float:
    """Train on the examples of x [N, D] and t [N, C] in this order, batch by batch: one thread's share of it.

    Returns the loss, summed over the examples of that share. The first update has number ``n_updates``, counted from 1.
    ``arrived`` [1] is 0 at first, and the same array for all.

    Subnormal numbers count as 0: some processors take far longer for them, and where a network is certain, dE/dz has
    many.
    """
    mxcsr: Any = read_mxcsr()
    write_mxcsr(mxcsr | SUBNORMALS_ARE_ZERO)
    if batch_size == 1 and network.n_shares == 1 and settings.rule.leaves_zeros:
        loss = train_one_by_one(x, t, order, network, settings, workspace)
    else:
        loss = train_batches(share, arrived, x, t, order, batch_size, network, n_updates, state, settings, workspace)
    write_mxcsr(mxcsr)
    return loss

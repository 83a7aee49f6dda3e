"""``adapt``: a trainer for the suite, made of what somebody has."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_args

from backprop_bench.bench.api.adapted import (
    MASKS,
    Adapted,
    Batch,
    Method,
    OfFunctions,
    OfNetwork,
    Pieces,
    as_called,
    needs,
    takes_masks,
)
from backprop_bench.bench.api.layouts import BiasColumn, Layout, Order
from backprop_bench.bench.api.places import Place
from backprop_bench.data import InputError


def adapt(
    source: Callable[..., Any],
    *,
    weights: Sequence[str] | None = None,
    train: Method | None = None,
    gradients: Method | None = None,
    predict: Method | None = None,
    layout: Order = "rows",
    bias_column: BiasColumn | None = None,
    batch: Batch = "arrays",
) -> type:
    """Return a class with the methods of :class:`backprop_bench.data.Trainer`, made of a function or a class.

    N examples, D inputs, J units. Weights are named and passed from the inputs on, W1, b1, W2, b2; without biases
    W1, W2.

    Where what trains or returns gradients has a parameter ``masks``, it is given what to multiply the activations of
    each hidden layer by: a list of arrays [N, J], in columns [J, N], of ones unless the recipe has ``dropout``.

    Parameters
    ----------
    source
        A function ``loss_and_gradients(weights, x, t)`` that returns the loss of a batch and a list of gradients, or
        the gradients alone. Or, with ``train`` or ``gradients``, a class, or a function that makes a network. It is
        called without arguments, or with the list of the layer sizes if it needs one: ``lambda sizes: Mine(*sizes)``.
    weights
        Where the network has its weights: attributes such as ``"W1"``, ``"hidden.weight"``, ``"weights[0]"`` or
        ``"parameters['W1']"``. They are set from the initial weights, and read back. For a function: names, where it
        takes the weights as a dict, and may return gradients as one, with these names or "d" before them.
    train
        Name of the method that trains on one batch, ``(x, t)`` or ``(x, t, learning_rate)``; or a function with the
        network before these. It may return the loss of the batch, before the update. A parameter of the name
        learning_rate, lr, eta or alpha gets the recipe's learning rate. So does, but for alpha, a parameter of
        ``source``, and an attribute of the network.
    gradients
        Name of the method that returns gradients of a batch, as the function above; or a function with the network
        before these. Without it, the gradient is derived from one update of gradient descent:
        (w before − w after) / learning rate.
    predict
        Name of the method that returns the outputs for ``(x)``; or a function with the network, or with a function's
        weights, before it. Without it, outputs are not compared.
    layout
        ``"rows"``: x [N, D], weights [D, J], biases [J]. ``"columns"``: x [D, N], weights [J, D], biases [J, 1].
        ``"torch"``: x [N, D], weights [J, D], biases [J]. Targets and outputs are like x. Biases of a network, and
        gradients of biases, may be [J], [1, J] and [J, 1].
    bias_column
        ``"first"`` or ``"last"`` where weights have the bias as the weight of one more input, of that place.
    batch
        ``"arrays"``: two arrays. ``"pairs"``: a list of pairs (x, t) of one example, as one argument. ``"single"``: one
        example at a time, x [D] and t, in columns [D, 1].

    Raises
    ------
    InputError
        For what does not fit together, in one sentence.
    """
    names = _names(weights)
    _check_source(source, train or gradients)
    if batch not in get_args(Batch):
        raise InputError(f"batch is {batch!r}; expected {' or '.join(map(repr, get_args(Batch)))}")
    name = _name_of(source)
    pieces = Pieces(name, source, names, train, gradients, predict, Layout(layout, bias_column), batch)
    return _of_function(pieces) if train is None and gradients is None else _of_network(pieces)


def check_function(function: object, expected: Sequence[str]) -> None:
    """Raise `InputError` unless this is a function that can be called with so many arguments."""
    name = getattr(function, "__name__", repr(function))
    if not callable(function):
        raise InputError(f"{name} is of the type {type(function).__name__}; expected a function")
    try:
        masks = {MASKS: MASKS} if takes_masks(function) else {}
        inspect.signature(function).bind(*expected, **masks)
    except TypeError:
        takes = str(inspect.signature(function))
        raise InputError(f"{name}{takes} cannot be called with ({', '.join(expected)}); expected these") from None
    except ValueError:  # one written in C does not say
        return


def _names(weights: Sequence[str] | None) -> tuple[str, ...]:
    if weights is None:
        return ()
    if isinstance(weights, str) or not isinstance(weights, Sequence) or not weights:
        raise InputError(f'weights is {weights!r}; expected a list of names, such as ["W1", "b1", "W2", "b2"]')
    for text in weights:
        Place(text)
    return tuple(weights)


def _check_source(source: object, method: Method | None) -> None:
    """Raise `InputError` for an object where there should be its class, or a function."""
    is_function = callable(source) and (hasattr(source, "__name__") or isinstance(source, functools.partial))
    if not is_function or (isinstance(method, str) and not isinstance(source, type) and hasattr(source, method)):
        kind = type(source).__name__
        raise InputError(
            f"what is passed is of the type {kind}; expected the class, or a function that makes a network, such as "
            f"lambda sizes: {kind}(*sizes)"
        )


def _name_of(source: Any) -> str:
    name = str(getattr(source, "__name__", type(source).__name__))
    return name if name.isidentifier() else "network"


def _of_function(pieces: Pieces) -> type:
    makes_network = isinstance(pieces.source, type) or (bool(pieces.weights) and needs(pieces.source) < 2)
    if makes_network or pieces.batch != "arrays":
        raise InputError(
            f"{pieces.name} needs the name of the method that trains on a batch; write train=…, or gradients=… for one "
            "that returns gradients"
        )
    check_function(pieces.source, ("weights", "x", "t"))
    if pieces.predict is not None:
        check_function(pieces.predict, ("weights", "x"))
    return _class(OfFunctions, pieces)


def _of_network(pieces: Pieces) -> type:
    if not pieces.weights:
        raise InputError(
            f'{pieces.name} needs the names of its weights; write weights=["W1", "b1", "W2", "b2"], from the inputs on'
        )
    if needs(pieces.source) > 1:
        name = "Mine" if pieces.name == "network" else pieces.name
        raise InputError(
            f"{as_called(pieces.source, pieces.name)} needs arguments; write lambda sizes: {name}(…) with them "
            "instead, where sizes are the layer sizes"
        )
    return _class(OfNetwork, pieces)


def _class(base: type[Adapted], pieces: Pieces) -> type:
    own = {
        "pieces": pieces,
        "shows_outputs": pieces.predict is not None,
        "derives_gradients": base is OfNetwork and pieces.gradients is None,
        "__module__": getattr(pieces.source, "__module__", __name__),
    }
    return type(pieces.name, (base,), own)

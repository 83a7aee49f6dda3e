"""Trainers that are made of the pieces which somebody has: functions, or a class of any form."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backprop_bench.bench.api.layouts import MEANING, Layout, misfit, plain
from backprop_bench.bench.api.places import Place
from backprop_bench.bench.core.implementations import LoadError
from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    UnsupportedRecipe,
    copy_parameters,
    dropout_masks,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

Batch = Literal["arrays", "pairs", "single"]
Method = str | Callable[..., Any]
"""The name of a method, or a function whose first argument is the network."""
RATES = ("learning_rate", "learningrate", "lr", "eta")
"""Names of a parameter, or an attribute, that receives the recipe's learning rate."""
MASKS = "masks"
"""Name of a parameter that receives the masks of dropout."""
OF_TRAINING = (*RATES, "alpha")
"""The same of a method that trains; of a network, alpha may well be something else."""
NOT_ADAPTED = ("first_layer_blocks", "schedule", "rate_factor", "rate_period", "inverse_rate_decay")
"""Fields that a network would have to know of."""
LEAST_RATE = 0.1
"""Learning rate below which a gradient derived from one update is derived again, with a rate of 1: rounding of the
weights is divided by it."""
SAME = 1e-6
"""Relative difference of these two gradients above which the network does not follow its learning rate."""
ABOUT_SHAPES = re.compile(r"shape|dimension|broadcast|aligned|size|index", re.IGNORECASE)


@dataclass(frozen=True)
class Pieces:
    """What somebody has of an implementation.

    Attributes
    ----------
    name
        What messages call it.
    source
        A function ``loss_and_gradients(weights, x, t)``, or what makes a network: a class or a function.
    weights
        Where a network has its weights; of a function, the names by which it knows them, none for a list.
    train
        Trains one batch, ``(x, t)`` or ``(x, t, learning_rate)``.
    gradients
        Returns the gradients of a batch, ``(x, t)``.
    predict
        Returns outputs, ``(x)``; of a function, ``(weights, x)``.
    layout
        Of all arrays.
    batch
        What a batch is: two ``arrays``; a list of ``pairs`` (x, t) of one example; or a ``single`` example.
    """

    name: str
    source: Callable[..., Any]
    weights: tuple[str, ...]
    train: Method | None
    gradients: Method | None
    predict: Method | None
    layout: Layout
    batch: Batch


class Adapted:
    """A trainer made of :class:`Pieces`, which subclasses have. What they lack is here.

    Attributes
    ----------
    shows_outputs, shows_loss
        Whether these are compared. That training returns no loss shows when it is first called.
    derives_gradients
        Whether the gradient is derived from a weight update.
    takes_rate
        Whether it takes the learning rate of the recipe; otherwise its own should be the same.
    """

    pieces: Pieces
    shows_outputs: bool
    shows_loss: bool = True
    derives_gradients: bool
    takes_rate: bool = True

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        for field in ExtendedRecipe.of(recipe).additions:
            if field in NOT_ADAPTED:
                raise UnsupportedRecipe(self.pieces.name, field, "the learning rate stays the same, in dense layers")
        if self.pieces.batch == "single" and recipe.batch_size != 1:
            raise UnsupportedRecipe(
                self.pieces.name, "batch_size", "it trains a single example at a time, so write batch_size=1"
            )
        self._recipe = recipe
        if ExtendedRecipe.of(recipe).dropout and not any(takes_masks(each) for each in self._functions()):
            raise UnsupportedRecipe(
                self.pieces.name,
                "dropout",
                f"it is to be given the masks, so write a parameter {MASKS}, a list of an array for each hidden layer",
            )
        self._n_updates = 0
        self._layers = copy_parameters(parameters)
        self._returns_loss: bool | None = None

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Train one epoch; returns the mean loss of the examples, which is no number where training returns none."""
        total, size = 0.0, self._recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            loss = self._update(x[batch], t[batch])
            self._n_updates += 1
            total += loss * (len(batch) if self._recipe.reduction == "mean" else 1)
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of a batch."""
        return self._loss_and_gradients(x, t)[1]

    def predict(self, x: Floats) -> Floats:
        """Return the outputs; where nothing shows them, those that the weights give, which nobody compares."""
        if self.pieces.predict is None:
            return NumpyTrainer(self._recipe, self.parameters()).predict(x)
        layout = self.pieces.layout
        if self.pieces.batch == "arrays":
            return self._outputs(self._predicted(layout.examples(x)), len(x))
        return np.concatenate([self._outputs(self._predicted(one), 1) for one in _singly(layout, x)])

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return copy_parameters(self._layers)

    def _update(self, x: Floats, t: Floats) -> float:
        """Train one batch by gradient descent; returns its loss."""
        loss, gradients = self._loss_and_gradients(x, t)
        for layer, gradient in zip(self._layers, gradients, strict=True):
            for weight, change in zip(layer.arrays(), gradient.arrays(), strict=True):
                weight -= change * weight.dtype.type(self._recipe.learning_rate)
        return loss

    def _loss_and_gradients(self, x: Floats, t: Floats) -> tuple[float, Parameters]:
        raise NotImplementedError

    def _functions(self) -> Sequence[Callable[..., Any]]:
        """Return what trains, or returns gradients."""
        raise NotImplementedError

    def _masks(self, function: Callable[..., Any], n_examples: int) -> dict[str, Any]:
        """Return the masks of the next batch as the argument of a function that takes them."""
        if not takes_masks(function):
            return {}
        masks = dropout_masks(self._recipe, self._n_updates, n_examples)
        single, layout = self.pieces.batch == "single", self.pieces.layout
        return {MASKS: [_singly(layout, mask)[0] if single else layout.examples(mask) for mask in masks]}

    def _predicted(self, x: Floats) -> Any:
        raise NotImplementedError

    def _outputs(self, returned: Any, n_examples: int) -> Floats:
        """Return outputs as rows; those of one example, or of one output unit, may have any shape."""
        shape = (n_examples, self._recipe.layer_sizes[-1])
        try:
            array = np.array(plain(returned), self._recipe.dtype)
        except (TypeError, ValueError):
            raise ValueError(f"{self.pieces.name} returned {_kind(returned)}, expected outputs") from None
        if 1 in shape and array.size == shape[0] * shape[1]:
            return array.reshape(shape)
        return self.pieces.layout.outputs(array) if array.ndim == 2 else array

    def _loss(self, value: Any) -> float:
        if self._returns_loss not in (None, value is not None):
            raise ValueError(f"training {self.pieces.name} returned a loss once and None another time; expected one")
        self._returns_loss = value is not None
        if value is None:
            type(self).shows_loss = False
            return float("nan")
        try:
            return float(np.reshape(plain(value), ()))
        except (TypeError, ValueError):
            raise ValueError(
                f"training {self.pieces.name} returned {_kind(value)}, expected the loss of the batch, a number, or "
                "None"
            ) from None

    def _layers_of(self, result: Any, *, trains: bool = True) -> tuple[float, Parameters]:
        """Return what a function of gradients returned as loss and layers; the loss is that of what trains."""
        layout, name = self.pieces.layout, self.pieces.name
        expected = [array.shape for array in layout.arrays(self._layers)]
        said = f"expected the loss and a list of gradients of shapes {expected}"
        names = [Place(text).name for text in self.pieces.weights]
        parts = _loss_and_arrays(result, names or [""] * len(expected))
        try:
            arrays = [np.asarray(plain(each), self._recipe.dtype) for each in parts[1]] if parts else []
        except (TypeError, ValueError):
            parts = None
        if parts is None:
            raise ValueError(f"{name} returned {_kind(result)}, {said}")
        arrays = [  # one number for all units is wrong, and what an update would add to each
            np.full(shape, array) if is_bias and array.size == 1 else array
            for array, shape, is_bias in zip(arrays, expected, layout.has_biases(self._layers), strict=True)
        ]
        shapes = [array.shape for array in arrays]
        if not all(layout.fit(shapes, self._layers)):
            advice = misfit(layout, shapes, self._layers)
            raise ValueError(f"{name} returned gradients of shapes {shapes}, {said}{f'; {advice}' if advice else ''}")
        return self._loss(parts[0]) if trains else 0.0, layout.layers(arrays, self._layers)

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call what is somebody's; where shapes do not fit, its exception also says which they are."""
        try:
            return function(*arguments, **named)
        except (ValueError, IndexError, RuntimeError) as error:
            if ABOUT_SHAPES.search(str(error)):
                order = self.pieces.layout.order
                others = " or ".join(f'layout="{each}"' for each in MEANING if each != order)
                meaning = MEANING[order]
                if self.pieces.batch == "single":
                    meaning = meaning.replace("[examples, inputs]", "one example, [inputs],")
                    meaning = meaning.replace("[inputs, examples]", "one example, [inputs, 1],")
                error.args = (f"{error}; {meaning}, for others write {others}",)
            raise


class OfFunctions(Adapted):
    """A network that functions compute, trained by gradient descent."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        _check_descent(recipe, self.pieces.name, "functions are trained")

    def _handed(self) -> list[Floats] | dict[str, Floats]:
        arrays = self.pieces.layout.arrays(self._layers)
        if not self.pieces.weights:
            return arrays
        _check_number(self.pieces, self._layers)
        return dict(zip(self.pieces.weights, arrays, strict=True))

    def _loss_and_gradients(self, x: Floats, t: Floats) -> tuple[float, Parameters]:
        layout, handed, function = self.pieces.layout, self._handed(), self.pieces.source
        masks = self._masks(function, len(x))
        result = self._call(function, handed, layout.examples(x), layout.examples(t), **masks)
        arrays, before = (list(each.values() if isinstance(each, dict) else each) for each in (handed, self._handed()))
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays, before, strict=False)):
            raise ValueError(
                f"{self.pieces.name} changes the weights that it is given; expected it to return the gradients, and "
                "leave the update to the suite"
            )
        return self._layers_of(result)

    def _functions(self) -> Sequence[Callable[..., Any]]:
        return (self.pieces.source,)

    def _predicted(self, x: Floats) -> Any:
        assert callable(self.pieces.predict)  # adapt has checked it
        return self._call(self.pieces.predict, self._handed(), x)


class OfNetwork(Adapted):
    """A network whose weights are attributes, with a method that trains a batch, or one that returns gradients."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        pieces = self.pieces
        if pieces.train is None:
            _check_descent(recipe, pieces.name, "a network without a method that trains is trained")
        elif pieces.gradients is None:
            advice = "; or write gradients=… with what returns them"
            _check_descent(recipe, pieces.name, "gradients are derived from one weight update", advice)
        _check_number(pieces, parameters)
        self._network = self._made(self._layers, recipe.learning_rate)
        self._train = None if pieces.train is None else self._bound(self._network, pieces.train)
        if pieces.train is not None:
            rates = rate_parameter(pieces.source), rate_parameter(method_of(self._network, pieces.train), OF_TRAINING)
            type(self).takes_rate = any(rates) or bool(_rate_attributes(self._network))

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return super().parameters() if self._train is None else self._read(self._network, self._recipe.dtype)

    def _update(self, x: Floats, t: Floats) -> float:
        return super()._update(x, t) if self._train is None else self._train(x, t, self._recipe.learning_rate)

    def _loss_and_gradients(self, x: Floats, t: Floats) -> tuple[float, Parameters]:
        if self.pieces.gradients is None:
            return 0.0, self._derived(x, t)
        function = method_of(self._ready(), self.pieces.gradients)
        result = self._call(function, *self._batch(x, t), **self._masks(function, len(x)))
        return self._layers_of(result, trains=self._train is None)

    def _functions(self) -> Sequence[Callable[..., Any]]:
        network = make(self.pieces.source, self._recipe.layer_sizes, self._recipe.learning_rate)
        return [method_of(network, each) for each in (self.pieces.train, self.pieces.gradients) if each is not None]

    def _predicted(self, x: Floats) -> Any:
        assert self.pieces.predict is not None  # the caller checks it
        return self._call(method_of(self._ready(), self.pieces.predict), x)

    def _made(self, layers: Parameters, rate: float) -> Any:
        """Make a network with these weights."""
        network = make(self.pieces.source, self._recipe.layer_sizes, rate)
        self._write(network, layers)
        for name in _rate_attributes(network):
            setattr(network, name, rate)
        return network

    def _ready(self) -> Any:
        """Return the network; one that does not train itself gets its weights first."""
        if self._train is None:
            self._write(self._network, self._layers)
        return self._network

    def _write(self, network: Any, layers: Parameters) -> None:
        places = [Place(text) for text in self.pieces.weights]
        shapes = [place.shape(network) for place in places]
        self._check_shapes(network, shapes)
        layout = self.pieces.layout
        for place, array, shape, is_bias in zip(
            places, layout.arrays(layers), shapes, layout.has_biases(layers), strict=True
        ):
            place.write(network, array.reshape(shape) if is_bias and shape else array)

    def _read(self, network: Any, dtype: str) -> Parameters:
        arrays = [np.asarray(plain(Place(text).read(network)), dtype) for text in self.pieces.weights]
        self._check_shapes(network, [array.shape for array in arrays])
        return self.pieces.layout.layers(arrays, self._layers)

    def _check_shapes(self, network: Any, shapes: Sequence[tuple[int, ...]]) -> None:
        layout, layers = self.pieces.layout, self._layers
        expected = [array.shape for array in layout.arrays(layers)]
        shapes = [shape or other for shape, other in zip(shapes, expected, strict=True)]  # () is not set yet
        fits = layout.fit(shapes, layers)
        if not all(fits):
            place = fits.index(False)
            advice = misfit(layout, shapes, layers) or f"in the layout {layout.order!r}"
            raise LoadError(
                f"{self.pieces.weights[place]} of {type(network).__name__} has the shape {list(shapes[place])}, "
                f"expected {list(expected[place])} for the layers {'-'.join(map(str, self._recipe.layer_sizes))}; "
                f"{advice}"
            )

    def _bound(self, network: Any, train: Method) -> Callable[[Floats, Floats, float], float]:
        """Return what trains a network on one batch at a learning rate, and returns its loss."""
        function = method_of(network, train)
        name = rate_of(function, train, 1 if self.pieces.batch == "pairs" else 2)

        def trained(x: Floats, t: Floats, rate: float) -> float:
            named = self._masks(function, len(x)) | ({} if name is None else {name: rate})
            return self._loss(self._call(function, *self._batch(x, t), **named))

        return trained

    def _batch(self, x: Floats, t: Floats) -> tuple[Any, ...]:
        layout = self.pieces.layout
        if self.pieces.batch == "arrays":
            return layout.examples(x), layout.examples(t)
        pairs = list(zip(_singly(layout, x), _singly(layout, t), strict=True))
        return (pairs,) if self.pieces.batch == "pairs" else pairs[0]

    def _derived(self, x: Floats, t: Floats) -> Parameters:
        """Return (w before − w after) / learning rate of one update of a network of its own, in float64."""
        assert self.pieces.train is not None  # adapt checks that there is this or gradients
        before = _changed_dtype(self.parameters(), "float64")

        def derived(rate: float) -> Parameters:
            network = self._made(before, rate)
            self._bound(network, self.pieces.train or "")(x.astype("float64"), t.astype("float64"), rate)
            after = self._read(network, "float64")
            return _each(lambda w, v: (w - v) / rate, before, after)

        gradients = derived(self._recipe.learning_rate)
        if self._recipe.learning_rate < LEAST_RATE:
            again = derived(1.0)
            gradients = again if _are_close(gradients, again) else gradients
        return _changed_dtype(gradients, self._recipe.dtype)


def make(source: Callable[..., Any], sizes: Sequence[int], rate: float) -> Any:
    """Make a network: without arguments, or with the layer sizes; and with the learning rate where it takes one."""
    named = {name: rate for name in [rate_parameter(source)] if name}
    return source(*([list(sizes)] if needs(source) else []), **named)


def needs(source: Callable[..., Any]) -> int:
    """Return how many arguments without a default something takes, the learning rate apart."""
    rate = rate_parameter(source)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = _signature(source).parameters.values()
    return sum(each.default is each.empty and each.kind not in kinds and each.name != rate for each in parameters)


def rate_parameter(function: Callable[..., Any], names: Sequence[str] = RATES) -> str | None:
    """Return the name of the parameter that receives the learning rate; ``None`` where there is none."""
    return next((name for name in _signature(function).parameters if name.lower() in names), None)


def _rate_attributes(network: Any) -> list[str]:
    return [name for name in RATES if isinstance(getattr(network, name, None), float | int)]


def rate_of(function: Callable[..., Any], train: Method, given: int) -> str | None:
    """Return the same of a function that trains, which takes so many arguments beside.

    Raises
    ------
    LoadError
        Where it takes others.
    """
    name = rate_parameter(function, OF_TRAINING)
    named = {**({} if name is None else {name: 0}), **({MASKS: 0} if takes_masks(function) else {})}
    try:
        _signature(function).bind(*range(given), **named)
    except TypeError:
        batch = "pairs" if given == 1 else "x, t"
        raise LoadError(
            f"{as_called(function, _written(train))} cannot be called with ({batch}) or ({batch}, learning_rate); "
            f"write train=lambda network, {batch}, learning_rate: network.… with what it takes"
        ) from None
    return name


def takes_masks(function: Callable[..., Any]) -> bool:
    """Say whether a function is to be given the masks of dropout."""
    return MASKS in _signature(function).parameters


def as_called(function: Callable[..., Any], name: str) -> str:
    """Return a function with the names of its parameters."""
    return f"{name}({', '.join(_signature(function).parameters)})"


def method_of(network: Any, method: Method) -> Callable[..., Any]:
    """Return a method of a network, or a function with the network as its first argument.

    Raises
    ------
    LoadError
        For a method that there is not.
    """
    if not isinstance(method, str):
        return functools.partial(method, network)
    function: Callable[..., Any] | None = getattr(network, method, None)
    if not callable(function):
        own = [name for name, value in vars(type(network)).items() if callable(value) and not name.startswith("_")]
        raise LoadError(f"{type(network).__name__} has no method {method!r}; it has {', '.join(own) or 'none'}")
    return function


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return how a function is called; one written in C does not say, and takes anything."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return inspect.signature(lambda *_, **__: None)


def _check_number(pieces: Pieces, layers: Parameters) -> None:
    """Raise `LoadError` where there are not as many weights as names."""
    expected, named = len(pieces.layout.arrays(layers)), len(pieces.weights)
    if named == expected:
        return
    advice = f"for another number of layers write layer_sizes=(…), which has {len(layers)} layers of weights here"
    if layers[0].bias is not None and pieces.layout.bias_column is None and named == len(layers):
        advice = 'write bias=False where there are no biases, bias_column="first" or "last" where the weights have them'
    raise LoadError(f"weights names {named} arrays, and the recipe has {expected}; {advice}")


def _check_descent(recipe: Recipe, name: str, what: str, advice: str = "") -> None:
    full = ExtendedRecipe.of(recipe)
    plain = {"optimizer": "sgd", "multiplicative_decay": 0.0}
    for field, value in (plain if full.penalty_in_loss else {**plain, "weight_decay": 0.0}).items():
        if getattr(full, field) != value:
            raise UnsupportedRecipe(name, field, f"{what} with {value}{advice}")


def _loss_and_arrays(result: Any, names: Sequence[str]) -> tuple[Any, list[Any]] | None:
    """Return loss, ``None`` without one, and an array for every name; ``None`` for what has another form."""
    is_list = isinstance(result, tuple | list)
    if is_list and len(result) == 2 and _is_loss(result[0]) and (arrays := _arrays(result[1], names)) is not None:
        return result[0], arrays
    if is_list and len(result) == len(names) + 1 and _is_loss(result[0]):
        return result[0], list(result[1:])
    arrays = _arrays(result, names)
    return None if arrays is None else (None, arrays)


def _arrays(value: Any, names: Sequence[str]) -> list[Any] | None:
    if isinstance(value, Mapping):
        keys = [next((key for key in (f"d{name}", name) if key in value), None) for name in names]
        return None if None in keys else [value[key] for key in keys]
    return list(value) if isinstance(value, tuple | list) and len(value) == len(names) else None


def _is_loss(value: Any) -> bool:
    return value is None or (not isinstance(value, tuple | list | str) and getattr(value, "size", 1) == 1)


def _singly(layout: Layout, rows: Floats) -> list[Floats]:
    """Return every example alone: [features], in columns [features, 1]."""
    return [row.reshape(-1, 1) if layout.order == "columns" else row for row in rows]


def _each(function: Callable[..., Floats], *parameters: Parameters) -> Parameters:
    """Apply a function to every array of parameters."""
    return tuple(
        Layer(
            function(*(layer.weight for layer in layers)),
            None if layers[0].bias is None else function(*(layer.bias for layer in layers)),
        )
        for layers in zip(*parameters, strict=True)
    )


def _changed_dtype(parameters: Parameters, dtype: str) -> Parameters:
    return _each(lambda array: array.astype(dtype), parameters)


def _are_close(a: Parameters, b: Parameters) -> bool:
    arrays = [[array for layer in each for array in layer.arrays()] for each in (a, b)]
    return all(abs(x - y).max() <= SAME * abs(y).max() for x, y in zip(*arrays, strict=True))


def _written(method: Method) -> str:
    return method if isinstance(method, str) else getattr(method, "__name__", repr(method))


def _kind(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__

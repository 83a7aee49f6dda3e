"""How an implementation of yours orders its arrays: what is transposed for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from backprop_bench.data import Floats, InputError, Layer, Parameters

Order = Literal["rows", "columns", "torch"]
BiasColumn = Literal["first", "last"]
ORDERS: tuple[Order, ...] = get_args(Order)
MEANING: Mapping[Order, str] = {
    "rows": "x is [examples, inputs] and weights are [inputs, units]",
    "columns": "x is [inputs, examples] and weights are [units, inputs]",
    "torch": "x is [examples, inputs] and weights are [units, inputs]",
}


@dataclass(frozen=True)
class Layout:
    """The order of an implementation's arrays; N examples, D inputs, J units.

    Attributes
    ----------
    order
        ``rows``: examples [N, D], weights [D, J], biases [J]. ``columns``: [D, N], [J, D], [J, 1]. ``torch``, as
        ``nn.Linear``: [N, D], [J, D], [J].
    bias_column
        Where the weights contain the biases, as the weights of one more input, whether that is the first or the last
        one. Then there are no arrays of biases.
    """

    order: Order = "rows"
    bias_column: BiasColumn | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("layout", self.order, ORDERS),
            ("bias_column", self.bias_column, (None, *get_args(BiasColumn))),
        ):
            if value not in known:
                raise InputError(f"{name} is {value!r}; expected {' or '.join(map(repr, known))}")

    def examples(self, rows: Floats) -> Floats:
        """Return inputs or targets [N, D] in this order."""
        return rows.T.copy() if self.order == "columns" else rows

    def outputs(self, own: Floats) -> Floats:
        """Return outputs in this order as rows [N, C]."""
        return own.T.copy() if self.order == "columns" else own

    def arrays(self, layers: Parameters) -> list[Floats]:
        """Return copies of the weights in this order, biases after the weights of their layer."""
        arrays: list[Floats] = []
        for layer in layers:
            weight, bias = layer.weight, layer.bias
            if bias is not None and self.bias_column is not None:
                weight = np.vstack([bias, weight] if self.bias_column == "first" else [weight, bias])
            arrays.append((weight if self.order == "rows" else weight.T).copy())
            if bias is not None and self.bias_column is None:
                arrays.append(bias.reshape(-1, 1).copy() if self.order == "columns" else bias.copy())
        return arrays

    def has_biases(self, layers: Parameters) -> list[bool]:
        """Return for every array whether it is one of biases."""
        both = self.bias_column is None
        return [is_bias for layer in layers for is_bias in (False, True)[: 1 + (both and layer.bias is not None)]]

    def fit(self, shapes: Sequence[tuple[int, ...]], layers: Parameters) -> list[bool]:
        """Return which shapes are those of the arrays; biases may be [J], [1, J] or [J, 1]."""
        return [
            shape == array.shape or (is_bias and shape in ((array.size,), (1, array.size), (array.size, 1)))
            for shape, array, is_bias in zip(shapes, self.arrays(layers), self.has_biases(layers), strict=True)
        ]

    def layers(self, arrays: Sequence[Floats], like: Parameters) -> Parameters:
        """Return arrays that fit as layers, with memory of their own."""
        remaining, layers = iter(arrays), []
        for layer in like:
            weight = next(remaining)
            weight = weight if self.order == "rows" else weight.T
            bias = None
            if layer.bias is not None and self.bias_column is not None:
                first = self.bias_column == "first"
                bias, weight = (weight[0], weight[1:]) if first else (weight[-1], weight[:-1])
            elif layer.bias is not None:
                bias = next(remaining).reshape(-1)
            layers.append(Layer(np.array(weight, order="C"), None if bias is None else bias.copy()))
        return tuple(layers)

    def sizes(self, shapes: Sequence[tuple[int, ...]], is_bias: Sequence[bool]) -> tuple[int, ...] | None:
        """Return the layer sizes of a network with arrays of these shapes; ``None`` where they do not fit together."""
        weights = [shape for shape, bias in zip(shapes, is_bias, strict=True) if not bias]
        if any(len(shape) != 2 for shape in weights):
            return None
        ends = [shape if self.order == "rows" else shape[::-1] for shape in weights]
        ends = [(fan_in - (self.bias_column is not None), fan_out) for fan_in, fan_out in ends]
        sizes = [ends[0][0], *(fan_out for _, fan_out in ends)]
        return tuple(sizes) if [fan_in for fan_in, _ in ends] == sizes[:-1] else None


def misfit(layout: Layout, shapes: Sequence[tuple[int, ...]], like: Parameters) -> str | None:
    """Return what to write so that arrays of these shapes fit; ``None`` where nothing can be said."""
    is_bias = layout.has_biases(like)
    wanted = Layout("rows").sizes([layer.weight.shape for layer in like], [False] * len(like))
    orders = sorted(ORDERS, key=lambda order: order != layout.order)
    sizes = {order: Layout(order, layout.bias_column).sizes(shapes, is_bias) for order in orders}
    fitting = [order for order in orders if wanted is not None and sizes[order] == wanted]
    if fitting and layout.order not in fitting:
        return "they look transposed, so write " + " or ".join(f'layout="{order}"' for order in fitting)
    if not fitting and sizes[layout.order] is not None:
        return f"so write layer_sizes={sizes[layout.order]}"
    return None


def plain(value: Any) -> Any:
    """Return an array of a library that computes gradients as one of NumPy's; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value

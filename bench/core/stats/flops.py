"""The work of one training step, counted from the recipe alone: arithmetic operations, and bytes that must move."""

import dataclasses
import itertools

from backprop_bench.data import Recipe, examples_per_epoch

ITEMSIZE = {"float32": 4, "float64": 8}
"""Bytes of one number."""

ACTIVATION_FLOPS = {"sigmoid": 4, "tanh": 1, "relu": 1, "identity": 0, "softmax": 5}
"""Per unit and example: 1 / (1 + e^−z) is 4; softmax is its maximum, difference, exponential, sum and quotient."""

DERIVATIVE_FLOPS = {"sigmoid": 3, "tanh": 3, "relu": 2, "identity": 0, "softmax": 4}
"""Per unit and example, from dE/dy to dE/dz: 2 for y (1 − y) and 1 − y², 1 for y > 0, and 1 to multiply by it; after
softmax y (dE/dy − Σ y dE/dy)."""

OPTIMIZER_FLOPS = {"sgd": 2, "momentum": 4, "rmsprop": 9, "adam": 14}
"""Per weight and bias: equations (8), (9), (20)–(21) and (22)–(25) of docs/derivation.md."""

OPTIMIZER_STATE = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
"""Numbers kept from step to step per weight and bias."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What training takes, whoever does it; works add up, and multiply by a number of steps.

    Attributes
    ----------
    gemm_flops
        FLOPs of the matrix products, a multiplication and an addition being 2. Of B examples and a layer from I to J
        units they are 2 B I J for z, 2 B I J for dE/dW, and 2 B I J for dE/dy of its inputs, which the first layer is
        spared.
    elementwise_flops
        FLOPs of everything else, one per arithmetic operation or comparison on an element of an array; an exponential,
        a hyperbolic tangent and a root are one each, and a sum of n numbers is n, as in the matrix products. Counted:

        - the bias: 1 per unit and example to add it, 1 to sum dE/dz into its gradient;
        - the activation of every layer (`ACTIVATION_FLOPS`);
        - dE/dz of hidden units from dE/dy (`DERIVATIVE_FLOPS`);
        - dE/dz of output units: 1 for y − t, and for the squared error the derivative of their activation as well;
        - the reduction ``mean``: 1 per output and example, to divide dE/dz by B;
        - the optimizer, per weight and bias (`OPTIMIZER_FLOPS`), and 2 more with weight decay.

        Not counted are the value of the loss, which changes no weight, and what is computed once per step rather than
        per element.
    bytes_read, bytes_written
        Compulsory traffic between memory and processor in bytes, if nothing stays in the cache from one step to the
        next and everything does within a step. A step then reads once the inputs and targets of its batch, every weight
        and bias, and the optimizer's state (`OPTIMIZER_STATE`), and writes once the weights, biases and state.
        Activations and gradients never leave the cache.
    input_bytes
        Of the bytes read, those of the inputs.
    """

    gemm_flops: int
    elementwise_flops: int
    bytes_read: int
    bytes_written: int
    input_bytes: int

    @property
    def flops(self) -> int:
        """FLOPs in all."""
        return self.gemm_flops + self.elementwise_flops

    @property
    def bytes(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written

    @property
    def intensity(self) -> float:
        """Arithmetic intensity in FLOPs per byte."""
        return self.flops / self.bytes

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.gemm_flops + other.gemm_flops,
            self.elementwise_flops + other.elementwise_flops,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
            self.input_bytes + other.input_bytes,
        )

    def __mul__(self, times: int) -> "Work":
        return Work(
            self.gemm_flops * times,
            self.elementwise_flops * times,
            self.bytes_read * times,
            self.bytes_written * times,
            self.input_bytes * times,
        )


def step_work(recipe: Recipe, batch_size: int | None = None, n_examples: int | None = None) -> Work:
    """Return the work of one training step: forward pass, backward pass and weight update.

    Parameters
    ----------
    batch_size
        Number B of examples in the step, the recipe's if ``None``.
    n_examples
        Number of training examples, looked at only where the batch is all of them.

    Raises
    ------
    ValueError
        For a batch of all examples without their number, and for one without an example.
    """
    size = next((size for size in (batch_size, recipe.batch_size, n_examples) if size is not None), None)
    if size is None:
        raise ValueError("n_examples is None, expected the number of examples, for the recipe's batch is all of them")
    if size < 1:
        raise ValueError(f"the batch is of {size} examples, expected 1 or more")
    state, itemsize = OPTIMIZER_STATE[recipe.optimizer], ITEMSIZE[recipe.dtype]
    updated = recipe.n_parameters * (1 + state)
    given = size * (recipe.layer_sizes[0] + recipe.layer_sizes[-1])
    return Work(
        gemm_flops=_gemm_flops(recipe, size),
        elementwise_flops=_elementwise_flops(recipe, size),
        bytes_read=(given + updated) * itemsize,
        bytes_written=updated * itemsize,
        input_bytes=size * recipe.layer_sizes[0] * itemsize,
    )


def epoch_work(recipe: Recipe, n_examples: int) -> Work:
    """Return the work of all steps of one epoch, the last of which may have fewer examples.

    Raises
    ------
    ValueError
        For no examples.
    """
    if n_examples < 1:
        raise ValueError(f"n_examples is {n_examples}, expected 1 or more")
    batch_size = recipe.batch_size or n_examples
    n_full, rest = divmod(examples_per_epoch(recipe, n_examples), batch_size)
    full = step_work(recipe, batch_size) * n_full
    return full + step_work(recipe, rest) if rest else full


def _gemm_flops(recipe: Recipe, batch_size: int) -> int:
    products = [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(recipe.layer_sizes)]
    return 2 * batch_size * (3 * sum(products) - products[0])


def _elementwise_flops(recipe: Recipe, batch_size: int) -> int:
    *hidden, outputs = recipe.layer_sizes[1:]
    bias = 2 if recipe.bias else 0
    per_hidden = bias + ACTIVATION_FLOPS[recipe.hidden_activation] + DERIVATIVE_FLOPS[recipe.hidden_activation]
    per_output = bias + ACTIVATION_FLOPS[recipe.output_activation] + 1 + (recipe.reduction == "mean")
    if recipe.loss == "squared_error":
        per_output += DERIVATIVE_FLOPS[recipe.output_activation]
    per_parameter = OPTIMIZER_FLOPS[recipe.optimizer] + (2 if recipe.weight_decay else 0)
    return batch_size * (sum(hidden) * per_hidden + outputs * per_output) + recipe.n_parameters * per_parameter

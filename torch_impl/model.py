"""The network as an ``nn.Module``, and the way between its weights and :class:`data.Parameters`."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from backprop_bench.data import ExtendedRecipe, Floats, Layer, Parameters, Recipe

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Perceptron(nn.Module):
    """A multilayer perceptron that gives the pre-activations z of its output units.

    As is usual in PyTorch, the output activation belongs to the loss in training and to :meth:`predict` otherwise.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = ExtendedRecipe.of(recipe)
        self.linears = nn.ModuleList(
            nn.Linear(fan_in, fan_out, bias=recipe.bias, dtype=DTYPES[recipe.dtype])
            for fan_in, fan_out in recipe.weight_shapes
        )
        slope = self.recipe.negative_slope
        self.activation = nn.LeakyReLU(slope) if slope else ACTIVATIONS[recipe.hidden_activation]()
        if self.recipe.first_layer_blocks:
            self.linears[0] = BlockDiagonalLinear(self.recipe)
        self.is_mixed = self.recipe.mixed_precision and recipe.dtype == "float32"

    def forward(self, x: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return z [B, C] of the output units for inputs x [B, D], with the masks of dropout or without."""
        if self.is_mixed:
            with torch.autocast("cpu", torch.bfloat16):
                return self._forward(x, masks).to(x.dtype)
        return self._forward(x, masks)

    def _forward(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        *hidden, output = self.linears
        y = x
        for layer, linear in enumerate(hidden):
            y = self.activation(linear(y))
            if masks:
                y = y * masks[layer]
        z: Tensor = output(torch.cat((y, x), dim=1) if self.recipe.skip_connection else y)
        return z

    def layer_by_layer(self, x: Tensor, masks: Sequence[Tensor] = ()) -> tuple[list[Tensor], list[Tensor]]:
        """Return z and y [B, J] of every layer, the output activations last; the y are those before dropout."""
        z: list[Tensor] = []
        y: list[Tensor] = []
        sends_errors = self.recipe.back_propagation == "errors"
        for linear in self.linears:
            is_output = linear is self.linears[-1]
            below = y[-1] if y else x
            if masks and y:
                below = below * masks[len(y) - 1]
            fed = torch.cat((below, x), dim=1) if is_output and self.recipe.skip_connection else below
            with torch.autocast("cpu", torch.bfloat16, enabled=self.is_mixed):
                z.append(linear(fed.detach() if sends_errors else fed).to(x.dtype))
            activated = activate_output(self.recipe, z[-1]) if is_output else self.activation(z[-1])
            y.append(activated + path_of_errors(linear, fed) if sends_errors else activated)
        return z, y

    def predict(self, x: Tensor) -> Tensor:
        """Return the output activations [B, C]."""
        return activate_output(self.recipe, self(x))


class BlockDiagonalLinear(nn.Linear):
    """A block-diagonal layer; weights outside its blocks are never used."""

    connected: Tensor

    def __init__(self, recipe: ExtendedRecipe) -> None:
        fan_in, fan_out, *_ = recipe.layer_sizes
        super().__init__(fan_in, fan_out, bias=recipe.bias, dtype=DTYPES[recipe.dtype])
        blocks = [torch.ones(units, inputs, dtype=DTYPES[recipe.dtype]) for inputs, units in recipe.first_layer_blocks]
        self.register_buffer("connected", torch.block_diag(*blocks))  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """Return z [B, J] for inputs x [B, D]."""
        return functional.linear(x, self.weight * self.connected, self.bias)


def path_of_errors(linear: nn.Module, fed: Tensor) -> Tensor:
    """Return zeros [B, J] by which dE/dy goes back to the inputs of a layer through its weights alone."""
    assert isinstance(linear, nn.Linear)
    passed = functional.linear(fed, linear.weight.detach())
    return passed - passed.detach()


def activate_output(recipe: Recipe, z: Tensor) -> Tensor:
    """Return the output activations for the pre-activations z [B, C]."""
    match recipe.output_activation:
        case "softmax":
            return z.softmax(dim=1)
        case "sigmoid":
            return z.sigmoid()
        case "tanh":
            return z.tanh()
        case "identity":
            return z


def batch_loss(model: Perceptron, x: Tensor, t: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
    """Return the loss of a batch from inputs x [B, D] and targets t [B, C], reduced as the recipe says."""
    if model.recipe.back_propagation == "errors":
        _, y = model.layer_by_layer(x, masks)
        return squared_error(model.recipe, y[-1], t) + penalty(model)
    loss = loss_of(model.recipe, model(x, masks), t)
    return loss + penalty(model) if model.recipe.penalty_in_loss else loss


def penalty(model: Perceptron) -> Tensor | float:
    """Return λ/2 Σ w² where the recipe has it in the loss, else 0."""
    if not model.recipe.penalty_in_loss:
        return 0.0
    decayed = [w for w in model.parameters() if w.ndim == 2 or model.recipe.decay_biases]
    return model.recipe.weight_decay / 2 * torch.stack([w.square().sum() for w in decayed]).sum()


@torch.no_grad()
def loss_with_logarithms(model: Perceptron, x: Tensor, t: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
    """Return the loss of a batch with the recipe's convention for the logarithms of a cross-entropy."""
    recipe, y = model.recipe, activate_output(model.recipe, model(x, masks))

    def log(y: Tensor) -> Tensor:
        return torch.log(
            y + recipe.log_epsilon if recipe.log_epsilon else y.clamp(recipe.log_clip, 1 - recipe.log_clip)
        )

    terms = t * log(y) if recipe.output_activation == "softmax" else t * log(y) + (1 - t) * log(1 - y)
    return reduce(recipe, -terms.sum(), t) + penalty(model)


def loss_of(recipe: Recipe, z: Tensor, t: Tensor) -> Tensor:
    """Return the loss of a batch from z [B, C] and targets t [B, C], reduced as the recipe says.

    The losses of PyTorch are used where it has them. Of the squared error it has the mean over examples and outputs
    without the ½ only, so that is taken as the sum, halved and, for the mean over examples, divided by B.
    """
    if recipe.loss == "squared_error":
        return squared_error(recipe, activate_output(recipe, z), t)
    if recipe.output_activation == "softmax":
        error = functional.cross_entropy(z, t, reduction="sum")
    else:
        error = functional.binary_cross_entropy_with_logits(z, t, reduction="sum")
    return reduce(recipe, error, t)


def squared_error(recipe: Recipe, y: Tensor, t: Tensor) -> Tensor:
    """Return ½ Σ (y − t)² of a batch from its output activations [B, C], reduced as the recipe says."""
    if isinstance(recipe, ExtendedRecipe) and recipe.error_dead_zone is not None:
        low, high = recipe.error_dead_zone
        is_on = t > sum(recipe.target_range) / 2
        y = torch.where((is_on & (y > high)) | (~is_on & (y < low)), t, y)
    error = functional.mse_loss(y, t, reduction="sum")
    if isinstance(recipe, ExtendedRecipe) and not recipe.half:
        return reduce(recipe, error, t)
    return reduce(recipe, error / 2, t)


def reduce(recipe: Recipe, error: Tensor, t: Tensor) -> Tensor:
    """Return a loss that is summed over examples and outputs as what the recipe makes of this sum."""
    if isinstance(recipe, ExtendedRecipe) and recipe.mean_over_outputs:
        error = error / t.shape[1]
    return error / len(t) if recipe.reduction == "mean" else error


def optimizer_of(recipe: Recipe, weights: Iterable[Tensor], **how: bool) -> torch.optim.Optimizer:
    """Return the recipe's optimizer from ``torch.optim``, done as it is by default unless ``how`` says otherwise."""
    full, rate = ExtendedRecipe.of(recipe), recipe.learning_rate
    decay = 0.0 if full.penalty_in_loss else recipe.weight_decay
    groups = list(weights) if full.decay_biases else apart(weights)
    match recipe.optimizer:
        case "sgd" | "momentum":
            rate, momentum = rates_of(full, 0)
            return torch.optim.SGD(
                groups, lr=rate, momentum=momentum, weight_decay=decay, nesterov=full.nesterov, **how
            )
        case "rmsprop":
            return torch.optim.RMSprop(
                groups, lr=rate, alpha=recipe.rmsprop_alpha, eps=recipe.epsilon, weight_decay=decay, **how
            )
        case "adam":
            betas = (recipe.beta1, recipe.beta2)
            kind = ReorderedAdam if full.adam_reordered else torch.optim.Adam
            return kind(groups, lr=rate, betas=betas, eps=recipe.epsilon, weight_decay=decay, **how)


def apart(weights: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Return the groups of an optimizer whose weight decay leaves the biases alone."""
    arrays = list(weights)
    biases = [w for w in arrays if w.ndim == 1]
    return [{"params": [w for w in arrays if w.ndim == 2]}, {"params": biases, "weight_decay": 0.0}]


class ReorderedAdam(torch.optim.Adam):
    """Adam with ε added to the uncorrected root: PyTorch's own with ε / √(1 − β₂ᵗ) in step t."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.steps = 0
        self.epsilon: float = self.defaults["eps"]

    def step(self, closure: Any = None) -> Any:
        """Update the weights."""
        self.steps += 1
        for group in self.param_groups:
            group["eps"] = self.epsilon / (1 - group["betas"][1] ** self.steps) ** 0.5
        return super().step(closure)


def rates_of(recipe: ExtendedRecipe, epoch: int) -> tuple[float, float]:
    """Return learning rate and momentum of an epoch for ``torch.optim.SGD``, whose gradients count in full."""
    rate, momentum = recipe.rates(epoch)
    return rate * (1 - momentum) if recipe.dampened_momentum else rate, momentum


def set_rates(optimizer: torch.optim.Optimizer, learning_rate: float, momentum: float) -> None:
    """Set the learning rate and the momentum of the next updates, without a change of what momentum carries over.

    PyTorch keeps a sum of gradients and multiplies it by the learning rate of the day; the paper's equation (9) keeps
    weight updates as they were made. So the sum is divided by what its factor grows by.
    """
    for group in optimizer.param_groups:
        before, group["lr"] = group["lr"], learning_rate
        if "momentum" in group:
            group["momentum"] = momentum
        for weight in group["params"]:
            velocity = optimizer.state[weight].get("momentum_buffer")
            if velocity is not None and learning_rate:  # one that decays long enough comes to 0
                velocity *= before / learning_rate


def load_parameters(model: Perceptron, parameters: Parameters) -> None:
    """Copy weights into the model; ``nn.Linear`` keeps them transposed, [fan_out, fan_in]."""
    with torch.no_grad():
        for linear, layer in zip(model.linears, parameters, strict=True):
            assert isinstance(linear, nn.Linear)
            linear.weight.copy_(torch.from_numpy(layer.weight.T))
            if isinstance(linear, BlockDiagonalLinear):
                linear.weight.mul_(linear.connected)
            if layer.bias is not None:
                linear.bias.copy_(torch.from_numpy(layer.bias))


def copy_weights(model: Perceptron) -> Parameters:
    """Return copies of the model's weights."""
    return _copy(model, [weight.detach() for weight in model.parameters()])


def copy_gradients(model: Perceptron, gradients: "tuple[Tensor, ...]") -> Parameters:
    """Return copies of gradients that come in the order of ``model.parameters()``."""
    return _copy(model, list(gradients))


def _copy(model: Perceptron, tensors: list[Tensor]) -> Parameters:
    arrays = iter([tensor.numpy(force=True) for tensor in tensors])
    return tuple(
        Layer(np.array(next(arrays).T, order="C"), _copy_bias(next(arrays)) if model.recipe.bias else None)
        for _ in model.linears
    )


def _copy_bias(bias: Floats) -> Floats:
    return np.array(bias)

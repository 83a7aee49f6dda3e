"""`torch-loader`, as a newcomer writes it, and `torch-eager`, the same without the DataLoader."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Order,
    Parameters,
    Recipe,
    StepParts,
    Trace,
    dropout_masks,
    epoch_of,
)
from backprop_bench.torch_impl.model import (
    Perceptron,
    batch_loss,
    copy_gradients,
    copy_weights,
    load_parameters,
    loss_of,
    loss_with_logarithms,
    optimizer_of,
    penalty,
    rates_of,
    set_rates,
    squared_error,
)


class EagerTrainer:
    """PyTorch's modules, autograd and optimizers; batches are taken from tensors by index."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = ExtendedRecipe.of(recipe)
        self.model = Perceptron(recipe)
        load_parameters(self.model, parameters)
        self.optimizer = optimizer_of(recipe, self.model.parameters())
        self.n_updates = self.n_visited = 0

    def masks(self, n_examples: int) -> list[Tensor]:
        """Return the masks of dropout [B, J] for the next batch; none without dropout."""
        if not self.recipe.dropout:
            return []
        return [torch.from_numpy(mask) for mask in dropout_masks(self.recipe, self.n_updates, n_examples)]

    def batches(self, x: Tensor, t: Tensor, order: Order) -> Iterable[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch, inputs [B, D] and targets [B, C]."""
        size = self.recipe.batch_size or len(order)
        for examples in torch.split(torch.from_numpy(order), size):
            yield x[examples], t[examples]

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        if self.recipe.changes_rates:
            set_rates(self.optimizer, *rates_of(self.recipe, epoch_of(self.recipe, self.n_visited, len(x))))
        self.n_visited += len(order)
        total = 0.0
        for x_batch, t_batch in self.batches(torch.from_numpy(x), torch.from_numpy(t), order):
            self.optimizer.zero_grad()
            masks = self.masks(len(t_batch))
            loss = batch_loss(self.model, x_batch, t_batch, masks)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.recipe.log_epsilon or self.recipe.log_clip:
                loss = loss_with_logarithms(self.model, x_batch, t_batch, masks)
            self.update()
            total += loss.item() * (len(t_batch) if self.recipe.reduction == "mean" else 1)
        return total / len(order)

    def update(self) -> None:
        """Update the weights by their gradients."""
        self.optimizer.step()
        self.n_updates += 1
        if self.recipe.multiplicative_decay:
            with torch.no_grad():
                for weight in self.model.parameters():
                    weight.mul_(1 - self.recipe.multiplicative_decay)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        loss = batch_loss(self.model, torch.from_numpy(x), torch.from_numpy(t), self.masks(len(x)))
        return copy_gradients(self.model, torch.autograd.grad(loss, list(self.model.parameters())))

    def trace(self, x: Floats, t: Floats) -> Trace:
        """Return every intermediate quantity of one batch, each derivative from autograd.

        See :class:`backprop_bench.data.Traces`.
        """
        z, y = self.model.layer_by_layer(torch.from_numpy(x), self.masks(len(x)))
        targets = torch.from_numpy(t)
        squared = self.recipe.loss == "squared_error"
        loss = squared_error(self.recipe, y[-1], targets) if squared else loss_of(self.recipe, z[-1], targets)
        loss = loss + penalty(self.model)
        hidden = y if squared else y[:-1]
        wanted = [*z, *hidden, *self.model.parameters()]
        derivatives = torch.autograd.grad(loss, wanted)
        dz, dy, gradients = (
            derivatives[: len(z)],
            derivatives[len(z) : len(z) + len(hidden)],
            derivatives[len(z) + len(hidden) :],
        )
        return Trace(
            z=[tensor.detach().numpy() for tensor in z],
            y=[tensor.detach().numpy() for tensor in y],
            dy=[*(tensor.numpy() for tensor in dy), *([] if squared else [None])],
            dz=[tensor.numpy() for tensor in dz],
            gradients=copy_gradients(self.model, gradients),
        )

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        with torch.no_grad():
            scores: Floats = self.model.predict(torch.from_numpy(x)).numpy()
        return scores

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return copy_weights(self.model)

    def set_parameters(self, parameters: Parameters) -> None:
        """Go on from these weights; the optimizer keeps its state."""
        load_parameters(self.model, parameters)

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step; see :class:`backprop_bench.data.DividesSteps`."""
        batches = _forever(self, torch.from_numpy(x), torch.from_numpy(t), examples)
        kept: dict[str, Any] = {}

        def fetch() -> None:
            kept["x"], kept["t"] = next(batches)

        def forward() -> None:
            self.optimizer.zero_grad()
            kept["loss"] = batch_loss(self.model, kept["x"], kept["t"], self.masks(len(kept["t"])))
            kept["loss"].item()

        return {
            "fetch": fetch,
            "forward": forward,
            "backward": lambda: kept["loss"].backward(),
            "update": self.update,
        }


class FusedTrainer(EagerTrainer):
    """The same with an optimizer that updates all weights in one kernel, or in one list operation where it has none."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        how = {"foreach": True} if recipe.optimizer == "rmsprop" else {"fused": True}
        self.optimizer = optimizer_of(recipe, self.model.parameters(), **how)


class LoaderTrainer(EagerTrainer):
    """The same with a DataLoader over a TensorDataset, as PyTorch's tutorials have it."""

    def batches(self, x: Tensor, t: Tensor, order: Order) -> Iterable[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch; the order of the examples is given rather than the loader's own shuffle."""
        size = self.recipe.batch_size or len(order)
        return DataLoader(TensorDataset(x, t), batch_size=size, sampler=order.tolist())


def _forever(trainer: EagerTrainer, x: Tensor, t: Tensor, examples: Order) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches epoch after epoch, so that each one is fetched in the way that the trainer does it."""
    while True:
        yield from trainer.batches(x, t, examples)

"""`chain-products`: `scratch-numpy` with PyTorch's matrix products, the first step of the ablation chain."""

import torch

from backprop_bench.data import Floats, Layer, Parameters, Recipe, check_plain
from backprop_bench.scratch.numpy_trainer import Backward, Forward, NumpyTrainer


def product(a: Floats, b: Floats) -> Floats:
    """Return a b, computed by PyTorch on the memory of NumPy's arrays: nothing is copied on the way there or back."""
    result: Floats = torch.mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    return result


class ProductsTrainer(NumpyTrainer):
    """Line by line what its base class does, with :func:`product` where that has ``@``."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("chain-products", recipe)
        super().__init__(recipe, parameters)

    def forward(self, x: Floats, masks: tuple[Floats, ...] = ()) -> Forward:
        """Compute the activations of all layers from inputs x [B, D]; dropout, which has masks, is refused."""
        z: list[Floats] = []
        y = [x]
        for layer, activation in zip(self.layers, self.activations, strict=True):
            pre_activation = product(y[-1], layer.weight)
            if layer.bias is not None:
                pre_activation += layer.bias
            z.append(pre_activation)
            y.append(activation(pre_activation))
        return Forward(z, y, y[:-1], masks)

    def backward(self, forward: Forward, t: Floats) -> Backward:
        """Compute dE/dw of the batch from its activations and its targets t [B, C]."""
        dy, dz = self.dloss(forward.y[-1], t)
        if self.recipe.reduction == "mean":
            dy, dz = None if dy is None else dy / len(t), dz / len(t)
        dys, dzs = [dy], [dz]
        for layer in range(len(self.layers) - 1, 0, -1):
            dy = product(dz, self.layers[layer].weight.T)
            dz = dy * self.derivative(forward.y[layer])
            dys.insert(0, dy)
            dzs.insert(0, dz)
        return Backward(dys, dzs, tuple(map(self._gradient, forward.y[:-1], dzs)))

    def _gradient(self, y: Floats, dz: Floats) -> Layer:
        return Layer(weight=product(y.T, dz), bias=dz.sum(axis=0) if self.recipe.bias else None)

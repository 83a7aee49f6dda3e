"""`torch-cuda-graph`: data and weights on the GPU, and the whole training step captured once and replayed."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from backprop_bench.data import Floats, Order, Parameters, Recipe, StepParts, UnsupportedRecipe, check_order
from backprop_bench.torch_impl.manual import ManualTrainer
from backprop_bench.torch_impl.model import loss_of

WARM_UPS = 3
"""Steps before a capture, in which libraries allocate what they need."""


def captured(step: Callable[[], None], state: Sequence[Tensor]) -> Callable[[], object]:
    """Return what repeats a step: on a GPU the graph of all that it launches, elsewhere the step itself.

    Parameters
    ----------
    step
        Works on the same tensors every time, and waits for none of them.
    state
        All tensors that it changes. In the end they are as before.
    """
    if not state[0].is_cuda:
        return step
    before = [tensor.clone() for tensor in state]

    def restore() -> None:
        for tensor, value in zip(state, before, strict=True):
            tensor.copy_(value)

    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            step()
            restore()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Callable[[], object] = graph.replay
    return replay


class CudaGraphTrainer(ManualTrainer):
    """The step of `torch-manual` on a GPU, without a call from Python for each of its operations.

    Where an epoch has got to is a number on the GPU as well, so that a step needs nothing from outside. The data are
    copied there when they are first handed over; a change of them in place is not seen.
    """

    name = "torch-cuda-graph"
    device = "cuda"

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        for field, value in (("optimizer", "sgd"), ("weight_decay", 0.0)):
            if getattr(recipe, field) != value:
                reason = f"its captured step has its own weight update; it does {value}"
                raise UnsupportedRecipe(self.name, field, reason)
        super().__init__(recipe, parameters)
        self.data: tuple[Floats, Floats] | None = None
        self.order = torch.zeros(0, dtype=torch.int64, device=self.device)
        self.repeat: dict[int, Callable[[], object]] = {}
        """By number of examples in a batch."""

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return nothing: the graph is one call, and what its parts take cannot be seen from outside."""
        del x, t, examples
        return {}

    def tensor(self, array: Floats) -> Tensor:
        """Return a copy of an array on the GPU."""
        return torch.tensor(array, device=self.device)

    def _hold(self, x: Floats, t: Floats, n_ordered: int) -> None:
        """Copy the data to the GPU unless they are there, and make what a step works on."""
        known = self.data is not None and self.data[0] is x and self.data[1] is t
        if known and n_ordered <= len(self.order):
            return
        most = max(len(x), n_ordered)
        self.data = x, t
        self.x, self.t = self.tensor(x), self.tensor(t)
        self.order = torch.zeros(most, dtype=torch.int64, device=self.device)
        self.counting = torch.arange(most, device=self.device)
        self.place = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.total = torch.zeros(1, dtype=self.x.dtype, device=self.device)
        self.repeat.clear()

    def _step(self, size: int) -> None:
        """Train the next so many examples of the order."""
        examples = self.order[self.place + self.counting[:size]]
        self.place.add_(size)
        t = self.t[examples]
        y = self.forward(self.x[examples])
        loss = loss_of(self.recipe, y[-1], t)
        self.total.add_(loss * size if self.recipe.reduction == "mean" else loss)
        self.update(y, self.backward(y, t))

    def _repeated(self, size: int) -> Callable[[], object]:
        """Return what trains the next so many examples, captured when it is first asked for."""
        if size not in self.repeat:
            state = [*self._arrays(), self.place, self.total]
            self.repeat[size] = captured(functools.partial(self._step, size), state)
        return self.repeat[size]

    @torch.no_grad()
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        check_order(order, len(x))
        n_examples = len(order)
        self._hold(x, t, n_examples)
        size = min(self.recipe.batch_size or n_examples, n_examples)
        self.order[:n_examples].copy_(torch.from_numpy(order))
        self.place.zero_()
        self.total.zero_()
        steps = [self._repeated(size)] * (n_examples // size)
        if n_examples % size:
            steps.append(self._repeated(n_examples % size))
        for step in steps:
            step()
        return self.total.item() / n_examples

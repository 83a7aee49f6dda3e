"""Trained networks of a run, and the test examples that they were evaluated on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backprop_bench.data import Parameters

Classes = npt.NDArray[np.int64]
"""The class of each test example [N]."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network after the last epoch of the first seed of a question.

    Attributes
    ----------
    question, implementation
        Whose it is, as the records call them.
    seed, epoch
        Of the initial weights and batch orders, and after how many epochs.
    layers
        Weights [fan_in, fan_out] and biases [fan_out], float32, input side first.
    predicted
        The class with the largest output of each test example, int64 [N].
    confidence
        How large that output is as a share of all, float32 [N]: see
        :func:`backprop_bench.bench.core.trained.confidence`.
    input_range
        Onto which inputs from 0 to the largest possible one are mapped before the network sees them.
    hidden_activation, output_activation
        As in :class:`backprop_bench.data.Recipe`.
    """

    question: str
    implementation: str
    seed: int
    epoch: int
    layers: Parameters
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    input_range: tuple[float, float]
    hidden_activation: str
    output_activation: str

    @property
    def n_inputs(self) -> int:
        """Number D of inputs."""
        return int(self.layers[0].weight.shape[0])

    @property
    def n_classes(self) -> int:
        """Number C of outputs."""
        return int(self.layers[-1].weight.shape[1])


@dataclass(frozen=True, eq=False)
class LabelledExamples:
    """The test examples of the networks.

    Attributes
    ----------
    inputs
        As they are stored [N, D].
    ends
        Smallest and largest possible input.
    labels
        The right class of each, int64 [N].
    names
        What the classes are called, by number [C].
    """

    inputs: npt.NDArray[np.generic]
    ends: tuple[float, float]
    labels: Classes
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The trained networks of a run that can be read.

    Attributes
    ----------
    networks
        In the order of the records.
    examples
        ``None`` where the dataset is missing, or is no longer the dataset of the run.
    notes
        Sentences on what is missing, and why.
    """

    networks: tuple[TrainedNetwork, ...]
    examples: LabelledExamples | None
    notes: tuple[str, ...] = ()

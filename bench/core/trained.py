"""Networks that a run has trained, each in a file of its own in the folder of the run.

A file is a NumPy archive (``numpy.load(path, allow_pickle=False)``) of these arrays, L layers, N test examples:

``weight_0``, ``bias_0``, ``weight_1``, … ``bias_{L-1}``
    float32, weights [fan_in, fan_out] and biases [fan_out]; no ``bias_i`` where the recipe has none.
``predicted``
    uint16 [N], the class with the largest output.
``confidence``
    float32 [N], how large that output is, as a share: see :func:`confidence`.
"""

import hashlib
import io
import itertools
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.network import TrainedNetwork
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord, Trained
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.data import Floats, InputError, Layer, Parameters, Recipe, Trainer

FOLDER = "trained"
SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
LETTERS = 60
"""Of a name, at most, in the name of a file."""
FILE = re.compile(rf"{FOLDER}/{SAFE.pattern}\.npz")

NO_ARCHIVE = (ValueError, EOFError, OSError, KeyError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises for a file that is none of its archives, or a damaged one."""

Arrays = dict[str, npt.NDArray[Any]]


def trained_file(question: str, implementation: str) -> str:
    """Return the name of a network's file, below the folder of the run.

    A name with characters that are not safe in file names, such as the path of a user's own file, or that is
    long, keeps what is safe of its last part and gets a checksum, so that no two names become one.
    """
    return f"{FOLDER}/{_safe(question)}.{_safe(implementation)}.npz"


def _safe(name: str) -> str:
    if SAFE.fullmatch(name) and len(name) <= LETTERS:
        return name
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", name.rpartition("/")[2])[-LETTERS:].strip("-")
    return f"{kept}-{zlib.crc32(name.encode()):08x}"


def confidence(scores: Floats, target_range: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return how large the largest output of each example is, as a share of the sum of all its outputs.

    For softmax that is the probability of the class. Sigmoid outputs need not come to 1, and those of identity may lie
    anywhere: an output counts by how far it is above the target of a class that is off, as 0 where it is below. Where
    none is above, no class is preferred, and the share is 1 / C.

    Parameters
    ----------
    scores
        Outputs [N, C].
    target_range
        Targets of a class that is off and of one that is on.

    Returns
    -------
    numpy.ndarray
        float32 [N], from 1 / C to 1.
    """
    low, high = target_range
    above = np.maximum((np.asarray(scores, np.float64) - low) / (high - low), 0.0)
    largest, total = above.max(axis=1), above.sum(axis=1)
    shares = np.full(len(above), 1 / above.shape[1])
    np.divide(largest, total, out=shares, where=total > 0)
    return shares.astype(np.float32)


def save_trained(path: Path, trainer: Trainer, recipe: Recipe, x: Floats) -> None:
    """Write a network, and its predictions on the test examples, to a file, whole or not at all.

    Raises
    ------
    ValueError
        Where what the trainer gives is no network of this recipe, or no outputs for these examples.
    InputError
        When the file cannot be written.
    """
    try:
        arrays = {**_weight_arrays(trainer.parameters(), recipe), **_predictions(trainer.predict(x), recipe, len(x))}
    except InputError as error:  # of the trainer, so no fault of who runs it
        raise ValueError(str(error)) from error
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def _weight_arrays(parameters: Parameters, recipe: Recipe) -> Arrays:
    expected = recipe.weight_shapes
    if len(parameters) != len(expected):
        raise ValueError(f"parameters() returned {len(parameters)} layers of weights, expected {len(expected)}")
    arrays: Arrays = {}
    for number, (layer, shape) in enumerate(zip(parameters, expected, strict=True)):
        arrays[f"weight_{number}"] = _numbers(f"weight of layer {number + 1}", layer.weight, shape)
        if recipe.bias:
            arrays[f"bias_{number}"] = _numbers(f"bias of layer {number + 1}", layer.bias, shape[1:])
        elif layer.bias is not None:
            raise ValueError(f"parameters() returned a bias of layer {number + 1}, expected none")
    return arrays


def _numbers(what: str, values: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return values as float32; raises `ValueError` unless they have this shape and are numbers."""
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise ValueError(f"the {what} is {array.dtype} {list(array.shape)}, expected numbers {list(shape)}")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError(f"the {what} has entries that are no numbers of float32, though the loss was a number")
    return single


def _predictions(scores: Floats, recipe: Recipe, n_examples: int) -> Arrays:
    _numbers("output of predict()", scores, (n_examples, recipe.layer_sizes[-1]))
    outputs = np.asarray(scores)
    return {
        "predicted": outputs.argmax(axis=1).astype(np.uint16),
        "confidence": confidence(outputs, recipe.target_range),
    }


class NotSaved(Exception):  # noqa: N818 (it is an outcome, not an error)
    """The file of a trained network is not there, or not as it should be."""


def check_saved(path: Path) -> tuple[str, int]:
    """Return checksum and bytes of a file that a worker wrote, once they are on the disk.

    Raises
    ------
    NotSaved
        Where it is not there, or not as it should be.
    """
    try:
        with path.open("rb") as file:
            content = file.read()
            os.fsync(file.fileno())  # before its row is: a machine without power may not have a row alone
        parse_trained(content)
    except (OSError, ValueError) as error:
        raise NotSaved(f"the file that was written is {error}") from error
    return hashlib.sha256(content).hexdigest(), len(content)


def read_trained(folder: Path, records: Sequence[AnyRecord]) -> list[TrainedNetwork]:
    """Read the networks that a run has saved, in the order of its rows.

    Raises
    ------
    InputError
        For the first file that is missing, or is not the one that was recorded. To have the others all the same, call
        :func:`read_network` for each row.
    """
    return [read_network(folder, row) for row in saved_networks(records)]


def saved_networks(records: Sequence[AnyRecord]) -> list[Trained]:
    """Return the records of networks that have a file."""
    return [row for row in of_kind(records, Trained) if row.file is not None]


def read_network(folder: Path, row: Trained) -> TrainedNetwork:
    """Read the network of a row of kind ``trained``.

    Raises
    ------
    InputError
        Where its file is missing, lies elsewhere, is cut, altered, or no archive of a network.
    """
    name = row.file
    if not isinstance(name, str) or not FILE.fullmatch(name):
        raise InputError(f"{folder}: the trained network {name!r} is not read; expected {FOLDER}/NAME.npz")
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}; expected the network that was recorded") from error
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise InputError(f"{name} is not the file that was recorded: its checksum differs; it was altered or cut")
    try:
        layers, predicted, shares = parse_trained(content)
    except ValueError as error:
        raise InputError(f"{name} is {error}") from error
    return TrainedNetwork(
        question=row.question,
        implementation=row.implementation,
        seed=row.seed,
        epoch=row.epoch,
        layers=layers,
        predicted=predicted,
        confidence=shares,
        input_range=row.input_range,
        hidden_activation=row.hidden_activation,
        output_activation=row.output_activation,
    )


def parse_trained(content: bytes) -> tuple[Parameters, npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return weights, predicted classes and confidences of a file; raises `ValueError` where it is no such file."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays: Arrays = {name: archive[name] for name in archive.files}
    except NO_ARCHIVE as error:
        raise ValueError("no archive of arrays, expected that of a trained network") from error
    predicted, shares = arrays.pop("predicted", None), arrays.pop("confidence", None)
    layers = tuple(_layers(arrays))
    if predicted is None or shares is None or len(arrays) != sum(len(layer.arrays()) for layer in layers):
        raise ValueError("an archive of other arrays, expected those of a trained network")
    if predicted.dtype != np.uint16 or shares.dtype != np.float32 or not predicted.ndim == shares.ndim == 1:
        raise ValueError("an archive with predictions of another kind, expected a class and a share of every example")
    n_classes = layers[-1].weight.shape[1]
    if len(predicted) != len(shares) or (predicted >= n_classes).any() or not np.isfinite(shares).all():
        raise ValueError(
            f"an archive with impossible predictions, expected one of {n_classes} classes of every example"
        )
    return layers, predicted.astype(np.int64), shares


def _layers(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterator[Layer]:
    """Yield the layers; raises `ValueError` where there are none, or one does not follow on the one before."""
    n_units = None
    for number in itertools.takewhile(lambda number: number == 0 or f"weight_{number}" in arrays, itertools.count()):
        weight, bias = arrays.get(f"weight_{number}"), arrays.get(f"bias_{number}")
        if weight is None or weight.ndim != 2 or n_units not in (None, weight.shape[0]):
            raise ValueError("an archive without layers that follow each other, expected those of a trained network")
        n_units = weight.shape[1]
        if bias is not None and bias.shape != (n_units,):
            raise ValueError(f"an archive with a bias {list(bias.shape)} of layer {number + 1}, expected [{n_units}]")
        layer = Layer(weight, bias)
        if any(array.dtype != np.float32 or not np.isfinite(array).all() for array in layer.arrays()):
            raise ValueError("an archive with weights that are no numbers of float32")
        yield layer

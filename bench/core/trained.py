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
import math
import os
import re
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.network import TrainedNetwork
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord, Trained
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.data import ExtendedRecipe, Floats, InputError, Layer, Parameters, Recipe, Trainer

FOLDER = "trained"
SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
LETTERS = 60
"""Of a name, at most, in the name of a file."""
FILE = re.compile(rf"{FOLDER}/{SAFE.pattern}\.npz")

NO_ARCHIVE = (
    ValueError,
    EOFError,
    OSError,
    KeyError,
    AttributeError,
    TypeError,
    RuntimeError,  # of what is encrypted
    OverflowError,
    MemoryError,  # of the parser, for what is nested too deeply
    SyntaxError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `zipfile` and NumPy raise for a file that is no archive of arrays, or a damaged one."""
LARGEST = 1 << 30
"""Bytes of the arrays of a network, at most: more than 250 million weights."""
BESIDE = 1024
"""Bytes of an archive beside each of its arrays, at most, and of the header of an array."""
MEMBER, BY_CHANCE = b"PK\x01\x02", 16
"""What each entry in the list of an archive's members begins with, and how often that may be in what is packed."""

Arrays = dict[str, npt.NDArray[Any]]
Expected = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""By the name of an array, what it is made of and its shape."""


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


def check_saved(path: Path, recipe: Recipe, n_examples: int) -> tuple[str, int]:
    """Return checksum and bytes of a file that a worker wrote, once they are on the disk.

    Parameters
    ----------
    recipe
        Of the network.
    n_examples
        The test examples that it predicted.

    Raises
    ------
    NotSaved
        Where it is not there, or not as it should be.
    """
    try:
        expected = expected_arrays(recipe, n_examples)
        content = _content(path, most_bytes(expected))
        with path.open("rb") as file:
            os.fsync(file.fileno())  # before its row is: a machine without power may not have a row alone
        parse_trained(content, expected)
    except (OSError, ValueError) as error:
        raise NotSaved(f"the file that was written is {error}") from error
    return hashlib.sha256(content).hexdigest(), len(content)


def _content(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a file; raises `ValueError` for what is none, such as a pipe, and for more than so many."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("no file, expected the archive of a trained network")
    if status.st_size > most_bytes:
        raise ValueError(f"a file of {status.st_size:,} bytes, expected at most {most_bytes:,}")
    with path.open("rb") as file:
        return file.read(most_bytes)


def read_trained(folder: Path, records: Sequence[AnyRecord], plan: Plan) -> list[TrainedNetwork]:
    """Read the networks that a run has saved, in the order of its rows.

    Raises
    ------
    InputError
        For the first file that is missing, or is not the one that was recorded. To have the others all the same, call
        :func:`read_network` for each row.
    """
    return [read_network(folder, row, plan) for row in saved_networks(records)]


def saved_networks(records: Sequence[AnyRecord]) -> list[Trained]:
    """Return the records of networks that have a file."""
    return [row for row in of_kind(records, Trained) if row.file is not None]


NOT_SHOWN = ("skip_connection", "negative_slope", "standardize")
"""Fields that change what a network computes from its weights and inputs, which a row of kind ``trained`` has not."""


def read_network(folder: Path, row: Trained, plan: Plan) -> TrainedNetwork:
    """Read the network of a row of kind ``trained``.

    Parameters
    ----------
    plan
        Of the run. It says which arrays the file has; nothing beyond them is read, or unpacked into memory.

    Raises
    ------
    InputError
        Where its file is missing, lies elsewhere, is cut, altered, or no archive of such a network.
    """
    name = row.file
    if not isinstance(name, str) or not FILE.fullmatch(name):
        raise InputError(f"{folder}: the trained network {name!r} is not read; expected {FOLDER}/NAME.npz")
    try:
        expected = _planned(row, plan)
        content = _recorded_content(folder / name, row, most_bytes(expected))
        layers, predicted, shares = parse_trained(content, expected)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}; expected the network that was recorded") from error
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


def _planned(row: Trained, plan: Plan) -> Expected:
    """Return what the file of a row has in it; raises `ValueError` where the plan has no such network."""
    for question in plan.questions:
        for entry in question.entries:
            if (question.name, entry.label) == (row.question, row.implementation):
                beyond = [field for field in NOT_SHOWN if field in ExtendedRecipe.of(entry.recipe).additions]
                if beyond:
                    raise ValueError(f"of a recipe with {beyond[0]}, which a page does not compute")
                return expected_arrays(entry.recipe, question.test_examples)
    raise ValueError(f"of {row.implementation} in {row.question}, expected a network that the plan of the run has")


def _recorded_content(path: Path, row: Trained, limit: int) -> bytes:
    """Return the bytes of a file; raises `ValueError` unless they are those that were recorded."""
    if row.bytes is None or row.bytes > limit:
        raise ValueError(f"recorded with {row.bytes} bytes, expected at most {limit}")
    altered = "not the file that was recorded: its {} differs; it was altered or cut"
    if path.stat().st_size != row.bytes:
        raise ValueError(altered.format("size"))
    content = _content(path, row.bytes)
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise ValueError(altered.format("checksum"))
    return content


def expected_arrays(recipe: Recipe, n_examples: int) -> Expected:
    """Return the arrays that the file of a network has: by name, what they are made of and their shape.

    Raises
    ------
    ValueError
        Where they take more memory than any network that is trained here.
    """
    single = np.dtype(np.float32)
    result: Expected = {}
    for number, shape in enumerate(recipe.weight_shapes):
        result[f"weight_{number}"] = (single, shape)
        if recipe.bias:
            result[f"bias_{number}"] = (single, shape[1:])
    result |= {"predicted": (np.dtype(np.uint16), (n_examples,)), "confidence": (single, (n_examples,))}
    if (n_bytes := _unpacked_bytes(result)) > LARGEST:
        raise ValueError(f"planned as a network of {n_bytes:,} bytes, expected at most {LARGEST:,}")
    return result


def _unpacked_bytes(expected: Expected) -> int:
    return sum(math.prod(shape) * dtype.itemsize for dtype, shape in expected.values())


def most_bytes(expected: Expected) -> int:
    """Return how long the file of these arrays may be: packing adds less than a thousandth where it saves nothing."""
    n_bytes = _unpacked_bytes(expected)
    return n_bytes + n_bytes // 1000 + BESIDE * (1 + len(expected))


def parse_trained(
    content: bytes, expected: Expected
) -> tuple[Parameters, npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return weights, predicted classes and confidences of a file; raises `ValueError` where it has other arrays."""
    try:
        arrays = _unpack(content, expected)
    except OtherArchive:
        raise
    except NO_ARCHIVE as error:
        raise ValueError("no archive of arrays, expected that of a trained network") from error
    predicted, shares = arrays.pop("predicted").astype(np.int64), arrays.pop("confidence")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("an archive with weights that are no numbers of float32")
    n_layers = sum(name.startswith("weight_") for name in arrays)
    layers = tuple(Layer(arrays[f"weight_{number}"], arrays.get(f"bias_{number}")) for number in range(n_layers))
    n_classes = layers[-1].weight.shape[1]
    if (predicted >= n_classes).any() or not np.isfinite(shares).all():
        raise ValueError(
            f"an archive with impossible predictions, expected one of {n_classes} classes of every example"
        )
    return layers, predicted, shares


class OtherArchive(ValueError):  # noqa: N818 (it completes a sentence: the file is …)
    """An archive, but not that of the expected arrays; the message says what it is instead."""


def _unpack(content: bytes, expected: Expected) -> Arrays:
    """Return the arrays of an archive, each checked before it is unpacked; raises `OtherArchive` for other ones."""
    if content.count(MEMBER) > 2 * len(expected) + BY_CHANCE:
        raise OtherArchive(f"an archive of too many members, expected {len(expected)}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sorted(member.filename for member in members) != sorted(f"{name}.npy" for name in expected):
            raise OtherArchive(f"an archive of other arrays, expected {', '.join(expected)}")
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < end:
                raise OtherArchive("an archive whose members overlap, expected one after the other")
            end = member.header_offset + member.compress_size
        if end > len(content):
            raise OtherArchive(f"an archive with a member up to byte {end:,}, expected none beyond {len(content):,}")
        return {name: _array(archive, name, dtype, shape) for name, (dtype, shape) in expected.items()}


def _array(archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return an array of an archive, of which no more is unpacked than an array of this kind has."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise OtherArchive(f"an archive whose {name} is packed by method {member.compress_type}, expected deflate")
    n_bytes = math.prod(shape) * dtype.itemsize
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise OtherArchive(f"an archive whose {name} has a header of version {version}, expected (1, 0)")
        actual, is_fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=BESIDE)
        if (kind, actual) != (dtype, shape):
            raise OtherArchive(f"an archive whose {name} is {kind} {list(actual)}, expected {dtype} {list(shape)}")
        numbers = file.read(n_bytes + 1)
    if len(numbers) != n_bytes:
        raise OtherArchive(f"an archive whose {name} has other bytes than its header says, expected {n_bytes:,}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if is_fortran else "C").copy(order="K")

"""Named arrays, as .npz, .npy, .mat and IDX files hold them: which are inputs, which labels, of training or testing."""

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import READ_ERRORS
from backprop_bench.data.formats.part import Part, Role, Source, role_of, words_of
from backprop_bench.data.formats.paths import INPUT_WORDS, LABEL_WORDS

_ONE_CLASS = re.compile(r"(train|test)_?(\d{1,3})", re.IGNORECASE)
_USUAL = "x_train, y_train, x_test and y_test"


class Named(NamedTuple):
    """An array and its name in the file that it is from."""

    source: Source
    key: str
    values: npt.NDArray[Any]

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return f"{self.source.shown}: {self.key}" if self.key else self.source.shown

    @property
    def role(self) -> Role | None:
        """What it is for."""
        return role_of(self.key) or role_of(self.source.relative)


def read_npy(source: Source, content: bytes) -> list[Named]:
    """Return the array of a .npy file."""
    return [Named(source, "", _load(io.BytesIO(content), source.shown))]


def read_npz(source: Source, content: bytes) -> list[Named]:
    """Return the arrays of a .npz file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [
                Named(
                    source, name.removesuffix(".npy"), _load(io.BytesIO(archive.read(name)), f"{source.shown}: {name}")
                )
                for name in archive.namelist()
            ]
    except (zipfile.BadZipFile, *READ_ERRORS, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{source.shown}: the .npz file is damaged ({error}), expected an intact one") from error


def read_mat(source: Source, content: bytes) -> list[Named]:
    """Return the arrays of a MATLAB file; those of a structure have its name before their own."""
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(content), struct_as_record=False, squeeze_me=False)  # type: ignore[arg-type]
    except Exception as error:
        raise InputError(f"{source.shown}: the .mat file cannot be read ({error}), expected an intact one") from error
    result = [
        Named(source, key, values)
        for name, value in variables.items()
        if not name.startswith("__")
        for key, values in _fields(name, value)
    ]
    return [_examples_first(item, result) for item in result]


def _fields(name: str, value: Any) -> Iterable[tuple[str, npt.NDArray[Any]]]:
    """Yield the arrays of numbers or words in a variable, those of a structure by the names of its fields."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.item()
    if hasattr(value, "_fieldnames"):
        for field in value._fieldnames:
            yield from _fields(f"{name}.{field}", getattr(value, field))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufUS" and value.size > 1:
        yield name, value


def _examples_first(item: Named, others: list[Named]) -> Named:
    """Return an array with the examples along its first axis: MATLAB has them last as often."""
    values = item.values
    lengths = {max(other.values.shape) for other in others if _is_list(other.values) and other.key != item.key}
    if not _is_list(values) and values.shape[0] not in lengths and values.shape[-1] in lengths:
        values = np.moveaxis(values, -1, 0)
    return item._replace(values=values)


def _is_list(values: npt.NDArray[Any]) -> bool:
    return values.ndim == 1 or (values.ndim == 2 and 1 in values.shape)


def _load(stream: io.BytesIO, shown: str) -> npt.NDArray[Any]:
    try:
        values: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise InputError(
                f"{shown}: holds Python objects, a pickle, which can run any code when it is loaded, so it is not; "
                "where "
                "you trust it, save it again as numbers: numpy.savez(…, x_train=numpy.stack(x_train), …)"
            ) from error
        raise InputError(f"{shown}: the NumPy array is damaged ({error}), expected an intact one") from error
    except EOFError as error:
        raise InputError(f"{shown}: the NumPy array ends too early, expected a complete one") from error
    return values


def parts_of(arrays: list[Named], label: str | None = None) -> list[Part]:
    """Return the parts that named arrays make up: inputs with the labels of the same role.

    Parameters
    ----------
    arrays
        All arrays of a file or of the files of a folder.
    label
        Name of the array of labels, where there are several.

    Raises
    ------
    InputError
        If it cannot be told which are inputs and which labels, or if they do not belong together.
    """
    if all(_ONE_CLASS.fullmatch(item.key) for item in arrays):
        return [_of_one_class(item) for item in arrays]
    if label is not None and not any(item.key == label for item in arrays):
        raise InputError(
            f"--label is {label!r}, which is no array of {arrays[0].source.shown}; expected one of {_list(arrays)}"
        )
    kinds = _kinds(arrays, label)
    inputs, labels = (_by_role([item for item, kind in kinds if kind == wanted], wanted) for wanted in ("x", "y"))
    if not inputs:
        raise InputError(f"{arrays[0].source.shown}: has no inputs, only {_list(arrays)}; expected {_USUAL}")
    return [_pair(item, _partner(role, inputs, labels)) for role, item in inputs.items()]


def _kinds(arrays: list[Named], label: str | None) -> list[tuple[Named, str | None]]:
    """Return which arrays are inputs (x) and which labels (y): by name, and by shape where no name says it."""
    kinds = [(item, _kind_by_name(item, label)) for item in arrays if item.values.dtype.kind in "biufUS"]
    known = {kind for _, kind in kinds}
    by_shape = [(item, "y" if _is_list(item.values) else "x") for item, kind in kinds if kind is None]
    return kinds + [(item, kind) for item, kind in by_shape if kind not in known]


def _kind_by_name(item: Named, label: str | None) -> str | None:
    if label is not None and item.key == label:
        return "y"
    for words in (set(words_of(item.key)), set(words_of(PurePath(item.source.relative).stem))):
        if words & LABEL_WORDS:
            return "y" if label is None else None
        if words & INPUT_WORDS:
            return "x"
    return None


def _by_role(items: list[Named], kind: str) -> dict[Role | None, Named]:
    """Return the arrays by what they are for; raises `InputError` where two are for the same."""
    kept: dict[Role | None, Named] = {}
    for item in items:
        if item.role in kept:
            raise InputError(
                f"{item.shown}: there are two arrays of {'inputs' if kind == 'x' else 'labels'}, this and "
                f"{kept[item.role].key or kept[item.role].shown}; expected one, or {_USUAL}"
            )
        kept[item.role] = item
    return kept


def _partner(role: Role | None, inputs: dict[Role | None, Named], labels: dict[Role | None, Named]) -> Named | None:
    if role in labels:
        return labels[role]
    return next(iter(labels.values())) if len(inputs) == len(labels) == 1 else None


def _pair(item: Named, labels: Named | None) -> Part:
    values = item.values
    if values.ndim == 1 or values.dtype.kind in "US":
        raise InputError(f"{item.shown}: has the shape {values.shape}, expected inputs: [examples, …] numbers")
    notes = [f"inputs {item.key!r}"] if item.key else []
    lies = "emnist" in re.split(r"[/\\]", item.source.shown)[-1].lower()
    if labels is None:
        return Part(item.source.shown, item.role, values, None, notes=tuple(notes), lies=lies)
    classes = _labels_of(labels)
    if len(classes) != len(values):
        raise InputError(
            f"{labels.shown}: holds {len(classes)} labels, expected {len(values)}, one for each image of {item.shown}"
        )
    notes += [f"labels {labels.key!r}"] if labels.key else []
    return Part(item.source.shown, item.role, values, classes, notes=tuple(notes), lies=lies)


def _labels_of(item: Named) -> npt.NDArray[Any]:
    """Return labels [N] from a list, a column, one-hot rows, or QMNIST's rows, whose first number is the label."""
    values = item.values
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if _is_list(values):
        return values.reshape(-1)
    if values.ndim == 2 and ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all():
        classes: npt.NDArray[Any] = values.argmax(axis=1)
        return classes
    if values.ndim == 2 and values.shape[1] == 8 and values.dtype.kind in "iu" and "qmnist" in item.shown.lower():
        return values[:, 0]
    raise InputError(f"{item.shown}: has the shape {values.shape}, expected a label for each example, or one-hot rows")


def _of_one_class(item: Named) -> Part:
    match = _ONE_CLASS.fullmatch(item.key)
    assert match is not None
    role: Role = "train" if match[1].lower() == "train" else "test"
    return Part(
        item.source.shown,
        role,
        item.values,
        np.full(len(item.values), int(match[2])),
        notes=(f"a class an array, {item.key[:-1]}…",),
    )


def _list(arrays: list[Named]) -> str:
    return ", ".join(f"{item.key or item.source.relative} {list(item.values.shape)}" for item in arrays[:6])

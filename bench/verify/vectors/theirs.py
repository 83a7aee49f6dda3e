"""What a program in another language wrote: numbers as .npy, JSON or plain text."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.report.numbers import listing
from backprop_bench.bench.verify.vectors.arrays import Arrays, Named, Vectors
from backprop_bench.bench.verify.vectors.comparison import Compared, looks_transposed
from backprop_bench.data import Floats, InputError

TEXTS = (".json", ".txt", ".csv")
FORMS = (".npy", *TEXTS)
"""What a file may be; in .txt and .csv a row per line, its numbers with spaces or commas between them."""
DIGITS = {"float64": "17 digits, as printf's %.17g does", "float32": "9 digits, as printf's %.9g does"}
"""How to write a number so that nothing is lost."""

Number = Callable[[str], Any]
"""What makes a number of its text: `float`, or `Decimal` to see its digits."""


@dataclasses.dataclass(frozen=True)
class Theirs:
    """What a program wrote.

    Attributes
    ----------
    arrays
        Those that have a name of the vectors, in their shape and dtype.
    unknown
        Names that the vectors do not have.
    source
        Where they are from.
    """

    arrays: Arrays
    unknown: tuple[str, ...]
    source: "_Folder | _OneFile"


class _Folder:
    """A folder with a file for every array."""

    def __init__(self, folder: Path) -> None:
        self.files = _files_in(folder)
        self.names = list(self.files)

    def place(self, name: str) -> str:
        return str(self.files[name])

    def read(self, name: str, number: Number) -> Any:
        return _read(self.files[name], number)


class _OneFile:
    """A JSON file with an object of all arrays."""

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, _object_in(path, float)
        self.names = list(self.content)

    def place(self, name: str) -> str:
        return f"{self.path}: {name}"

    def read(self, name: str, number: Number) -> Any:
        return self.content[name] if number is float else _object_in(self.path, number)[name]


def read_theirs(path: Path, folder: Path, vectors: Vectors) -> Theirs:
    """Read a folder with a file for every array, or one JSON file with an object of them.

    Parameters
    ----------
    folder
        That of the vectors.

    Raises
    ------
    InputError
        Where it cannot be read, or has none of the arrays, or one is not of the shape that it should have.
    """
    source = _open(path, folder)
    known = {one.name: one for one in vectors.named}
    if not any(name in vectors.computed for name in source.names):
        some = listing(list(vectors.computed)[:3], "or")
        raise InputError(f"{path} has none of the arrays; expected some, such as {some}: see {folder / 'README.md'}")
    arrays = {
        name: _fit(source.place(name), known[name], _to_array(source.place(name), source.read(name, float)))
        for name in source.names
        if name in known
    }
    for name, array in arrays.items():
        if name not in vectors.computed:
            _check_input(source.place(name), name, array, vectors.arrays[name])
    typed = {name: arrays[name].astype(vectors.recipe.dtype) for name in vectors.computed if name in arrays}
    return Theirs(typed, tuple(name for name in source.names if name not in known), source)


def _open(path: Path, folder: Path) -> _Folder | _OneFile:
    if path.is_dir():
        if path.resolve() in (folder.resolve(), (folder / "npy").resolve(), (folder / "json").resolve()):
            raise InputError(f"{path} is the folder of the vectors; expected that in which your program writes")
        return _Folder(path)
    if path.suffix == ".json" and path.is_file():
        return _OneFile(path)
    raise InputError(f"{path} is no folder and no JSON file; expected that in which your program writes its arrays")


def _files_in(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in FORMS or not path.is_file():
            continue
        if path.stem in files:
            raise InputError(f"{folder} has {files[path.stem].name} and {path.name}; expected one of them")
        files[path.stem] = path
    return files


def _object_in(path: Path, number: Number) -> dict[str, Any]:
    content = _parse_json(path, number)
    if not isinstance(content, dict):
        raise InputError(f'{path} holds no object; expected arrays by name, such as {{"z1": [[0.5, …], …], …}}')
    return content


def _read(path: Path, number: Number) -> Any:
    """Return a file as an array or nested lists, every number of a text as this function gives it."""
    if path.suffix == ".json":
        return _parse_json(path, number)
    if path.suffix == ".npy":
        return _load_npy(path)
    rows = [line.replace(",", " ").split() for line in _text_of(path).splitlines()]
    found = [[_number_in(path, line, word, number) for word in row] for line, row in enumerate(rows, start=1) if row]
    return found[0] if len(found) == 1 else found


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is no text in UTF-8; expected numbers") from error


def _parse_json(path: Path, number: Number) -> Any:
    try:
        return json.loads(_text_of(path), parse_float=number, parse_int=number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}; expected nested lists of numbers") from error


def _number_in(path: Path, line: int, word: str, number: Number) -> Any:
    try:
        float(word)
    except ValueError:
        raise InputError(f"{path}, line {line}: {word!r} is not a number; expected such as -0.25 or 1e-3") from None
    return number(word)


def _load_npy(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is no .npy file of numbers; expected what numpy.save writes, or JSON") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError(f"{path} has no real numbers in it; expected float64 or float32")
    return array


def _to_array(place: str, content: Any) -> Floats:
    """Return nested lists as an array; ``null``, which JavaScript writes for NaN, is NaN."""
    if isinstance(content, np.ndarray):
        return content.astype(np.float64)
    if (fault := _fault_of(content)) is not None:
        raise InputError(f"{place} {fault}")
    try:
        return np.array(content, np.float64)
    except ValueError:
        raise InputError(f"{place} has rows of different lengths; expected the same number in each") from None


def _fault_of(content: Any) -> str | None:
    if isinstance(content, list):
        return next((fault for each in content if (fault := _fault_of(each)) is not None), None)
    if content is None or (isinstance(content, int | float) and not isinstance(content, bool)):
        return None
    shown = json.dumps(content, ensure_ascii=False)
    return f"has {shown[:40]} in it, which is not a number; expected nested lists of numbers"


def _fit(place: str, one: Named, array: Floats) -> Floats:
    """Return the array in its shape: also from a flat list, row after row, and with axes of length 1 more or less."""
    if one.quantity == "loss":
        array = array.ravel()[: one.shape[0]]  # more epochs than were asked for
    lengths = [length for length in array.shape if length != 1]
    is_flat = len(lengths) == 1 and array.size == np.prod(one.shape)
    if is_flat or lengths == [length for length in one.shape if length != 1]:
        return array.reshape(one.shape)
    axes = f" ({', '.join(one.axes)})" if one.axes else ""
    told = f"{place} has shape {list(array.shape)}, expected {list(one.shape)}{axes}"
    if array.shape == one.shape[::-1]:
        raise InputError(f"{told}: write it the other way round, a row for each of the {one.axes[0]}")
    raise InputError(told)


def _check_input(place: str, name: str, array: Floats, expected: Floats) -> None:
    """Raise `InputError` where the program wrote something else under the name of what it starts from."""
    if not np.allclose(array, expected, 1e-6, 1e-6):
        after = f"; after training it is {name}_after_1 and so on" if name[0] in "Wb" else ""
        raise InputError(f"{place} is not the {name} that the program starts from: read npy/{name}.npy{after}")


def check_digits(vectors: Vectors, theirs: Theirs, compared: Compared) -> None:
    """Raise `InputError` where an array differs by no more than the digits that are missing in its text."""
    for name, quantity in compared.items():
        place = theirs.source.place(name)
        if quantity.passed or quantity.difference is None or place.endswith(".npy"):
            continue
        apart = abs(theirs.arrays[name] - vectors.arrays[name]).ravel()
        units = _units(np.array(theirs.source.read(name, Decimal), object).ravel()[: apart.size])
        if (apart <= 0.51 * units).all():
            raise InputError(
                f"{place} is right as far as its digits go, which are too few for a comparison; write "
                f"{DIGITS[vectors.recipe.dtype]}"
            )


def check_turned(vectors: Vectors, theirs: Theirs, compared: Compared) -> None:
    """Raise `InputError` where a square array is right the other way round."""
    if (name := looks_transposed(vectors, theirs.arrays, compared)) is not None:
        axes = vectors.computed[name].axes
        raise InputError(f"{theirs.source.place(name)} is transposed: write a row for each of the {axes[0]}")


def _units(numbers: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """Return what the last digit of each number counts; a 0 is written like the most exact of the others."""
    units = np.array([10.0 ** int(number.as_tuple().exponent) if number else np.nan for number in numbers])
    smallest = float(np.nanmin(units)) if np.isfinite(units).any() else 0.0
    return np.where(np.isnan(units), smallest, units)

"""The folder of vectors: written and read."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.verify.vectors.arrays import Arrays, Vectors, make_vectors, name_all
from backprop_bench.bench.verify.vectors.comparison import compare_vectors
from backprop_bench.bench.verify.vectors.page import page_of
from backprop_bench.data import Examples, Floats, InputError, Recipe
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

FORMAT = 1
"""Of the folder: what its files are called and mean."""
CONTENTS = "vectors.json"
"""The file that says what the others are."""
MOST_IN_JSON = 250_000
"""Numbers of an array that is written as JSON, too, about 5 MB; a larger one is in .npy alone."""


def check_writable(folder: Path) -> None:
    """Raise `InputError` for a folder with other files than vectors, which would be mixed with them."""
    if folder.is_file():
        raise InputError(f"--out {folder} is a file; expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONTENTS).exists():
        raise InputError(f"--out {folder} has other files; expected a new folder, an empty one, or one with vectors")


def write_vectors(folder: Path, vectors: Vectors, command: str) -> list[str]:
    """Write the vectors to a folder, in place of older ones.

    Parameters
    ----------
    command
        What writes them again.

    Returns
    -------
    list
        Names of the arrays that are too large for JSON.
    """
    for old in (*folder.glob("npy/*.npy"), *folder.glob("json/*.json")):
        old.unlink()
    large = [name for name, array in vectors.arrays.items() if array.size > MOST_IN_JSON]
    for name, array in vectors.arrays.items():
        write_whole(folder / "npy" / f"{name}.npy", _npy(array))
        if name not in large:
            write_whole(folder / "json" / f"{name}.json", _json(array).encode())
    write_whole(folder / "README.md", page_of(vectors, command, large).encode())
    contents = {
        "format": FORMAT,
        "command": command,
        "recipe": vectors.recipe.to_dict(),
        "arrays": {one.name: {"shape": one.shape, "axes": one.axes, "what": one.text} for one in vectors.named},
    }
    write_whole(folder / CONTENTS, (json.dumps(contents, indent=1) + "\n").encode())
    return large


def _npy(array: Floats) -> bytes:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array) if array.ndim else array)
    return content.getvalue()


def _json(array: Floats) -> str:
    """Return nested lists, a row per line."""
    rows = array.tolist()
    if array.ndim < 2:
        return json.dumps(rows) + "\n"
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"


def read_vectors(folder: Path) -> Vectors:
    """Read vectors, and see that this version computes the same.

    Raises
    ------
    InputError
        Where there are none, or they are damaged, changed or of another version.
    """
    contents = _read_contents(folder)
    again = f"write them again: {contents['command']}"
    try:
        recipe = Recipe.from_dict(contents["recipe"])
    except InputError as error:
        raise InputError(f"{folder}: the vectors are of another version ({error}); {again}") from error
    x, t = (_read_npy(folder, name, again) for name in ("x", "t"))
    if x.ndim != 2 or t.ndim != 2 or x.shape[1] != recipe.layer_sizes[0]:
        raise InputError(f"{folder}: npy/x.npy or npy/t.npy is damaged; {again}")
    examples = Examples(x, t, t.argmax(axis=1))
    stored = {one.name: _read_npy(folder, one.name, again) for one in name_all(recipe, len(examples.x))}
    for one in name_all(recipe, len(examples.x)):
        if stored[one.name].shape != one.shape:
            found = list(stored[one.name].shape)
            raise InputError(f"{folder}/npy/{one.name}.npy has shape {found}, expected {list(one.shape)}; {again}")
    vectors = make_vectors(recipe, examples, NumpyTrainer)
    if (changed := _changed(vectors, stored)) is not None:
        raise InputError(
            f"{folder}/npy/{changed}.npy is not what this version computes: it was changed, or is of another version; "
            f"{again}"
        )
    return vectors


def _read_contents(folder: Path) -> dict[str, Any]:
    path = folder / CONTENTS
    expected = "expected a folder that `backprop-bench vectors --out FOLDER` has written"
    if not path.is_file():
        raise InputError(f"{folder} has no {CONTENTS}; {expected}")
    try:
        contents = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}; {expected}") from error
    if not isinstance(contents, dict) or not {"format", "command", "recipe"} <= contents.keys():
        raise InputError(f"{path} does not say what the vectors are; {expected}")
    if contents["format"] != FORMAT:
        raise InputError(
            f"{folder}: the vectors are of format {contents['format']}, and this version has format {FORMAT}; write "
            f"them again: {contents['command']}"
        )
    return contents


def _read_npy(folder: Path, name: str, again: str) -> Any:
    path = folder / "npy" / f"{name}.npy"
    if not path.is_file():
        raise InputError(f"{path} is missing; {again}")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is damaged; {again}") from error


def _changed(vectors: Vectors, stored: Arrays) -> str | None:
    """Return the first array that is not what the vectors have."""
    for name, array in vectors.arrays.items():
        if stored[name].dtype != array.dtype:
            return name
        if name not in vectors.computed and not np.array_equal(stored[name], array):
            return name
    compared = compare_vectors(vectors, {name: stored[name] for name in vectors.computed})
    return next((name for name, quantity in compared.items() if not quantity.passed), None)

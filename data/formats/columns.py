"""Which columns of a table are labels, which number the rows, and which are inputs."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.part import Part, Reading, role_of
from backprop_bench.data.formats.table import Coded, Table

LABEL_NAMES: Final = (
    *("label", "labels", "class", "classes", "target", "targets", "y", "digit", "category", "species", "variety"),
    *("class_label", "label_id", "class_id", "classlabel", "output", "outcome", "type"),
)
"""Names of a column of labels, in small letters; the first that a table has is taken."""

_SURE_NAMES = {"label", "labels", "class", "classes", "target", "targets"}
_INDEX = re.compile(
    r"|unnamed: \d+(\.\d+)?|__index_level_\d+__|#|no|nr"
    r"|(row|image|passenger|customer|sample|person)?[ _]?(id|index|idx)"
    r"|row|rows|rownames?|row[ _]?(no|nr|num|number)"
)
_ONE_HOT = re.compile(r"(label|class|target|y|digit)s?([_.: -].+|\d+)")
_PIXEL = re.compile(r"(pixel|pix|px)[_ ]?\d+|\d+x\d+", re.IGNORECASE)
_FEW_ROWS = 20  # with fewer, labels may all differ by chance


@dataclasses.dataclass(frozen=True)
class _Columns:
    """What the columns of a table are, by number from 0.

    Attributes
    ----------
    inputs
        In the order in which they are taken.
    labels
        One, or one for each class.
    index
        They number the rows.
    how
        How the labels were recognised.
    """

    inputs: tuple[int, ...]
    labels: tuple[int, ...]
    index: tuple[int, ...]
    how: str = ""


def may_be_special(names: Sequence[str] | None, n_columns: int, reading: Reading) -> set[int]:
    """Return the columns that may be labels or number the rows, by their names and places; to be read as written."""
    lower = None if names is None else [name.strip().lower() for name in names]
    special = {0}
    if lower is None or not lower[-1]:
        special.add(n_columns - 1)
    label = None if reading.label is None else _label_column(reading.label, names, n_columns)
    if label is not None:
        special.add(label)
    elif lower is None or not set(lower) & set(LABEL_NAMES):
        special |= {1, n_columns - 2, n_columns - 1} & set(range(n_columns))
    named = (column for column, name in enumerate(lower or ()) if name in LABEL_NAMES or _INDEX.fullmatch(name))
    return special | set(named)


def _label_column(label: str, names: Sequence[str] | None, n_columns: int) -> int | None:
    """Return the column, from 0, that ``--label`` means: a name, a number from 1, ``first`` or ``last``."""
    if names is not None and label in names:
        return list(names).index(label)
    if label in ("first", "last"):
        return 0 if label == "first" else n_columns - 1
    return int(label) - 1 if label.isdecimal() and 1 <= int(label) <= n_columns else None


def parts_of_tables(tables: Sequence[Table], reading: Reading) -> list[Part]:
    """Return the examples of tables: labels apart from inputs, without the numbers of the rows.

    One table decides: the one for training, or the first. The others must have the same inputs. One that lacks the
    labels, as Kaggle's test.csv does, has none.

    Raises
    ------
    InputError
        If it cannot be told which column has the labels, if inputs differ, or if one has words.
    """
    if not tables:
        return []
    first = next((table for table in tables if role_of(table.relative) == "train"), tables[0])
    decided = _columns(first, reading)
    return [_part_of(table, decided if table is first else _alike(table, first, decided)) for table in tables]


def _part_of(table: Table, columns: _Columns) -> Part:
    if not columns.inputs:
        raise InputError(
            f"{table.shown}: line {table.line} has {table.n_columns} columns, expected a label and its inputs"
        )
    labels, classes = _labels(table, columns.labels)
    notes = [columns.how] if columns.labels else []
    notes += [f"{table.called(column)} numbers the rows and is not used" for column in columns.index]
    notes += [
        f"{table.called(column)} is different in every row: if it numbers them, take it out"
        for column, coded in table.coded.items()
        if column in columns.inputs and len(table.matrix) >= _FEW_ROWS and coded.all_differ() and _are_whole(coded)
    ]
    x = table.inputs(columns.inputs)
    return Part(
        shown=table.shown,
        role=role_of(table.relative),
        x=x,
        labels=labels,
        names=classes,
        notes=tuple(notes),
        lies="emnist" in re.split(r"[/\\]", table.shown)[-1].lower(),
    )


def _labels(table: Table, columns: Sequence[int]) -> tuple[npt.NDArray[Any] | None, tuple[str, ...]]:
    """Return the labels [N] and what they stand for."""
    if not columns:
        return None, ()
    if len(columns) == 1:
        return table.written(columns[0]).labels(), table.classes
    numbers = np.stack([table.numbers(column) for column in columns], axis=1)
    wrong = np.flatnonzero(~(((numbers == 0) | (numbers == 1)).all(axis=1) & (numbers.sum(axis=1) == 1)))
    if len(wrong):
        raise InputError(
            f"{table.shown}: {table.where(int(wrong[0]))} has no single 1 among its one-hot labels, expected one"
        )
    names = tuple(table.names[column] for column in columns) if table.names is not None else ()
    return numbers.argmax(axis=1), () if all(name.strip().isdecimal() for name in names) else names


def _columns(table: Table, reading: Reading) -> _Columns:
    """Return what the columns of a table are."""
    label = None
    if reading.label is not None:
        label = _label_column(reading.label, table.names, table.n_columns)
        if label is None:
            names = f", one of {_few(table.names)}" if table.names else ""
            raise InputError(
                f"--label is {reading.label!r}, which is no column of {table.shown}; expected first, last{names}, or a "
                f"number from 1 to {table.n_columns}"
            )
    index = _index_columns(table, label)
    empty = [column for column, coded in table.coded.items() if coded.is_empty()]
    rest = [column for column in range(table.n_columns) if column not in (*index, *empty)]
    labels, how = (
        ((label,), f"label {table.called(label)} (as given)") if label is not None else _recognised(table, rest)
    )
    inputs = tuple(column for column in rest if column not in labels)
    return _Columns(inputs, tuple(labels), tuple(index), how)


def _alike(table: Table, first: Table, decided: _Columns) -> _Columns:
    """Return what the columns of another table are: by name where both have names, else by place."""
    if table.names is not None and first.names is not None and len(set(first.names)) == len(first.names):
        return _alike_by_name(table, first, decided)
    if table.n_columns == first.n_columns:
        return decided
    if table.n_columns == first.n_columns - len(decided.labels):
        places = [column for column in range(first.n_columns) if column not in decided.labels]
        place = {column: number for number, column in enumerate(places)}
        return _Columns(
            tuple(place[column] for column in decided.inputs), (), tuple(place[column] for column in decided.index)
        )
    raise InputError(
        f"{table.shown}: line {table.line} has {table.n_columns} columns, expected {first.n_columns}, as "
        f"{first.shown} has, "
        f"or {first.n_columns - len(decided.labels)}, without labels"
    )


def _alike_by_name(table: Table, first: Table, decided: _Columns) -> _Columns:
    assert table.names is not None
    assert first.names is not None
    place = {name: column for column, name in enumerate(table.names)}
    missing = [first.names[column] for column in decided.inputs if first.names[column] not in place]
    if missing:
        raise InputError(f"{table.shown}: lacks the column {missing[0]!r}, expected the inputs that {first.shown} has")
    inputs = tuple(place[first.names[column]] for column in decided.inputs)
    labels = tuple(place[name] for column in decided.labels if (name := first.names[column]) in place)
    index = tuple(column for column in _index_columns(table, None) if column not in (*inputs, *labels))
    known = {*inputs, *labels, *index, *(column for column, coded in table.coded.items() if coded.is_empty())}
    rest = (column for column in range(table.n_columns) if column not in known)
    unknown = [column for column in rest if not _INDEX.fullmatch(table.lower_names[column])]
    if unknown:
        raise InputError(
            f"{table.shown}: has the {table.called(unknown[0])}, expected the columns that {first.shown} has"
        )
    complete = labels if len(labels) == len(decided.labels) else ()
    return _Columns(inputs, complete, index, decided.how)


def _index_columns(table: Table, label: int | None) -> list[int]:
    """Return the columns that number the rows: named so and different in every row, or counting from 0 or 1."""
    names = table.lower_names
    return [
        column
        for column, coded in sorted(table.coded.items())
        if column != label
        and not coded.is_empty()
        and ((names and _INDEX.fullmatch(names[column]) and coded.all_differ()) or (column == 0 and _counts(coded)))
    ]


def _are_whole(coded: Coded) -> bool:
    numbers = coded.numbers()
    return numbers is not None and bool((numbers == np.trunc(numbers)).all())


def _counts(coded: Coded) -> bool:
    if not coded.all_differ() or len(coded.codes) < _FEW_ROWS:
        return False
    numbers = coded.numbers()
    return numbers is not None and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all())


def _recognised(table: Table, rest: list[int]) -> tuple[tuple[int, ...], str]:
    """Return the columns of the labels, and how they are recognised; none if nothing looks like labels.

    By the name of a column, one-hot by their names, the only one with words, one-hot at an end, or the end that is more
    like labels.
    """
    column = table.label if table.label is not None else _by_name(table)
    if column is not None:
        how = "by its name" if table.label is None else "as the file says"
        return (column,), f"label {table.called(column)} ({how})"
    if alike := _named_alike(table):
        return tuple(alike), f"one-hot labels in columns {alike[0] + 1} to {alike[-1] + 1}"
    words = [column for column in rest if column in table.coded and table.coded[column].has_words()]
    if len(words) == 1:
        return (words[0],), f"label {table.called(words[0])} (the only one with words)"
    if words:
        named = " and ".join(table.called(column) for column in words[:3])
        raise InputError(
            f"{table.shown}: {named} have words, expected numbers but for the labels; say which has the labels with "
            "--label, and take the others out"
        )
    if (block := _one_hot_at_an_end(table, rest)) is not None:
        return block, f"one-hot labels in columns {block[0] + 1} to {block[-1] + 1}"
    end = _like_labels(table, rest)
    if end is None:
        return (), ""
    return (end[0],), f"label {table.called(end[0])} ({end[1]})"


def _by_name(table: Table) -> int | None:
    names = table.lower_names
    present = [name for name in LABEL_NAMES if name in names]
    if not present:
        return None
    sure = [name for name in names if name in _SURE_NAMES]
    if len(sure) > 1 or names.count(present[0]) > 1:
        wrong = sure if len(sure) > 1 else [present[0]] * 2
        raise InputError(
            f"{table.shown}: line {table.line} has the columns {wrong[0]!r} and {wrong[1]!r}, expected one for "
            "the labels; "
            "say which with --label and its number, and take the other out"
        )
    return names.index(present[0])


def _named_alike(table: Table) -> list[int]:
    """Return the one-hot columns that are named so: label_0, label_1 and so on."""
    by_prefix: dict[str, list[int]] = {}
    for column, name in enumerate(table.lower_names):
        if match := _ONE_HOT.fullmatch(name):
            by_prefix.setdefault(match[1], []).append(column)
    for columns in by_prefix.values():
        if len(columns) >= 2 and _length_of_one_hot(table, columns) == len(columns):
            return columns
    return []


def _one_hot_at_an_end(table: Table, rest: list[int]) -> tuple[int, ...] | None:
    """Return the shortest block of three columns or more at one end, but not at both, that is one-hot."""
    if len(table.matrix) < _FEW_ROWS:
        return None
    blocks = [block[:k] for block in (rest, rest[::-1]) if 3 <= (k := _length_of_one_hot(table, block)) < len(rest)]
    return tuple(sorted(blocks[0])) if len(blocks) == 1 else None


def _length_of_one_hot(table: Table, columns: list[int]) -> int:
    """Return how many of the first columns are one-hot together; 0 if none are."""
    total = np.zeros(len(table.matrix))
    for k, column in enumerate(columns[:1000], 1):
        values = table.numbers(column)
        if not ((values == 0) | (values == 1)).all():
            return 0
        total += values
        if total.max() > 1:
            return 0
        if k >= 2 and total.min() == 1:
            return k
    return 0


def _like_labels(table: Table, rest: list[int]) -> tuple[int, str] | None:
    """Return the first or last column, whichever is more like labels; ``None`` if neither is.

    Raises
    ------
    InputError
        If both may well be: a table of small whole numbers has many such columns.
    """
    if len(rest) < 2:
        return None
    ranked = [(_likeness(table, rest[0]), rest[0], "first"), (_likeness(table, rest[-1]), rest[-1], "last")]
    best, other = ranked if ranked[0][0] >= ranked[1][0] else ranked[::-1]
    if best[0] == _NONE:
        return None
    if len(table.matrix) >= _FEW_ROWS and (other[0] >= _CONTIGUOUS or best[0] == other[0]):
        raise InputError(
            f"{table.shown}: both the first and the last column look like labels, expected one; say which with "
            "--label first or --label last"
        )
    return best[1], best[2]


_NONE, _POSSIBLE, _CONTIGUOUS, _BALANCED = range(4)
"""How much a column is like labels."""


def _likeness(table: Table, column: int) -> int:
    """Return how much a column is like labels: few whole numbers, none missing from 0 or 1 on, none too frequent."""
    coded = table.coded.get(column)
    if coded is None or (table.names is not None and _PIXEL.fullmatch(table.names[column].strip())):
        return _NONE
    numbers = coded.numbers()
    if numbers is None or (numbers != np.trunc(numbers)).any() or not -1 <= numbers.min() <= numbers.max() <= 999:
        return _NONE
    classes, counts = np.unique(numbers, return_counts=True)
    if not 2 <= len(classes) <= len(numbers) / 2:
        return _NONE if len(numbers) >= _FEW_ROWS else _POSSIBLE
    if classes[0] > 1 or (classes.tolist() != [-1, 1] and classes[-1] - classes[0] != len(classes) - 1):
        return _POSSIBLE
    shares = counts / counts.sum()
    return _BALANCED if float(-(shares * np.log(shares)).sum()) > 0.7 * math.log(len(classes)) else _CONTIGUOUS


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) if len(names) <= 6 else ", ".join(map(repr, [*names[:3], "…", *names[-2:]]))

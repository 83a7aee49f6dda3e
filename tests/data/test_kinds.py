"""Every kind of file that people have: read as it is meant, or refused in one sentence that says what to do."""

import os
from pathlib import Path

import numpy as np
import pytest

from backprop_bench.data import Dataset, InputError, load_dataset
from tests.data.kinds import KINDS, WORDS, Kind, X, Y

READ = [kind for kind in KINDS if not kind.refused]
NAMES = {
    "LIBSVM": ("1", "2", "3"),
    "labels one-hot, by name": ("label_cat", "label_dog", "label_owl"),
}
"""What the classes are called, where it is neither 0, 1, 2 nor words."""
REFUSED = [kind for kind in KINDS if kind.refused]


def name_of(kind: Kind) -> str:
    return f"{kind.group}: {kind.name}"


def examples_of(dataset: Dataset) -> list[tuple[str, ...]]:
    """Return all examples, sorted: the name of the class, then the inputs."""
    x = np.concatenate([dataset.x_train, dataset.x_test])
    y = np.concatenate([dataset.y_train, dataset.y_test])
    return sorted(
        (dataset.class_names[label], *(f"{value:.5g}" for value in row)) for row, label in zip(x, y, strict=True)
    )


def expected_of(kind: Kind, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    flat = X.reshape(len(X), -1)
    values = (
        flat // 17 if kind.scale < 0 else (flat * np.float32(kind.scale)).astype(np.float32) if kind.scale < 1 else flat
    )
    return sorted((names[label], *(f"{value:.5g}" for value in row)) for row, label in zip(values, Y, strict=True))


@pytest.mark.parametrize("kind", READ, ids=name_of)
def test_it_is_read_as_it_is_meant(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    dataset = load_dataset(kind.make(Path.cwd()))
    names = WORDS if kind.words else NAMES.get(kind.name, ("0", "1", "2"))
    assert dataset.class_names == names
    assert examples_of(dataset) == expected_of(kind, names)
    assert dataset.x_max == {1.0: 255.0, 1 / 255: 1.0, -15: 15.0}[kind.scale]
    assert dataset.x_train.dtype == (np.float32 if kind.scale == 1 / 255 else np.uint8)
    assert 0 < len(dataset.y_test) <= 15
    assert f"{len(dataset.y_train)} training and {len(dataset.y_test)} test examples" in dataset.summary


@pytest.mark.parametrize("kind", REFUSED, ids=name_of)
def test_it_is_refused_with_what_it_is(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    given = kind.make(Path.cwd())
    with pytest.raises(InputError) as caught:
        load_dataset(given)
    message = str(caught.value)
    assert kind.refused in message
    assert "\n" not in message
    assert os.fspath(tmp_path) not in message.replace(given, "")

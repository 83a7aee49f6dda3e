"""A program as somebody writes it in another language: it reads the vectors and writes what it computes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NETWORK = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def step(W, b, x, t):
    z1 = x @ W[0] + b[0]
    y1 = sigmoid(z1)
    z2 = y1 @ W[1] + b[1]
    e = np.exp(z2)
    y2 = e / e.sum(axis=1, keepdims=True)
    loss = -(t * np.log(y2)).sum() / len(x)
    dz2 = (y2 - t) / len(x)
    dy1 = dz2 @ W[1].T
    dz1 = dy1 * y1 * (1 - y1)
    return {
        "z1": z1, "y1": y1, "z2": z2, "y2": y2, "loss": loss, "dEdz2": dz2, "dEdy1": dy1, "dEdz1": dz1,
        "dEdW2": y1.T @ dz2, "dEdb2": dz2.sum(0), "dEdW1": x.T @ dz1, "dEdb1": dz1.sum(0),
    }

def update(W, b, found):
    for n in (0, 1):
        W[n] -= RATE * found[f"dEdW{n + 1}"]
        b[n] -= RATE * found[f"dEdb{n + 1}"]

def train(W, b, x, t, order):
    found, losses, steps = {}, [], 0
    for epoch in order:
        total = visited = 0
        for start in range(0, len(epoch), BATCH):
            rows = epoch[start : start + BATCH]
            if steps == 100:
                break
            here = step(W, b, x[rows], t[rows])
            found = found or here
            update(W, b, here)
            total, visited, steps = total + here["loss"] * len(rows), visited + len(rows), steps + 1
            if steps in (1, 10, 100):
                for n in (0, 1):
                    found |= {f"W{n + 1}_after_{steps}": W[n].copy(), f"b{n + 1}_after_{steps}": b[n].copy()}
        losses.append(total / visited)
    return found | {"loss_by_epoch": losses, "outputs_after_100": step(W, b, x[:20], t[:20])["y2"]}
"""

Computed = dict[str, Any]


def computed(folder: Path, old: str = "", new: str = "", batch: int = 8, rate: float = 0.5) -> Computed:
    """Return what the program computes from the vectors of this folder, with other code in one place."""
    assert old in NETWORK
    program: dict[str, Any] = {"np": np, "BATCH": batch, "RATE": rate}
    exec(NETWORK.replace(old, new) if old else NETWORK, program)
    x, t, order, W1, b1, W2, b2 = (
        np.array(json.loads((folder / "json" / f"{name}.json").read_text()))
        for name in ("x", "t", "order", "W1", "b1", "W2", "b2")
    )
    with np.errstate(all="ignore"):
        found: Computed = program["train"]([W1, W2], [b1, b2], x, t, order)
    return found


def write_json(folder: Path, arrays: Computed) -> Path:
    """Write a JSON file for each array."""
    return _write(folder, arrays, ".json", lambda path, array: path.write_text(json.dumps(array.tolist())))


def write_npy(folder: Path, arrays: Computed) -> Path:
    """Write a .npy file for each array."""
    return _write(folder, arrays, ".npy", np.save)


def write_text(folder: Path, arrays: Computed, form: str = "%.17g") -> Path:
    """Write a text for each array, a row per line."""
    return _write(folder, arrays, ".txt", lambda path, array: np.savetxt(path, np.atleast_1d(array), form))


def _write(folder: Path, arrays: Computed, suffix: str, save: Callable[[Path, Any], Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        save(folder / f"{name}{suffix}", np.asarray(array))
    return folder

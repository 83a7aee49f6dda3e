"""Where an object has an array: ``W1``, ``hidden.weight``, ``weights[0]``, ``parameters["W1"]``."""

import functools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_bench.bench.api.layouts import plain
from backprop_bench.bench.core.implementations import LoadError
from backprop_bench.data import Floats, InputError

_STEP = re.compile(r"""(?:^|\.)([^\W\d]\w*)|\[(-?\d+)\]|\[(['"])(.+?)\3\]""")


@dataclass(frozen=True)
class Place:
    """The place of an array in an object, as one writes it after the object and a dot.

    Raises
    ------
    InputError
        For what is no such place.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not _steps(self.text):
            raise InputError(
                f'weights names {self.text!r}; expected attributes such as "W1", "weights[0]" or "parameters[\'W1\']"'
            )

    @property
    def name(self) -> str:
        """The last attribute or key on the way."""
        return str(_steps(self.text)[-1][1])

    def read(self, owner: object) -> Any:
        """Return what is there; raises `LoadError` where nothing is."""
        return self._follow(owner, _steps(self.text))

    def _follow(self, owner: object, steps: tuple[tuple[bool, Any], ...]) -> Any:
        value: Any = owner
        for is_attribute, step in steps:
            try:
                value = getattr(value, step) if is_attribute else value[step]
            except (AttributeError, LookupError, TypeError):
                known = ", ".join(getattr(owner, "__dict__", ())) or "no attributes"
                raise LoadError(
                    f"weights names {self.text}, which {type(owner).__name__} does not have once it is made; it has "
                    f"{known}"
                ) from None
        return value

    def write(self, owner: object, array: Floats) -> None:
        """Put an array there, into a tensor of PyTorch where one is there; raises `LoadError` where it cannot be."""
        *way, (is_attribute, last) = _steps(self.text)
        current, holder = self.read(owner), self._follow(owner, tuple(way))
        try:
            if hasattr(current, "detach"):
                current.data = _tensor(array)
            elif is_attribute:
                setattr(holder, last, array)
            else:
                holder[last] = array
        except (AttributeError, TypeError) as error:
            raise LoadError(f"{self.text} of {type(owner).__name__} cannot be set: {error}") from None

    def shape(self, owner: object) -> tuple[int, ...]:
        """Return the shape of the array that is there; that of a number or of ``None`` is ()."""
        value = plain(self.read(owner))
        return () if value is None else np.shape(value)


@functools.cache
def _steps(text: str) -> tuple[tuple[bool, Any], ...]:
    """Return the attributes (True) and the keys on the way; none where the text is no place."""
    steps: list[tuple[bool, Any]] = []
    end = 0
    for match in _STEP.finditer(text):
        attribute, index, _, key = match.groups()
        if match.start() != end:
            return ()
        steps.append((True, attribute) if attribute else (False, int(index) if index else key))
        end = match.end()
    return tuple(steps) if end == len(text) else ()


def _tensor(array: Floats) -> Any:
    import torch  # there is a tensor, so it is imported anyway

    return torch.from_numpy(array)

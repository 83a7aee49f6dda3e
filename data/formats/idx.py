"""IDX, the format in which MNIST is published: a big-endian header, then the numbers."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError

TYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Third byte of a file, and the type of its numbers."""


def is_idx(head: bytes) -> bool:
    """Whether a file that begins so is IDX: two zeros, a type, a number of dimensions."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 4


def parse_idx(content: bytes, shown: str) -> npt.NDArray[Any]:
    """Return the array that the unpacked bytes of an IDX file hold, of as many dimensions as it says.

    Raises
    ------
    InputError
        If the header does not fit the number of bytes.
    """
    dtype, n_dimensions = np.dtype(TYPES[content[2]]), content[3]
    n_header = 4 * (1 + n_dimensions)
    if len(content) < n_header:
        raise InputError(f"{shown}: has {len(content)} bytes, expected an IDX header of {n_header} bytes")
    shape = tuple(int.from_bytes(content[at : at + 4]) for at in range(4, n_header, 4))
    n_values = math.prod(shape)
    sizes = " × ".join(map(str, shape))
    if n_values == 0:
        raise InputError(f"{shown}: the IDX header says {sizes}, expected at least one number")
    expected = n_header + n_values * dtype.itemsize
    if len(content) != expected:
        raise InputError(
            f"{shown}: has {len(content)} bytes, expected {expected}, "
            f"an IDX header of {n_header} and the {sizes} numbers of {dtype.itemsize} B that it announces"
        )
    values = np.frombuffer(content, dtype, offset=n_header).reshape(shape)
    return values.astype(dtype.newbyteorder("="))

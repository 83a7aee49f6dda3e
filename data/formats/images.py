"""Images, decoded by Pillow, and folders of them by class."""

import io
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.part import ARCHIVE, Part, Source, role_of

_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16", "F")
"""Modes of Pillow whose numbers are taken as they are; others, such as palettes, become colours."""


def decode_images(images: Iterable[tuple[str, bytes | None]], n_images: int) -> npt.NDArray[Any]:
    """Return encoded images as an array [N, rows, columns] or [N, rows, columns, channels].

    Parameters
    ----------
    images
        What each is called in messages, and its bytes.
    n_images
        Number of them.

    Raises
    ------
    InputError
        For one that cannot be decoded, or that has another size or other channels than the first.
    """
    first, result = "", np.empty(0)
    for number, (shown, content) in enumerate(images):
        image = _decoded(shown, content)
        if number == 0:
            first, result = shown, np.empty((n_images, *image.shape), image.dtype)
        elif image.shape != result.shape[1:] or image.dtype != result.dtype:
            raise InputError(
                f"{shown}: is an image of {_size(image)}, expected {_size(result[0])}, as {first}; "
                "make all images one size and colour"
            )
        result[number] = image
    return result


def _decoded(shown: str, content: bytes | None) -> npt.NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    bombs = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content or b"")) as image:
                mode = "L" if image.mode == "1" else image.mode if image.mode in _MODES else "RGB"
                return np.asarray(image if mode == image.mode else image.convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, *bombs) as error:
        raise InputError(
            f"{shown}: is no image that can be decoded ({_short(error)}), expected an intact one"
        ) from error


def _short(error: Exception) -> str:
    return re.sub(r"<_io\.BytesIO[^>]*>", "the file", str(error))


def _size(image: npt.NDArray[Any]) -> str:
    channels = f" with {image.shape[2]} channels" if image.ndim > 2 else ""
    depth = "" if image.dtype.itemsize == 1 else f" of {8 * image.dtype.itemsize} bits"
    return f"{image.shape[0]} × {image.shape[1]}{channels}{depth}"


def parts_of_images(sources: Sequence[Source], contents: Iterable[bytes]) -> list[Part]:
    """Return the images of each role, with the name of its folder as the label of each.

    Raises
    ------
    InputError
        If an image lies in no folder of its class.
    """
    everything = decode_images(zip((source.shown for source in sources), contents, strict=True), len(sources))
    roles = [role_of(str(PurePosixPath(source.relative).parent)) for source in sources]
    classes = [class_of(source) for source in sources]
    if None in classes:
        source = sources[classes.index(None)]
        raise InputError(
            f"{source.shown}: is an image in no folder of a class, expected a folder for each class, such as "
            f"7/{source.path.name}"
        )
    labels = np.array(classes)
    return [
        Part(sources[0].shown, role, everything[rows], labels[rows], notes=("a folder a class",))
        for role in dict.fromkeys(roles)
        if len(rows := np.flatnonzero([other == role for other in roles]))
    ]


def class_of(source: Source) -> str | None:
    """Return the name of the folder that an image lies in, which is its class; ``None`` if it is none."""
    folder = PurePosixPath(source.relative).parent.name
    return folder if folder and not folder.endswith(ARCHIVE) and role_of(folder) is None else None

"""LIBSVM's format: a label, then ``number:value`` for each input that is not 0."""

import io
from collections.abc import Sequence
from typing import Final

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import read_unpacked
from backprop_bench.data.formats.part import Part, Source, role_of

_MOST_INPUTS: Final = 4_000_000_000
"""Numbers, with all that are 0, that a file may stand for: 16 GB."""


def read_svmlight(sources: Sequence[Source]) -> list[Part]:
    """Return the examples in files of LIBSVM; all get as many inputs as the one that names most.

    Raises
    ------
    InputError
        If scikit-learn, which reads it, is not installed, if a line is damaged, or if there are far too many inputs.
    """
    try:
        from sklearn.datasets import load_svmlight_files
    except ImportError as error:
        raise InputError(
            f"{sources[0].shown}: is LIBSVM's format, which scikit-learn reads; run pip install 'backprop-bench[peers]'"
        ) from error
    shown = ", ".join(source.shown for source in sources)
    try:
        contents = [io.BytesIO(read_unpacked(source.path, source.shown)) for source in sources]
        read = load_svmlight_files(contents, dtype="float32")
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{shown}: is no intact file of LIBSVM ({error}), expected LABEL NUMBER:VALUE …") from error
    parts = []
    for source, x, labels in zip(sources, read[::2], read[1::2], strict=True):
        if x.shape[0] * x.shape[1] > _MOST_INPUTS:
            raise InputError(
                f"{source.shown}: has {x.shape[0]:,} × {x.shape[1]:,} inputs, expected at most {_MOST_INPUTS:,}: they "
                "are "
                "stored with all zeros"
            )
        notes = ("the first number of a line is the label",)
        parts.append(Part(source.shown, role_of(source.relative), x.toarray(), labels, notes=notes))
    return parts

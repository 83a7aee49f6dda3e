"""What a file is, by its first bytes: its name is not asked."""

import re
from typing import Final, Literal

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import PACKINGS
from backprop_bench.data.formats.idx import is_idx

Kind = Literal["idx", "npy", "npz", "zip", "tar", "parquet", "mat", "image", "arff", "svmlight", "table"]

HEAD_BYTES: Final = 4096
"""Of a file, that are looked at."""

FORMATS: Final = (
    "IDX, CSV, .npz or .npy, Parquet, ARFF, .mat, LIBSVM, images in a folder for each class, or an archive of these"
)
"""What is read, for messages."""

_MAGIC: Final[dict[bytes, Kind]] = {
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"MATLAB 5.0": "mat",
    b"\x89PNG": "image",
    b"\xff\xd8\xff": "image",
    b"GIF8": "image",
    b"BM": "image",
    b"II*\0": "image",
    b"MM\0*": "image",
}

PICKLE: Final = (
    "is a pickle, which can run any code when it is loaded, so it is not; where you trust it, convert it in Python: "
    "import pickle, numpy; (x_train, y_train), *_, (x_test, y_test) = pickle.load(open('FILE', 'rb'), "
    "encoding='latin1'); numpy.savez('data.npz', x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)"
)
"""Why a pickle is not read, and what to do."""

_NOT_READ: Final = {
    b"\x80\x02": PICKLE,
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"(dp": PICKLE,
    b"(lp": PICKLE,
    b"\x89HDF": "is HDF5 (.h5, .hdf5 or MATLAB 7.3), which is not read; convert it with h5py and numpy.savez, or "
    "save it in MATLAB with -v7",
    b"MATLAB 7.3": "is MATLAB 7.3 (HDF5), which is not read; save it in MATLAB with -v7",
    b"ARROW1": "is an Arrow file, which is not read; convert it with pyarrow.parquet.write_table",
    b"\xff\xff\xff\xff": "is an Arrow stream, as save_to_disk of Hugging Face writes; use to_parquet instead",
    b"SQLite format 3": "is an SQLite database, which is not read; export the table as CSV",
    b"%PDF": "is a PDF document, expected data",
    b"Rar!": "is a RAR archive, which is not unpacked; unpack it first",
    b"7z\xbc\xaf": "is a 7z archive, which is not unpacked; unpack it first",
    b"\x28\xb5\x2f\xfd": "is packed with zstd, which is not unpacked; unpack it first: zstd -d FILE",
    b"\x04\x22\x4d\x18": "is packed with lz4, which is not unpacked; unpack it first: lz4 -d FILE",
    b"\xd0\xcf\x11\xe0": "is an old Excel file, which is not read; save it as CSV",
    b"version https://git-lfs": "is a pointer of Git LFS, expected the data; fetch it with: git lfs pull",
    b"RDX": "is R data, which is not read; write it with write.csv",
}

_PAGE = re.compile(rb"\s*(<!doctype html|<html|<\?xml|<head|<body|<!--)", re.IGNORECASE)
_ARFF = re.compile(rb"(\s|%[^\n]*\n)*@relation\b", re.IGNORECASE)
_SVMLIGHT = re.compile(
    rb"(\s*#[^\n]*\n)*\s*[-+.\deE]+(,[-+.\deE]+)*([ \t]+(qid:)?\d+:[-+.\deE]+)+[ \t]*(#[^\n]*)?(\r?\n|$)"
)
_PNM = re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+\d+")


def recognise(head: bytes, shown: str) -> Kind:
    """Return what a file is.

    Parameters
    ----------
    head
        Its first unpacked bytes, some thousand of them.
    shown
        What it is called in messages.

    Raises
    ------
    InputError
        If it is nothing that is read; says what it is, as far as that is known, and what to do.
    """
    if not head:
        raise InputError(f"{shown}: is empty, expected data; it may be a download that failed")
    for magic, why in _NOT_READ.items():
        if head.startswith(magic):
            raise InputError(f"{shown}: {why}")
    if is_idx(head):
        return "idx"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic) and not (magic == b"BM" and head[6:10] != bytes(4)):  # "BMI,Age" is a table
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    if _PNM.match(head):
        return "image"
    if _PAGE.match(head):
        raise InputError(f"{shown}: is a web page, expected data; download the file itself, not the page about it")
    return _kind_of_text(head, shown)


def _kind_of_text(head: bytes, shown: str) -> Kind:
    if not is_text(head):
        raise InputError(
            f"{shown}: begins with the bytes {head[:4].hex(' ')}, which is no format that is read; {_hint(shown)}"
        )
    stripped = head.removeprefix(b"\xef\xbb\xbf")
    if stripped.lstrip()[:1] in (b"{", b"["):
        raise InputError(
            f"{shown}: is JSON, which is not read; write it as CSV: pandas.read_json(…).to_csv(…, index=False)"
        )
    if _ARFF.match(stripped) or (stripped.lstrip().startswith(b"%") and len(head) >= HEAD_BYTES):
        return "arff"
    whole = stripped if len(head) < HEAD_BYTES or b"\n" in stripped else stripped[: stripped.rfind(b" ")]
    return "svmlight" if _SVMLIGHT.match(whole) else "table"


def is_text(head: bytes) -> bool:
    """Whether these may be the first bytes of a text in UTF-8 or UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or utf16_without_mark(head):
        return True
    return not any(byte < 9 or 13 < byte < 27 for byte in head)


def utf16_without_mark(head: bytes) -> str | None:
    """Return the encoding of a UTF-16 text that does not say so: every other byte of its digits and commas is 0."""
    pairs = head[: len(head) // 2 * 2]
    if len(pairs) < 4:
        return None
    even, odd = pairs[::2], pairs[1::2]
    if not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if not any(even) and all(odd) else None


def _hint(shown: str) -> str:
    for name, ending in (("gzip", ".gz"), ("bzip2", ".bz2"), ("xz", ".xz")):
        if shown.lower().endswith(ending):
            magic = next(magic for magic, packing in PACKINGS.items() if packing == name)
            return f"its name says {name}, expected {magic.hex(' ')}: it is damaged or wrongly named"
    return f"expected {FORMATS}"

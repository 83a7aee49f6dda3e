"""From paths to parts: what each file is, which belong together, and what is in them."""

import contextlib
import io
import itertools
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import (
    READ_ERRORS,
    bomb,
    first_bytes,
    is_folder,
    most_unpacked,
    open_unpacked,
    read_unpacked,
)
from backprop_bench.data.formats.arff import read_arff
from backprop_bench.data.formats.arrays import Named, parts_of, read_mat, read_npy, read_npz
from backprop_bench.data.formats.columns import parts_of_tables
from backprop_bench.data.formats.csv_read import read_csv
from backprop_bench.data.formats.idx import parse_idx
from backprop_bench.data.formats.images import class_of, parts_of_images
from backprop_bench.data.formats.parquet import read_parquet
from backprop_bench.data.formats.part import ARCHIVE, Part, Reading, Source
from backprop_bench.data.formats.paths import Paths, files_in, group_of, is_no_data, siblings
from backprop_bench.data.formats.recognise import FORMATS, HEAD_BYTES, PICKLE, Kind, recognise
from backprop_bench.data.formats.svmlight import read_svmlight
from backprop_bench.data.formats.table import Table

_KINDS: Final[tuple[Kind, ...]] = ("idx", "parquet", "npz", "npy", "mat", "image", "arff", "svmlight", "table")
"""Of the kinds that a folder or an archive has, the first one is read."""

_ENDINGS = (".gz", ".bz2", ".xz")
_LEFT_ALONE = (".pt", ".pth", ".pkl", ".pickle", ".joblib", ".h5", ".hdf5", ".xls", ".xlsx", ".doc", ".docx")
"""Endings of files in a folder that may be there beside the data and are not read."""


class _File(NamedTuple):
    """A file and what it is."""

    source: Source
    kind: Kind


def read_parts(named: Paths, reading: Reading) -> list[Part]:
    """Return the examples in files and folders.

    Raises
    ------
    InputError
        If they cannot be read; says what was recognised and what to do.
    """
    with contextlib.ExitStack() as stack:
        files = [file for path in named.paths for file in _files(path, named.base, stack)]
        one_by_one = not any(map(is_folder, named.paths)) and len(files) == len(named.paths)
        if len(named.paths) == len(files) == 1:
            files = _with_siblings(named.paths[0], files[0])
        return _read(_of_one_kind(files, one_by_one), reading)


def _files(path: Path, base: Path, stack: contextlib.ExitStack) -> list[_File]:
    """Return the files at or below a path; archives are unpacked into a folder of the stack."""
    if not is_folder(path):
        return _unpacked(Source(path, str(path), _below(path, base)), stack)
    return _files_in(path, stack, str(path) if path != Path() else "", "" if path == base else f"{_below(path, base)}/")


def _below(path: Path, base: Path) -> str:
    absolute = path.absolute()
    return absolute.relative_to(base.absolute()).as_posix() if absolute.is_relative_to(base.absolute()) else path.name


def _files_in(folder: Path, stack: contextlib.ExitStack, shown: str, relative: str) -> list[_File]:
    """Return the files in a folder.

    Parameters
    ----------
    shown, relative
        What the folder is called in messages, and where names that say what files are for begin.
    """
    result: list[_File] = []
    problems = []
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if is_no_data(name):
            continue
        source = Source(path, f"{shown}/{name}" if shown else name, f"{relative}{name}")
        try:
            result += _unpacked(source, stack)
        except InputError as error:
            if not name.lower().endswith(_LEFT_ALONE):
                raise
            problems.append(error)
    if not result:
        raise problems[0] if problems else InputError(f"{shown or folder}: has no data, expected {FORMATS}")
    return result


def _unpacked(source: Source, stack: contextlib.ExitStack) -> list[_File]:
    """Return a file and what it is; in place of an archive, the files in it."""
    kind = _kind(source)
    if kind not in ("zip", "tar"):
        return [_File(source, kind)]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backprop-bench-")))
    _unpack(source, kind, folder)
    return _files_in(folder, stack, source.shown, f"{source.relative}{ARCHIVE}/")


def _kind(source: Source) -> Kind:
    kind = recognise(first_bytes(source.path, source.shown, HEAD_BYTES), source.shown)
    return _kind_of_zip(source) if kind == "zip" else kind


def _kind_of_zip(source: Source) -> Kind:
    """Return what a zip archive is: arrays of NumPy, or an archive of files."""
    try:
        with source.path.open("rb") as packed, zipfile.ZipFile(_seekable(packed)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, *READ_ERRORS) as error:
        raise InputError(
            f"{source.shown}: the zip archive is damaged or cut off ({error}), expected an intact one"
        ) from error
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    if any(PurePosixPath(name).name == "data.pkl" for name in names):
        raise InputError(f"{source.shown}: is a file of torch.save, which {PICKLE}")
    if "[Content_Types].xml" in names:
        raise InputError(
            f"{source.shown}: is a document of Office, such as a spreadsheet, which is not read; save it as CSV"
        )
    return "zip"


def _seekable(packed: IO[bytes]) -> IO[bytes]:
    """Return a zip archive as it is, or what a packed one unpacks to."""
    stream = open_unpacked(packed)
    return stream if stream is packed else io.BytesIO(stream.read())


def _unpack(source: Source, kind: Kind, folder: Path) -> None:
    """Write the members of an archive into a folder; raises `InputError` if it is damaged, or a bomb."""
    try:
        with source.path.open("rb") as packed:
            if kind == "zip":
                with zipfile.ZipFile(_seekable(packed)) as archive:
                    _check_size(source, sum(member.file_size for member in archive.infolist()))
                    archive.extractall(folder)  # noqa: S202 (zipfile keeps members below the folder)
            else:
                with tarfile.open(fileobj=open_unpacked(packed)) as archive:
                    _check_size(source, sum(member.size for member in archive.getmembers()))
                    archive.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, *READ_ERRORS, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{source.shown}: the {kind} archive is damaged, cut off or protected ({error}), expected an intact one"
        ) from error


def _check_size(source: Source, n_unpacked: int) -> None:
    if n_unpacked > most_unpacked(source.path):
        raise bomb(source.path, source.shown, f"{n_unpacked / 1e9:.1f} GB")


def _with_siblings(path: Path, file: _File) -> list[_File]:
    """Return a file and those beside it that belong to it, where it holds only one of the four arrays."""
    if file.kind not in ("idx", "npy") and not (file.kind == "npz" and len(_arrays(file)) == 1):
        return [file]
    beside = [file]
    for other in siblings(path):
        source = Source(other, str(other), other.name)
        with contextlib.suppress(InputError):
            beside += [_File(source, kind) for kind in [_kind(source)] if kind == file.kind]
    return sorted(beside, key=lambda file: file.source.shown)


def _of_one_kind(files: list[_File], one_by_one: bool) -> list[_File]:
    """Return the files of one kind, each packed or unpacked; raises `InputError` if the user named several kinds."""
    present = {file.kind for file in files}
    if len(present) > 1 and one_by_one:
        other = next(file for file in files if file.kind != files[0].kind)
        raise InputError(
            f"{files[0].source.shown} and {other.source.shown} are of different kinds, expected files of one"
        )
    if "image" in present and len(present) > 1 and not any(_is_of_class(file) for file in files):
        present.remove("image")  # pictures beside the data
    kind = next(kind for kind in _KINDS if kind in present)
    unique: dict[tuple[Path, str], _File] = {}
    for file in files:
        stem = file.source.path.name
        for ending in _ENDINGS:
            stem = stem.removesuffix(ending)
        key = (file.source.path.parent, stem)
        if file.kind == kind and (key not in unique or file.source.path.name == stem):
            unique[key] = file
    return list(unique.values())


def _is_of_class(file: _File) -> bool:
    return file.kind == "image" and class_of(file.source) is not None


def _read(files: list[_File], reading: Reading) -> list[Part]:
    kind, sources = files[0].kind, [file.source for file in files]
    if reading.label is not None and kind in ("idx", "image", "svmlight"):
        raise InputError(f"{sources[0].shown}: --label is for tables and named arrays, expected none")
    match kind:
        case "idx" | "npy" | "npz" | "mat":
            return _read_arrays(files, reading)
        case "image":
            return parts_of_images(sources, (read_unpacked(source.path, source.shown) for source in sources))
        case "svmlight":
            return read_svmlight(sources)
    tables: list[Table] = []
    parts: list[Part] = []
    for source in sources:
        if kind == "parquet":
            read = read_parquet(source, read_unpacked(source.path, source.shown), reading)
        else:
            read = read_arff(source, reading) if kind == "arff" else read_csv(source, reading)
        if isinstance(read, Table):
            tables.append(read)
        else:
            parts.append(read)
    return parts + parts_of_tables(tables, reading)


def _read_arrays(files: list[_File], reading: Reading) -> list[Part]:
    groups = {key for key, _ in itertools.groupby(sorted(group_of(file.source.relative) for file in files))}
    if len(groups) > 1:
        first = files[0].source
        raise InputError(
            f"{first.shown.removesuffix(first.relative).rstrip('/') or 'the folder'}: holds {len(groups)} data sets "
            f"({', '.join(sorted(groups))}), expected one; give one of its files, such as {first.shown}; "
            "unpack an archive first"
        )
    return parts_of([array for file in files for array in _arrays(file)], reading.label)


def _arrays(file: _File) -> Sequence[Named]:
    source, content = file.source, read_unpacked(file.source.path, file.source.shown)
    match file.kind:
        case "npz":
            return read_npz(source, content)
        case "npy":
            return read_npy(source, content)
        case "mat":
            return read_mat(source, content)
        case _:
            return [Named(source, "", parse_idx(content, source.shown))]

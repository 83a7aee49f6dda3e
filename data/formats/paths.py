"""Which files a text names: a path, a pattern, several with commas between them; and what their names say."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import is_file, is_folder
from backprop_bench.data.formats.part import ROLE_WORDS, words_of
from backprop_bench.data.formats.recognise import FORMATS

LABEL_WORDS: Final = {"y", "label", "labels", "target", "targets", "class", "classes", "lab", "labs", "gnd"}
"""Words in the name of an array of labels."""

INPUT_WORDS: Final = {
    *(
        "x",
        "image",
        "images",
        "img",
        "imgs",
        "data",
        "feature",
        "features",
        "pixel",
        "pixels",
        "input",
        "inputs",
        "fea",
    ),
}
"""Words in the name of an array of inputs."""

_HIDDEN = (".", "__MACOSX")
_NO_DATA = ("readme", "license", "licence", "copying", "notice", "sample_submission", "samplesubmission", "thumbs.db")
_NO_DATA_ENDINGS = (".md", ".py", ".ipynb", ".html", ".json", ".yaml", ".yml", ".toml", ".log", ".txt", ".pdf", ".db")
_IDX_WORDS = {
    "idx",
    "idx1",
    "idx2",
    "idx3",
    "idx4",
    "ubyte",
    "byte",
    "short",
    "int",
    "float",
    "double",
    "gz",
    "bz2",
    "xz",
}
_MANY_FILES = 1000


class Paths(NamedTuple):
    """The files and folders that a text names.

    Attributes
    ----------
    paths
        In the order in which they were named.
    in_order
        Whether they are two that were named one by one: then the first is for training, if nothing says otherwise.
    """

    paths: list[Path]
    in_order: bool

    @property
    def base(self) -> Path:
        """The folder below which names say what files are for."""
        if len(self.paths) == 1:
            return self.paths[0] if is_folder(self.paths[0]) else self.paths[0].parent
        return Path(os.path.commonpath([path.absolute().parent for path in self.paths]))


def find_paths(text: str, names: Sequence[str]) -> Paths:
    """Return the files and folders that a text names.

    Parameters
    ----------
    text
        A path, a pattern such as ``train-*.parquet``, or several with commas between them; ``~`` is a home folder.
    names
        Names of datasets, for messages.

    Raises
    ------
    InputError
        If one does not exist.
    """
    paths: list[Path] = []
    pieces = _split(text)
    for piece in pieces:
        path = _path(piece)
        if _exists(path):
            paths.append(path)
        elif matching := sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 (a pattern may be absolute)
            paths += [match for match in map(Path, matching) if not is_no_data(match.name)]
        elif piece == text.strip():
            raise InputError(
                f"{text!r} is neither a dataset nor a file nor a folder; expected {', '.join(names)}, or the path of "
                f"{FORMATS}"
            )
        else:
            raise InputError(f"{text}: there is no file or folder {piece!r}, expected paths with commas between them")
    if not paths:
        raise InputError(f"{text}: has no data, expected {FORMATS}")
    return Paths(paths, in_order=len(pieces) == len(paths) == 2)


def _split(text: str) -> list[str]:
    """Return the pieces between commas; a comma in the name of a file that exists separates nothing."""
    pieces = text.split(",")
    joined: list[str] = []
    while pieces:
        candidates = (n for n in range(len(pieces), 1, -1) if _exists(_path(",".join(pieces[:n]).strip())))
        n = next(candidates, 1)
        joined.append(",".join(pieces[:n]).strip())
        pieces = pieces[n:]
    return [piece for piece in joined if piece]


def _path(piece: str) -> Path:
    try:
        return Path(piece).expanduser()
    except RuntimeError as error:
        raise InputError(f"{piece} is in the home folder of a user who is unknown; expected a path") from error


def _exists(path: Path) -> bool:
    return is_file(path) or is_folder(path)


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder, but hidden ones; raises `InputError` for an empty folder."""
    inside = [file for file in sorted(folder.rglob("*")) if file.is_file() and not _is_hidden(file.relative_to(folder))]
    if not inside:
        raise InputError(f"{folder}: is an empty folder, expected {FORMATS}")
    return inside


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(_HIDDEN) for part in path.parts)


def is_no_data(name: str) -> bool:
    """Whether a file is surely no data, by its name."""
    last = name.rsplit("/", 1)[-1].lower()
    says_data = set(words_of(name)) & {*ROLE_WORDS, *LABEL_WORDS, *INPUT_WORDS}
    return last.startswith(_NO_DATA) or (last.endswith(_NO_DATA_ENDINGS) and not says_data)


def files_that_matter(paths: Sequence[Path]) -> list[Path]:
    """Return all files on which what is read depends: those that are named, those in folders, and their siblings."""
    files = [file for path in paths for file in (files_in(path) if is_folder(path) else [path])]
    return files + siblings(paths[0]) if len(paths) == 1 and is_file(paths[0]) else files


def siblings(path: Path) -> list[Path]:
    """Return the files beside one whose names differ only in what they are for, such as the labels of images."""
    try:
        beside = sorted(path.parent.iterdir())
    except OSError:
        return []
    own = group_of(path.name)
    return [
        file for file in beside[:_MANY_FILES] if file.name != path.name and is_file(file) and group_of(file.name) == own
    ]


def group_of(name: str) -> str:
    """Return what is left of a name without the words for training, testing, inputs and labels."""
    words = [words_of(part) for part in PurePosixPath(name).parts]
    ignored = {*ROLE_WORDS, *LABEL_WORDS, *INPUT_WORDS, *_IDX_WORDS}
    kept = ["-".join(word for word in part if word not in ignored) for part in words]
    return "/".join(part for part in kept if part)

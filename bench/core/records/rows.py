"""What a run leaves on disk: one folder, one file that describes the run, one row per measurement.

``run.json``
    The plan of the run and the environment it was measured in, written before anything is measured.
``records.jsonl``
    One JSON object per line, appended as soon as it is measured. Read it with
    ``pandas.read_json("records.jsonl", lines=True)``.

Every row has a ``kind`` and a ``session``, the number of the process that measured it: 0 for the first, one more after
every ``--resume``. The kinds and their own fields are listed in :data:`KINDS`.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backprop_bench.data import InputError

Row = dict[str, Any]

KINDS: dict[str, tuple[str, ...]] = {
    "parity": (
        "question",
        "implementation",
        "reference",
        "check",
        "dtype",
        "passed",
        "difference",
        "tolerance",
        "where",
    ),
    "epoch": ("question", "implementation", "seed", "epoch", "examples", "loss", "accuracy"),
    "start": (
        *("question", "implementation", "replicate", "timing_pass", "cores", "threads", "block_batches", "energy"),
        *("import_s", "load_s", "prepare_s", "first_s"),
    ),
    "block": (
        *("question", "implementation", "replicate", "round", "position", "examples", "injected", "at_s"),
        *("wall_s", "cpu_s", "loss", "energy_j"),
    ),
    "end": ("question", "implementation", "replicate", "evaluation_s", "peak_rss_bytes", "data_rss_bytes"),
    "memory": ("question", "implementation", "parameter_bytes", "training_bytes"),
    "part": ("question", "implementation", "part", "block", "steps", "batch_size", "wall_s"),
    "search": ("question", "implementation", "curve", "reached"),
    "time_to_accuracy": ("question", "implementation", "seed", "target", "cold", "start_s", "curve", "reached"),
    "trial": ("question", "implementation", "seed", "solved", "close", "curve", "distance", "weights"),
    "stretch": ("question", "implementation", "seed", "epoch", "batches", "distance"),
    "trained": (
        *("question", "implementation", "seed", "epoch", "file", "sha256", "bytes", "dataset"),
        *("input_range", "hidden_activation", "output_activation"),
    ),
    "stop": ("question", "reason", "replicates", "spent_s"),
    "failure": ("question", "implementation", "phase", "number", "message"),
}
"""Fields of every kind of row, beside ``kind`` and ``session``. Times are seconds, accuracies fractions in [0, 1].

epoch
    Of the training from one seed, which is not timed. ``epoch`` counts finished passes: that of 0 has the accuracy of
    the initial weights. ``loss`` is ``None`` there, and where training diverged.
start
    Of one process: from its start to its imports, mapping the data, making the trainer, the first call. The first three
    are ``None`` where processes were started together. ``energy`` says what measures energy, or why nothing does.
    ``timing_pass`` counts the passes, from 1, in which the timing is spread over the run.
block
    What is compared. ``replicate`` numbers the process replicates and ``round`` the rounds in one; in a round every
    implementation trains one block, in an order of which ``position`` is the place. ``at_s``: how long the timing of
    the question had taken in this session when the block ended. Where it is measured what being cut into blocks costs,
    fields that begin with ``later_`` are of another block in the same turn, and those with ``single_`` of as many
    batches in calls of their own: examples, calls and seconds.
end
    Of one process: an evaluation on the test examples, and its memory.
memory
    Bytes of the weights, and the most that a training of some batches holds beyond a process which has loaded the data
    and trained a small network; the second is ``None`` where the system does not tell.
part
    ``wall_s`` is that of all its ``steps`` together.
search
    Of a recipe that is tried on examples held out: ``curve`` has epochs, seconds of training so far and accuracy,
    ``reached`` says whether the highest target was. Where it is the learning rate that is chosen, that is in it, and
    the ``seed``, for it is chosen over several.
race
    Of a run to an accuracy of ``target`` on the test examples, the same; ``start_s`` is what came before training, and
    ``cold`` says whether that is the start of a process.
trial
    Of a small task of 1986, as :func:`backprop_bench.bench.historical.trial.run_trial` returns it; ``implementation``
    names the variant.
stretch
    Of an epoch in which a twin begins anew, every so many ``batches``, from the weights that the hand-written one
    has got to: the largest ``distance`` of any stretch, as
    :func:`backprop_bench.bench.historical.trial.train_in_stretches` returns it; ``None`` where training diverged.
    ``implementation`` names the variant.
trained
    Of the first seed of a question, after its last epoch: where the network lies, as
    :mod:`backprop_bench.bench.core.trained` keeps it, below the folder of the run; the checksum and the
    bytes of that file; and what one needs to show it an example. ``file``, ``sha256`` and ``bytes`` are ``None`` where
    training diverged, for then there is nothing to keep.
stop
    Why the timing of a question ended: ``precise``, ``budget``, ``alone`` (nothing to compare) or ``failed``.
failure
    ``phase`` is ``proof``, ``memory``, ``tuning``, ``training`` or ``comparison`` of twins (``number`` is the seed) or
    ``timing`` (``number`` is the set, or the seed of a race).
"""

DESCRIPTION, RECORDS = "run.json", "records.jsonl"


class Recorder:
    """Appends rows to the records of a run.

    Parameters
    ----------
    folder
        The folder of the run, which exists.

    Raises
    ------
    InputError
        When the disk refuses a row. The rows before it are intact.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS
        self.session = 1 + max((row["session"] for row in read_rows(folder)), default=-1)
        try:
            self._cut_unfinished_row()
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"{self.path}: cannot write records: {error.strerror}") from error

    def append(self, kind: str, *rows: Row, sync: bool = True) -> None:
        """Write rows of one kind, all or none, and wait until they are on the disk.

        Without ``sync`` nobody waits: a process that is killed loses nothing, a machine without power may.
        """
        for row in rows:
            if not set(KINDS[kind]) <= set(row) <= OPTIONAL.union(KINDS[kind]):
                raise TypeError(f"a row of kind {kind!r} has the fields {KINDS[kind]}, not {tuple(row)}")
        tagged = ({"kind": kind, "session": self.session, **row} for row in rows)
        lines = b"".join(json.dumps(row, allow_nan=False).encode() + b"\n" for row in tagged)
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(lines)
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise InputError(f"{self.path}: cannot write records: {error.strerror}") from error
        if written != len(lines):
            self._file.truncate(end)
            raise InputError(f"{self.path}: cannot write records: no space left on the disk")

    def _cut_unfinished_row(self) -> None:
        """Take off a last line that a kill cut short."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            os.truncate(self.path, end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


SECOND_COPY = " (A/A)"
"""What the label of a second copy ends in."""

DISTURBANCE = (
    "steal_s",
    "psi_cpu_some_us",
    "waited_s",
    "throttles",
    "voluntary_switches",
    "involuntary_switches",
    "minor_faults",
    "major_faults",
)
OVERHEAD = tuple(f"{stretch}_{what}" for stretch in ("later", "single") for what in ("examples", "calls", "wall_s"))
OPTIONAL = frozenset((*DISTURBANCE, *OVERHEAD, "learning_rate", "seed", "from_run", "processor"))
"""Fields that a row of a kind without them has only where the machine can tell, or it is asked for them."""


def read_rows(folder: Path) -> list[Row]:
    """Read the rows of a run; a last line that a kill cut short is left out.

    Raises
    ------
    InputError
        For a line that is no row.
    """
    path = folder / RECORDS
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_parse_row(path, number, line) for number, line in enumerate(lines, start=1)]


def _parse_row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
        missing = [name for name in ("session", *KINDS[row["kind"]]) if name not in row]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: line {number} is no record; expected a JSON object with a known kind") from error
    if missing:
        raise InputError(f"{path}: line {number} lacks {missing[0]!r}, which a row of kind {row['kind']!r} must have")
    if type(row["session"]) is not int:
        raise InputError(f"{path}: line {number} has session {row['session']!r}, expected a whole number")
    return dict(row)


def rows_of(rows: Iterable[Row], kind: str, **fields: Any) -> list[Row]:
    """Return the rows of one kind whose fields have these values."""
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in fields.items())]


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write what the run is to do and where, at once and whole."""
    path = folder / DESCRIPTION
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(description, indent=2, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror}") from error


def read_description(folder: Path) -> dict[str, Any]:
    """Read what the run was to do; raises `InputError` where the folder holds no run."""
    path = folder / DESCRIPTION
    try:
        description = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no run: {DESCRIPTION} is missing") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not the description of a run; expected a JSON object") from error
    missing = [
        name
        for name in ("plan", "environment", "dataset", "dataset_crc32", "threads", "cpus", "command")
        if name not in description
    ]
    if missing:
        raise InputError(f"{path} is not the description of a run: it lacks {missing[0]!r}")
    return description

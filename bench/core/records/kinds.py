"""The records of a run: one frozen structure per kind. Times are seconds, accuracies fractions from 0 to 1.

``records.jsonl`` has one JSON object per record, with its ``kind``. What is optional is left out where it is not known.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from backprop_bench.data.recipe import Dtype

Name = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
"""JSON has no NaN and no infinity, so a number is finite."""
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
TrainingCurve = tuple[tuple[NotNegative, NotNegative, Fraction], ...]
"""Epochs, cumulative training time, accuracy."""
LearningCurve = tuple[
    tuple[Positive, NotNegative | None, Fraction | None, Fraction | None, Fraction | None, Fraction | None], ...
]
"""Epoch, mean loss, share of the trained examples that are right, that are close, and the same of those held out."""
UpdateCurve = tuple[tuple[Positive, Fraction, Fraction | None], ...]
"""Weight updates so far, accuracy, and the share of the output error that is left in dE/dz."""
Weights = tuple[tuple[Any, ...], ...]
"""Arrays as nested tuples: weight [fan_in, fan_out] and bias [fan_out] of every layer."""


StopReason = Literal["precise", "budget", "alone", "failed"]
FailurePhase = Literal["verification", "memory", "tuning", "training", "comparison", "timing", "timed work"]


def kind_of(record: type) -> str:
    """Return what a kind of record is called in the file."""
    return str(record.__struct_config__.tag)  # type: ignore[attr-defined]


class Identified:
    """What tells a record from every other one of its kind."""

    __slots__ = ()
    key: ClassVar[tuple[str, ...]] = ("question",)
    """The fields that no two records of the kind have in common."""

    @property
    def kind(self) -> str:
        """What the kind is called in the file."""
        return kind_of(type(self))

    @property
    def identity(self) -> tuple[object, ...]:
        """The values of these fields, and the kind."""
        return (type(self), *(getattr(self, name) for name in self.key))


class Record(
    msgspec.Struct,
    Identified,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What every record has.

    Attributes
    ----------
    session
        Number of the process that measured: 0 for the first, one more after every ``--resume``.
    question
        Name of the question in the plan.
    """

    session: Count
    question: Name


class OfImplementation(Record, frozen=True, kw_only=True):
    """What records of one implementation have: its label in the plan."""

    implementation: Name

    key: ClassVar[tuple[str, ...]] = ("question", "implementation")


class Verification(OfImplementation, frozen=True, kw_only=True, tag="parity"):
    """One check of an implementation against a reference.

    ``difference`` is the largest error, relative to the largest value; ``None`` where there is nothing to compare. The
    check passes where it is within the ``tolerance``; ``where`` is its place, or says what is wrong.
    """

    reference: Name
    check: Name
    dtype: Dtype
    passed: bool
    difference: NotNegative | None
    tolerance: NotNegative
    where: str

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "reference", "check", "dtype")


class Epoch(OfImplementation, frozen=True, kw_only=True, tag="epoch"):
    """Accuracy in the training from one seed, which is not timed.

    ``epoch`` counts finished epochs: the record of 0 has the accuracy of the initial weights. ``loss`` is ``None``
    there, where training diverged, and where it returns none (``without_loss``). ``trained_by``: the verified
    implementation that trained its recipe, where that is another one. ``from_run`` names the earlier run that it is
    taken from, ``processor`` where it ran.
    """

    seed: Count
    epoch: Count
    examples: Positive
    loss: float | None
    accuracy: Fraction
    without_loss: bool = False
    trained_by: str | None = None
    from_run: str | None = None
    processor: str | None = None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "seed", "epoch")

    @property
    def diverged(self) -> bool:
        """Whether training has diverged until then."""
        return self.epoch > 0 and self.loss is None and not self.without_loss


class Start(OfImplementation, frozen=True, kw_only=True, tag="start"):
    """The start of one process: imports, loading the data, building the model, the first batch.

    The first three are ``None`` where processes were started together. ``energy`` says what measures energy, or why
    nothing does. ``timing_pass`` counts the passes, from 1, over which the timing is spread.
    """

    replicate: Count
    timing_pass: Positive
    cores: tuple[Count, ...] | None
    threads: tuple[dict[str, Any], ...]
    """The thread pools of its libraries, as threadpoolctl lists them."""
    block_batches: Positive
    energy: str
    import_s: Seconds | None
    load_s: Seconds | None
    prepare_s: Seconds | None
    first_s: Seconds
    sources: dict[str, str] = {}
    """Checksums of the code that was run: of the suite, and of yours by path."""

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "session", "replicate")


class TimedBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is measured of one block: its time, and the counters of interference, ``None`` where not provided.

    ``pending_s``: how much longer it took to read the weights after the block than a second time. ``rested_s`` and
    ``rested_cpu_s``: wall and CPU time of the process since its turn before. ``turn_s``: of the whole turn, with what
    is not timed. Fields that begin with ``later_`` are of another block in the same turn, and those with ``single_`` of
    as many batches in calls of their own; they are there only where block-switching overhead is measured.
    """

    examples: Positive
    injected: NotNegative
    wall_s: Seconds
    cpu_s: NotNegative
    loss: float | None
    energy_j: NotNegative | None
    steal_s: NotNegative | None = None
    psi_cpu_some_us: Count | None = None
    waited_s: NotNegative | None = None
    throttles: Count | None = None
    voluntary_switches: Count | None = None
    involuntary_switches: Count | None = None
    minor_faults: Count | None = None
    major_faults: Count | None = None
    pending_s: NotNegative | None = None
    rested_s: NotNegative | None = None
    rested_cpu_s: NotNegative | None = None
    turn_s: Seconds | None = None
    later_examples: Positive | None = None
    later_calls: Positive | None = None
    later_wall_s: Seconds | None = None
    single_examples: Positive | None = None
    single_calls: Positive | None = None
    single_wall_s: Seconds | None = None


class Block(TimedBlock, Identified, frozen=True, kw_only=True, tag_field="kind", tag="block"):
    """One timed block of batches.

    ``replicate`` numbers the process replicates, ``round`` the rounds in one. In a round every implementation trains
    one block, in an order of which ``position`` is the place. ``at_s``: what the timing of the question had taken in
    this session when the block ended.
    """

    session: Count
    question: Name
    implementation: Name
    replicate: Count
    round: Count
    position: Count
    at_s: NotNegative
    asked_s: Seconds | None = None
    """What the turn took by the driver's own clock."""

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "session", "replicate", "round")


class ComparedWork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the work of a trainer compares with that of a reference, at its worst place.

    The reference has trained ``checked`` of its ``turns`` again; in all there are so many ``batches``. ``difference``,
    ``tolerance`` and ``where`` are as in :class:`Verification`. ``spent_s`` is what it took, where that is measured.
    """

    turns: Count
    checked: Count
    batches: Count
    passed: bool
    difference: NotNegative | None
    tolerance: NotNegative
    where: str
    spent_s: Seconds | None = None


class TimedWork(ComparedWork, Identified, frozen=True, kw_only=True, tag_field="kind", tag="timed_work"):
    """How the timed work of an implementation compares with a reference's.

    ``number`` is the process replicate: turns are the rounds, each from the weights with which it began and with the
    same batches. The first turn begins with the first batches of the seed of that number. In a time to accuracy it is
    the seed; ``target`` is the accuracy until which it was trained, and ``cold`` whether from the start of a process.
    Where there is a ``seed``, its first batches were trained after the timing, and nothing else.
    """

    session: Count
    question: Name
    implementation: Name
    number: Count
    reference: Name
    target: Fraction | None = None
    cold: bool | None = None
    seed: Count | None = None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "session", "number", "target", "cold", "seed")

    @property
    def seed_of_first(self) -> int:
        """The seed whose first batches are in it."""
        return self.number if self.seed is None else self.seed


class End(OfImplementation, frozen=True, kw_only=True, tag="end"):
    """Of one process: an evaluation on the test examples, and its memory."""

    replicate: Count
    evaluation_s: Seconds
    peak_rss_bytes: Count
    data_rss_bytes: Count | None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "session", "replicate")


class Memory(OfImplementation, frozen=True, kw_only=True, tag="memory"):
    """Bytes of the weights, and the most that a training holds beyond a process that has trained a small network.

    The second is ``None`` where the system does not provide it.
    """

    parameter_bytes: Count
    training_bytes: int | None


class StepWork(OfImplementation, frozen=True, kw_only=True, tag="step_work"):
    """What a training step of so many examples does, as far as NumPy and PyTorch are seen to do it.

    ``operations`` are those on arrays, ``products`` the matrix products among them, ``new_bytes`` those of the arrays
    that are made, ``wider`` the operations in a wider type than the recipe's, ``python_calls`` the calls of Python
    functions that are part of no library.
    """

    examples: Positive
    operations: Count
    products: Count
    new_bytes: Count
    wider: Count
    python_calls: Count


class StepPart(OfImplementation, frozen=True, kw_only=True, tag="part"):
    """One part of a training step; ``wall_s`` is that of all its ``steps`` together."""

    part: Name
    block: Count
    steps: Positive
    batch_size: Positive
    wall_s: Seconds

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "part", "block")


class Search(OfImplementation, frozen=True, kw_only=True, tag="search"):
    """A recipe that is tried on examples held out; ``reached`` says whether it reached the highest target.

    Where the learning rate is chosen, it is in the record, and the ``seed``, for it is chosen over several. One
    that the implementation refuses has no curve; ``refusal`` is what it said.
    """

    curve: TrainingCurve
    reached: bool
    refusal: str | None = None
    learning_rate: NotNegative | None = None
    seed: Count | None = None
    from_run: str | None = None
    processor: str | None = None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "learning_rate", "seed")


class TimeToAccuracy(OfImplementation, frozen=True, kw_only=True, tag="time_to_accuracy"):
    """A training until the accuracy on the test examples reaches ``target``.

    ``start_s`` is what comes before training, and ``cold`` says whether that is the start of a process.
    """

    seed: Count
    target: Fraction
    cold: bool
    start_s: Seconds
    curve: TrainingCurve
    reached: bool

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "seed", "target", "cold")


class Trial(OfImplementation, frozen=True, kw_only=True, tag="trial"):
    """A small task of 1986, as :func:`backprop_bench.bench.historical.trial.run_trial` returns it.

    ``implementation`` names the variant. ``solved`` and ``close``: by implementation, after how many epochs all outputs
    were right, and close to their targets.
    """

    seed: Count
    solved: dict[str, Positive | None]
    close: dict[str, Positive | None]
    curve: LearningCurve
    distance: NotNegative | None
    weights: Weights | None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "seed")


class Stretch(OfImplementation, frozen=True, kw_only=True, tag="stretch"):
    """An epoch in which the PyTorch version begins anew, every so many ``batches``, from the weights of the other.

    ``distance`` is the largest of any stretch; ``None`` where training diverged. ``implementation`` names the variant.
    """

    seed: Count
    epoch: Positive
    batches: Positive
    distance: NotNegative | None

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "seed", "epoch")


class Curve(OfImplementation, frozen=True, kw_only=True, tag="curve"):
    """A training from one seed, evaluated on all test examples after some of its weight updates, and after each epoch.

    The last number of each evaluation is Σ |dE/dz| / Σ |y − t| over the outputs of some training examples: 1 where the
    derivative of the output activation cancels, less where it stays. ``None`` where there is no finite number.
    """

    seed: Count
    examples: Positive
    learning_rate: NotNegative
    curve: UpdateCurve

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "seed")


class Trained(OfImplementation, frozen=True, kw_only=True, tag="trained"):
    """Where the network lies that came of the first seed, and what one needs to show it an example.

    See :mod:`backprop_bench.bench.core.trained`. ``file``, ``sha256`` and ``bytes`` are ``None`` where training
    diverged.
    """

    seed: Count
    epoch: Count
    file: str | None
    sha256: str | None
    bytes: Positive | None
    dataset: str
    input_range: tuple[float, float]
    hidden_activation: str
    output_activation: str


class Stop(Record, frozen=True, kw_only=True, tag="stop"):
    """Why the timing of a question ended; ``alone``: there is nothing to compare."""

    reason: StopReason
    replicates: Count
    spent_s: NotNegative

    key: ClassVar[tuple[str, ...]] = ("question", "session")


class Failure(OfImplementation, frozen=True, kw_only=True, tag="failure"):
    """What an implementation could not do.

    ``number`` is the seed of a training, the process replicate of a timing, ``None`` of a verification.
    """

    phase: FailurePhase
    number: Count | None
    message: str
    signal: Positive | None = None
    """That ended the process; what it was doing is tried again when the run is resumed."""

    key: ClassVar[tuple[str, ...]] = (*OfImplementation.key, "session", "phase", "number", "message")


AnyRecord = (
    Verification
    | Epoch
    | Start
    | Block
    | TimedWork
    | End
    | Memory
    | StepPart
    | StepWork
    | Search
    | TimeToAccuracy
    | Trial
    | Stretch
    | Curve
    | Trained
    | Stop
    | Failure
)
INTERFERENCE = (
    "steal_s",
    "psi_cpu_some_us",
    "waited_s",
    "throttles",
    "voluntary_switches",
    "involuntary_switches",
    "minor_faults",
    "major_faults",
)
"""The counters of interference in a :class:`Block`."""

"""`RunContext`: all that carries out a run."""

import dataclasses

from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.sources import Sources
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.data import Dataset


@dataclasses.dataclass(frozen=True)
class RunContext:
    """What is to be done, on what, and what is recorded of it.

    Attributes
    ----------
    plan
        What is to be done.
    dataset
        What is trained on; its name is how workers load it to verify.
    threads
        Threads of every worker.
    log
        What is recorded; what is in it is not done again.
    progress
        Is told how far the run is.
    sources
        Which code is run.
    """

    plan: Plan
    dataset: Dataset
    threads: int
    log: RunLog
    progress: Progress
    sources: Sources = dataclasses.field(default_factory=Sources)

"""Time every stage of the ladder, then measure its memory."""

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.records.kinds import End, Memory
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.worker.client import WorkerError, start_again
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import MemoryUse
from backprop_bench.bench.core.worker.shared_data import SharedForms

MEMORY_BATCHES = 20
"""Of the training whose memory is measured."""


def run_ladder(run: RunContext) -> None:
    """Verify and time every stage, then measure the memory of each; recorded results are not measured again."""
    Runner(run).run()
    log = run.log
    (question,) = run.plan.questions
    missing = [
        entry
        for entry in question.originals
        if log.find(End, question, implementation=entry.label)
        and not log.find(Memory, question, implementation=entry.label)
        and not log.failures(question, implementation=entry.label, phase="memory")
    ]
    try:
        with SharedForms(run.dataset) as shared, run.progress.stage("memory", len(missing)):
            for entry in missing:
                _measure_memory(question, entry, shared, run.threads, log)
                run.progress.advance(entry.name)
    finally:
        start_again()


def _measure_memory(question: Question, entry: Entry, shared: SharedForms, threads: int, log: RunLog) -> None:
    examples = shared.of(entry.recipe, question.examples)
    try:
        with opened_worker(entry, examples, threads) as (worker, _):
            use = worker.ask("memory", MemoryUse, batches=MEMORY_BATCHES)
    except WorkerError as failure:
        log.add_failure(question, entry, "memory", None, failure)
        return
    log.add(
        Memory(
            session=log.session,
            question=question.name,
            implementation=entry.label,
            parameter_bytes=use.parameter_bytes,
            training_bytes=use.training_bytes,
        )
    )

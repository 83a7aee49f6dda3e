"""Trainings on a cluster: joblib hands them to the workers of a Dask scheduler.

Only what is wanted for its accuracy goes there, never what is timed. A worker of Dask does a job as this machine would,
in a process of its own with its threads limited, so what an implementation breaks there breaks no more than here.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import importlib.util
import platform
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from backprop_bench.bench.core.engine.jobs import Forms, Job, JobExecutor, JobRecord, Outcome, carry_out
from backprop_bench.bench.core.machine.environment import SUITE, cpu, package_versions, source_crc32
from backprop_bench.bench.core.records.kinds import Stretch
from backprop_bench.data import Dataset, InputError, load_dataset

NEEDS = ("joblib", "dask", "distributed")
CONNECT_S = 10.0  # documented in docs/why.md
"""Seconds in which the scheduler must answer."""
WORKER_S = 60.0  # documented in docs/why.md
"""Seconds in which its first worker must be there."""
PYTHON, SOURCE = "Python", "the suite's source"


@functools.cache
def software() -> Mapping[str, str]:
    """Return the versions that must be the same wherever a run trains: of Python, packages, and the suite's source."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {PYTHON: python, **package_versions(), SOURCE: source_crc32(SUITE)}


def check_software(here: Mapping[str, str], there: Mapping[str, str]) -> None:
    """Raise `InputError` unless a worker, which is here, has the versions of the driver, which is there."""
    for name in dict.fromkeys([*there, *here]):
        if here.get(name) != there.get(name):
            result, expected = (versions.get(name, "not installed") for versions in (here, there))
            raise InputError(f"{name} is {result} on it and {expected} where the run is; expected the same on both")


def check_cluster(address: str) -> None:
    """Raise `InputError` unless a scheduler answers at this address."""
    with _connected(address):
        pass


class Cluster(JobExecutor):
    """Does jobs on the workers of a Dask scheduler; jobs of a worker that dies are done by another one.

    Parameters
    ----------
    address
        Of the scheduler, such as "tcp://10.0.0.1:8786".
    dataset
        What is trained on; workers load it by its name.
    """

    def __init__(self, address: str, dataset: Dataset) -> None:
        self._address = address
        self._dataset = dataset

    def do(self, jobs: Sequence[Job], done: Callable[[Job, Outcome], None]) -> None:
        """Do jobs as :class:`backprop_bench.bench.core.engine.jobs.JobExecutor` says.

        Raises
        ------
        InputError
            Where the scheduler or its workers are not there, differ from the driver, or are gone for good.
        """
        waiting = dict(enumerate(jobs))
        with _connected(self._address) as client:
            _wait_for_a_worker(client, self._address)
            with (
                warnings.catch_warnings(action="ignore", category=UserWarning),  # joblib's, of what is left undone
                contextlib.closing(self._outcomes(client, waiting)) as outcomes,
            ):
                for number, outcome in outcomes:
                    done(waiting.pop(number), outcome)
        if waiting:
            raise InputError(f"{len(waiting)} of {len(jobs)} trainings never came back from {self._address}; {_RESUME}")

    def _outcomes(self, client: Any, jobs: Mapping[int, Job]) -> Generator[tuple[int, Outcome], None, None]:
        import joblib

        try:
            run = joblib.delayed(train_there)
            common = (self._dataset.name, self._dataset.fingerprint(), dict(software()))
            tasks = [run(number, job.to_dict(), *common) for number, job in jobs.items()]
            with joblib.parallel_config(backend=_backend(client)):
                parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            yield from parallel(tasks)
        except InputError:
            raise
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise InputError(f"the scheduler at {self._address} went away; {_RESUME}") from error
        except Exception as error:
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"the workers of {self._address} gave up: {message}; {_RESUME}") from error


_RESUME = "what came back is recorded, and --resume goes on"


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Give a client of a scheduler."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--scheduler needs {' and '.join(missing)}, which is not installed; "
            "`pip install 'backprop-bench[cluster]'` installs it"
        )
    import distributed

    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"--scheduler: no Dask scheduler answers at {address} within {CONNECT_S:g} s; expected the address that "
            "`dask scheduler` prints, such as tcp://10.0.0.1:8786"
        ) from error
    with client:
        yield client


def _wait_for_a_worker(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_S)
    except TimeoutError as error:
        raise InputError(
            f"no worker has joined the scheduler at {address} within {WORKER_S:g} s; expected at least one, as "
            f"`dask worker {address}` starts them"
        ) from error


def _backend(client: Any) -> Any:
    """Return joblib's backend for Dask, without what would let a driver train itself or wait for ever."""
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs: int) -> int:
            """Return how many jobs run at once, but never 1: then joblib would do them in this process."""
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Any = None) -> Any:
            """Hand out a task; where Dask gives it up, joblib is told, which it would not be."""
            future = super().submit(func, callback)

            def tell(ended: concurrent.futures.Future[Any]) -> None:
                if (error := ended.exception()) is not None:
                    callback(error)

            future.add_done_callback(tell)
            return future

    return Backend(client=client, wait_for_workers_timeout=WORKER_S)


def train_there(
    number: int, job: dict[str, Any], dataset: str, fingerprint: str, driver: Mapping[str, str]
) -> tuple[int, Outcome]:
    """Do a job in a worker of Dask.

    Parameters
    ----------
    number
        Comes back with the outcome, whose rows say on which processor they were trained.
    job
        What :meth:`backprop_bench.bench.core.engine.jobs.Job.to_dict` gave.
    dataset, fingerprint
        Name of the dataset, and checksum that its examples must have.
    driver
        Software that this worker must have.

    Raises
    ------
    InputError
        Naming the worker, where it has other software or other examples.
    """
    import distributed

    try:
        check_software(software(), driver)
        outcome = carry_out(Job.from_dict(job), _forms(dataset, fingerprint))
    except InputError as error:
        raise InputError(f"worker {distributed.get_worker().address}: {error}") from error
    if isinstance(outcome, str):
        return number, outcome
    return number, [_trained_here(record) for record in outcome]


def _trained_here(record: JobRecord) -> JobRecord:
    """Return a record that says on which processor it was trained, where its kind can."""
    return record if isinstance(record, Stretch) else msgspec.structs.replace(record, processor=cpu().model)


def _forms(dataset: str, fingerprint: str) -> Forms:
    with _LOADING:
        return _loaded(dataset, fingerprint)


_LOADING = threading.Lock()


@functools.cache
def _loaded(dataset: str, fingerprint: str) -> Forms:
    result = load_dataset(dataset)
    if result.fingerprint() != fingerprint:
        raise InputError(
            f"the examples of {dataset} are not those of the run; expected the same files on every machine"
        )
    return Forms(result)

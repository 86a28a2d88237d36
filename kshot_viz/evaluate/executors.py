"""Where jobs run: in this process, in several, or as tasks of a Ray cluster; the rows are equal."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from kshot_viz.errors import KShotError, KShotValueError, unknown_name
from kshot_viz.evaluate.episode_cache import (
    EpisodeInputs,
    Prepared,
    clear_episode_cache,
    episode_cache,
)
from kshot_viz.evaluate.job import Job, prepare_batch, run_job
from kshot_viz.evaluate.rows import Entry, Row
from kshot_viz.threads import one_thread

# A task whose worker was lost runs again, this often; it gives the same rows.
RETRIES = 5
# Tasks handed in at a time, as a multiple of the cluster's CPUs, so that none waits for us.
AHEAD = 4


def run_on_ray(jobs: Sequence[Job], workers: int | None) -> Iterator[list[Row]]:
    """Run jobs on the cluster this process is connected to, else on one of its own.

    Rows come as they finish. At most ``workers`` tasks work at once, by default as many as the
    cluster has CPUs.

    Raises
    ------
    KShotError
        Without Ray, or where a task lost its worker too often.
    """
    ray = connect(workers)
    at_once = workers or AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    work = ray.remote(num_cpus=1, max_retries=RETRIES)(_work)
    waiting = iter(_shared(ray, jobs))
    running = [work.remote(*one) for _, one in zip(range(at_once), waiting, strict=False)]
    try:
        while running:
            ready, running = ray.wait(running)
            yield ray.get(ready[0])
            running += [work.remote(*one) for _, one in zip(range(1), waiting, strict=False)]
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise KShotError(
            f"A task lost its worker {RETRIES + 1} times, most likely for lack of memory. Finished "
            f"rows are kept where `store=` was given; give a smaller `max_memory=`."
        ) from error
    finally:
        for one in running:
            ray.cancel(one, force=False)


def connect(workers: int | None = None) -> Any:
    """Return the ``ray`` module, connected: to ``RAY_ADDRESS`` if set, else to a local cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise KShotError(
            "executor='ray' needs the extra of that name: pip install 'kshot-viz[ray]'."
        ) from error
    if ray.is_initialized():
        return ray
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    else:
        # Workers find the modules that this process finds, such as the file of a user's network.
        found = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        ray.init(
            num_cpus=workers,
            log_to_driver=False,
            include_dashboard=False,
            runtime_env={"env_vars": found},
        )
    return ray


def _shared(ray: Any, jobs: Sequence[Job]) -> Iterator[tuple[_LightJob, Any, Any]]:
    """Put each episode into the object store once, and prepare it in a task of its own."""
    prepare = ray.remote(num_cpus=1, max_retries=RETRIES)(_prepare)
    episodes: dict[str, list[Job]] = {}
    for job in jobs:
        episodes.setdefault(job.inputs.key, []).append(job)
    for together in episodes.values():
        inputs = ray.put(together[0].inputs)
        prepared = prepare.remote(inputs, [job.entries for job in together if not job.loop])
        yield from ((_LightJob.of(job), inputs, prepared) for job in together)


@dataclass(frozen=True, eq=False)
class _LightJob:
    """A job without its images."""

    job: Job

    @classmethod
    def of(cls, job: Job) -> _LightJob:
        return cls(replace(job, inputs=None))  # type: ignore[arg-type]

    def with_inputs(self, inputs: EpisodeInputs) -> Job:
        return replace(self.job, inputs=inputs)


def _prepare(inputs: EpisodeInputs, batches: Sequence[Sequence[Entry]]) -> Prepared:
    """Compute what the tasks of one episode share."""
    keep_freed_memory()
    with one_thread():
        cache = episode_cache(inputs)
        for entries in batches:
            prepare_batch(cache, entries)
        return cache.prepared()


def _work(light: _LightJob, inputs: EpisodeInputs, prepared: Prepared) -> list[Row]:
    keep_freed_memory()
    episode_cache(inputs).adopt(prepared)
    return run_job(light.with_inputs(inputs))


# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep what it frees, since the next step asks for the same sizes again.

    By default glibc hands large blocks back to the system at once, and touching them anew costs as
    much as computing on them. Elsewhere (musl, macOS, Windows) nothing happens.
    """
    mallopt = _library("mallopt")
    if mallopt is None:
        return False
    settings = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26}
    done = [mallopt(name, value) for name, value in settings.items()]
    return all(done)


def give_memory_back() -> None:
    """Hand what was freed back to the system, between two jobs.

    The pool takes a worker that holds 300 MB more than at its start for one that leaks, ends it and
    starts another, which takes seconds.
    """
    trim = _library("malloc_trim")
    if trim is not None:
        trim(0)


def _library(name: str) -> Any:
    """Return a function of the C library, or None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None


Executor = Callable[[Sequence[Job], int | None], Iterator[list[Row]]]


def serial(jobs: Sequence[Job], workers: int | None = None) -> Iterator[list[Row]]:
    """Run one job after the other in this process."""
    try:
        for job in jobs:
            yield run_job(job)
    finally:
        clear_episode_cache()


def processes(jobs: Sequence[Job], workers: int | None = None) -> Iterator[list[Row]]:
    """Run jobs in a pool of processes (joblib's loky); results come as they finish.

    The pool stays up for a while, so the next call finds it warm.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    count = _POOL.size(len(jobs), workers or cores())
    # Jobs travel whole (`max_nbytes`): removing the files that joblib would map large arrays from
    # takes a second at the end of every call.
    pool = Parallel(
        n_jobs=count,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        max_nbytes=None,
    )
    try:
        with _worker_warning_is_no_error():
            yield from pool(delayed(in_worker)(job) for job in jobs)
    except TerminatedWorkerError as error:
        raise KShotError(
            "A worker process died, most likely for lack of memory. Finished rows are kept where "
            "`store=` was given; run again with fewer `workers`."
        ) from error


@contextmanager
def _worker_warning_is_no_error() -> Iterator[None]:
    """Keep loky's warning about a stopped worker a warning, whatever the caller's filters are.

    loky warns in the thread that manages its workers. Where warnings are errors, that thread would
    die of it, nobody would mark the pool as broken, and joblib would wait for ever.
    """
    message = "A worker stopped while some jobs were given to the executor"
    warnings.filterwarnings("default", message=message, category=UserWarning)
    item = warnings.filters[0]
    try:
        yield
    finally:
        # The filters may have been replaced meanwhile (`catch_warnings`), and with them this one.
        with suppress(ValueError):
            warnings.filters.remove(item)  # type: ignore[attr-defined]


class _Pool:
    """Remembers how many processes are up: a pool that shrinks and grows starts them anew."""

    def __init__(self) -> None:
        self._up = 1

    def size(self, jobs: int, most: int) -> int:
        """Return how many processes to use for ``jobs`` jobs, at most ``most``."""
        self._up = min(most, max(jobs, self._up))
        return self._up


_POOL = _Pool()


def in_worker(job: Job) -> list[Row]:
    """Run a job in a process of our own."""
    keep_freed_memory()
    try:
        return run_job(job)
    finally:
        give_memory_back()


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes, "ray": run_on_ray}


def resolve_executor(name: str, workers: int | None) -> Executor:
    """Return the executor of that name."""
    if name not in EXECUTORS:
        raise unknown_name("executor", name, EXECUTORS)
    if workers is not None and workers < 1:
        raise KShotValueError(f"`workers` must be >= 1; not {workers}.")
    return EXECUTORS[name]


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

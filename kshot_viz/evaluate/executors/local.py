"""Where jobs run: here, in processes, or on a Ray cluster. The rows are the same."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from kshot_viz.errors import KShotError, KShotValueError, unknown_name
from kshot_viz.evaluate.episode_cache import clear_episode_cache
from kshot_viz.evaluate.executors.allocator import give_memory_back, keep_freed_memory
from kshot_viz.evaluate.job import Job, run_job
from kshot_viz.evaluate.rows import Row

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


def ray(jobs: Sequence[Job], workers: int | None = None) -> Iterator[list[Row]]:
    """Run jobs on a Ray cluster; see ``docs/scaling.md``."""
    from kshot_viz.evaluate.executors.ray_cluster import run_on_ray

    return run_on_ray(jobs, workers)


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


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes, "ray": ray}


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

"""Where tasks run: here, or in processes with one torch thread each. The rows are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from kshot_viz.errors import KShotError, KShotValueError, unknown_name
from kshot_viz.finetune.task import Row, Task, run_task

Executor = Callable[[Sequence[Task], int | None], Iterator[list[Row]]]


def serial(tasks: Sequence[Task], workers: int | None = None) -> Iterator[list[Row]]:
    """Run one task after the other in this process."""
    return map(run_task, tasks)


def processes(tasks: Sequence[Task], workers: int | None = None) -> Iterator[list[Row]]:
    """Run tasks in a pool of processes (joblib's loky); results come as they finish."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    count = min(workers or _cores(), max(1, len(tasks)))
    pool = Parallel(n_jobs=count, backend="loky", return_as="generator_unordered", batch_size=1)
    try:
        yield from pool(delayed(run_task)(task) for task in tasks)
    except TerminatedWorkerError as error:
        raise KShotError(
            "A worker process died, most likely for lack of memory. Finished rows are kept where "
            "`store=` was given; run again with fewer `workers`."
        ) from error


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes}


def resolve_executor(name: str, workers: int | None) -> Executor:
    """Return the executor of that name."""
    if name not in EXECUTORS:
        raise unknown_name("executor", name, EXECUTORS)
    if workers is not None and workers < 1:
        raise KShotValueError(f"`workers` must be >= 1; not {workers}.")
    return EXECUTORS[name]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Where jobs run: in this process, in several, or as tasks of a Ray cluster; the rows are equal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from kshot_viz.errors import KShotError, KShotValueError, unknown_name
from kshot_viz.evaluate.episode_cache import (
    EpisodeInputs,
    Prepared,
    clear_episode_cache,
    episode_cache,
)
from kshot_viz.evaluate.fast.split import UntracedError
from kshot_viz.evaluate.job import Job, prepare_batch, run_job
from kshot_viz.evaluate.memory import keep_freed_memory
from kshot_viz.evaluate.pool import run_in_pool
from kshot_viz.evaluate.rows import Entry, Row
from kshot_viz.threads import one_thread

# Rows of one job after the other, as they finish; closing it ends what is still running.
Finished = Generator[list[Row], None, None]
# A task whose worker was lost runs again, this often; it gives the same rows.
RETRIES = 5
# Tasks handed in at a time, as a multiple of the cluster's CPUs, so that none waits for us.
AHEAD = 4


def run_on_ray(jobs: Sequence[Job], workers: int | None) -> Finished:
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
            # Their job says what becomes of these.
            with suppress(UntracedError):
                prepare_batch(cache, entries)
        return cache.prepared()


def _work(light: _LightJob, inputs: EpisodeInputs, prepared: Prepared) -> list[Row]:
    keep_freed_memory()
    episode_cache(inputs).adopt(prepared)
    return run_job(light.with_inputs(inputs))


Executor = Callable[[Sequence[Job], int | None], Finished]


def serial(jobs: Sequence[Job], workers: int | None = None) -> Finished:
    """Run one job after the other in this process."""
    try:
        for job in jobs:
            yield run_job(job)
    finally:
        clear_episode_cache()


def processes(jobs: Sequence[Job], workers: int | None = None) -> Finished:
    """Run jobs in several processes, one thread each; results come as they finish.

    The processes stay up for a while, so the next call finds them warm. A single one is this one.
    """
    count = min(workers or cores(), len(jobs))
    if count > 1:
        yield from run_in_pool(in_worker, jobs, count)
    else:
        keep_freed_memory()
        yield from serial(jobs)


def in_worker(job: Job) -> list[Row]:
    """Run a job in a process of our own."""
    keep_freed_memory()
    return run_job(job)


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes, "ray": run_on_ray}


def resolve_executor(name: str, workers: int | None) -> Executor:
    """Return the executor of that name."""
    if name not in EXECUTORS:
        raise unknown_name("executor", name, EXECUTORS)
    if workers is not None and workers < 1:
        raise KShotValueError(f"`workers` must be >= 1; not {workers}.")
    return EXECUTORS[name]


def at_once(executor: str, workers: int | None) -> int:
    """Return how many jobs run side by side."""
    return 1 if executor == "serial" else workers or cores()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

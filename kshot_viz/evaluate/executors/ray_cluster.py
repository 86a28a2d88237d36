"""Jobs as tasks of a Ray cluster: one episode's images and features lie in the object store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kshot_viz.errors import KShotError
from kshot_viz.evaluate.episode_cache import Case, Prepared, desk
from kshot_viz.evaluate.executors.allocator import keep_freed_memory
from kshot_viz.evaluate.job import Job, run_job
from kshot_viz.evaluate.rows import Row
from kshot_viz.evaluate.runners import lay_out
from kshot_viz.finetune.candidate import Candidate
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


def _shared(ray: Any, jobs: Sequence[Job]) -> Iterator[tuple[_Light, Any, Any]]:
    """Put each episode into the object store once, and lay it out in a task of its own."""
    lay = ray.remote(num_cpus=1, max_retries=RETRIES)(_lay)
    places: dict[str, list[Job]] = {}
    for job in jobs:
        places.setdefault(job.case.place, []).append(job)
    for together in places.values():
        case = ray.put(together[0].case)
        fast = [
            [entry.candidate for entry in batch.entries]
            for job in together
            for batch in job.batches
            if not batch.loop
        ]
        prepared = lay.remote(case, fast)
        yield from ((_Light.of(job), case, prepared) for job in together)


@dataclass(frozen=True, eq=False)
class _Light:
    """A job without its case."""

    job: Job

    @classmethod
    def of(cls, job: Job) -> _Light:
        return cls(replace(job, case=None))  # type: ignore[arg-type]

    def with_case(self, case: Case) -> Job:
        return replace(self.job, case=case)


def _lay(case: Case, fast: Sequence[Sequence[Candidate]]) -> Prepared:
    """Compute what the tasks of one episode share."""
    keep_freed_memory()
    with one_thread():
        at = desk(case)
        for candidates in fast:
            lay_out(at, candidates)
        return at.prepared()


def _work(light: _Light, case: Case, prepared: Prepared) -> list[Row]:
    keep_freed_memory()
    job = light.with_case(case)
    desk(case).adopt(prepared)
    return run_job(job)

"""One job: some candidates on one episode. It gives the same rows in any process."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from kshot_viz.errors import KShotError
from kshot_viz.evaluate.episode_cache import EpisodeCache, EpisodeInputs, episode_cache
from kshot_viz.evaluate.rows import Entry, Row, RowContext, scored
from kshot_viz.evaluate.runners import BatchRunner, LoopRunner, Runner
from kshot_viz.threads import one_thread


@dataclass(frozen=True, eq=False)
class Job:
    """Candidates that are trained together on one episode.

    Attributes
    ----------
    inputs : EpisodeInputs
    entries : tuple of Entry
        Trained as one; with ``loop`` a single one, by the reference loop.
    loop : bool
    at_steps : tuple of int
        Steps to score at.
    key : str
        Names the job by all of this.
    """

    inputs: EpisodeInputs
    entries: tuple[Entry, ...]
    loop: bool
    at_steps: tuple[int, ...]
    key: str


def run_job(job: Job) -> list[Row]:
    """Tune and score: one row for each candidate and step count, candidate by candidate.

    Where memory does not suffice, half as many candidates are computed together; the rows say so.
    """
    begin = time.perf_counter()
    with one_thread(), torch.inference_mode(False), torch.enable_grad():
        rows = _within_memory(job)
    seconds = (time.perf_counter() - begin) / len(job.entries)
    order = {entry.key: index for index, entry in enumerate(job.entries)}
    rows.sort(key=lambda row: (order[row["run"]], row["steps"]))
    return [row | {"seconds": seconds} for row in rows]


def _within_memory(job: Job) -> list[Row]:
    try:
        return _rows(job, episode_cache(job.inputs))
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        if len(job.entries) == 1:
            raise KShotError(
                f"There is not enough memory for a candidate of {job.entries[0].candidate.name!r} "
                f"on its own: freeze layers, or take smaller images."
            ) from error
    middle = len(job.entries) // 2
    halves = job.entries[:middle], job.entries[middle:]
    return [row for half in halves for row in _within_memory(replace(job, entries=half))]


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _rows(job: Job, cache: EpisodeCache) -> list[Row]:
    runner = _runner(job, cache)
    targets = cache.query_targets
    contexts = [_context(job, entry, runner.path) for entry in job.entries]
    return [
        scored(context, step, score, targets)
        for step in job.at_steps
        for context, score in zip(contexts, runner.scores(step), strict=True)
    ]


def _runner(job: Job, cache: EpisodeCache) -> Runner:
    if job.loop:
        return LoopRunner(cache, job.entries[0].candidate)
    return BatchRunner(cache, job.entries)


def _context(job: Job, entry: Entry, path: str) -> RowContext:
    inputs, chunk = job.inputs, len(job.entries)
    name = inputs.backbone.name
    return RowContext(entry, name, inputs.episode, inputs.seed, path, chunk, job.key)

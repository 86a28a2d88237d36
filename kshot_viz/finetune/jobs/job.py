"""One job: some candidates on one episode. Runs in any process and gives the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from kshot_viz.finetune.jobs.case import Case, Desk, desk
from kshot_viz.finetune.jobs.contest import Contest, Loop, Together
from kshot_viz.finetune.jobs.rows import About, Entry, Row, scored, stopped
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

Stop = Callable[["pd.DataFrame"], Collection[str]]


@dataclass(frozen=True, eq=False)
class Job:
    """Candidates of one episode that are tried in one go.

    Attributes
    ----------
    case : Case
    entries : tuple of Entry
    at_steps : tuple of int
        Steps to score at.
    loop : bool
        Use the reference loop.
    together : int
        How many candidates are computed as one; a job without ``stop`` has no more.
    stop : callable or None
    key : str
        Names the job by all of this.
    """

    case: Case
    entries: tuple[Entry, ...]
    at_steps: tuple[int, ...]
    loop: bool
    together: int
    stop: Stop | None
    key: str


def run_job(job: Job) -> list[Row]:
    """Tune and score: one row for each candidate and step count, candidate by candidate.

    Where memory does not suffice, half as many candidates are computed together; the rows say so.
    """
    begin = time.perf_counter()
    with one_thread():
        rows = _within_memory(job)
    seconds = (time.perf_counter() - begin) / len(job.entries)
    places = {entry.key: place for place, entry in enumerate(job.entries)}
    rows.sort(key=lambda row: (places[row["task"]], row["steps"]))
    return [row | {"seconds": seconds} for row in rows]


def _within_memory(job: Job) -> list[Row]:
    try:
        return list(_rows(job, desk(job.case)))
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if job.together == 1 or not _lacks_memory(error):
            raise
    return _halved(job)


def _halved(job: Job) -> list[Row]:
    half = job.together // 2
    if job.stop is not None:
        return _within_memory(replace(job, together=half))
    starts = range(0, len(job.entries), half)
    parts = [replace(job, entries=job.entries[i : i + half], together=half) for i in starts]
    return [row for part in parts for row in _within_memory(part)]


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _rows(job: Job, at: Desk) -> Iterator[Row]:
    """Yield rows in the order they come: all of one step, then the next."""
    field = _Field(job, at)
    for place, step in enumerate(job.at_steps):
        yield from field.score(step)
        later = job.at_steps[place + 1 :]
        if job.stop is not None and later:
            yield from field.end(job.stop, step, later)


class _Field:
    """The contests of a job in step, and the rows so far."""

    def __init__(self, job: Job, at: Desk) -> None:
        starts = range(0, len(job.entries), job.together)
        self._chunks = [job.entries[i : i + job.together] for i in starts]
        self._contests = [_start(job, at, chunk) for chunk in self._chunks]
        self._job, self._desk = job, at
        self._seen: list[Row] = []

    def score(self, step: int) -> list[Row]:
        """Train all to ``step`` and score them."""
        targets = self._desk.answers
        rows = [
            scored(self._about(entry, contest, len(chunk)), step, standing, targets)
            for chunk, contest in zip(self._chunks, self._contests, strict=True)
            if chunk
            for entry, standing in zip(chunk, contest.standings(step), strict=True)
        ]
        self._seen += rows
        return rows

    def end(self, stop: Stop, step: int, later: Sequence[int]) -> list[Row]:
        """Ask which candidates to end, end them, and give back the rows of their missing steps."""
        import pandas as pd

        ended = set(stop(pd.DataFrame(self._seen)))
        rows = []
        for place, (chunk, contest) in enumerate(zip(self._chunks, self._contests, strict=True)):
            gone = [one for one in chunk if one.candidate.key in ended]
            rows += [
                stopped(self._about(one, contest, len(chunk)), steps, step)
                for one in gone
                for steps in later
            ]
            if gone:
                kept = [i for i, one in enumerate(chunk) if one not in gone]
                self._chunks[place] = tuple(chunk[i] for i in kept)
                contest.keep(kept)
        return rows

    def _about(self, entry: Entry, contest: Contest, chunk: int) -> About:
        case = self._job.case
        return About(entry, case.episode, case.seed, contest.path, chunk, self._job.key)


def _start(job: Job, at: Desk, chunk: Sequence[Entry]) -> Contest:
    candidates = [entry.candidate for entry in chunk]
    return Loop(at, candidates[0]) if job.loop else Together(at, candidates)

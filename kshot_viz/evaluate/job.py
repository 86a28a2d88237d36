"""One job: some candidates on one episode. Runs in any process and gives the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.evaluate.episode_cache import Case, Desk, desk
from kshot_viz.evaluate.rows import About, Entry, Row, scored, stopped
from kshot_viz.evaluate.runners import Contest, Loop, Together
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

Stop = Callable[["pd.DataFrame"], Collection[str]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Candidates that are computed as one; with ``loop`` a single one, by the reference."""

    entries: tuple[Entry, ...]
    loop: bool


@dataclass(frozen=True, eq=False)
class Job:
    """Candidates of one episode that are tried in one go.

    Attributes
    ----------
    case : Case
    batches : tuple of Batch
        One, or several that train in step where a ``stop`` compares their candidates.
    at_steps : tuple of int
        Steps to score at.
    stop : callable or None
    key : str
        Names the job by all of this.
    """

    case: Case
    batches: tuple[Batch, ...]
    at_steps: tuple[int, ...]
    stop: Stop | None
    key: str

    @property
    def entries(self) -> list[Entry]:
        """All candidates, batch by batch."""
        return [entry for batch in self.batches for entry in batch.entries]


def run_job(job: Job) -> list[Row]:
    """Tune and score: one row for each candidate and step count, candidate by candidate.

    Where memory does not suffice, half as many candidates are computed together; the rows say so.
    """
    begin = time.perf_counter()
    with one_thread(), torch.inference_mode(False), torch.enable_grad():
        rows = _within_memory(job)
    entries = job.entries
    seconds = (time.perf_counter() - begin) / len(entries)
    places = {entry.key: place for place, entry in enumerate(entries)}
    rows.sort(key=lambda row: (places[row["task"]], row["steps"]))
    return [row | {"seconds": seconds} for row in rows]


def _within_memory(job: Job) -> list[Row]:
    try:
        return list(_rows(job, desk(job.case)))
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        if all(len(batch.entries) == 1 for batch in job.batches):
            raise KShotError(
                f"There is not enough memory for a candidate of {job.entries[0].candidate.name!r} "
                f"on its own: freeze layers, or take smaller images."
            ) from error
    halves = tuple(half for batch in job.batches for half in _halved(batch))
    return _within_memory(replace(job, batches=halves))


def _halved(batch: Batch) -> list[Batch]:
    middle = len(batch.entries) // 2
    parts = (batch.entries[:middle], batch.entries[middle:])
    return [replace(batch, entries=part) for part in parts if part]


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _rows(job: Job, at: Desk) -> Iterator[Row]:
    """Yield rows in the order they come: all of one step, then the next."""
    if job.stop is None and len(job.batches) > 1:
        for batch in job.batches:
            yield from _rows(replace(job, batches=(batch,)), at)
        return
    field = _Field(job, at)
    for place, step in enumerate(job.at_steps):
        yield from field.score(step)
        later = job.at_steps[place + 1 :]
        if job.stop is not None and later:
            yield from field.end(job.stop, step, later)


class _Field:
    """The contests of a job in step, and the rows so far."""

    def __init__(self, job: Job, at: Desk) -> None:
        self._chunks = [batch.entries for batch in job.batches]
        pauses = job.at_steps if job.stop else ()
        self._contests = [_start(batch, at, pauses) for batch in job.batches]
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

        ended = _ended(stop(pd.DataFrame(self._seen)), {row["candidate"] for row in self._seen})
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


def _start(batch: Batch, at: Desk, pauses: Sequence[int]) -> Contest:
    candidates = [entry.candidate for entry in batch.entries]
    return Loop(at, candidates[0]) if batch.loop else Together(at, candidates, pauses)


def _ended(asked: object, seen: Collection[str]) -> set[str]:
    """Return the keys that a ``stop`` gave back, checked."""
    if asked is None:
        return set()
    keys = None if isinstance(asked, str) or not isinstance(asked, Iterable) else list(asked)
    if keys is None or not set(keys) <= set(seen):
        raise KShotValueError(
            f"`stop` must return values of the column `candidate`, or nothing; not {asked!r}."
        )
    return set(keys)

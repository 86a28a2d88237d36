"""A progress bar of jobs whose time left does not jump where some take longer than others."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kshot_viz.evaluate.job import Job
from kshot_viz.evaluate.rows import Row
from kshot_viz.text import time_left

if TYPE_CHECKING:
    from tqdm import tqdm

BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} runs [{elapsed}{postfix}]"


def kind_of(job: Job) -> Hashable:
    """Return what decides how long a job takes, roughly: methods, steps, runs, shots and path."""
    names = frozenset(entry.candidate.method.name for entry in job.entries)
    episode = job.inputs.episode
    return names, job.at_steps[-1], len(job.entries), (episode.way, episode.shot), job.loop


def one_of_each_first(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with the first one of each kind in front, so that all are timed early."""
    firsts = {kind_of(job): job for job in reversed(jobs)}.values()
    chosen = {job.key for job in firsts}
    return sorted(jobs, key=lambda job: job.key not in chosen)


class Clock:
    """Tells how long unfinished jobs will take, from the finished ones of their kind."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left = {job.key: job for job in jobs}
        self._seconds: dict[Hashable, list[float]] = {}
        self._begin, self._worked = time.perf_counter(), 0.0

    def finished(self, job: str, rows: Sequence[Row]) -> None:
        """Take the time of a finished job."""
        done = self._left.pop(job)
        seconds = rows[0]["seconds"] * len(done.entries)
        self._seconds.setdefault(kind_of(done), []).append(seconds)
        self._worked += seconds

    @property
    def seconds_left(self) -> float | None:
        """The estimate; None as long as there is a kind of which no job has finished."""
        kinds = [kind_of(job) for job in self._left.values()]
        if not self._worked or any(kind not in self._seconds for kind in kinds):
            return None
        each = {kind: sum(some) / len(some) for kind, some in self._seconds.items()}
        # So many seconds of work were done in a second, by all processes together.
        rate = self._worked / (time.perf_counter() - self._begin)
        return sum(each[kind] for kind in kinds) / rate


class Progress:
    """A bar over runs."""

    def __init__(self, bar: tqdm[Any], clock: Clock) -> None:
        self._bar, self._clock = bar, clock

    def finished(self, job: str, rows: Sequence[Row], runs: int) -> None:
        """Move on by the runs of a finished job."""
        self._clock.finished(job, rows)
        left = self._clock.seconds_left
        self._bar.set_postfix_str("" if left is None else time_left(left), refresh=False)
        self._bar.update(runs)


@contextmanager
def progress_of(jobs: Sequence[Job], finished: int, show: bool | str) -> Iterator[Progress]:
    """Show a bar over the runs of jobs, of which some were finished before."""
    from tqdm.auto import tqdm

    with tqdm(
        desc=show if isinstance(show, str) else None,
        initial=finished,
        total=finished + sum(len(job.entries) for job in jobs),
        bar_format=BAR_FORMAT,
        disable=not show or not (jobs or finished),
    ) as bar:
        yield Progress(bar, Clock(jobs))

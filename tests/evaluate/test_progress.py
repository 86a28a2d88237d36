"""The time left of a call, where some jobs take longer than others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from kshot_viz.evaluate import progress
from kshot_viz.evaluate.progress import Clock, one_of_each_first


@dataclass(frozen=True)
class FakeJob:
    """The part of a job that a clock looks at."""

    key: str
    kind: str
    entries: tuple[Any, ...] = (None,)


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setattr(progress, "kind_of", lambda job: job.kind)


@pytest.fixture
def now(monkeypatch):
    """A clock that stands until it is moved."""
    times = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: times[0])
    return times


JOBS = [FakeJob(f"quick {i}", "quick") for i in range(3)] + [
    FakeJob(f"slow {i}", "slow") for i in range(3)
]


def test_one_of_each_kind_runs_first_and_the_rest_keep_their_order():
    keys = [job.key for job in one_of_each_first(JOBS)]
    assert keys == ["quick 0", "slow 0", "quick 1", "quick 2", "slow 1", "slow 2"]
    assert one_of_each_first([]) == []


def test_nothing_is_said_before_every_kind_was_timed(now):
    clock = Clock(JOBS)
    now[0] = 1.0
    clock.finished("quick 0", [{"seconds": 1.0}])
    assert clock.seconds_left is None
    now[0] = 11.0
    clock.finished("slow 0", [{"seconds": 10.0}])
    assert clock.seconds_left == pytest.approx(2 * 1 + 2 * 10)


def test_the_estimate_does_not_jump_where_kinds_differ(now):
    clock, order = Clock(JOBS), [job.key for job in one_of_each_first(JOBS)]
    estimates = []
    for key in order:
        seconds = 1.0 if key.startswith("quick") else 10.0
        now[0] += seconds
        clock.finished(key, [{"seconds": seconds}])
        estimates.append(clock.seconds_left)
    assert estimates[1:] == pytest.approx([22, 21, 20, 10, 0])


def test_processes_side_by_side_are_counted(now):
    clock = Clock(JOBS)
    now[0] = 5.5
    clock.finished("quick 0", [{"seconds": 1.0}])
    clock.finished("slow 0", [{"seconds": 10.0}])
    assert clock.seconds_left == pytest.approx(22 / 2)

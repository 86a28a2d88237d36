"""The bar of a search: every run moves it, and its time left does not jump."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from tqdm import tqdm

from kshot_viz.search import progress
from kshot_viz.search.progress import Clock, SearchProgress, progress_of
from kshot_viz.search.timing import SearchTiming

# A batch of four candidates takes forty seconds.
TIMING = SearchTiming(seconds=10.0, batch=4, batch_cost=4.0, tasks=2)


@pytest.fixture
def now(monkeypatch):
    """A clock that stands until it is moved."""
    times = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: times[0])
    return times


def summary(spent, **known):
    return {"spent": spent, "best": 0.5, "reward": 0.25, "entropy": float("nan"), **known}


def test_a_time_is_known_before_the_first_run(now):
    assert Clock(TIMING).seconds(0, 12) == pytest.approx(120)


def test_a_wrong_guess_is_left_step_by_step(now):
    clock = Clock(TIMING)
    clock.begin()
    estimates = [clock.seconds(0, 40)]
    for done in range(1, 41):
        # Twice as fast as was measured.
        now[0] += 5.0
        estimates.append(clock.seconds(done, 40 - done))
    steps = [before - after for before, after in pairwise(estimates)]
    assert all(0 < step < 0.2 * estimates[0] for step in steps)
    assert steps[-1] == pytest.approx(5.0, rel=0.15)
    assert estimates[-1] == 0


def test_a_pause_between_two_batches_does_not_count(now):
    clock = Clock(TIMING)
    clock.begin()
    now[0] += 40.0
    clock.end()
    before = clock.seconds(4, 8)
    now[0] += 1000.0
    clock.begin()
    assert clock.seconds(4, 8) == pytest.approx(before) == pytest.approx(80)


def test_the_bar_moves_within_a_batch_and_goes_on_from_what_was_spent(now):
    with tqdm(total=12, initial=4, file=io.StringIO()) as bar:
        shown = SearchProgress(bar, Clock(TIMING), 4.0, 12.0)
        shown.begin()
        at = []
        for runs in range(1, 9):
            now[0] += 5.0
            shown.moved(runs / 2)
            at.append(bar.n)
        assert at == [4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8]
        assert bar.postfix == "about 0:40 left"
        shown.ended(summary(8.0))
        assert bar.postfix == "about 0:40 left, best=0.500, reward=0.250"
        shown.begin()
        shown.ended(summary(12.5))
        assert bar.n == 12


def test_without_a_measure_there_is_no_time(capsys):
    with progress_of(0.0, 2.5, timing=None, show=True) as shown:
        shown.begin()
        shown.moved(1.0)
    err = capsys.readouterr().err
    assert "2.5 evaluations" in err
    assert "left" not in err


def test_nothing_is_shown_unless_asked(capsys):
    with progress_of(0.0, 2.0, timing=TIMING, show=False) as shown:
        shown.begin()
        shown.moved(1.0)
        shown.ended(summary(2.0))
    assert capsys.readouterr().err == ""

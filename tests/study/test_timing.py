"""How long a comparison takes is said before, and a budget takes less of everything."""

from __future__ import annotations

import pandas as pd
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.study import timing
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.task import Task
from kshot_viz.study.timing import (
    Loading,
    Sizes,
    Timing,
    left_out,
    loading_seconds,
    seconds_per_run,
    told,
)

TASK = Task("toy", "net", 3, 1)
ASKED = Sizes(tuning=6, test=20)
# 10 settings of plain at 2 seconds, 6 of head_only at half a second.
SETTINGS = {"plain": (10, 4), "head_only": (6, 3)}
NONE = Loading([0.0] * 7, [0.0] * 21)
TIMING = Timing({TASK: {"plain": 2.0, "head_only": 0.5}}, SETTINGS, 1, NONE)


def test_the_whole_is_runs_times_seconds():
    assert TIMING.tuning(ASKED) == 6 * (10 * 2.0 + 6 * 0.5)
    assert TIMING.tuning(Sizes(3, 20, every=2)) == 3 * (4 * 2.0 + 3 * 0.5)
    assert TIMING.test(ASKED) == 20 * 2.5
    assert TIMING.whole(ASKED) == 188.0
    assert Timing(TIMING.seconds, SETTINGS, 4, NONE).whole(ASKED) == 47.0


def test_images_are_loaded_in_every_process():
    loading = Loading([10.0 * n for n in range(7)], [5.0 * n for n in range(21)])
    slow = Timing(TIMING.seconds, SETTINGS, 4, loading)
    assert slow.tuning(ASKED) == TIMING.tuning(ASKED) / 4 + 60
    assert slow.test(Sizes(6, 10)) == TIMING.test(Sizes(6, 10)) / 4 + 50


def test_each_image_is_loaded_once(monkeypatch):
    backbone, data = toy_backbone(), toy_data(3, 24)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=4, n=3, seed=0)
    times = iter([0.0, 24.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(times))
    # A dozen of them took 24 seconds.
    nothing, one, *_, every = loading_seconds(backbone, data, [episodes])
    distinct = {image for each in episodes for image in (*each.support, *each.query)}
    assert (nothing, one, every) == (0.0, 2.0 * 15, 2.0 * len(distinct))
    assert loading_seconds(backbone, data, [[]]) == [0.0]


@pytest.mark.parametrize("budget", [1000, 188, 150, 100, 60])
def test_a_budget_is_used_and_kept(budget):
    sizes = TIMING.fit(ASKED, budget)
    assert TIMING.whole(sizes) <= budget
    assert TIMING.whole(sizes) > 0.6 * min(budget, 188)
    assert (sizes == ASKED) is (budget >= 188)


@pytest.mark.parametrize("budget", [1000, 188, 100, 1])
def test_nothing_is_left_out_that_saves_no_time(budget):
    # A grid of two step sizes has no second one to leave out.
    short = Timing(TIMING.seconds, {"plain": (10, 10), "head_only": (6, 6)}, 1, NONE)
    assert short.fit(ASKED, budget).every == 1


def test_there_is_a_smallest_size():
    sizes = TIMING.fit(ASKED, 1.0)
    assert (sizes.tuning, sizes.test, sizes.every) == (3, 10, 2)
    few = Sizes(tuning=2, test=4)
    assert TIMING.fit(few, 0.1) == Sizes(2, 4, 2)
    assert TIMING.fit(Sizes(0, 20), 1.0) == Sizes(0, 10)


def test_step_sizes_are_not_left_out_where_that_saves_nothing():
    few = Timing({TASK: {"plain": 2.0}}, {"plain": (2, 2)}, 1, NONE)
    assert few.fit(ASKED, 1000) == ASKED
    assert few.fit(ASKED, few.whole(ASKED) - 1).every == 1


def test_what_is_left_out_is_told():
    assert left_out(ASKED, ASKED) == ""
    assert left_out(ASKED, Sizes(3, 10, 2)) == (
        "3 of 6 tuning episodes, 10 of 20 test episodes a task, every second step size"
    )
    both = "2 minutes to choose settings, 50 seconds for the test episodes."
    # How far a grid grows is not known before, so there is no "at most".
    assert told(TIMING, ASKED, grows=False) == f"This takes about 3 minutes: {both}"
    growing = told(TIMING, ASKED, grows=True)
    assert growing == f"This takes about 3 minutes, more where the grid grows: {both}"
    assert told(TIMING, Sizes(0, 20), grows=True) == "This takes about 50 seconds."


def test_a_budget_that_does_not_fit_is_told():
    smallest = TIMING.fit(ASKED, 1.0)
    omitted = left_out(ASKED, smallest)
    text = told(TIMING, smallest, grows=False, omitted=omitted, fits=False)
    assert text.endswith(f"Taken to fit: {omitted} (the least; about 54 seconds).")
    fitting = told(TIMING, smallest, grows=False, omitted=omitted)
    assert fitting.endswith(f"Taken to fit: {omitted}.")
    text = told(TIMING, smallest, grows=False, fits=False)
    assert text.endswith("That is more than was given (the least; about 54 seconds).")


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_budget_is_a_positive_number(compare, wrong):
    with pytest.raises(kv.KShotError, match="`budget_minutes` must be None or a finite number > 0"):
        compare(budget_minutes=wrong)


def test_the_rows_of_a_run_share_its_time():
    rows = pd.DataFrame(
        {
            "method": ["plain"] * 4 + ["head_only"] * 2,
            "episode": ["val/0"] * 6,
            "run": ["a", "a", "b", "b", "c", "c"],
            "seconds": [1.0, 1.0, 3.0, 3.0, 0.5, 0.5],
        }
    )
    assert seconds_per_run(rows) == {"head_only": 0.5, "plain": 2.0}


@pytest.mark.slow
def test_a_comparison_within_a_budget_says_what_it_left_out(compare, data, capsys):
    episodes = kv.sample_episodes(toy_data(3, 24), way=3, shot=1, query=5, n=14, seed=1)
    found = compare(methods=["plain"], episodes=episodes, n_val=4, budget_minutes=1e-9)
    assert found.manifest["n_val"] == 3
    assert found.manifest["n_test"] == 10
    least = "3 of 4 tuning episodes, 10 of 14 test episodes a task"
    assert f"only this was run: {least} (the least; about" in found.note
    assert capsys.readouterr().err == ""
    plenty = compare(methods=["plain"], episodes=episodes[:3], budget_minutes=60)
    assert "the least" not in plenty.note
    smallest = compare(methods=["plain"], episodes=episodes[:3], budget_minutes=1e-9, tune=None)
    assert "This did not fit into 1e-09 minutes (the least; about" in smallest.note
    assert "To fit into" not in plenty.note


def test_an_error_of_the_watch_ends_a_comparison_and_the_rows_are_kept(compare, episodes, tmp_path):
    class Enough(Exception):  # noqa: N818 - the test's own
        pass

    def stop(done, total):
        if done:
            raise Enough

    with pytest.raises(Enough):
        compare(methods=["plain"], episodes=episodes[:3], out=tmp_path, watch=stop)
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1
    found = compare(methods=["plain"], episodes=episodes[:3], out=tmp_path)
    whole = compare(methods=["plain"], episodes=episodes[:3])
    pd.testing.assert_frame_equal(
        found.frame.drop(columns="seconds"), whole.frame.drop(columns="seconds")
    )


def test_progress_says_how_long_it_takes(compare, episodes, capsys):
    compare(methods=["plain"], episodes=episodes[:3], progress=True)
    shown = capsys.readouterr()
    assert "This takes about 1 second" in shown.out + shown.err


def test_what_an_earlier_call_left_is_not_in_the_time_that_is_told(
    compare, episodes, tmp_path, capsys
):
    asked = {"methods": ["plain"], "episodes": episodes[:3], "out": tmp_path, "progress": True}
    for begun in (False, True):
        compare(**asked)
        shown = capsys.readouterr()
        assert ("less what is there from an earlier call" in shown.out + shown.err) == begun


def test_the_folder_of_rows_holds_the_comparison_in_the_end(compare, episodes, tmp_path):
    found = compare(methods=["plain"], episodes=episodes[:3], out=tmp_path)
    loaded = Comparison.load(tmp_path)
    assert loaded.summary().equals(found.summary())
    assert (tmp_path / "rows.jsonl").exists()

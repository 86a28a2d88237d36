"""How long a search takes is said before, and a time budget tries fewer candidates."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from pandas.testing import assert_frame_equal
from small_search import small_reward, small_search, toy_backbone

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.search.rewards.scorer import Scorer
from kshot_viz.search.timing import SearchTiming, TimeLimit, measure

# 10 candidates a batch, a second each; those that are pruned end after half of it on average.
WHOLE = SearchTiming(seconds=1.0, batch=10, batch_cost=10.0, tasks=8)
PRUNED = SearchTiming(seconds=1.0, batch=10, batch_cost=5.0, tasks=8)
# Minutes that suffice on any machine.
PLENTY = 1e6
LEARNED = ("log_probability", "advantage", "entropy", "gradient_norm")


@pytest.fixture
def seconds(monkeypatch):
    """Say how long a full evaluation takes, and count how often that is measured."""
    measured = []

    def set_to(value):
        monkeypatch.setattr(Scorer, "seconds", lambda self, some: measured.append(some) or value)
        return measured

    return set_to


def first_of(whole, found, budget):
    """Return whether a search is the part of the whole one that its budget suffices for."""
    spent = found.history["spent"]
    assert found.manifest["budget"] == budget
    # A batch that is cut off has no update yet.
    scored = [name for name in whole if name not in LEARNED]
    assert_frame_equal(found.history[scored], whole[scored].head(len(spent)))
    return spent.iloc[-1] == budget and len(spent) < len(whole)


def test_whole_batches_are_taken_and_one_at_least():
    assert WHOLE.fit(95, 95) == 95
    assert WHOLE.fit(95, 94) == 90
    assert WHOLE.fit(95, 29.9) == 20
    assert WHOLE.fit(95, 0.1) == 10
    assert WHOLE.fit(4, 0.1) == 4
    assert PRUNED.fit(95, 29.9) == 25


def test_the_whole_is_told_in_candidates():
    assert WHOLE.told(300, 0) == (
        "This takes at most about 5 minutes: 300 candidates on 8 tasks each."
    )
    assert WHOLE.told(300, 280) == (
        "This takes at most about 20 seconds: the rest of 300 candidates on 8 tasks each."
    )
    assert "600 candidates on up to 8 tasks each" in PRUNED.told(300, 0)


def test_what_is_measured_is_a_batch_of_distinct_candidates_on_one_task(monkeypatch):
    ran = []
    monkeypatch.setattr(Scorer, "_rows", _rows_of_a_second(ran))
    search = small_search("memory")
    timing = measure(search.settings, search._scorer)
    ((bound, episodes),) = ran
    assert [one.name for one in episodes] == [search.reward.episodes[0].name]
    assert len({one.key for one in bound}) == len(bound)
    assert 1 < len(bound) <= 4
    # Runs of a second on four tasks, one after the other.
    assert timing == SearchTiming(seconds=4.0, batch=4, batch_cost=4.0, tasks=4)


def test_processes_side_by_side_count_as_far_as_there_are_jobs(monkeypatch):
    monkeypatch.setattr(Scorer, "_rows", _rows_of_a_second([]))
    taken = {}
    for workers in (1, 3, 50):
        options = {"executor": "processes", "workers": workers}
        search = small_search("memory", **options)
        taken[workers] = measure(search.settings, search._scorer).seconds
    # One job for each of the four tasks.
    assert taken == pytest.approx({1: 4.0, 3: 4 / 3, 50: 1.0})


def _rows_of_a_second(ran):
    import pandas as pd

    def rows(self, bound, episodes, watch=None):
        ran.append((bound, episodes))
        return pd.DataFrame({"seconds": [1.0] * len(bound), "job": ["a"] * len(bound)})

    return rows


@pytest.mark.slow
def test_estimate_and_bar_change_no_row(whole, capsys):
    shown = small_search("memory").run(progress=True)
    assert_frame_equal(shown.history, whole)
    limited = small_search("memory", budget_minutes=PLENTY).run()
    assert_frame_equal(limited.history, whole)
    assert limited.manifest["left_out"] == ""
    assert "to fit" not in repr(limited)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_an_estimate_leaves_other_samplers_alone_too(sampler, capsys):
    quiet = small_search("memory", sampler=sampler).run().history
    shown = small_search("memory", sampler=sampler).run(progress=True).history
    assert_frame_equal(shown, quiet)


def test_a_budget_takes_whole_batches_and_records_what_it_left_out(whole, seconds, capsys):
    seconds(1.0)
    found = small_search("memory", budget_minutes=9 / 60).run(progress=True)
    assert first_of(whole, found, 8)
    assert TimeLimit.of(found.manifest) == TimeLimit(9 / 60, 12, "8 of 12 evaluations")
    assert repr(found).endswith("to fit into 0.15 minutes, only 8 of 12 evaluations")
    said = capsys.readouterr()
    assert "8 candidates on 4 tasks each. Taken to fit: 8 of 12 evaluations." in said.out + said.err


def test_what_does_not_fit_is_told(whole, seconds, capsys):
    seconds(100.0)
    found = small_search("memory", budget_minutes=1).run()
    assert first_of(whole, found, 4)
    assert found.manifest["left_out"] == "4 of 12 evaluations (the least, in about 7 minutes)"
    few = small_search("memory", budget=2, budget_minutes=1).run()
    assert few.manifest["left_out"] == "2 of 2 evaluations (the least, in about 3 minutes)"
    assert capsys.readouterr().err == ""


def test_the_same_call_ends_where_it_would_have_ended(whole, seconds, tmp_path):
    seconds(1.0)
    journal = tmp_path / "a.journal"
    first = small_search(journal, budget_minutes=9 / 60)
    first.events.add = _stop_at_the_first_batch(first)
    assert len(first.run().history) == 4
    # On a machine that is slower by now.
    seconds(50.0)
    again = small_search(journal, budget_minutes=9 / 60).run()
    assert first_of(whole, again, 8)
    assert again.manifest["left_out"] == "8 of 12 evaluations"


def _stop_at_the_first_batch(search):
    add = search.events.add

    def stopping(kind, **details):
        add(kind, **details)
        if kind == "batch":
            search.stop()

    return stopping


def test_more_time_or_none_goes_on_with_the_same_history(whole, seconds, tmp_path):
    measured = seconds(1.0)
    journal = tmp_path / "a.journal"
    assert first_of(whole, small_search(journal, budget_minutes=5 / 60).run(), 4)
    assert first_of(whole, small_search(journal, budget_minutes=9 / 60).run(), 8)
    # Less time than it took so far: what is stored stays.
    shorter = small_search(journal, budget_minutes=5 / 60).run()
    assert first_of(whole, shorter, 8)
    assert shorter.manifest["left_out"] == "8 of 12 evaluations"
    before = len(measured)
    longer = small_search(journal).run()
    assert_frame_equal(longer.history, whole)
    assert TimeLimit.of(longer.manifest) is None
    assert len(measured) == before


def test_a_search_with_nothing_left_to_do_is_not_measured(seconds, tmp_path):
    measured = seconds(1.0)
    small_search(tmp_path / "a.journal", budget=4).run()
    small_search(tmp_path / "a.journal", budget=4).run(progress=True)
    small_search(tmp_path / "a.journal", budget=4, budget_minutes=1).run()
    assert measured == []


def test_a_search_in_the_background_keeps_to_its_time_too(whole, seconds):
    seconds(1.0)
    search = small_search("memory", budget_minutes=5 / 60)
    search.start()
    assert search.wait(60)
    assert first_of(whole, search.result, 4)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_time_is_a_positive_number(wrong):
    expected = "`budget_minutes` must be None or a finite number > 0"
    with pytest.raises(KShotError, match=expected):
        small_search("memory", budget_minutes=wrong)
    with pytest.raises(KShotError, match=expected):
        kv.search_groups(toy_backbone(), small_reward(), budget_minutes=wrong)


def test_images_that_are_prepared_otherwise_are_another_search(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    other = small_search(tmp_path / "a.journal", budget=8)
    look = kv.Preprocess(invert=True)
    other.backbone.preprocess = other._network.preprocess = look
    with pytest.raises(KShotValueError, match="preprocess differ"):
        other.run()


def test_the_scorer_tells_every_run_in_the_calling_thread():
    search, seen = small_search("memory", prune="halving"), []
    drawn = [search.space.candidate(point) for point in _points(search, 4)]
    search._scorer(drawn, lambda done: seen.append((threading.current_thread(), done)))
    assert {thread for thread, _ in seen} == {threading.current_thread()}
    done = [one for _, one in seen]
    assert done == sorted(done)
    # The first of four tasks for all, the second for two, the rest for one.
    assert done[-1] == pytest.approx((4 + 2 + 2) / 4)
    assert len(set(done)) > 4


def _points(search, count):
    base = {name: values[0] for name, values in search.space.values.items()}
    layer = next(iter(search.space.layers))
    return [base | {f"{layer}/step_size": value} for value in (0.1, 0.3, 1.0, 3.0)[:count]]


def test_settings_of_a_search_differ_in_the_limit_alone(seconds):
    seconds(1.0)
    search = small_search("memory", budget_minutes=5 / 60)
    asked = search.settings
    search.run()
    assert replace(search.settings, budget=asked.budget, limit=None) == asked

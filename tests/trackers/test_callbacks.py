"""Callbacks hear of every row once, change nothing, and end a call clearly where they fail."""

from __future__ import annotations

import os

import pytest
from networks import toy_backbone, toy_data
from small_search import small_search

import kshot_viz as kv
from kshot_viz.errors import KShotError

pytestmark = pytest.mark.slow

CONFIG = kv.FinetuneConfig(lr=0.02, steps=3)
GRID = kv.TuningGrid(lrs=(0.01, 0.1), head_lrs=(0.3,), head_only_lrs=(0.1,), steps=(2, 4), extend=0)
PLAIN = (str, int, float, bool, type(None))


class Heard(kv.trackers.Callback):
    """Writes down what it is told, spoils what it was given, and may fail at a row."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.names, self.rows, self.fail_at = [], [], fail_at

    def on_start(self, run):
        self.names.append("start")
        self.run = run

    def on_row(self, row):
        assert os.getpid() == PROCESS
        if len(self.rows) == self.fail_at:
            raise OSError("the disk is full")
        self.rows.append(dict(row))
        row.clear()

    def on_finish(self, result):
        self.names.append("finish")
        self.result = result

    def on_error(self, error):
        self.names.append("error")
        self.error = error


PROCESS = os.getpid()


@pytest.fixture(scope="module")
def data():
    return toy_data(3, 24)


@pytest.fixture(scope="module")
def episodes(data):
    return kv.sample_episodes(data, way=3, shot=1, query=5, n=3, seed=1)


@pytest.fixture(scope="module")
def backbone():
    return toy_backbone()


def candidates():
    return [
        kv.Candidate(kv.GroupingRule(n_groups=0.5), CONFIG),
        kv.Candidate(None, CONFIG, method="plain"),
    ]


def compare(backbone, data, episodes, **options):
    return kv.compare_methods(
        backbone, data, episodes, methods=["head_only", "plain"], grid=GRID, n_val=2, **options
    )


def unlike(frame):
    """Return what must be the same in every call."""
    return frame.drop(columns="seconds")


# ---- what they hear ---------------------------------------------------------------------------


def test_finetune_tells_every_step_and_changes_nothing(backbone, data, episodes):
    support, _ = episodes[0].split(data)
    heard = Heard()
    options = {"method": "plain", "config": CONFIG, "seed": 3}
    alone = kv.finetune(backbone, support, **options)
    told = kv.finetune(backbone, support, **options, callbacks=[heard])
    assert (told.losses, told.accuracies) == (alone.losses, alone.accuracies)
    assert heard.rows == told.history.to_dict("records")
    assert heard.names == ["start", "finish"]
    assert heard.result is told
    assert heard.run.title == "finetune ToyNet"
    assert heard.run.settings.items() >= {"method": "plain", "lr": 0.02, "way": 3}.items()


def test_evaluate_tells_every_row_and_changes_nothing(backbone, data, episodes):
    heard = Heard()
    given = {"at_steps": [1, 3]}
    alone = kv.evaluate(backbone, data, episodes, candidates(), **given)
    told = kv.evaluate(backbone, data, episodes, candidates(), **given, callbacks=[heard])
    assert unlike(told).equals(unlike(alone))
    assert len(heard.rows) == len(told) == 12
    kept = told.drop(columns="predicted").assign(resumed=False)
    order = ["run", "steps"]
    rows = type(kept)(heard.rows)[kept.columns]
    assert rows.sort_values(order, ignore_index=True).equals(
        kept.sort_values(order, ignore_index=True)
    )
    assert all(isinstance(value, PLAIN) for row in heard.rows for value in row.values())


def test_the_frame_that_a_callback_gets_is_its_own(backbone, data, episodes):
    class Spoils:
        def on_finish(self, result):
            result["accuracy"] = 0.0

    rows = kv.evaluate(backbone, data, episodes[:1], candidates(), callbacks=[Spoils()])
    assert rows["accuracy"].max() > 0


def test_a_comparison_tells_each_row_once_and_is_the_same(backbone, data, episodes, tmp_path):
    heard = Heard()
    alone = compare(backbone, data, episodes)
    # With a time, the first episodes are measured before they are asked for again.
    told = compare(backbone, data, episodes, callbacks=[heard], out=tmp_path, budget_minutes=60.0)
    assert unlike(told.frame).equals(unlike(alone.frame))
    timed = {"estimated_seconds", "budget_minutes", "left_out", "fits_budget"}
    assert {k: v for k, v in told.manifest.items() if k not in timed} == alone.manifest
    keys = [(row["run"], row["steps"]) for row in heard.rows]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(zip(told.frame["run"], told.frame["steps"], strict=True))
    assert {row["pool"] for row in heard.rows} == {"val", "test"}
    assert heard.names == ["start", "finish"]
    assert heard.result is told
    assert told.replay(row=0).identical
    # Nothing that is kept knows of callbacks: the same call without them finds all of it.
    before = (tmp_path / "rows.jsonl").read_bytes()
    again = compare(backbone, data, episodes, out=tmp_path, budget_minutes=60.0)
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    assert again.frame.equals(told.frame)


def test_a_search_tells_rollouts_and_goes_on_with_those_before(tmp_path):
    journal, first, second = tmp_path / "a.journal", Heard(), Heard()
    alone = small_search("memory", budget=8).run()
    small_search(journal, budget=4, callbacks=[first]).run()
    told = small_search(journal, budget=8, callbacks=[second]).run()
    assert told.history.equals(alone.history)
    assert told.manifest == alone.manifest
    assert [row["rollout"] for row in second.rows] == list(range(len(told.rollouts)))
    stored, new = len(first.rows), len(second.rows) - len(first.rows)
    assert [row["resumed"] for row in second.rows] == [True] * stored + [False] * new
    assert 0 < stored < len(second.rows)
    assert first.names == second.names == ["start", "finish"]
    assert len(second.result.rollouts) == len(told.rollouts)
    assert second.run.settings["sampler"] == "reinforce"
    named = {name: value for name, value in second.rows[-1].items() if value == value}
    assert named.items() <= {"resumed": False, **told.history.iloc[-1].to_dict()}.items()


def test_a_search_that_is_stopped_ends_for_callbacks_too():
    class Stops(Heard):
        def on_row(self, row):
            super().on_row(row)
            search.stop()

    heard = Stops()
    search = small_search("memory", callbacks=[heard])
    search.run()
    assert search.state == "stopped"
    assert heard.names == ["start", "finish"]
    assert len(heard.rows) == len(heard.result.rollouts) == 4


# ---- errors -----------------------------------------------------------------------------------


def test_an_error_ends_the_call_and_what_was_finished_is_kept(backbone, data, episodes, tmp_path):
    fails, other, store = Heard(fail_at=2), Heard(), tmp_path / "rows.jsonl"
    options = {"store": store, "path": "loop"}
    with pytest.raises(KShotError, match=r"Heard failed in on_row \(OSError: the disk is full\)"):
        kv.evaluate(backbone, data, episodes, candidates(), callbacks=[other, fails], **options)
    assert fails.names == other.names == ["start", "error"]
    assert isinstance(fails.error, KShotError)
    kept = len(store.read_text().splitlines())
    assert kept == 3
    again = Heard()
    rows = kv.evaluate(backbone, data, episodes, candidates(), callbacks=[again], **options)
    assert len(rows) == 6
    assert [row["resumed"] for row in again.rows] == [True] * kept + [False] * (6 - kept)


def test_a_search_that_a_callback_ends_goes_on_later(tmp_path):
    journal = tmp_path / "a.journal"
    search = small_search(journal, budget=8, callbacks=[Heard(fail_at=5)])
    with pytest.raises(KShotError, match="the disk is full"):
        search.run()
    assert search.state == "failed"
    assert len(search.result.rollouts) == 8
    assert (
        small_search(journal, budget=8)
        .run()
        .history.equals(small_search("memory", budget=8).run().history)
    )


def test_an_interrupt_is_told_and_stays_one(backbone, data, episodes):
    class Interrupts(Heard):
        def on_row(self, row):
            raise KeyboardInterrupt

    heard = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        kv.evaluate(backbone, data, episodes, candidates(), callbacks=[heard])
    assert heard.names == ["start", "error"]


def test_an_error_of_on_error_hides_nothing(backbone, data, episodes, caplog):
    class Breaks(Heard):
        def on_error(self, error):
            raise RuntimeError("broken too")

    heard = Heard()
    with pytest.raises(KShotError, match="the disk is full"):
        kv.evaluate(backbone, data, episodes, candidates(), callbacks=[Breaks(fail_at=0), heard])
    assert heard.names == ["start", "error"]
    assert "broken too" in caplog.text


def test_a_wrong_argument_is_told_to_nobody(backbone, data, episodes):
    heard = Heard()
    with pytest.raises(KShotError, match="path"):
        kv.evaluate(backbone, data, episodes, candidates(), path="x", callbacks=[heard])
    assert heard.names == []


@pytest.mark.parametrize("wrong", [Heard, [Heard], [object()], "on_row", 3, {"on_row": print}])
def test_what_is_no_list_of_callbacks_is_refused(backbone, data, episodes, wrong):
    support, _ = episodes[0].split(data)
    calls = [
        lambda: kv.finetune(backbone, support, method="plain", callbacks=wrong),
        lambda: kv.evaluate(backbone, data, episodes, candidates(), callbacks=wrong),
        lambda: compare(backbone, data, episodes, callbacks=wrong),
        lambda: small_search("memory", callbacks=wrong),
    ]
    for call in calls:
        with pytest.raises(kv.KShotError, match="`callbacks` must be a list of callbacks"):
            call()


def test_an_object_with_one_of_the_methods_suffices(backbone, data, episodes):
    class Counts:
        rows = 0

        def on_row(self, row):
            self.rows += 1

    counts = Counts()
    kv.evaluate(backbone, data, episodes, candidates(), callbacks=[counts])
    assert counts.rows == 6


def test_callbacks_are_a_list_of_objects(backbone, data, episodes):
    heard = Heard()
    for wrong in ((one for one in [heard]), iter([heard]), heard):
        with pytest.raises(KShotError, match="a list of callbacks"):
            kv.evaluate(backbone, data, episodes, candidates(), callbacks=wrong)
    with pytest.raises(KShotError, match="a class is none until it is called"):
        kv.evaluate(backbone, data, episodes, candidates(), callbacks=[Heard])
    assert heard.names == []


def test_a_callback_is_told_of_one_end(backbone, data, episodes):
    class Ends(Heard):
        def on_finish(self, result):
            super().on_finish(result)
            raise RuntimeError("no room")

    heard = Ends()
    with pytest.raises(KShotError, match="no room"):
        kv.evaluate(backbone, data, episodes, candidates(), callbacks=[heard])
    assert heard.names[-1] == "finish"
    assert "error" not in heard.names

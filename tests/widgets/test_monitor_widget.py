"""SearchMonitor without a browser: driving a search, following one elsewhere, errors."""

from __future__ import annotations

import threading

import pandas as pd
import pytest
from left_behind import leaves
from small_search import small_search

from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.search.follow import OtherSearch, OwnSearch, follow
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.reinforce import ReinforceConfig
from kshot_viz.viz import plot_chosen, plot_entropy, plot_policy, plot_search, to_png
from kshot_viz.viz.search_view import SearchPicture, choices, said, trials_frame
from kshot_viz.widgets.monitor import SearchMonitor

PATIENCE = 120


class Meeting:
    """Waits until a trait of a widget has been seen with a value."""

    def __init__(self, widget: SearchMonitor) -> None:
        self._widget, self._news = widget, threading.Condition()
        widget.observe(self._heard)

    def _heard(self, _) -> None:
        with self._news:
            self._news.notify_all()

    def until(self, met) -> None:
        with self._news:
            assert self._news.wait_for(lambda: met(self._widget), PATIENCE), self._widget.state


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "search.journal"


@pytest.fixture
def monitor(journal):
    made = SearchMonitor(small_search(journal))
    yield made
    made.close()


def enabled(monitor) -> list[str]:
    return [name for name, one in monitor.controls.buttons.items() if not one.disabled]


def test_start_to_finish(monitor):
    meeting = Meeting(monitor)
    assert (monitor.state, monitor.rollouts, enabled(monitor)) == ("new", 0, ["start"])
    first = monitor._curve.value
    monitor.controls.buttons["start"].click()
    meeting.until(lambda one: one.state == "finished" and one.spent >= 11.9)
    assert monitor.wait(PATIENCE)
    assert monitor.rollouts == len(monitor.frame()) == len(monitor.result.rollouts)
    assert monitor._curve.value != first
    assert monitor.controls.bar.value == pytest.approx(monitor.spent / 12)
    assert enabled(monitor) == []


def test_pause_resume_and_stop(monitor):
    search, meeting = monitor._followed._search, Meeting(monitor)
    search.pause()
    monitor.start()
    meeting.until(lambda one: one.state == "paused")
    assert monitor.wait(PATIENCE)
    assert enabled(monitor) == ["resume", "stop"]
    monitor.resume()
    meeting.until(lambda one: one.rollouts >= 4)
    monitor.stop()
    assert search.wait(PATIENCE)
    meeting.until(lambda one: one.state in ("stopped", "finished"))


def test_what_was_found_is_what_the_search_found_without_a_monitor(monitor, tmp_path):
    meeting = Meeting(monitor)
    monitor.start()
    meeting.until(lambda one: one.state == "finished")
    alone = small_search(tmp_path / "alone.journal").run()
    pd.testing.assert_frame_equal(monitor.frame(), alone.history)


def test_an_error_in_the_thread_is_shown(monitor):
    search, meeting = monitor._followed._search, Meeting(monitor)

    def broken(*_):
        raise RuntimeError("the network is gone <b>")

    search._scorer = broken
    search._scorer.cost = lambda n: float(n)
    monitor.start()
    meeting.until(lambda one: one.state == "failed")
    assert search.wait(PATIENCE)
    monitor._redraw.ask()
    assert monitor.wait(PATIENCE)
    assert "the network is gone &lt;b&gt;" in monitor._trouble.value
    assert enabled(monitor) == ["start"]


def test_a_second_start_is_answered_with_a_sentence(monitor):
    monitor._followed._search.pause()
    monitor.start()
    monitor._do("start")
    assert "running already" in monitor._trouble.value
    monitor.stop()
    assert monitor._followed._search.wait(PATIENCE)


def test_two_monitors_follow_the_same_search(journal):
    search = small_search(journal)
    one, two = SearchMonitor(search), SearchMonitor(search)
    meetings = Meeting(one), Meeting(two)
    one.start()
    for meeting in meetings:
        meeting.until(lambda monitor: monitor.state == "finished" and monitor.rollouts >= 12)
    pd.testing.assert_frame_equal(one.frame(), two.frame())
    one.close()
    two.close()


def test_a_finished_search_is_followed_by_its_address(journal):
    found = small_search(journal).run()
    for address in (str(journal), journal, GroupSearch.attach(journal)):
        monitor = SearchMonitor(address)
        assert (monitor.state, monitor.rollouts) == ("finished", len(found.rollouts))
        assert enabled(monitor) == []
        pd.testing.assert_frame_equal(monitor.frame(), found.history)
        monitor.close()


def test_a_new_search_shows_what_its_storage_holds(journal):
    found = small_search(journal, budget=8).run()
    monitor = SearchMonitor(small_search(journal))
    assert monitor.rollouts == len(found.rollouts)
    assert monitor.controls.buttons["start"].description == "Go on"
    meeting = Meeting(monitor)
    monitor.start()
    meeting.until(lambda one: one.state == "finished")
    monitor.close()


def test_requests_go_through_the_storage(journal):
    search = small_search(journal)
    search.pause()
    search.start()
    search.events.since(1, timeout=PATIENCE)
    monitor = SearchMonitor(journal)
    meeting = Meeting(monitor)
    meeting.until(lambda one: one.state == "paused")
    with pytest.raises(KShotValueError, match="cannot be started here"):
        monitor.start()
    monitor.stop()
    assert search.wait(PATIENCE)
    meeting.until(lambda one: one.state == "stopped")
    assert monitor.wait(PATIENCE)
    assert enabled(monitor) == []
    monitor.close()


def test_a_storage_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(KShotFileError, match=r"nowhere\.journal: the file does not exist"):
        SearchMonitor(tmp_path / "nowhere.journal")


@pytest.mark.parametrize("given", [None, 3, object()])
def test_anything_else_is_refused(given):
    with pytest.raises(KShotValueError, match="A search to follow is a GroupSearch"):
        SearchMonitor(given)


def test_it_leaves_its_curve_where_no_kernel_runs(journal):
    found = small_search(journal).run()
    monitor = SearchMonitor(journal)
    leaves(monitor, plot_search(found))
    monitor.close()


def test_an_unknown_view_is_refused(monitor):
    with pytest.raises(KShotKeyError, match="`view` must be one of 'policy'"):
        monitor.view = "magic"
    assert monitor.view == "policy"


def test_every_side_has_its_picture_and_its_numbers(journal):
    found = small_search(journal).run()
    for view, figure in (
        ("policy", plot_policy(found, "n_groups")),
        ("entropy", plot_entropy(found)),
        ("chosen", plot_chosen(found)),
    ):
        shown = SearchPicture(found, view)
        assert to_png(shown.figure()) == to_png(figure)
        assert len(shown.frame())
    assert SearchPicture(found, "trials").figure() is None
    assert SearchPicture(found).choice == choices(found)[0] == "n_groups"


def test_trials_are_listed_with_the_newest_first(journal):
    found = small_search(journal).run()
    frame = trials_frame(found)
    assert frame["rollout"].tolist() == found.history["rollout"].tolist()[::-1]
    assert set(found.rollouts[0].parameters) <= set(frame)


def test_a_search_without_rollouts_has_pictures_too(journal):
    empty = small_search(journal).result
    assert said(empty) == "No rollout yet."
    for view in ("policy", "entropy", "chosen"):
        SearchPicture(empty, view).figure().canvas.draw()
    assert len(SearchPicture(empty, "trials").frame()) == 0


def in_groups(journal) -> GroupSearch:
    """A search that can only find groups: of half the width, moving at one speed."""
    like = small_search("memory")
    space = like.space.only(n_groups=(0.5,), step_size=(1.0,))
    batch = ReinforceConfig(batch_size=4)
    options = {"budget": 4, "learning": batch, "storage": journal}
    return GroupSearch(like.backbone, like.objective, space=space, **options)


def test_the_best_grouping_opens_in_an_explorer(journal):
    search = in_groups(journal)
    found = search.run()
    monitor = SearchMonitor(search)
    monitor.view = "chosen"
    assert monitor.wait(PATIENCE)
    assert monitor.controls.buttons["start"].disabled
    explorer = monitor.explorer()
    first = found.reward.episodes[0]
    expected = found.grouping(first.split(found.reward.data)[0], name=first.name)
    assert explorer.grouping == expected
    monitor.close()
    attached = SearchMonitor(journal)
    with pytest.raises(KShotValueError, match="attached by its storage has no network"):
        attached.explorer()
    attached.close()


def test_following_ends_when_the_monitor_is_closed(monitor):
    monitor.close()
    monitor._listener.join(PATIENCE)
    assert not monitor._listener.is_alive()


def test_own_and_other_searches_are_told_apart(journal):
    search = small_search(journal)
    assert isinstance(follow(search), OwnSearch)
    search.run()
    assert isinstance(follow(journal), OtherSearch)
    with pytest.raises(KShotError):
        follow(journal.with_name("no.journal"))

"""SearchMonitor without a browser: driving a search, following one elsewhere, errors."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref

import pandas as pd
import pytest
from ipywidgets.widgets.widget import _instances
from left_behind import leaves
from small_search import small_search

from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.search_view import SearchView
from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.viz import plot_chosen, plot_entropy, plot_policy, plot_search, to_png
from kshot_viz.viz.search.search_view import SearchPicture, choices, progress_text, trials_frame
from kshot_viz.widgets.monitor import search_controls as monitor_listener
from kshot_viz.widgets.monitor.search_monitor import SearchMonitor

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_pause_resume_and_stop(monitor):
    search, meeting = monitor._followed, Meeting(monitor)
    search.pause()
    monitor.start()
    meeting.until(lambda one: one.state == "paused")
    assert monitor.wait(PATIENCE)
    assert enabled(monitor) == ["resume", "stop"]
    monitor.resume()
    meeting.until(lambda one: one.rollouts >= 4)
    # It may have come to its end just now.
    with contextlib.suppress(KShotError):
        monitor.stop()
    assert search.wait(PATIENCE)
    meeting.until(lambda one: one.state in ("stopped", "finished"))


@pytest.mark.slow
def test_what_was_found_is_what_the_search_found_without_a_monitor(monitor, tmp_path):
    meeting = Meeting(monitor)
    monitor.start()
    meeting.until(lambda one: one.state == "finished")
    alone = small_search(tmp_path / "alone.journal").run()
    pd.testing.assert_frame_equal(monitor.frame(), alone.history)


@pytest.mark.slow
def test_an_error_in_the_thread_is_shown(monitor):
    search, meeting = monitor._followed, Meeting(monitor)

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


def test_a_second_start_is_refused_with_a_sentence(monitor):
    monitor._followed.pause()
    monitor.start()
    monitor._do("start")
    assert "so it cannot start" in monitor._trouble.value
    monitor._followed.events.since(1, timeout=PATIENCE)
    monitor._draw()
    assert enabled(monitor) == ["resume", "stop"]
    monitor.stop()
    assert monitor._followed.wait(PATIENCE)


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_what_cannot_be_done_now_is_said_and_leaves_the_buttons_as_they_are(monitor, action):
    with pytest.raises(KShotError, match=f"is new, so it cannot {action} now; possible: start"):
        getattr(monitor, action)()
    monitor._do(action)
    monitor._draw()
    assert f"cannot {action}" in monitor._trouble.value
    assert enabled(monitor) == ["start"]


def test_a_start_that_fails_again_can_be_tried_again(monitor):
    search = monitor._followed
    small_search(monitor._followed.storage, seed=6, budget=4).run()
    for _ in range(2):
        monitor.start()
        assert search.wait(PATIENCE)
        monitor._draw()
        assert (monitor.state, enabled(monitor)) == ("failed", ["start"])
        assert "another search" in monitor._trouble.value


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_finished_search_is_followed_by_its_address(journal):
    found = small_search(journal).run()
    for address in (str(journal), journal, GroupSearch.attach(journal)):
        monitor = SearchMonitor(address)
        assert (monitor.state, monitor.rollouts) == ("finished", len(found.rollouts))
        assert enabled(monitor) == []
        pd.testing.assert_frame_equal(monitor.frame(), found.history)
        monitor.close()


@pytest.mark.slow
def test_a_new_search_shows_what_its_storage_holds(journal):
    found = small_search(journal, budget=8).run()
    monitor = SearchMonitor(small_search(journal))
    assert monitor.rollouts == len(found.rollouts)
    assert monitor.controls.buttons["start"].description == "Go on"
    meeting = Meeting(monitor)
    monitor.start()
    meeting.until(lambda one: one.state == "finished")
    monitor.close()


@pytest.mark.slow
def test_going_on_shows_what_was_found_before_the_first_new_batch(journal):
    found = small_search(journal, budget=8).run()
    search, begun, go = small_search(journal), threading.Event(), threading.Event()
    score = search._scorer

    class Gate:
        def __call__(self, *given):
            begun.set()
            assert go.wait(PATIENCE)
            return score(*given)

        def __getattr__(self, name):
            return getattr(score, name)

    search._scorer = Gate()
    monitor = SearchMonitor(search)
    monitor.start()
    assert begun.wait(PATIENCE)
    monitor._draw()
    assert (monitor.state, monitor.rollouts) == ("running", len(found.rollouts))
    pd.testing.assert_frame_equal(monitor.frame(), found.history)
    assert monitor.controls.bar.value == pytest.approx(8 / 12)
    go.set()
    assert search.wait(PATIENCE)
    monitor.close()


@pytest.mark.slow
def test_a_second_search_in_the_same_storage_fails_and_keeps_its_rollouts(journal):
    found = small_search(journal, budget=8).run()
    owner = Ledger(journal, own=True)
    second = small_search(journal)
    monitor = SearchMonitor(second)
    monitor.start()
    assert second.wait(PATIENCE)
    monitor._draw()
    assert (monitor.state, monitor.rollouts) == ("failed", len(found.rollouts))
    assert "in use by another search" in monitor._trouble.value
    assert enabled(monitor) == ["start"]
    owner.close()
    monitor.close()


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "address", ["sqlite:////no/such/dir/x.db", "postgresql://u@h/x", "foo://x"]
)
def test_a_storage_that_cannot_be_opened_is_named(address):
    with pytest.raises(KShotFileError):
        SearchMonitor(address)


def test_a_storage_without_a_search_in_it_is_said(tmp_path):
    with pytest.raises(KShotFileError):
        SearchMonitor(tmp_path)
    (tmp_path / "text.journal").write_text("hello\n")
    with pytest.raises(KShotFileError, match=r"text\.journal"):
        SearchMonitor(tmp_path / "text.journal")
    begun = Ledger(tmp_path / "begun.journal", own=True)
    with pytest.raises(KShotFileError, match="it has not begun"):
        SearchMonitor(tmp_path / "begun.journal")
    begun.close()


@pytest.mark.parametrize("given", [None, 3, object()])
def test_anything_else_is_refused(given):
    with pytest.raises(KShotValueError, match="A search to follow is a GroupSearch"):
        SearchMonitor(given)


def test_one_that_never_began_is_closed_in_silence():
    SearchMonitor.__new__(SearchMonitor).close()


def test_it_says_what_it_follows(monitor):
    assert repr(monitor) == "SearchMonitor, new: SearchResult without rollouts"


@pytest.mark.slow
def test_it_leaves_its_curve_where_no_kernel_runs(journal):
    found = small_search(journal).run()
    monitor = SearchMonitor(journal)
    leaves(monitor, plot_search(found))
    monitor.close()


def test_an_unknown_view_is_refused(monitor):
    with pytest.raises(KShotKeyError, match="`view` must be one of 'policy'"):
        monitor.view = "magic"
    assert monitor.view == "policy"


@pytest.mark.slow
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


@pytest.mark.slow
def test_trials_are_listed_with_the_newest_first(journal):
    found = small_search(journal).run()
    frame = trials_frame(found)
    assert frame["rollout"].tolist() == found.history["rollout"].tolist()[::-1]
    assert set(found.rollouts[0].parameters) <= set(frame)


def test_a_search_without_rollouts_has_pictures_too(journal):
    empty = small_search(journal).result
    assert progress_text(empty) == "No rollout yet."
    for view in ("policy", "entropy", "chosen"):
        SearchPicture(empty, view).figure().canvas.draw()
    assert len(SearchPicture(empty, "trials").frame()) == 0


def in_groups(journal) -> GroupSearch:
    """A search that can only find groups: of half the width, moving at one speed."""
    like = small_search("memory")
    space = like.space.only(n_groups=(0.5,), step_size=(1.0,))
    batch = ReinforceConfig(batch_size=4)
    options = {"budget": 4, "learning": batch, "storage": journal}
    return GroupSearch(like.backbone, like.reward, space=space, **options)


@pytest.mark.slow
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


def test_following_goes_on_after_an_error_of_the_storage(journal, monkeypatch):
    monkeypatch.setattr(monitor_listener, "NEWS_SECONDS", 0.02)
    search = small_search(journal)
    search.pause()
    search.start()
    search.events.since(1, timeout=PATIENCE)
    works, broken = SearchView.wait_for_change, threading.Event()

    def wait_for_change(self, seen, timeout):
        if broken.is_set():
            raise OSError("database is locked")
        return works(self, seen, timeout)

    monkeypatch.setattr(SearchView, "wait_for_change", wait_for_change)
    monitor = SearchMonitor(journal)
    trouble = Meeting(monitor._trouble)
    broken.set()
    trouble.until(lambda one: "database is locked" in one.value)
    broken.clear()
    trouble.until(lambda one: one.kind == "idle")
    meeting = Meeting(monitor)
    search.stop()
    meeting.until(lambda one: one.state == "stopped")
    monitor.close()


def test_a_drawing_that_failed_is_made_again(monitor, monkeypatch):
    monkeypatch.setattr(monitor_listener, "NEWS_SECONDS", 0.02)
    trouble, broken = Meeting(monitor._trouble), threading.Event()
    broken.set()
    works = GroupSearch.result.fget

    def result(self):
        if broken.is_set():
            raise OSError("disk gone")
        return works(self)

    monkeypatch.setattr(GroupSearch, "result", property(result))
    monitor._redraw.ask()
    trouble.until(lambda one: "disk gone" in one.value)
    broken.clear()
    trouble.until(lambda one: one.kind == "idle")


@pytest.mark.slow
def test_a_search_that_is_over_is_followed_no_longer(journal):
    small_search(journal).run()
    monitor = SearchMonitor(journal)
    monitor._listener.join(PATIENCE)
    assert not monitor._listener.is_alive()
    assert monitor.state == "finished"
    monitor.close()


@pytest.mark.slow
def test_listening_ends_with_the_last_who_watches():
    class Quiet:
        over = False

        def __init__(self):
            self.asked = threading.Event()

        def wait_for_change(self, seen, timeout):
            self.asked.set()
            return seen

    class Watching:
        def notify(self, *, news, trouble):
            return True

    watcher, followed = Watching(), Quiet()
    listener = monitor_listener.begin_listening(weakref.ref(watcher), followed, threading.Event())
    assert followed.asked.wait(PATIENCE)
    assert listener.is_alive()
    del watcher
    gc.collect()
    listener.join(PATIENCE)
    assert not listener.is_alive()


@pytest.mark.slow
def test_an_explorer_that_is_replaced_is_closed():
    search = in_groups("memory")
    search.run()
    monitor = SearchMonitor(search)
    counts = []
    for _ in range(2):
        monitor._open()
        assert monitor._opening.wait(PATIENCE)
        assert monitor._opened.children[0].wait(PATIENCE)
        counts.append(len(_instances))
    assert counts[0] == counts[1]
    monitor.close()


@pytest.mark.slow
def test_the_network_that_is_searched_is_left_alone_by_its_explorer():
    search = in_groups("memory")
    search.run()
    monitor = SearchMonitor(search)
    later = []

    class Later:
        def start(self, work, done):
            later.append(work)

    monitor._opening = Later()
    monitor._open()
    seen = []
    for module in search.backbone.module.modules():
        module.register_forward_hook(lambda *_: seen.append(1))
    explorer = later[0]()
    assert explorer.wait(PATIENCE)
    assert seen == []
    explorer.close()
    monitor.close()


@pytest.mark.slow
def test_several_random_searches_stand_beside_the_curve_as_a_band(journal):
    search = small_search(journal)
    search.run()
    lucky = [small_search("memory", sampler="random", seed=seed).run() for seed in (1, 2)]
    monitor = SearchMonitor(search, random=lucky)
    alone = plot_search(search.result, random=lucky)
    assert to_png(monitor.figure()) == to_png(alone)
    labels = [one.get_text() for one in alone.get_legend().get_texts()]
    assert "range of 2 random searches" in labels
    monitor.close()


def test_the_state_of_a_search_is_escaped(monitor):
    class Odd:
        state, requested, actions, error = "<b>odd</b>", "", (), None

    monitor.controls.show(Odd(), monitor.result)
    assert "<b>" not in monitor.controls.badge.value

"""Events; start, pause, resume and stop: from threads of the same process, and at its end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_search import after_batch, small_search, wait_for

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.search.lifecycle import Events

SUPPORT = Path(__file__).parents[1] / "support"


def test_a_search_in_memory_goes_on_after_a_stop():
    whole = small_search("memory").run().history
    search = small_search("memory")
    after_batch(search, search.stop)
    assert len(search.run().rollouts) == 4
    assert search.run().history.equals(whole)


def test_a_listener_of_the_stop_can_start_it_again():
    search = small_search("memory")
    after_batch(search, search.stop)
    search.start()
    seen = 0
    while search.state != "stopped":
        seen += len(search.events.since(seen, timeout=10))
    search.start()
    assert search.wait(60)
    assert (search.state, search.error) == ("finished", None)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [False, True])
def test_python_ends_without_waiting_for_the_rest_of_a_search(pause):
    lines = [
        "from small_search import small_search",
        "search = small_search('memory', budget=1e6, sampler='random')",
        *["search.pause()"] * pause,
        "search.start()",
        "search.events.since(1, timeout=30)",
    ]
    env = {**os.environ, "PYTHONPATH": str(SUPPORT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=env, timeout=120, capture_output=True
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_an_old_request_does_not_undo_a_later_pause(tmp_path):
    journal = tmp_path / "a.journal"
    search = small_search(journal)

    def ask_then_pause():
        kv.GroupSearch.attach(journal).resume()

    after_batch(search, ask_then_pause, 1)
    seen = after_batch(search, search.pause, 2)
    search.start()
    while "paused" not in seen:
        search.events.since(len(search.events), timeout=0.1)
    # Longer than a paused search waits before it looks for requests.
    assert not search.wait(1)
    assert search.state == "paused"
    search.stop()
    assert search.wait(60)


def test_an_error_in_the_background_is_kept(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    search = small_search(tmp_path / "a.journal", seed=6)
    search.start()
    assert search.wait(60)
    assert "another search" in str(search.error)
    assert search.events.since(0)[-1].kind == "failed"
    assert threading.active_count() >= 1


def test_a_request_is_pending_until_it_takes_effect():
    search = small_search("memory")
    assert (search.requested, search.actions) == ("", ("start",))
    search.pause()
    assert search.requested == ""
    seen = []
    search.events.add = lambda kind, add=search.events.add, **details: (
        seen.append((kind, search.requested)),
        add(kind, **details),
    )
    search.request("start")
    assert wait_for(search, "paused")
    assert seen == [("started", "start"), ("paused", "")]
    assert (search.requested, search.actions) == ("", ("resume", "stop"))
    with pytest.raises(KShotValueError, match="is paused, so it cannot start now"):
        search.request("start")
    search.request("stop")
    assert search.wait(60)
    assert (search.state, search.requested, search.actions) == ("stopped", "", ("start",))


def test_a_pause_that_is_cancelled_before_it_takes_effect_never_happens(whole):
    search = small_search("memory")

    def pause_and_resume():
        search.request("pause")
        assert (search.requested, search.actions) == ("pause", ())
        search.request("resume")
        assert (search.requested, search.actions) == ("", ("pause", "stop"))

    kinds = after_batch(search, pause_and_resume)
    assert search.run().history.equals(whole)
    assert "paused" not in kinds


def test_a_reader_waits_for_the_next_event_and_reads_on_from_there():
    events = Events()
    assert events.since(0, timeout=0.01) == []
    events.add("started", spent=0.0)
    threading.Timer(0.05, lambda: events.add("batch")).start()
    assert [one.kind for one in events.since(1, timeout=30)] == ["batch"]
    assert [one.kind for one in events.since()] == ["started", "batch"]
    assert events.since()[0].details == {"spent": 0.0}
    assert len(events) == 2

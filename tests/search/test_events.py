"""The event log of a search."""

from __future__ import annotations

import threading

from kshot_viz.search.events import Events


def test_a_reader_waits_for_the_next_event_and_reads_on_from_there():
    events = Events()
    assert events.since(0, timeout=0.01) == []
    events.add("started", spent=0.0)
    threading.Timer(0.05, lambda: events.add("batch")).start()
    assert [one.kind for one in events.since(1, timeout=30)] == ["batch"]
    assert [one.kind for one in events.since()] == ["started", "batch"]
    assert events.since()[0].details == {"spent": 0.0}
    assert len(events) == 2

"""A search seen and driven through its storage."""

from __future__ import annotations

import pytest
from pandas.testing import assert_frame_equal
from small_search import small_search, wait_for

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.search.search_view import SearchView, open_search
from kshot_viz.search.storage.ledger import Ledger


def test_it_is_driven_from_another_thread_and_followed_from_elsewhere(tmp_path, whole):
    journal = tmp_path / "a.journal"
    search = small_search(journal)
    search.pause()
    search.start()
    assert wait_for(search, "paused")
    with pytest.raises(KShotError, match="in use by another search"):
        small_search(journal).run()
    view = kv.GroupSearch.attach(journal)
    assert view.state == "paused"
    view.resume()
    assert search.wait(60)
    assert search.state == view.state == "finished"
    assert_frame_equal(view.history, whole)
    assert view.result.best == search.result.best


def test_a_request_that_no_process_would_read_is_refused(tmp_path):
    journal = tmp_path / "a.journal"
    small_search(journal, budget=4).run()
    before = journal.read_bytes()
    with pytest.raises(KShotValueError, match="No process runs this search"):
        kv.GroupSearch.attach(journal).pause()
    assert journal.read_bytes() == before


def test_nothing_to_attach_to(tmp_path):
    with pytest.raises(KShotError, match="does not exist"):
        kv.GroupSearch.attach(tmp_path / "none.journal")


def test_a_search_that_has_not_begun_is_no_search_yet(tmp_path):
    Ledger(tmp_path / "a.journal", own=True).close()
    with pytest.raises(KShotFileError, match="not begun"):
        _ = kv.GroupSearch.attach(tmp_path / "a.journal").result


def test_a_request_that_took_effect_between_two_reads_is_no_longer_pending(tmp_path):
    ledger = Ledger(tmp_path / "a.journal", own=True)
    ledger.claim(small_search(tmp_path / "a.journal").manifest)
    ledger.state = "running"
    view = kv.GroupSearch.attach(tmp_path / "a.journal")
    view.request("pause")
    assert (view.requested, view.actions) == ("pause", ())
    assert ledger.take_request() == "pause"
    assert (view.requested, view.actions) == ("", ("pause", "stop"))
    with pytest.raises(KShotValueError, match="is running, so it cannot resume"):
        view.request("resume")
    assert view.actions == ("pause", "stop")
    ledger.close()


def test_it_waits_for_changes_of_the_storage(tmp_path):
    search = small_search(tmp_path / "a.journal", budget=4)
    search.run()
    view = kv.GroupSearch.attach(tmp_path / "a.journal")
    seen = view.wait_for_change(None, 0)
    assert view.wait_for_change(seen, 0.01) == seen
    small_search(tmp_path / "a.journal", budget=8).run()
    assert view.wait_for_change(seen, 0) != seen


def test_a_search_is_opened_as_it_is_or_by_its_address(tmp_path):
    search = small_search(tmp_path / "a.journal", budget=4)
    assert open_search(search) is search
    search.run()
    view = open_search(tmp_path / "a.journal")
    assert isinstance(view, SearchView)
    assert (view.over, search.over, view.actions) == (True, False, ())
    with pytest.raises(KShotValueError, match="cannot be started here"):
        view.start()
    with pytest.raises(KShotError):
        open_search(tmp_path / "no.journal")

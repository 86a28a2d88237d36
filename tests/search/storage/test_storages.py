"""Opening the storage of a search."""

from __future__ import annotations

import pytest
from pandas.testing import assert_frame_equal
from small_search import small_search

import kshot_viz as kv
from kshot_viz.errors import KShotFileError


def test_sqlite_holds_a_search_too(tmp_path, whole):
    address = f"sqlite:///{tmp_path / 'search.db'}"
    small_search(address, budget=6).run()
    assert_frame_equal(small_search(address).run().history, whole)


@pytest.mark.parametrize(
    "storage", ["sqlite:////no/such/folder/x.db", "foo://x", "folder", "sqlite:///none.db"]
)
def test_a_storage_that_cannot_be_opened_is_named(storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(KShotFileError, match=storage.rpartition("/")[2]):
        kv.GroupSearch.attach(storage)
    assert not (tmp_path / "none.db").exists()

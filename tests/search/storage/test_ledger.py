"""The stored record of a search: which search it is, and the versions that made it."""

from __future__ import annotations

import optuna
import pytest
from small_search import small_search

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.search.storage.ledger import Ledger

pytestmark = pytest.mark.slow


def test_another_search_does_not_go_into_the_same_storage(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    with pytest.raises(KShotError, match="another search: seed differ"):
        small_search(tmp_path / "a.journal", seed=6).run()


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_search_that_is_refused_leaves_the_other_one_alone(kind, tmp_path):
    first = storage = tmp_path / "a.journal"
    if kind == "sqlite":
        first = storage = f"sqlite:///{tmp_path / 'a.db'}"
    whole = small_search(first, budget=4).run()
    other = small_search(storage, seed=6, budget=4)
    if kind == "journal":
        with pytest.raises(KShotError, match="another search"):
            other.run()
        assert other.result.rollouts == ()
        view = kv.GroupSearch.attach(storage)
    else:
        # A database holds both.
        other.run()
        with pytest.raises(KShotFileError, match="holds 2 searches; choose by `key=`"):
            kv.GroupSearch.attach(storage)
        keys = [name.split()[-1] for name in optuna.get_all_study_names(storage)]
        views = [kv.GroupSearch.attach(storage, key=key) for key in keys]
        view = next(one for one in views if one.manifest["seed"] == 5)
    assert view.state == "finished"
    assert view.history.equals(whole.history)


def test_versions_that_made_a_part_are_stored(tmp_path):
    search = small_search(tmp_path / "a.journal", budget=4)
    older = {**search.manifest, "versions": {"kshot_viz": "0.0.1"}}
    ledger = Ledger(tmp_path / "a.journal", own=True)
    ledger.claim(older)
    ledger.claim(search.manifest)
    assert ledger.manifest["earlier_versions"] == [{"kshot_viz": "0.0.1"}]
    ledger.close()
    assert search.run().rollouts

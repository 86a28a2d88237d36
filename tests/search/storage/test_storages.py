"""Where searches are kept, and what they do to each other there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from small_search import small_backbone, small_reward, small_search

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.storage.journal import WriteLock
from kshot_viz.search.storage.ledger import Ledger

TESTS = Path(__file__).parents[2] / "support"
TORN = b'{"op_code":4,"study_id":0,"va'


def after_batch(search, act, number=1):
    """Act once, right after so many batches."""
    add, seen = search.events.add, []

    def told(kind, **details):
        add(kind, **details)
        seen.append(kind)
        if kind == "batch" and seen.count("batch") == number:
            act()

    search.events.add = told
    return seen


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


def test_a_misspelt_sampler_does_not_take_the_storage(tmp_path):
    with pytest.raises(KShotError, match="reinforce"):
        small_search(tmp_path / "a.journal", sampler="reinforc")
    assert small_search(tmp_path / "a.journal", budget=4).run().rollouts


def test_nobody_can_be_asked_where_nobody_works(tmp_path):
    journal = tmp_path / "a.journal"
    small_search(journal, budget=4).run()
    before = journal.read_bytes()
    with pytest.raises(KShotValueError, match="No process runs this search"):
        kv.GroupSearch.attach(journal).pause()
    assert journal.read_bytes() == before


def test_a_line_written_behind_a_torn_one_is_cut_with_it(tmp_path):
    journal = tmp_path / "a.journal"
    whole = small_search(journal, budget=8).run().history
    journal.unlink()
    small_search(journal, budget=4).run()
    with journal.open("ab") as file:
        file.write(TORN + b'{"op_code":2,"study_id":0}\n')
    assert small_search(journal, budget=8).run().history.equals(whole)
    assert len(list(tmp_path.glob("*.torn-*"))) == 1


@pytest.mark.slow
def test_a_search_that_prunes_runs_whole_batches_only():
    whole = small_search("memory", prune="halving").run().history
    for budget in (3, 4.5, 5.5, 6.5):
        short = small_search("memory", prune="halving", budget=budget).run().history
        assert len(short) % 4 == 0
        assert short.equals(whole.head(len(short)))
    with pytest.raises(KShotValueError, match="must suffice for a batch of 4"):
        small_search("memory", prune="halving", budget=1)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [3, 5])
def test_a_pruned_search_goes_on_with_a_larger_budget(budget, tmp_path):
    whole = small_search("memory", prune="halving").run().history
    small_search(tmp_path / "a.journal", prune="halving", budget=budget).run()
    longer = small_search(tmp_path / "a.journal", prune="halving")
    assert longer.run().history.equals(whole)
    told = [one for one in longer.events.since() if one.kind == "batch"]
    assert told[-1].details["spent"] == pytest.approx(whole["spent"].iloc[-1])


def test_the_larger_budget_is_what_is_stored(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    small_search(tmp_path / "a.journal", budget=8).run()
    assert kv.GroupSearch.attach(tmp_path / "a.journal").manifest["budget"] == 8


def test_no_file_comes_and_goes_beside_a_journal(tmp_path):
    seen = set()
    search = small_search(tmp_path / "a.journal", budget=8)
    add = JournalFileBackend.append_logs

    def append(self, logs):
        self._lock.acquire()
        seen.update(path.name for path in tmp_path.iterdir())
        self._lock.release()
        add(self, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", append)
        search.run()
    assert seen == {"a.journal", "a.journal.owner", ".a.journal.write"}
    assert {path.name for path in tmp_path.iterdir()} == seen


def test_writers_wait_for_each_other(tmp_path):
    first, second = (WriteLock(tmp_path / "a.journal") for _ in range(2))
    first.acquire()
    order = []
    thread = threading.Thread(target=lambda: (second.acquire(), order.append("second")))
    thread.start()
    order.append("first")
    first.release()
    thread.join()
    second.release()
    assert order == ["first", "second"]


def test_versions_that_made_a_part_are_kept(tmp_path):
    search = small_search(tmp_path / "a.journal", budget=4)
    older = {**search.manifest, "versions": {"kshot_viz": "0.0.1"}}
    ledger = Ledger(tmp_path / "a.journal", own=True)
    ledger.claim(older)
    ledger.claim(search.manifest)
    assert ledger.manifest["earlier_versions"] == [{"kshot_viz": "0.0.1"}]
    ledger.close()
    assert search.run().rollouts


def test_a_search_in_memory_goes_on_after_a_stop():
    whole = small_search("memory").run().history
    search = small_search("memory")
    after_batch(search, search.stop)
    assert len(search.run().rollouts) == 4
    assert search.run().history.equals(whole)


def test_who_hears_that_it_stopped_can_start_it_again():
    search = small_search("memory")
    after_batch(search, search.stop)
    search.start()
    place = 0
    while search.state != "stopped":
        place += len(search.events.since(place, timeout=10))
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
    env = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
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


def test_a_search_that_has_not_begun_is_no_search_yet(tmp_path):
    Ledger(tmp_path / "a.journal", own=True).close()
    with pytest.raises(KShotFileError, match="not begun"):
        _ = kv.GroupSearch.attach(tmp_path / "a.journal").result


@pytest.mark.parametrize(
    "storage", ["sqlite:////no/such/folder/x.db", "foo://x", "folder", "sqlite:///none.db"]
)
def test_a_storage_that_cannot_be_opened_is_named(storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(KShotFileError, match=storage.rpartition("/")[2]):
        kv.GroupSearch.attach(storage)
    assert not (tmp_path / "none.db").exists()


def test_looking_at_a_search_that_goes_on_shows_what_it_holds(tmp_path):
    known = small_search(tmp_path / "a.journal", budget=4).run().rollouts
    assert small_search(tmp_path / "a.journal").result.rollouts == known


def test_hooks_of_somebody_else_do_not_meet_the_search():
    backbone = small_backbone()
    search = kv.GroupSearch(backbone, small_reward(), budget=4, storage="memory")
    calls = []
    handles = [
        module.register_forward_hook(lambda *_: calls.append(1))
        for module in backbone.module.modules()
    ]
    search.run()
    for handle in handles:
        handle.remove()
    assert calls == []


# ---- samplers of others -------------------------------------------------------------------------


def tiny_space():
    config = kv.FinetuneConfig(lr=0.01, steps=2)
    only = {"max_within": (None,), "min_between": (None,), "groups_from": ("weights",)}
    return kv.GroupSpace.of(
        small_backbone(), n_groups=(0.5, 1.0), step_size=(1.0,), config=config, **only
    )


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_that_know_their_end_end_the_search():
    space = tiny_space()
    grid = {name: list(one.choices) for name, one in space.distributions().items()}
    for sampler in (optuna.samplers.GridSampler(grid), optuna.samplers.BruteForceSampler()):
        search = kv.GroupSearch(
            small_backbone(),
            small_reward(),
            space=space,
            sampler=sampler,
            storage="memory",
            budget=40,
            learning=ReinforceConfig(batch_size=4),
        )
        found = search.run()
        tried = {one.record["candidate"] for one in found.rollouts}
        assert len(tried) == space.size
        assert search.events.since()[-1].details["reason"] == "the sampler has proposed everything"


def test_why_a_search_ended_is_told():
    found = {}
    for budget in (2, 40):
        search = kv.GroupSearch(
            small_backbone(),
            small_reward(),
            space=tiny_space(),
            sampler="random",
            storage="memory",
            budget=budget,
            learning=ReinforceConfig(batch_size=2),
        )
        search.run()
        found[budget] = search.events.since()[-1].details["reason"]
    assert found == {2: "the budget is spent", 40: "nothing new in 10 batches"}


def test_a_sampler_brings_its_own_batches():
    own = kv.ReinforceSampler(seed=1, config=ReinforceConfig(batch_size=2))
    options = {"storage": "memory", "sampler": own, "budget": 8}
    search = kv.GroupSearch(small_backbone(), small_reward(), **options)
    history = search.run().history
    assert search.manifest["batch_size"] == 2
    whole = history["rollout"] < len(history) // 2 * 2
    assert (history["advantage"].notna() == whole).all()
    with pytest.raises(KShotValueError, match="differ"):
        small_search("memory", sampler=own)

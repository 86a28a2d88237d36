"""The batches of a search: samplers, budget, stored and pruned batches, why it ended."""

from __future__ import annotations

import optuna
import pytest
from pandas.testing import assert_frame_equal
from small_search import after_batch, small_backbone, small_reward, small_search, tiny_space

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.records import record_digest
from kshot_viz.search.controller.reinforce import ReinforceConfig

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("sampler", ["reinforce", "random", "tpe"])
@pytest.mark.parametrize("prune", [None, pytest.param("halving", marks=pytest.mark.slow)])
def test_the_budget_is_kept_and_a_stop_does_not_change_the_history(sampler, prune, tmp_path):
    settings = {"sampler": sampler, "prune": prune}
    uninterrupted = small_search("memory", **settings).run().history
    assert uninterrupted["spent"].iloc[-1] <= 12 + 1e-9
    search = small_search(tmp_path / "a.journal", **settings)
    after_batch(search, search.stop)
    assert len(search.run().history) == 4
    assert_frame_equal(
        small_search(tmp_path / "a.journal", **settings).run().history, uninterrupted
    )


def test_two_processes_make_the_same_history_as_one(whole):
    assert_frame_equal(small_search("memory", executor="processes", workers=2).run().history, whole)


def test_a_finished_search_is_not_run_again(tmp_path, whole):
    small_search(tmp_path / "a.journal").run()
    again = small_search(tmp_path / "a.journal")

    again._scorer = type("Never", (), {"cost": lambda self, n: n, "prunes": False})()
    assert_frame_equal(again.run().history, whole)


def test_a_larger_budget_goes_on_from_a_smaller_one(tmp_path):
    small_search(tmp_path / "a.journal", budget=6).run()
    longer = small_search(tmp_path / "a.journal", budget=12).run()
    assert_frame_equal(longer.history, small_search("memory").run().history)


def test_stored_candidates_with_keys_of_another_version_are_not_scored_again(tmp_path):
    def search(budget, storage):
        options = {"space": tiny_space(), "sampler": "random", "learning": ReinforceConfig(2)}
        made = kv.GroupSearch(
            small_backbone(), small_reward(), budget=budget, storage=storage, **options
        )
        return made.run().history

    with pytest.MonkeyPatch.context() as patch:
        older = property(lambda self: record_digest([self.to_dict(), "older"]))
        patch.setattr(kv.Candidate, "key", older)
        search(2, tmp_path / "a.journal")
    history, whole = search(40, tmp_path / "a.journal"), search(40, "memory")
    assert not history["candidate"].equals(whole["candidate"])
    assert history.drop(columns="candidate").equals(whole.drop(columns="candidate"))


def test_the_larger_budget_is_what_is_stored(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    small_search(tmp_path / "a.journal", budget=8).run()
    assert kv.GroupSearch.attach(tmp_path / "a.journal").manifest["budget"] == 8


def test_a_search_that_prunes_runs_whole_batches_only():
    whole = small_search("memory", prune="halving").run().history
    for budget in (3, 4.5, 5.5, 6.5):
        short = small_search("memory", prune="halving", budget=budget).run().history
        assert len(short) % 4 == 0
        assert short.equals(whole.head(len(short)))
    with pytest.raises(KShotValueError, match="must suffice for a batch of 4"):
        small_search("memory", prune="halving", budget=1)


@pytest.mark.parametrize("budget", [3, 5])
def test_a_pruned_search_goes_on_with_a_larger_budget(budget, tmp_path):
    whole = small_search("memory", prune="halving").run().history
    small_search(tmp_path / "a.journal", prune="halving", budget=budget).run()
    longer = small_search(tmp_path / "a.journal", prune="halving")
    assert longer.run().history.equals(whole)
    seen = [one for one in longer.events.since() if one.kind == "batch"]
    assert seen[-1].details["spent"] == pytest.approx(whole["spent"].iloc[-1])


def test_the_reason_why_a_search_ended_is_in_its_last_event():
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


def test_a_misspelt_sampler_does_not_take_the_storage(tmp_path):
    with pytest.raises(KShotError, match="reinforce"):
        small_search(tmp_path / "a.journal", sampler="reinforc")
    assert small_search(tmp_path / "a.journal", budget=4).run().rollouts


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_that_have_proposed_everything_end_the_search():
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

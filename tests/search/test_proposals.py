"""Samplers of a search: their names, their batches, and the end of their proposals."""

from __future__ import annotations

import optuna
import pytest
from small_search import small_backbone, small_reward, small_search, tiny_space

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.search.controller.reinforce import ReinforceConfig


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

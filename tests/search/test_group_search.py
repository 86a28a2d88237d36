"""A search object: what it keeps to itself, and what an earlier run of it left."""

from __future__ import annotations

import pytest
from small_search import small_backbone, small_reward, small_search

import kshot_viz as kv
from kshot_viz.errors import KShotValueError


def test_looking_at_a_search_that_goes_on_shows_what_it_holds(tmp_path):
    known = small_search(tmp_path / "a.journal", budget=4).run().rollouts
    assert small_search(tmp_path / "a.journal").result.rollouts == known


def test_hooks_on_the_network_see_nothing_of_the_search():
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


def test_it_is_rewarded_by_a_reward_only():
    with pytest.raises(KShotValueError, match=r"`reward` must be of type Reward \(made by"):
        kv.GroupSearch(small_backbone(), "accuracy")

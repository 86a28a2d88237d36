"""The tasks of a reward, and the images that form groups beside them."""

from __future__ import annotations

import pytest
from networks import toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.search.rewards.reward import Reward, forming, renumbered


def test_renumbered_episodes_hold_the_same_images():
    data = toy_data(4, 8)
    episodes = kv.sample_episodes(data, way=2, shot=1, query=2, n=2, val_share=0)
    kept, own = renumbered(data, episodes)
    for before, after in zip(episodes, own, strict=True):
        for name in ("support", "query"):
            digests = [data.digests[i] for i in getattr(before, name)]
            assert [kept.digests[i] for i in getattr(after, name)] == digests
    used = {i for one in own for i in (*one.support, *one.query)}
    assert used == set(range(len(kept)))


def test_images_that_form_groups_are_distinct_and_not_among_the_excluded():
    source = toy_data(4, 8)
    excluded = source.take(range(10))
    found = forming(source, excluded, 5)
    assert len(found) == len(set(found.digests)) == 5
    assert not set(found.digests) & set(excluded.digests)
    assert forming(source, source) is None
    assert forming(None, source) is None


def test_queries_may_not_form_groups():
    data = toy_data(4, 8)
    episodes = tuple(kv.sample_episodes(data, way=2, shot=1, query=2, n=1, val_share=0))
    with pytest.raises(KShotError, match="may not be queries of the reward"):
        Reward("mine", data, episodes, source=data)

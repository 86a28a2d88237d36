"""Reward protocols: no query image of the target, and enough images of each class."""

from __future__ import annotations

import pytest
from networks import toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError


@pytest.mark.slow
def test_the_search_sees_no_query_of_the_target():
    digits = kv.load_dataset("digits")
    episodes = kv.sample_episodes(digits, way=10, shot=2, query=5, n=1, val_share=0.4)
    queries = {digits.digests[i] for one in episodes for i in one.query}
    support = episodes[0].split(digits)[0]
    glyphs = kv.load_dataset("glyphs")
    rewards = [
        kv.pseudo_episode_reward(glyphs, way=5, shot=1, query=3, n=2),
        kv.augmented_support_reward(support, n=2, source=glyphs),
        kv.cross_validation_reward(support, source=glyphs),
        kv.validation_reward(digits, kv.validation_episodes(digits, episodes, n=2)),
    ]
    for reward in rewards:
        source = () if reward.source is None else reward.source.digests
        assert not queries & {*reward.data.digests, *source}
    assert [reward.target_labels > 0 for reward in rewards] == [False, False, False, True]
    with pytest.raises(KShotError, match="validation episodes"):
        kv.validation_reward(digits, episodes)


def test_a_source_class_with_too_few_images_is_named():
    with pytest.raises(KShotError, match=r"class '\w+' of .* has 8 images"):
        kv.pseudo_episode_reward(toy_data(4, 8), way=3, shot=8, n=1)

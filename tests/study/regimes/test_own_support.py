"""Folds of a support: each image is left out once, and no query of the episode is used."""

from __future__ import annotations

import pytest
from networks import toy_data

import kshot_viz as kv
from kshot_viz.study.regimes.own_support import support_folds


@pytest.mark.parametrize(("shot", "folds"), [(2, 2), (5, 5), (7, 5), (1, 0)])
def test_every_image_is_left_out_once(shot, folds):
    data = toy_data(3, 24)
    (episode,) = kv.sample_episodes(data, way=3, shot=shot, query=3, n=1, val_share=0)
    found = support_folds(episode)
    assert len(found) == folds
    left_out = sorted(image for one in found for image in one.query)
    assert left_out == (sorted(episode.support) if folds else [])
    for one in found:
        assert sorted(one.support + one.query) == sorted(episode.support)
        support, query = one.split(data)
        assert set(support.targets) == set(query.targets) == {0, 1, 2}

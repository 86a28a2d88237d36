from __future__ import annotations

import pytest
from networks import toy_data

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.episodes.episode import check_source, without_queries
from kshot_viz.errors import KShotValueError


@pytest.fixture
def data():
    return toy_data(3, 8)


@pytest.fixture
def episodes(data):
    return sample_episodes(data, way=2, shot=1, query=2, n=2, val_share=0.0, min_query=1)


def test_a_source_that_holds_queries_is_refused(data, episodes):
    queries = {index for episode in episodes for index in episode.query}
    with pytest.raises(KShotValueError, match=f"^{len(queries)} of the {len(data)} `source`"):
        check_source(data, data, episodes)


def test_without_queries_no_image_is_refused(data, episodes):
    left = without_queries(data, data, episodes)
    queries = {index for episode in episodes for index in episode.query}
    assert len(left) == len(data) - len(queries)
    check_source(left, data, episodes)
    assert without_queries(left, data, episodes) is left


def test_no_source_is_no_leak(data, episodes):
    check_source(None, data, episodes)

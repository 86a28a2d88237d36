"""Where settings are chosen, and what that costs in labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import toy_data

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes, validation_episodes
from kshot_viz.errors import KShotError, KShotKeyError, KShotValueError
from kshot_viz.study.task import tuning_episodes


def tuning(data, episodes, **options):
    given = {"source": None, "tune": "validation", "n_val": 2} | options
    return tuning_episodes(data, episodes, **given)


def images_of(episodes):
    return {i for one in episodes for i in one.support + one.query}


def test_validation_episodes_share_no_image_with_test_episodes(data, episodes):
    found = tuning(data, episodes)
    assert {one.pool for one in found.episodes} == {"val"}
    assert [(one.shot, one.index) for one in found.episodes] == [(1, 0), (1, 1), (3, 0), (3, 1)]
    assert not images_of(found.episodes) & images_of(episodes)


def test_target_labels_are_distinct_images(data, episodes):
    found = tuning(data, episodes)
    assert found.target_labels == len(images_of(found.episodes))
    assert found.target_labels < sum(len(one.support + one.query) for one in found.episodes)


def test_more_tuning_episodes_only_add(data, episodes):
    few, many = (tuning(data, episodes[:3], n_val=n).episodes for n in (2, 5))
    assert many[:2] == few


def test_a_source_costs_no_target_label(data, episodes, source):
    found = tuning(data, episodes, tune="source", source=source)
    assert found.target_labels == 0
    assert found.data is source
    assert {one.fingerprint for one in found.episodes} == {source.fingerprint}
    assert {(one.way, one.shot) for one in found.episodes} == {(3, 1), (3, 3)}


def test_nothing_is_tuned(data, episodes):
    found = tuning(data, episodes, tune=None, n_val=0)
    assert (found.episodes, found.target_labels) == ([], 0)


def test_groups_are_formed_apart_from_the_queries_of_tuning(data, episodes, source):
    found = tuning(data, episodes, tune="source", source=source)
    left = found.without_queries(source)
    asked = {source.digests[i] for one in found.episodes for i in one.query}
    assert set(left.digests) == set(source.digests) - asked
    assert asked


def test_copies_of_a_query_are_left_out_too(data, episodes, source):
    doubled = ImageDataset.from_arrays(
        np.concatenate([source.images, source.images]),
        np.concatenate([source.targets, source.targets]),
        classes=source.classes,
        name="doubled",
    )
    found = tuning(data, episodes, tune="source", source=doubled)
    left = found.without_queries(doubled)
    assert not set(left.digests) & {doubled.digests[i] for e in found.episodes for i in e.query}


def test_another_source_must_hold_no_validation_query(data, episodes, source):
    found = tuning(data, episodes)
    assert found.without_queries(source) is source
    assert found.without_queries(None) is None
    with pytest.raises(KShotValueError, match="query images of the episodes"):
        found.without_queries(data.take(found.episodes[0].query))


@pytest.mark.parametrize("wrong", [0, -1, "6", 1.5, True])
def test_n_val_is_a_count(data, episodes, wrong):
    with pytest.raises(KShotValueError, match=f"`n_val` must be an integer >= 1.*{wrong!r}"):
        tuning(data, episodes, n_val=wrong)


def test_bad_requests(data, episodes, source):
    with pytest.raises(KShotValueError, match="`episodes` is empty"):
        tuning(data, [])
    with pytest.raises(KShotKeyError, match="`tune` must be one of 'validation', 'source', 'None'"):
        tuning(data, episodes, tune="val")
    with pytest.raises(KShotValueError, match="needs `source=`, a labelled ImageDataset"):
        tuning(data, episodes, tune="source")
    with pytest.raises(KShotValueError, match="needs `source=`, a labelled ImageDataset"):
        tuning(data, episodes, tune="source", source=source.images)
    with pytest.raises(KShotValueError, match="test/0 of 3 way and 1 shot twice"):
        tuning(data, [*episodes, episodes[0]])
    with pytest.raises(KShotValueError, match="must be test episodes; not 'val/0'"):
        tuning(data, validation_episodes(data, episodes[:3]))
    with pytest.raises(KShotValueError, match="must be test episodes; not 7"):
        tuning(data, [7])
    with pytest.raises(KShotError, match="val_share"):
        tuning(data, sample_episodes(data, way=3, shot=1, val_share=0.0))
    with pytest.raises(KShotValueError, match="fingerprint"):
        tuning(source, episodes)


def test_tuning_images_in_test_episodes_are_an_error():
    data = toy_data(3, 30)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=2, val_share=0.4, seed=0)
    taken = validation_episodes(data, episodes, n=1)[0]
    edited = replace(episodes[0], query=taken.query)
    with pytest.raises(KShotError, match="tuning and in test"):
        tuning_episodes(data, [edited], source=None, tune="validation", n_val=6)

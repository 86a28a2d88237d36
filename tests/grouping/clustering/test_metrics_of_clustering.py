"""What makes two neurons alike: distances, directions, or correlations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from networks import toy_backbone, toy_data

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.pooling import mean_and_std
from kshot_viz.errors import KShotError
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.clustering.methods import METRICS, neuron_points
from kshot_viz.grouping.rule import GroupingRule

RNG = np.random.default_rng(0)
BASE = RNG.normal(size=(2, 60))


def layer(rows):
    kept = np.asarray(rows, dtype=np.float32)
    return LayerActivations(kept, *mean_and_std(kept), kept.shape[1])


def groups(rows, metric, n_groups=2, method="average"):
    acts = Activations({"a": layer(rows)}, "none", 1)
    found = cluster_neurons(acts, n_groups=n_groups, method=method, metric=metric)
    return found["a"].tolist()


def similarity(rows, metric):
    if metric == "cosine":
        units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return units @ units.T
    return np.corrcoef(rows) ** (2 if metric == "squared_correlation" else 1)


@pytest.mark.parametrize("metric", ["cosine", "correlation", "squared_correlation"])
def test_squared_distances_are_two_minus_twice_the_similarity(metric):
    rows = RNG.normal(size=(7, 30)) + 0.5
    points = neuron_points(layer(rows), "kmeans", metric)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared, 2 - 2 * similarity(rows, metric), atol=1e-5)


@pytest.mark.parametrize("method", ["kmeans", "ward", "average", "spectral"])
def test_each_metric_is_blind_to_what_it_should_be(method):
    sizes = BASE[[0, 1, 0, 1]] * np.array([[1], [1], [30], [30]])
    assert groups(sizes, "euclidean", method=method) != [0, 1, 0, 1]
    assert groups(sizes, "cosine", method=method) == [0, 1, 0, 1]
    offsets = BASE[[0, 1, 0, 1]] + np.array([[0], [0], [40], [40]])
    assert groups(offsets, "cosine", method=method) != [0, 1, 0, 1]
    assert groups(offsets, "correlation", method=method) == [0, 1, 0, 1]
    signs = BASE[[0, 1, 0, 1]] * np.array([[1], [1], [-1], [-1]])
    assert groups(signs, "squared_correlation", method=method) == [0, 1, 0, 1]


def test_average_linkage_by_correlation_is_as_blind_as_the_method_correlation():
    offsets = BASE[[0, 1, 0, 1]] * 3 + np.array([[0], [5], [40], [40]])
    assert groups(offsets, "euclidean", method="correlation") == [0, 1, 0, 1]


def test_dead_neurons_have_a_group_of_their_own_by_any_metric():
    rows = np.vstack([BASE[[0, 1, 0, 1]], np.zeros((2, 60))])
    for metric in METRICS:
        assert groups(rows, metric) == [0, 1, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": ["cosine"]}, "`metric` must be a text"),
        ({"metric": "manhattan"}, "`metric` must be one of 'euclidean', 'cosine'"),
        (
            {"metric": "cosine", "method": "correlation"},
            "takes no metric='cosine'; method='average' does",
        ),
    ],
)
def test_unfit_metrics_are_refused(settings, message):
    with pytest.raises(KShotError, match=message):
        GroupingRule(**settings)
    with pytest.raises(KShotError, match=message):
        cluster_neurons(Activations({"a": layer(BASE)}, "none", 1), **settings)


def test_rules_of_before_keep_their_keys():
    assert "metric" not in GroupingRule().to_dict()
    assert GroupingRule().key == GroupingRule(metric="euclidean").key
    rule = GroupingRule(n_groups=3, metric="cosine")
    again = GroupingRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert (again, again.key) == (rule, rule.key)
    assert rule.key != GroupingRule(n_groups=3).key
    assert rule.summary == "groups: 3 a layer, kmeans by cosine, from support"


def test_a_rule_clusters_by_its_metric():
    backbone, support = toy_backbone(12), toy_data(3, 2)
    made = GroupingRule(n_groups=4, method="ward", metric="correlation").in_episode(
        backbone, support, name="x"
    )
    acts = capture_activations(backbone, support)
    assert made == cluster_neurons(acts, n_groups=4, method="ward", metric="correlation")
    assert made != cluster_neurons(acts, n_groups=4, method="ward")

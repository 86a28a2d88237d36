"""Splitting branches from the root down gives the dendrogram's own groups, and others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kshot_viz.activations import LayerActivations
from kshot_viz.grouping.clustering.branches import Branches
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.labels import canonical


def clustered(width=12, dead=0, seed=0):
    points = np.random.default_rng(seed).normal(size=(width, 6)).astype(np.float32)
    points[width - dead :] = 0
    layer = LayerActivations(points, points.mean(1), points.std(1), 6)
    return ClusteredLayer(layer, "conv", method="ward")


@pytest.mark.parametrize("dead", [0, 3])
def test_the_first_splits_are_the_cuts_of_the_dendrogram(dead):
    layer = clustered(dead=dead)
    branches = Branches.of(layer, 5)
    assert len(branches.splits) == 5
    for n in range(6):
        made = branches.labels([branch < n for branch in range(5)])
        np.testing.assert_array_equal(canonical(made), canonical(layer.labels(n + 1)[0]))


def test_a_branch_inside_one_that_is_kept_is_not_looked_at():
    branches = Branches.of(clustered(), 4)
    kept = branches.labels([False] * 4)
    np.testing.assert_array_equal(kept, branches.labels([False, True, True, True]))
    assert kept.max() == 0


def test_every_walk_is_counted_once():
    branches = Branches.of(clustered(), 5)
    walks = itertools.product([False, True], repeat=5)
    different = {tuple(canonical(branches.labels(walk))) for walk in walks}
    assert len(different) == branches.size


def test_dead_neurons_stay_apart():
    branches = Branches.of(clustered(dead=3), 4)
    labels = branches.labels([False] * 4)
    assert labels.tolist() == [0] * 9 + [1] * 3


def test_a_layer_with_fewer_neurons_than_branches():
    assert len(Branches.of(clustered(width=4), 9).splits) == 3

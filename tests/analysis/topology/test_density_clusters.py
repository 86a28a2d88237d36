"""DBSCAN in blocks gives the labels of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from kshot_viz.analysis.topology import density_clusters
from kshot_viz.analysis.topology.density_clusters import density_labels, near_pairs


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 150),
    features=st.integers(1, 6),
    epsilon=st.sampled_from([0.3, 0.7, 1.0, 2**0.5, 50.0]),
    min_samples=st.integers(1, 8),
    kind=st.sampled_from(["float64", "float32", "whole numbers"]),
    most_pairs=st.sampled_from([0, 40, 10**6]),
)
def test_labels_are_those_of_sklearn(seed, n, features, epsilon, min_samples, kind, most_pairs):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, features))
    if kind == "float32":
        points = points.astype(np.float32)
    if kind == "whole numbers":
        # Many pairs lie exactly at epsilon.
        points = rng.integers(0, 5, size=(n, features)).astype(np.float64)
    expected = DBSCAN(eps=epsilon, min_samples=min_samples).fit_predict(points)
    found = density_labels(points, epsilon, min_samples, most_pairs=most_pairs)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("most_pairs", [0, 10**7])
def test_blocks_change_nothing(monkeypatch, most_pairs):
    points = np.random.default_rng(0).normal(size=(200, 3))
    expected = DBSCAN(eps=0.6, min_samples=4).fit_predict(points)
    monkeypatch.setattr(density_clusters, "_ROWS", 17)
    monkeypatch.setattr(density_clusters, "_COLUMNS", 23)
    found = density_labels(points, 0.6, 4, most_pairs=most_pairs)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(("scale", "away"), [(1e-6, 0.0), (1.0, 1e4), (1e20, 0.0)])
def test_pairs_are_exact_far_from_the_origin_and_at_any_scale(scale, away):
    points = np.random.default_rng(1).normal(size=(90, 4)) * scale + away
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    wanted = {(a, b) for a, b in np.argwhere(gaps <= scale).tolist() if a < b}
    found = [pair for one in near_pairs(points, scale) for pair in zip(*one, strict=True)]
    assert len(found) == len(wanted)
    assert set(found) == wanted

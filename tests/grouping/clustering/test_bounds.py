"""The two distance bounds hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from kshot_viz.grouping.clustering.cluster_cache import merge_close, separate_far
from kshot_viz.grouping.labels import canonical
from kshot_viz.grouping.metrics import group_means

QUANTILES = st.floats(0.0, 1.0)


@st.composite
def clustered(draw):
    """Points in a few clumps, with labels independent of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    neurons, dims = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    clumps = rng.normal(scale=draw(st.sampled_from([0.0, 1.0, 10.0])), size=(4, dims))
    points = clumps[rng.integers(0, 4, neurons)] + rng.normal(size=(neurons, dims))
    return points, rng.integers(0, draw(st.integers(1, neurons)), neurons)


def to_mean(points, labels):
    means = np.array([points[labels == group].mean(axis=0) for group in labels])
    return np.linalg.norm(points - means, axis=1)


@given(clustered(), QUANTILES)
def test_no_member_is_farther_from_its_mean_than_the_bound(drawn, quantile):
    points, labels = drawn
    bound = np.quantile(pdist(points), quantile) if len(points) > 1 else 0.0
    kept = separate_far(points, labels, quantile)
    assert (to_mean(points, kept) <= bound * (1 + 1e-9) + 1e-12).all()
    for group in range(kept.max() + 1):
        assert len(set(labels[kept == group])) == 1, "nothing is put together"
    np.testing.assert_array_equal(kept, canonical(kept))


@given(clustered(), QUANTILES)
def test_no_two_means_are_closer_than_the_bound(drawn, quantile):
    points, labels = drawn
    bound = np.quantile(pdist(points), quantile) if len(points) > 1 else 0.0
    merged = merge_close(points, labels, quantile)
    means = group_means(points, merged)
    assert len(means) == 1 or pdist(means).min() >= bound
    for group in set(labels):
        assert len(set(merged[labels == group])) == 1, "no group is split"


def test_a_mean_that_moves_is_looked_at_again():
    """The last leaves at once; then the mean falls from 0.98 to 0.35, too far from the fourth."""
    points = np.array([[0.0], [0.0], [0.0], [1.4], [3.5]])
    quantile = 2.72 / 9
    assert np.quantile(pdist(points), quantile) == pytest.approx(1.008)
    assert list(separate_far(points, np.zeros(5, dtype=int), quantile)) == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("quantile", [0.0, 1.0])
def test_the_ends(quantile):
    points = np.random.default_rng(0).normal(size=(12, 3))
    labels = np.arange(12) % 4
    kept, merged = separate_far(points, labels, quantile), merge_close(points, labels, quantile)
    assert kept.max() + 1 == (4 if quantile else 12)
    assert merged.max() + 1 == (1 if quantile else 4)

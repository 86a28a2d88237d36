from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.likeness import cosines, likeness


def blocks(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == labels[None, :]).astype(float)


def test_groups_of_equal_neurons_are_more_alike_than_any_shuffled_ones():
    labels = np.repeat(np.arange(4), 5)
    found = likeness(blocks(labels), labels, draws=99, rng=np.random.default_rng(0))
    assert (found.within, found.between) == (1.0, 0.0)
    assert found.shuffled.max() < 1.0
    # Of 190 pairs, 40 are in one group.
    assert found.shuffled.mean() == pytest.approx(40 / 190, abs=0.02)


def test_random_groups_are_like_shuffled_ones():
    rng = np.random.default_rng(1)
    ranks = []
    for _ in range(40):
        similarity = cosines(rng.normal(size=(18, 9)))
        found = likeness(similarity, rng.permutation(18) % 4, draws=99, rng=rng)
        ranks.append((found.shuffled >= found.within).mean())
    assert 0.35 < np.mean(ranks) < 0.65


@given(st.lists(st.integers(0, 4), min_size=3, max_size=20), st.integers(0, 9))
def test_within_and_between_are_means_over_pairs(labels, seed):
    rng = np.random.default_rng(seed)
    similarity = cosines(rng.normal(size=(len(labels), 5)))
    found = likeness(similarity, labels, draws=3, rng=rng)
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    same = [similarity[i, j] for i, j in pairs if labels[i] == labels[j]]
    other = [similarity[i, j] for i, j in pairs if labels[i] != labels[j]]
    if not same or not other:
        assert found is None
        return
    assert found.within == pytest.approx(np.mean(same))
    assert found.between == pytest.approx(np.mean(other))


def test_draws_do_not_depend_on_how_many_are_looked_up_at_a_time(monkeypatch):
    similarity = cosines(np.random.default_rng(0).normal(size=(12, 6)))
    labels = np.arange(12) % 3

    def shuffled() -> np.ndarray:
        return likeness(similarity, labels, draws=50, rng=np.random.default_rng(3)).shuffled

    whole = shuffled()
    monkeypatch.setattr("kshot_viz.grouping.likeness._AT_ONCE", 40)
    np.testing.assert_allclose(shuffled(), whole, rtol=1e-12)


def test_rows_of_zeros_are_like_no_other():
    found = cosines([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(found, [[1, 0.5**0.5, 0], [0.5**0.5, 1, 0], [0, 0, 0]])


def test_one_row_a_neuron_is_needed():
    with pytest.raises(KShotValueError, match=r"shape \(2, 2\), for 3 neurons"):
        likeness(np.eye(2), [0, 0, 1], draws=1, rng=np.random.default_rng(0))

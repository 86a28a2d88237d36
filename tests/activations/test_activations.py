"""Points whose distances are distances between activations."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.activations import Activations, LayerActivations, pooling
from kshot_viz.activations.pooling import inner_products, isometric, mean_and_std
from kshot_viz.errors import KShotError

SIZES = st.integers(1, 12), st.integers(1, 30), st.integers(0, 99)


def layer(points: np.ndarray) -> LayerActivations:
    kept = points.astype(np.float32)
    return LayerActivations(kept, *mean_and_std(kept), points.shape[1])


def random_layer(neurons: int = 5, features: int = 20, seed: int = 0) -> LayerActivations:
    return layer(np.random.default_rng(seed).normal(1.0, 2.0, size=(neurons, features)))


@given(*SIZES)
def test_compact_points_have_the_same_distances_in_few_dimensions(neurons, features, seed):
    one = random_layer(neurons, features, seed)
    twin = np.linalg.norm(one.points[:, None].astype(float) - one.points[None], axis=2)
    np.testing.assert_allclose(one.distances(), twin, rtol=1e-7, atol=1e-6)
    assert one.compact.shape[1] <= neurons
    assert one.compact.dtype == np.float64


@given(st.integers(2, 12), st.integers(3, 30), st.integers(0, 99))
def test_correlation_is_numpys(neurons, features, seed):
    one = random_layer(neurons, features, seed)
    np.testing.assert_allclose(one.correlation(), np.corrcoef(one.points), atol=1e-6)


def test_a_dead_neuron_correlates_with_nothing():
    points = np.random.default_rng(0).normal(size=(4, 9))
    points[2] = 0.7
    one = layer(points)
    assert list(one.dead) == [False, False, True, False]
    assert not one.correlation()[2].any()
    assert not one.standardised()[2].any()


@pytest.mark.parametrize("level", [0.0, 1.0, -250.0])
def test_rounding_of_a_constant_is_not_life(level):
    points = np.random.default_rng(0).normal(size=(3, 50))
    points[1] = level * (1 + 1e-7 * points[0])
    assert list(layer(points).dead) == [False, True, False]


def test_rounding_of_what_cancels_is_not_life():
    points = np.repeat(np.random.default_rng(0).normal(size=(5, 1)), 20, axis=1)
    points[3] = -8e-5 + 5e-9 * np.random.default_rng(1).normal(size=20)
    assert layer(points).dead.all()


def test_a_quiet_neuron_is_alive():
    points = np.random.default_rng(0).normal(size=(3, 50))
    points[1] *= 1e-3
    assert not layer(points).dead.any()


@given(*SIZES)
def test_sums_in_blocks_are_sums(neurons, features, seed):
    points = np.random.default_rng(seed).normal(3.0, 1.0, (neurons, features)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "FLOAT64_AT_ONCE", 16)
        mean, std = mean_and_std(points)
        products = inner_products(points)
    exact = points.astype(float)
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(std, exact.std(axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(products, exact @ exact.T, rtol=1e-12, atol=1e-12)


def test_isometric_of_nothing_is_nothing():
    assert isometric(np.zeros((3, 3))).shape == (3, 1)
    assert not isometric(np.zeros((3, 3))).any()


# -- the whole --------------------------------------------------------------------------------


@pytest.fixture
def acts():
    return Activations({"a": random_layer(), "<b>": random_layer(seed=1)}, "grid", 4)


def test_it_is_a_mapping_from_layer_to_points(acts):
    assert list(acts) == ["a", "<b>"]
    assert len(acts) == 2
    assert "a" in acts
    assert "c" not in acts
    assert acts["a"] is acts.layer("a").points
    assert acts["a"].shape == (5, 20)


def test_an_unknown_layer_lists_those_that_were_captured(acts):
    for look in (acts.layer, acts.__getitem__):
        with pytest.raises(KeyError, match=r"`layer` must be one of 'a', '<b>'; not 'deep'"):
            look("deep")


def test_two_captures_may_be_compared_and_kept_in_a_set(acts):
    other = Activations(dict(acts.layers), "grid", 4)
    assert acts == acts
    assert acts != other
    assert len({acts, other}) == 2


def test_it_can_be_pickled(acts):
    acts.layer("a").distances()
    again = pickle.loads(pickle.dumps(acts))
    np.testing.assert_array_equal(again["a"], acts["a"])
    np.testing.assert_array_equal(again.layer("a").compact, acts.layer("a").compact)


def test_it_is_frozen(acts):
    with pytest.raises(AttributeError):
        acts.pool = "mean"
    with pytest.raises(AttributeError):
        acts.layer("a").form = "other"


def test_it_shows_itself_with_names_escaped(acts):
    assert "a: 5 neurons x 20 features" in repr(acts)
    page = acts._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_errors_are_ours(acts):
    with pytest.raises(KShotError):
        acts["deep"]

"""Law 6: similar neurons share a group, dead ones have their own, and requests are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone, toy_data
from threadpoolctl import threadpool_info, threadpool_limits

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.pooling import mean_and_std
from kshot_viz.activations.store import InnerProductStore
from kshot_viz.errors import KShotError
from kshot_viz.grouping.clustering import cluster_cache
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.clustering.methods import METHODS
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import canonical

METHOD = st.sampled_from(sorted(METHODS))
EVERY_METHOD = pytest.mark.parametrize("method", METHODS)


def features(points: np.ndarray) -> LayerActivations:
    kept = points.astype(np.float32)
    return LayerActivations(kept, *mean_and_std(kept), kept.shape[1])


def products(points: np.ndarray) -> LayerActivations:
    import torch

    store = InnerProductStore(len(points))
    store.add(torch.from_numpy(points.astype(np.float32))[:, None])
    return store.finish()


FORMS = st.sampled_from([features, products])


def acts(**layers: LayerActivations) -> Activations:
    return Activations(layers, "none", 1)


def one_layer(points: np.ndarray, form=features) -> Activations:
    return acts(a=form(points))


@st.composite
def families(draw) -> tuple[np.ndarray, np.ndarray]:
    """Clones with relative noise 1e-3 of well-separated originals, and whose clone each one is."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    originals = rng.normal(size=(len(sizes), draw(st.sampled_from([32, 100]))))
    parent = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    clones = originals[parent]
    clones = clones + 1e-3 * np.linalg.norm(clones, axis=1, keepdims=True) * _directions(
        rng, clones
    )
    return clones, parent


def _directions(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    noise = rng.normal(size=like.shape)
    return noise / np.linalg.norm(noise, axis=1, keepdims=True)


# -- law 6 ----------------------------------------------------------------------------------------


@EVERY_METHOD
@given(families(), FORMS, st.integers(0, 2**16))
def test_clones_land_with_their_original(method, drawn, form, seed):
    points, parent = drawn
    found = cluster_neurons(
        one_layer(points, form), n_groups=int(parent.max()) + 1, method=method, seed=seed
    )
    np.testing.assert_array_equal(found["a"], canonical(parent))


@EVERY_METHOD
@given(families(), FORMS, st.data())
def test_dead_neurons_share_one_extra_last_group(method, drawn, form, data):
    points, parent = drawn
    count, width = int(parent.max()) + 1, len(points)
    positions = data.draw(st.lists(st.integers(0, width), min_size=1, max_size=4))
    levels = data.draw(st.sampled_from([0.0, 0.4, -1.7]))
    mixed = np.insert(points, positions, levels, axis=0)
    expected = canonical(np.insert(parent, positions, count), last=count)
    grouping = cluster_neurons(one_layer(mixed, form), n_groups=count, method=method)
    np.testing.assert_array_equal(grouping["a"], expected)
    assert grouping.dead_group("a") == count


@EVERY_METHOD
def test_dead_neurons_may_be_kept_among_the_others(method):
    points = np.random.default_rng(0).normal(size=(9, 40))
    points[[2, 5]] = 0.0
    grouping = cluster_neurons(one_layer(points), n_groups=3, method=method, dead="keep")
    assert grouping.dead_group("a") is None
    assert grouping.n_groups("a") == 3


def test_more_groups_than_living_neurons_is_one_each():
    points = np.random.default_rng(0).normal(size=(6, 20))
    points[[1, 4]] = 1.0
    grouping = cluster_neurons(one_layer(points), n_groups=1.0)
    assert list(grouping["a"]) == [0, 4, 1, 2, 4, 3]


@pytest.mark.parametrize("dead", ["separate", "keep"])
def test_a_layer_in_which_nothing_moves_is_named(dead):
    still = one_layer(np.ones((5, 12)))
    with pytest.raises(KShotError, match=r"No neuron of layer 'a' responds.* constant over the 12"):
        cluster_neurons(still, n_groups=2, dead=dead)


@pytest.mark.parametrize("dead", ["separate", "keep"])
def test_a_single_neuron_is_one_group_even_if_it_is_dead(dead):
    for points in (np.ones((1, 12)), np.random.default_rng(0).normal(size=(1, 12))):
        grouping = cluster_neurons(one_layer(points), dead=dead)
        assert list(grouping["a"]) == [0]
        assert grouping.dead_group("a") is None


# -- the request ----------------------------------------------------------------------------------


@EVERY_METHOD
@given(st.integers(2, 24), st.integers(3, 40), st.data())
def test_the_number_of_groups_is_the_one_requested(method, neurons, n_features, data):
    count = data.draw(st.integers(1, neurons))
    points = np.random.default_rng(data.draw(st.integers(0, 999))).normal(
        size=(neurons, n_features)
    )
    grouping = cluster_neurons(one_layer(points), n_groups=count, method=method)
    assert grouping.n_groups("a") == count
    np.testing.assert_array_equal(grouping["a"], canonical(grouping["a"]))


@EVERY_METHOD
def test_neurons_that_coincide_are_no_reason_to_warn(method):
    points = np.repeat(np.random.default_rng(0).normal(size=(3, 8)), 4, axis=0)
    grouping = cluster_neurons(one_layer(points), n_groups=6, method=method)
    assert 3 <= grouping.n_groups("a") <= 6
    for group in range(grouping.n_groups("a")):
        assert len({neuron // 4 for neuron in grouping.members("a", group)}) == 1


@EVERY_METHOD
@pytest.mark.parametrize("n_features", [8, 400])
@pytest.mark.parametrize("originals", [1, 2, 5])
def test_a_group_of_copies_has_one_original_only(method, n_features, originals):
    spread = 10.0 ** np.arange(-2, originals - 2)[:, None]
    points = np.repeat(spread * np.random.default_rng(0).normal(size=(originals, n_features)), 6, 0)
    for count in range(originals, len(points)):
        grouping = cluster_neurons(one_layer(points), n_groups=count, method=method)
        assert originals <= grouping.n_groups("a") <= count
        for group in range(grouping.n_groups("a")):
            assert len({neuron // 6 for neuron in grouping.members("a", group)}) == 1


def two_layers() -> Activations:
    rng = np.random.default_rng(0)
    return acts(a=features(rng.normal(size=(20, 30))), b=features(rng.normal(size=(8, 30))))


def test_counts_as_share_number_or_per_layer():
    both = two_layers()

    def counts(n_groups):
        grouping = cluster_neurons(both, n_groups=n_groups)
        return {name: grouping.n_groups(name) for name in grouping}

    assert counts(0.25) == {"a": 5, "b": 2}
    assert counts(3) == {"a": 3, "b": 3}
    assert counts({"b": 0.5, "a": 7}) == {"a": 7, "b": 4}
    assert counts({"b": 2}) == {"b": 2}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"n_groups": 9}, "Layer 'b' has 8 neurons: `n_groups` must be 1 to 8; not 9"),
        ({"n_groups": {"a": 21}}, "Layer 'a' has 20 neurons: `n_groups` must be 1 to 20; not 21"),
        ({"n_groups": {"c": 2}}, "`layer` must be one of 'a', 'b'; not 'c'"),
        ({"n_groups": 1.2}, "layer 'a' as a float is a share"),
        ({"n_groups": None}, "layer 'a' must be a share or a count; not None"),
        ({"method": "k-means"}, r"`method` must be one of .*Did you mean 'kmeans'"),
        ({"dead": "drop"}, "`dead` must be one of 'separate', 'keep'; not 'drop'"),
        ({"max_within": 1.1}, r"`max_within` is a quantile .* in \[0, 1\]; not 1.1"),
        ({"min_between": -0.1}, "`min_between` must be None or a finite number >= 0; not -0.1"),
        ({"seed": -1}, "`seed` must be an integer >= 0; not -1"),
    ],
)
def test_wrong_requests(request_, message):
    with pytest.raises(KShotError, match=message):
        cluster_neurons(two_layers(), **request_)


def test_the_origin_holds_the_request_and_can_be_saved(tmp_path):
    grouping = cluster_neurons(two_layers(), n_groups={"a": np.int64(3)}, seed=4, max_within=0.5)
    assert grouping.origin == {
        "n_groups": {"a": 3},
        "method": "kmeans",
        "max_within": 0.5,
        "min_between": None,
        "dead": "separate",
        "seed": 4,
    }
    assert Grouping.load(grouping.save(tmp_path / "g.json")) == grouping


# -- bounds ---------------------------------------------------------------------------------------


def quantile(layer: LayerActivations, share: float) -> float:
    upper = np.triu_indices(layer.width, 1)
    return float(np.quantile(layer.distances()[upper], share))


@given(st.integers(0, 99), st.integers(1, 20), st.floats(0, 1), st.floats(0, 1))
def test_bounds_hold_what_they_promise(seed, count, within, between):
    rng = np.random.default_rng(seed)
    layer = features(rng.normal(size=(5, 12))[rng.integers(0, 5, 20)] + rng.normal(size=(20, 12)))
    points = layer.points.astype(float)

    def means(labels):
        return np.array([points[labels == g].mean(axis=0) for g in range(labels.max() + 1)])

    both = cluster_neurons(acts(a=layer), n_groups=count, max_within=within, min_between=between)
    far = np.linalg.norm(points - means(both["a"])[both["a"]], axis=1)
    assert far.max() <= quantile(layer, within) + 1e-6
    merged = cluster_neurons(acts(a=layer), n_groups=count, min_between=between)
    centres = means(merged["a"])
    gaps = [np.linalg.norm(m - n) for i, m in enumerate(centres) for n in centres[:i]]
    assert not gaps or min(gaps) >= quantile(layer, between) - 1e-6


# -- determinism ----------------------------------------------------------------------------------


@EVERY_METHOD
def test_one_or_two_blas_threads_make_no_difference(method, monkeypatch):
    points = np.random.default_rng(0).normal(size=(256, 600))
    used = []

    def spied(*request):
        used.append({pool["num_threads"] for pool in threadpool_info()})
        return METHODS[method].clustering(*request)

    def clustered(threads):
        with threadpool_limits(limits=threads, user_api="blas"), monkeypatch.context() as patch:
            layer = features(points)
            compact = layer.compact
            spy = replace(METHODS[method], clustering=spied)
            patch.setattr(cluster_cache, "METHODS", {method: spy})
            return cluster_neurons(acts(a=layer), n_groups=16, method=method)["a"], compact

    (first, compact), (second, again) = clustered(1), clustered(2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(compact, again)
    assert used == [{1}, {1}]


@given(METHOD, st.integers(0, 2**16), st.integers(2, 6))
def test_inner_products_lead_to_the_same_clusters(method, seed, count):
    images = toy_data(3, 4, seed=seed)
    backbone = toy_backbone(seed=seed)
    whole = capture_activations(backbone, images, pool="none")
    cap = sum(8 * layer.width * (layer.width + 1) for layer in whole.layers.values())
    small = capture_activations(backbone, images, pool="none", max_memory=cap)
    assert {layer.form for layer in small.layers.values()} == {"inner_products"}
    groupings = [cluster_neurons(a, n_groups=count, method=method) for a in (whole, small)]
    assert groupings[0] == groupings[1]


def test_a_layer_does_not_depend_on_the_others():
    both = two_layers()
    alone = Activations({"b": both.layer("b")}, "none", 1)
    whole, part = (cluster_neurons(a, n_groups=3, seed=5) for a in (both, alone))
    np.testing.assert_array_equal(whole["b"], part["b"])


def test_the_same_seed_gives_the_same_groups_and_k_means_is_no_worse_than_ward():
    layer = features(np.random.default_rng(1).normal(size=(60, 30)))

    def spread(method, seed=0):
        grouping = cluster_neurons(acts(a=layer), n_groups=6, method=method, seed=seed)
        assert grouping == cluster_neurons(acts(a=layer), n_groups=6, method=method, seed=seed)
        points, labels = layer.compact, grouping["a"]
        centres = np.array([points[labels == g].mean(axis=0) for g in range(6)])
        return ((points - centres[labels]) ** 2).sum()

    for seed in range(3):
        assert spread("kmeans", seed) <= spread("ward") * (1 + 1e-9)


def test_correlation_is_blind_to_scale_and_offset():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 50))
    stretched = points * rng.uniform(0.2, 5, (12, 1)) + rng.normal(size=(12, 1))
    first, second = (
        cluster_neurons(one_layer(p), n_groups=4, method="correlation") for p in (points, stretched)
    )
    assert first == second

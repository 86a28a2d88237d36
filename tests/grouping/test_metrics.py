"""Numbers about a grouping, against their definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone, toy_data

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.pooling import mean_and_std
from kshot_viz.errors import KShotError
from kshot_viz.finetune.gradients import neuron_gradients
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.metrics import energy_kept, energy_kept_by_chance, group_means

ROW = st.lists(st.integers(0, 5), min_size=1, max_size=12)
COLUMNS = ["neurons", "groups", "largest", "singletons"]
COLUMNS += ["silhouette", "within", "between", "energy_kept"]


def activations(points: np.ndarray) -> Activations:
    kept = points.astype(np.float32)
    layer = LayerActivations(kept, *mean_and_std(kept), kept.shape[1])
    return Activations({"a": layer}, "none", 1)


# -- energy ---------------------------------------------------------------------------------------


@given(ROW, st.integers(1, 5), st.integers(0, 99))
def test_energy_kept_is_the_energy_of_the_projection(row, inputs, seed):
    gradient = np.random.default_rng(seed).normal(size=(len(row), inputs, 2))
    member = np.equal.outer(row, row).astype(float)
    projection = member / member.sum(axis=1, keepdims=True)
    projected = np.tensordot(projection, gradient, axes=1)
    share = (projected**2).sum() / (gradient**2).sum()
    assert energy_kept(gradient, row) == pytest.approx(share)
    assert 0 <= energy_kept(gradient, row) <= 1 + 1e-12


def test_energy_at_the_two_ends():
    gradient = np.random.default_rng(0).normal(size=(6, 3))
    assert energy_kept(gradient, range(6)) == pytest.approx(1.0)
    assert energy_kept(gradient - gradient.mean(axis=0), [0] * 6) == pytest.approx(0.0)
    assert np.isnan(energy_kept(np.zeros((6, 3)), [0] * 6))


def test_energy_kept_by_chance_is_the_mean_over_groups_of_the_same_sizes():
    rng = np.random.default_rng(0)
    gradient, labels = rng.standard_normal((12, 5)) + 0.3, np.repeat([0, 1, 2], [2, 3, 7])
    drawn = [energy_kept(gradient, rng.permutation(labels)) for _ in range(4000)]
    assert energy_kept_by_chance(gradient, labels) == pytest.approx(np.mean(drawn), abs=0.005)
    assert energy_kept_by_chance(np.ones((4, 2)), [0, 0, 1, 1]) == pytest.approx(1.0)
    assert energy_kept_by_chance(np.ones((1, 2)), [0]) == pytest.approx(1.0)
    assert np.isnan(energy_kept_by_chance(np.zeros((4, 2)), [0, 0, 1, 1]))


def test_a_gradient_of_another_layer_is_refused():
    with pytest.raises(KShotError, match="gradient has 4 neurons, the labels 8"):
        energy_kept(np.ones((4, 6)), range(8))


@given(ROW, st.integers(0, 99))
def test_group_means(row, seed):
    labels = Grouping({"a": row})["a"]
    points = np.random.default_rng(seed).normal(size=(len(row), 3))
    expected = [points[labels == group].mean(axis=0) for group in range(labels.max() + 1)]
    np.testing.assert_allclose(group_means(points, labels), expected)


# -- agreement of two groupings -------------------------------------------------------------------


def adjusted_rand(first, second) -> float:
    """Hubert & Arabie (1985), equation 5, by counting pairs."""
    pairs = [(i, j) for j in range(len(first)) for i in range(j)]
    same = [(first[i] == first[j], second[i] == second[j]) for i, j in pairs]
    both, one, other = (sum(s) for s in (map(all, same), *zip(*same, strict=True)))
    expected = one * other / len(pairs)
    return (both - expected) / ((one + other) / 2 - expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=15))
def test_adjusted_rand(pairs):
    first, second = (list(row) for row in zip(*pairs, strict=True))
    score = Grouping({"a": first}).compare(Grouping({"a": second}))["a"]
    degenerate = [len(set(row)) in (1, len(row)) for row in (first, second)]
    if not any(degenerate):
        assert score == pytest.approx(adjusted_rand(first, second))
    assert Grouping({"a": first}).compare(Grouping({"a": first}))["a"] == 1.0


def test_only_common_layers_are_compared():
    first, second = Grouping({"a": [0, 1], "b": [0, 0]}), Grouping({"b": [0, 0], "c": [0]})
    assert list(first.compare(second).index) == ["b"]
    with pytest.raises(KShotError, match=r"No common layer: \['a'\] and \['c'\]"):
        first.only(["a"]).compare(second.only(["c"]))
    with pytest.raises(KShotError, match="Layer 'b' has 2 neurons in one grouping and 3"):
        first.compare(Grouping({"b": [0, 0, 0]}))


# -- the report -----------------------------------------------------------------------------------


def silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Rousseeuw (1987): (b - a) / max(a, b), 0 for singletons, averaged."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    scores = []
    for i, own in enumerate(labels):
        mates = [j for j in np.flatnonzero(labels == own) if j != i]
        if not mates:
            scores.append(0.0)
            continue
        a = distance[i, mates].mean()
        b = min(distance[i, labels == g].mean() for g in set(labels) if g != own)
        scores.append((b - a) / max(a, b))
    return float(np.mean(scores))


@given(st.lists(st.integers(0, 3), min_size=3, max_size=12), st.integers(0, 99))
def test_the_report_against_definitions(row, seed):
    acts = activations(np.random.default_rng(seed).normal(size=(len(row), 20)))
    points, grouping = acts["a"].astype(float), Grouping({"a": row})
    labels = grouping["a"]
    report = grouping.report(acts).loc["a"]
    means = np.array([points[labels == group].mean(axis=0) for group in range(labels.max() + 1)])
    pairs = [np.linalg.norm(m - n) for i, m in enumerate(means) for n in means[:i]]
    assert report.within == pytest.approx(np.linalg.norm(points - means[labels], axis=1).mean())
    assert report["between"] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)
    if 1 < len(means) < len(row):
        assert report.silhouette == pytest.approx(silhouette(points, labels), abs=1e-6)
    else:
        assert np.isnan(report.silhouette)
    sizes = np.bincount(labels)
    assert (report.neurons, report.groups) == (len(row), len(sizes))
    assert (report.largest, report.singletons) == (sizes.max(), (sizes == 1).sum())
    assert np.isnan(report.energy_kept)


def test_the_report_has_one_row_a_layer_and_documented_columns():
    backbone, data = toy_backbone(), toy_data(3, 3)
    acts = capture_activations(backbone, data)
    grouping = cluster_neurons(acts, n_groups=0.5)
    report = grouping.report(acts, neuron_gradients(backbone, data, head_steps=2))
    assert list(report.columns) == COLUMNS
    assert list(report.index) == ["conv", "deep"]
    assert report.index.name == "layer"
    assert report.energy_kept.between(0, 1).all()
    assert report[COLUMNS[:4]].dtypes.astype(str).eq("int64").all()
    alone = grouping.only(["deep"]).report(acts)
    assert alone.drop(columns="energy_kept").equals(
        report.loc[["deep"]].drop(columns="energy_kept")
    )


def test_the_report_names_what_is_missing():
    acts = activations(np.random.default_rng(0).normal(size=(4, 9)))
    with pytest.raises(KShotError, match="must be one of 'a'; not 'b'"):
        Grouping({"b": [0, 0, 1, 1]}).report(acts)
    with pytest.raises(KShotError, match="Layer 'a' has 3 neurons in the grouping but 4"):
        Grouping({"a": [0, 0, 1]}).report(acts)
    with pytest.raises(KShotError, match="must be one of 'z'; not 'a'"):
        Grouping({"a": [0, 0, 1, 1]}).report(acts, {"z": np.ones((4, 2))})

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from kshot_viz.activations import Activations
from kshot_viz.errors import KShotKeyError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.layer_groups import layer_groups
from kshot_viz.viz.neurons.neuron_map import (
    _map_frame,
    _middles,
    _without_overlap,
    draw_neuron_map,
    neuron_embedding,
    plot_neuron_map,
    principal_components,
)


def test_two_dimensions_are_shown_without_loss() -> None:
    points = np.zeros((6, 5))
    points[:, [1, 3]] = np.random.default_rng(0).normal(size=(6, 2))
    coordinates, explained = principal_components(points)
    for i in range(6):
        before = np.linalg.norm(points - points[i], axis=1)
        np.testing.assert_allclose(np.linalg.norm(coordinates - coordinates[i], axis=1), before)
    assert sum(explained) == pytest.approx(1.0)
    assert explained[0] >= explained[1]


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), flat=st.booleans())
def test_small_and_constant_layers_have_a_map_too(rows: int, columns: int, flat: bool) -> None:
    points = np.ones((rows, columns)) if flat else np.arange(rows * columns).reshape(rows, -1)
    coordinates, explained = principal_components(points.astype(float))
    assert coordinates.shape == (rows, 2)
    assert np.isfinite(coordinates).all()
    assert 0 <= sum(explained) <= 1 + 1e-9


def test_the_frame_has_a_row_for_each_neuron(acts: Activations, groups: Grouping) -> None:
    frame = _map_frame(neuron_embedding(acts, "b"), layer_groups(groups, "b", 6))
    assert frame["neuron"].tolist() == list(range(6))
    assert frame["group"].tolist() == groups["b"].tolist()


def test_middles_are_the_central_members_of_large_groups_first(acts: Activations) -> None:
    frame = _map_frame(neuron_embedding(acts, "a"), layer_groups(None, "a", 12))
    frame["group"], frame["x"], frame["y"] = [0] * 3 + [1] * 9, [0, 1, 5, *range(9)], 0.0
    middles = _middles(frame)
    assert middles["group"].tolist() == [1, 0]
    assert middles["neuron"].tolist() == [7, 1]


def test_numbers_that_would_overlap_are_left_out() -> None:
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 11.0], [12.0, 0.0]])
    assert _without_overlap(centres, [(10.0, 10.0)] * 4) == [0, 2, 3]


def test_axes_have_the_explained_variance(acts: Activations, groups: Grouping) -> None:
    ax = plot_neuron_map(acts, "b", groups)
    share = principal_components(acts.layer("b").compact)[1][0]
    assert ax.get_xlabel() == f"component 1 ({100 * share:.0f} % of variance)"
    assert "dead" in [text.get_text() for text in ax.texts]


def test_without_grouping_there_are_no_numbers(acts: Activations) -> None:
    ax = Figure().add_subplot()
    assert plot_neuron_map(acts, "a", ax=ax) is ax
    assert [text.get_text() for text in ax.texts] == ["12 neurons"]


def test_a_selection_stands_out_and_is_counted(acts: Activations, groups: Grouping) -> None:
    shown = layer_groups(groups, "a", 12)
    ax = draw_neuron_map(neuron_embedding(acts, "a"), "a", shown, selected=[3, 5, 7])
    faint, strong = ax.collections
    assert (len(faint.get_offsets()), len(strong.get_offsets())) == (9, 3)
    assert (faint.get_alpha(), strong.get_alpha()) == (0.3, 1.0)
    assert any("3 selected" in text.get_text() for text in ax.texts)


def test_unknown_methods_are_refused(acts: Activations) -> None:
    with pytest.raises(KShotKeyError, match="`method` must be one of 'pca', 'umap'; not 'tsne'"):
        plot_neuron_map(acts, "a", method="tsne")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed")
def test_umap_keeps_families_together_and_obeys_its_seed(as_layer: Callable) -> None:
    rng = np.random.default_rng(0)
    families = np.repeat(10 * rng.normal(size=(3, 8)), 12, axis=0)
    acts = Activations({"a": as_layer(families + rng.normal(size=(36, 8)))}, "grid", 8)
    groups = layer_groups(Grouping({"a": np.repeat([0, 1, 2], 12)}), "a", 36)
    frame = _map_frame(neuron_embedding(acts, "a", method="umap", seed=3), groups)
    again = _map_frame(neuron_embedding(acts, "a", method="umap", seed=3), groups)
    assert frame.equals(again)
    means = frame.groupby("group")[["x", "y"]].mean().to_numpy()
    distance = np.linalg.norm(frame[["x", "y"]].to_numpy()[:, None] - means, axis=2)
    assert (distance.argmin(axis=1) == frame["group"]).all()
    ax = plot_neuron_map(acts, "a", method="umap")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("UMAP 1", "UMAP 2")


@given(rows=st.integers(65, 90), columns=st.integers(65, 90))
def test_large_layers_have_the_map_that_all_components_give(rows: int, columns: int) -> None:
    points = np.random.default_rng(rows * columns).normal(size=(rows, columns))
    points *= np.linspace(3, 0.1, columns)
    centred = points - points.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates, explained = principal_components(points)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(left[:, :2] * scale[:2]), atol=1e-6)
    np.testing.assert_allclose(explained, scale[:2] ** 2 / (scale**2).sum())

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from kshot_viz.activations import Activations
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.layer_groups import layer_groups
from kshot_viz.viz.neurons.similarity import AT_MOST, _blocks, _correlations, plot_similarity


def test_the_matrix_is_the_correlation_in_the_order_of_the_groups(
    acts: Activations, groups: Grouping
) -> None:
    frame = _correlations(acts, "b", layer_groups(groups, "b", 6).order(AT_MOST))
    assert frame.index.tolist() == frame.columns.tolist() == [0, 2, 4, 1, 3, 5]
    expected = np.corrcoef(acts["b"][:5])
    for i in range(5):
        for j in range(5):
            assert frame.loc[i, j] == pytest.approx(expected[i, j], abs=1e-9)
    assert (frame.loc[5] == 0).all()


def test_blocks_are_runs_of_one_group() -> None:
    assert _blocks(np.array([0, 0, 2, 2, 2, 5])) == [(0, 0, 2), (2, 2, 3), (5, 5, 1)]


def test_the_figure_names_groups_and_frames_them(acts: Activations, groups: Grouping) -> None:
    ax = plot_similarity(acts, "b", groups)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "dead"]
    assert len(ax.patches) == 2 * 3
    assert ax.get_title(loc="left") == "Similarity in b, 2 groups and 1 dead neuron"
    assert ax.images[0].get_clim() == (-1, 1)


def test_without_grouping_there_are_no_frames(acts: Activations) -> None:
    ax = Figure().add_subplot()
    assert plot_similarity(acts, "a", ax=ax) is ax
    assert len(ax.patches) == 0
    assert "in the network's order" in ax.texts[0].get_text()


def test_of_very_many_neurons_some_are_drawn_and_the_note_says_so(
    as_layer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kshot_viz.viz.neurons.similarity.AT_MOST", 20)
    points = np.random.default_rng(0).normal(size=(50, 10))
    many = Activations({"a": as_layer(points)}, "grid", 10)
    ax = plot_similarity(many, "a", Grouping({"a": np.arange(50) % 5}))
    assert ax.images[0].get_array().shape == (20, 20)
    assert "20 of 50 neurons drawn" in ax.texts[0].get_text()


def test_unknown_layers_and_other_networks_are_refused(acts: Activations) -> None:
    with pytest.raises(KShotKeyError, match="'c'"):
        plot_similarity(acts, "c")
    with pytest.raises(KShotValueError, match="another network"):
        plot_similarity(acts, "a", Grouping({"a": [0, 1]}))

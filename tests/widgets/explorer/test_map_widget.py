"""The map of neurons without a browser: what is sent, what comes back, what it leaves behind."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from traitlets import TraitError

from kshot_viz.activations import Activations
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.editing.history import named
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.layer_groups import layer_groups, palette
from kshot_viz.viz.neurons.neuron_map import neuron_embedding, plot_neuron_map
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.base.parts import STATIC, static
from kshot_viz.widgets.explorer.neuron_map import NeuronMap


@pytest.fixture
def shown(acts: Activations, grouping: Grouping) -> NeuronMap:
    return NeuronMap(acts, "conv", grouping)


def test_points_labels_and_colours_travel_as_bytes(
    shown: NeuronMap, acts: Activations, grouping: Grouping
):
    points = np.frombuffer(shown.points, "<f4").reshape(-1, 2)
    np.testing.assert_allclose(points, neuron_embedding(acts, "conv").points, rtol=1e-5, atol=1e-6)
    assert np.frombuffer(shown.labels, "<i4").tolist() == grouping["conv"].tolist()
    colours = np.frombuffer(shown.palette, "u1").reshape(-1, 3) / 255
    assert colours.tolist() == [list(to_rgb(c)) for c in palette(grouping, "conv")]
    statistics = np.frombuffer(shown.statistics, "<f4").reshape(2, -1)
    np.testing.assert_allclose(statistics[0], acts.layer("conv").mean, rtol=1e-5)
    assert shown.statistic_names == ["mean activation", "spread"]


def test_what_the_browser_selects_arrives(shown: NeuronMap):
    heard = []
    shown.observe(lambda change: heard.append(shown.selected.tolist()), "selection")
    state = {"selection": memoryview(np.array([1, 4], "<i4").tobytes())}
    shown.set_state(state)
    assert heard == [[1, 4]]
    assert shown.frame()["selected"].tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize("neurons", [[6], [-1]])
def test_a_neuron_that_is_none_is_not_selected(shown: NeuronMap, neurons: list[int]):
    with pytest.raises(KShotValueError, match="'conv' has neurons 0 to 5"):
        shown.select(neurons)
    with pytest.raises(TraitError, match="neurons 0 to 5"):
        shown.selection = np.array(neurons, "<i4").tobytes()
    assert shown.selected.tolist() == []


def test_a_selection_is_sorted_and_can_be_empty(shown: NeuronMap):
    shown.select([4, 2, 4])
    assert shown.selected.tolist() == [2, 4]
    shown.select([])
    assert shown.selected.tolist() == []


def test_the_figure_is_the_one_of_the_library(
    shown: NeuronMap, acts: Activations, grouping: Grouping
):
    assert to_png(shown.figure()) == to_png(plot_neuron_map(acts, "conv", grouping))


def test_another_layer_takes_its_own_neurons_and_no_selection(
    shown: NeuronMap, acts: Activations, grouping: Grouping
):
    shown.select([5])
    shown.show("deep", neuron_embedding(acts, "deep"), layer_groups(grouping, "deep", 8), {})
    assert len(shown.frame()) == 8
    assert shown.selected.tolist() == []
    shown.select([7])


def test_dead_neurons_and_names_are_sent(acts: Activations):
    grouping = named(
        Grouping({"conv": [0, 0, 0, 1, 1, 2]}, dead={"conv": 2}), "conv", 1, "<i>e</i>"
    )
    shown = NeuronMap(acts, "conv", grouping)
    assert (shown.dead, shown.known, shown.names) == (2, True, {"1": "<i>e</i>"})


def test_without_a_grouping_no_group_is_sent(acts: Activations):
    shown = NeuronMap(acts, "conv")
    assert not shown.known
    assert shown.frame()["group"].tolist() == [0] * 6


def test_unknown_layers_are_refused(acts: Activations):
    with pytest.raises(KShotKeyError, match="`layer` must be one of 'conv', 'deep'"):
        NeuronMap(acts, "conv9")


def test_one_neuron_has_a_map(acts: Activations):
    from kshot_viz.activations import LayerActivations

    one = LayerActivations(np.ones((1, 3)), np.ones(1), np.zeros(1), 3)
    shown = NeuronMap(Activations({"a": one}, "grid", 3), "a", Grouping({"a": [0]}))
    assert np.frombuffer(shown.points, "<f4").tolist() == [0, 0]


def test_it_leaves_a_picture_for_pages_without_a_kernel(shown: NeuronMap):
    data, _ = shown._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(data)


def test_the_script_imports_nothing_and_writes_no_html():
    for path in STATIC.glob("*.js"):
        script = static(path.name)
        for word in ("import ", "http", "innerHTML", "insertAdjacentHTML", "eval("):
            assert word not in script, (path.name, word)

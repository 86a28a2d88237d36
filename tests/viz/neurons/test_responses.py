"""Responses of selected neurons, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kshot_viz.activations.capture import (
    capture_activations,
    image_responses,
    standardised_responses,
)
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.gradients import GradientTrace
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.neurons.responses import (
    _class_frame,
    _gradient_frame,
    _top_images_frame,
    plot_class_activations,
    plot_gradients,
    plot_top_images,
)

RESPONSES = np.array([[0.0, 2.0, 4.0, 2.0], [1.0, 1.0, 1.0, 1.0], [9.0, 5.0, 1.0, 5.0]])
LABELS = ["a", "b", "a", "b"]
GROUPS = layer_groups(Grouping({"x": [0, 0, 1]}), "x", 3)
TRACE = GradientTrace(
    "x",
    alone=np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 1.0]]),
    shared=np.array([[0.0, 0.0, 0.0], [2.5, 2.5, 1.0]]),
)


@pytest.fixture
def three() -> LayerGroups:
    return layer_groups(Grouping({"x": [0, 1, 0]}), "x", 3)


def texts(ax) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts)


def test_responses_are_means_over_positions(network: Backbone) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 28, 28), dtype=np.uint8)
    responses = image_responses(network, images, "blocks.1.conv")
    every = capture_activations(network, images, layers=["blocks.1.conv"], pool="none")
    expected = every["blocks.1.conv"].reshape(8, 3, -1).mean(axis=2)
    np.testing.assert_allclose(responses, expected, atol=1e-6)


def test_each_neuron_is_its_own_measure_and_dead_ones_are_zero() -> None:
    found = standardised_responses(RESPONSES)
    np.testing.assert_allclose(found[0], [-np.sqrt(2), 0, np.sqrt(2), 0])
    assert found[1].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(found[2], -found[0])


def test_a_class_has_the_mean_of_its_images() -> None:
    frame = _class_frame(RESPONSES, LABELS, [0, 1])
    assert frame.index.tolist() == ["a", "b"]
    assert frame.columns.tolist() == [0, 1]
    np.testing.assert_allclose(frame.to_numpy(), 0, atol=1e-12)
    skewed = _class_frame(RESPONSES, ["a", "a", "b", "b"], [0])
    np.testing.assert_allclose(skewed[0], [-np.sqrt(0.5), np.sqrt(0.5)])


def test_the_strongest_images_come_first() -> None:
    frame = _top_images_frame(RESPONSES, [0])
    assert frame["image"].tolist() == [2, 1, 3, 0]
    assert _top_images_frame(RESPONSES, [0, 2])["strength"].abs().max() == pytest.approx(0)


def test_many_classes_are_cut_to_both_ends(three: LayerGroups) -> None:
    rng = np.random.default_rng(0)
    responses, labels = rng.normal(size=(3, 80)), np.repeat(np.arange(40), 2)
    ax = plot_class_activations(responses, labels, three, [0, 2])
    assert len(ax.get_yticks()) == 24
    assert "the 12 highest and lowest of 40 classes" in texts(ax)


def test_names_of_classes_are_not_taken_for_formulas(three: LayerGroups) -> None:
    odd = ["$x", "a_$", "$x", "a_$"]
    plot_class_activations(RESPONSES, odd, three, [0]).figure.canvas.draw()
    images = np.random.default_rng(0).integers(0, 255, (4, 9, 5, 3), dtype=np.uint8)
    plot_top_images(images, RESPONSES, [0], labels=odd).figure.canvas.draw()


def test_grey_colour_and_oblong_images_are_shown() -> None:
    rng = np.random.default_rng(0)
    for shape in ((4, 8, 8), (4, 8, 8, 3), (4, 200, 30, 3)):
        images = rng.integers(0, 255, shape, dtype=np.uint8)
        picture = plot_top_images(images, RESPONSES, [0]).images[0].get_array()
        assert picture.shape == (80, 280, 4)


def test_what_cannot_be_shown_is_said(three: LayerGroups) -> None:
    with pytest.raises(KShotValueError, match="select at least one neuron"):
        plot_top_images(np.zeros((4, 8, 8), np.uint8), RESPONSES, [])
    with pytest.raises(KShotValueError, match="`labels` has 3 entries, but there are 4 images"):
        plot_class_activations(RESPONSES, ["a", "b", "c"], three, [0])
    with pytest.raises(KShotValueError, match="Rows of features are no images"):
        plot_top_images(np.zeros((4, 8)), RESPONSES, [0])


def test_a_selection_of_filters_is_drawn_alone(network: Backbone, row: Callable) -> None:
    from kshot_viz.viz.neurons.filters import _filters_frame, plot_filters

    groups = layer_groups(Grouping({"x": [0, 1, 0, 1]}), "x", 4)
    assert _filters_frame(groups, [3, 2])["neuron"].tolist() == [2, 3]
    assert "2 of 8 neurons drawn" in texts(plot_filters(network, neurons=[1, 5]))
    with pytest.raises(KShotValueError, match="The layer has neurons 0 to 7; not"):
        plot_filters(network, neurons=[8])


def test_what_is_removed_counts_the_whole_group_of_a_neuron() -> None:
    frame = _gradient_frame(TRACE, GROUPS, [1])
    assert frame["step"].tolist() == [0, 1]
    assert frame[1].tolist() == [0, 4]
    assert np.isnan(frame["removed"][0])
    assert frame["removed"][1] == pytest.approx(100 * (1 - 12.5 / 25))


def test_a_neuron_on_its_own_loses_nothing() -> None:
    assert _gradient_frame(TRACE, GROUPS, [2])["removed"][1] == 0


def test_the_note_says_how_much_was_removed() -> None:
    ax = plot_gradients(TRACE, GROUPS, [0, 1])
    assert len(ax.lines) == 2
    assert any("removed 50 % of the energy" in t.get_text().replace("\n", " ") for t in ax.texts)


def test_an_empty_selection_is_refused() -> None:
    with pytest.raises(KShotValueError, match="select at least one neuron"):
        plot_gradients(TRACE, GROUPS, [])

"""Figures of a report, by caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.activations import capture_activations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

SHOWN = 256


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Return accuracy against shots, and against step size for every shot."""
    from kshot_viz.viz import plot_accuracy, plot_step_size

    figures = {"Accuracy": _figure(plot_accuracy(comparison))}
    if len(comparison.curve()):
        for shot in sorted(comparison.frame["shot"].unique().tolist()):
            axes = plot_step_size(comparison, shot=shot)
            figures[f"Accuracy against step size, {shot} shot"] = _figure(axes)
    return figures


def grouping_figures(
    comparison: Comparison, backbone: Backbone, data: ImageDataset, source: ImageDataset | None
) -> dict[str, Figure]:
    """Return the groups that the comparison used: of the source, or of its first test episode."""
    from kshot_viz.viz import plot_filters, plot_group_sizes, plot_neuron_map, plot_similarity

    used = comparison.grouping(data=data)
    if used is None:
        return {}
    grouping, episode = used
    support, _ = episode.split(data)
    images, origin = (
        (support, f"episode {episode.name}") if source is None else (source, "the source")
    )
    some = np.linspace(0, len(images) - 1, min(len(images), SHOWN)).astype(int)
    activations = capture_activations(backbone, images.take(some))
    layer = list(grouping)[len(grouping) // 2]
    axes = {
        "First-layer filters": plot_filters(backbone, grouping),
        f"Similarity of neurons in {layer}": plot_similarity(activations, layer, grouping),
        f"Map of neurons in {layer}": plot_neuron_map(activations, layer, grouping),
        "Group sizes": plot_group_sizes(grouping),
    }
    return {f"{title}, groups of {origin}": _figure(drawn) for title, drawn in axes.items()}


def _figure(axes: Axes) -> Figure:
    return axes.get_figure()  # type: ignore[return-value]

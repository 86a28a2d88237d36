"""The figures of a report, by caption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.activations import capture_activations
from kshot_viz.grouping.cluster import cluster_neurons

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
    backbone: Backbone, images: ImageDataset, n_groups: Any, seed: int
) -> dict[str, Figure]:
    """Return the group structure that images, 256 at most, give the network."""
    from kshot_viz.viz import plot_filters, plot_group_sizes, plot_neuron_map, plot_similarity

    some = np.linspace(0, len(images) - 1, min(len(images), SHOWN)).astype(int)
    activations = capture_activations(backbone, images.take(some))
    grouping = cluster_neurons(activations, n_groups=n_groups, seed=seed)
    layer = list(activations)[len(activations) // 2]
    return {
        "First-layer filters by group": _figure(plot_filters(backbone, grouping)),
        f"Similarity of neurons in {layer}": _figure(plot_similarity(activations, layer, grouping)),
        f"Map of neurons in {layer}": _figure(plot_neuron_map(activations, layer, grouping)),
        "Group sizes": _figure(plot_group_sizes(grouping)),
    }


def _figure(axes: Axes) -> Figure:
    return axes.get_figure()  # type: ignore[return-value]

"""The figures of a report, by caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.activations import capture_activations
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.grouping.grouping import Grouping
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

    used = _used(comparison, backbone, data)
    if used is None:
        return {}
    grouping, support, name = used
    images, origin = (support, f"episode {name}") if source is None else (source, "the source")
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


def _used(
    comparison: Comparison, backbone: Backbone, data: ImageDataset
) -> tuple[Grouping, ImageDataset, str] | None:
    """Return the grouping of the method "grouped" in the first test episode, and its support."""
    records = (one for one in comparison.candidates.values() if one["name"] == "grouped")
    candidate = next((Candidate.from_dict(one) for one in records), None)
    if candidate is None:
        return None
    first = next(one for one in comparison.episodes.values() if one["pool"] == "test")
    episode = Episode.from_dict(first)
    support, _ = episode.split(data)
    made = candidate.grouping
    if isinstance(made, GroupingRule):
        seed = comparison.manifest["seed"]
        made = made.in_episode(backbone, support, name=episode.name, seed=seed)
    return None if made is None else (made, support, episode.name)


def _figure(axes: Axes) -> Figure:
    return axes.get_figure()  # type: ignore[return-value]

"""Map, similarity, sizes and score of a layer's groups in one figure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.comparison.grouping_scores import plot_rescoring
from kshot_viz.viz.neurons.embedding import Embedding
from kshot_viz.viz.neurons.group_sizes import plot_group_sizes
from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.viz.neurons.neuron_map import draw_neuron_map
from kshot_viz.viz.neurons.similarity import draw_similarity

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def explorer_figure(
    embedding: Embedding,
    similarity: pd.DataFrame,
    layer: str,
    groups: LayerGroups,
    grouping: Grouping,
    *,
    selected: Collection[int] = (),
    score: pd.DataFrame | None = None,
    note: str = "",
) -> Figure:
    """Draw the content of a :class:`GroupExplorer`, for pages without a running kernel.

    Parameters
    ----------
    embedding : Embedding
    similarity : DataFrame
        In the order of the groups.
    layer : str
    groups : LayerGroups
    grouping : Grouping
        All layers.
    selected : collection of int
    score : DataFrame, optional
        As :meth:`kshot_viz.study.rescoring.Rescoring.compare` returns it.
    note : str
        Added to the note of the score.

    Returns
    -------
    Figure
    """
    from matplotlib.figure import Figure

    rows = [
        part for part, drawn in (("sizes", groups.known), ("score", score is not None)) if drawn
    ]
    figure = Figure(figsize=(12.8, 5.3 + 1.9 * len(rows)), layout="constrained")
    heights = [5.3, *[1.9] * len(rows)]
    mosaic: Any = [["map", "similarity"], *([part, part] for part in rows)]
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights)
    draw_neuron_map(embedding, layer, groups, selected=selected, ax=axes["map"])
    draw_similarity(similarity, layer, groups, selected=selected, ax=axes["similarity"])
    if groups.known:
        plot_group_sizes(grouping.only([layer]), ax=axes["sizes"])
    if score is not None:
        plot_rescoring(score, note=note, ax=axes["score"])
    return figure

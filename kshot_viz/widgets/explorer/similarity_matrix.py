"""Interactive matrix of the correlations between a layer's neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from traitlets import List, Unicode

from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.neurons.similarity import (
    COLOURS,
    by_group,
    caption,
    correlations,
    draw_similarity,
)
from kshot_viz.viz.style.canvas import figure_of
from kshot_viz.widgets.base.canvas import NeuronCanvas, as_bytes, sent
from kshot_viz.widgets.base.parts import static

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

_SCRIPTS = ("page.js", "similarity.js")
# A correlation is one of 255 steps: 0 is -1, 127 is 0, 254 is 1.
_HALF = 127


class SimilarityMatrix(NeuronCanvas):
    """The correlation matrix of a layer, ordered and framed by group; drag along it to select.

    The matrix travels once, as bytes; another grouping is drawn from what is there already.

    Parameters
    ----------
    activations : Activations
    layer : str
    grouping : Grouping, optional

    Notes
    -----
    Of a layer with more than 2,000 neurons, evenly spaced ones are drawn, as the note states.
    """

    _esm = "\n".join(map(static, _SCRIPTS))

    values, neurons, ramp = sent(), sent(), sent()
    caption = List(Unicode(), ["", ""]).tag(sync=True)

    def __init__(
        self, activations: Activations, layer: str, grouping: Grouping | None = None
    ) -> None:
        super().__init__(ramp=_ramp())
        groups = layer_groups(grouping, layer, activations.layer(layer).width)
        self.show(layer, correlations(activations, layer), groups)

    def show(self, layer: str, matrix: pd.DataFrame, groups: LayerGroups) -> None:
        """Show another layer; ``matrix`` is in the network's order."""
        self._layer, self._matrix = layer, matrix
        with self.hold_sync():
            self.neurons = as_bytes(matrix.index.to_numpy(), "i4")
            self.values = as_bytes(np.round(_HALF * (1 + matrix.to_numpy())), "u1")
            self.regroup(groups)

    def regroup(self, groups: LayerGroups) -> None:
        """Give the same neurons other groups."""
        with self.hold_sync():
            super().regroup(groups)
            self.caption = list(caption(self._layer, groups, len(self._matrix)))

    def frame(self) -> pd.DataFrame:
        """Return the matrix as drawn, ordered by group; index and columns are neurons."""
        return by_group(self._matrix, self._groups)

    def figure(self) -> Figure:
        """Return the matrix as a matplotlib figure."""
        selected = self.selected.tolist()
        return figure_of(
            draw_similarity(self.frame(), self._layer, self._groups, selected=selected)
        )

    def __repr__(self) -> str:
        return f"SimilarityMatrix of {self._layer}: {self._groups.summary}"


def _ramp() -> bytes:
    """Return the colours of the figure's scale, 255 times red, green, blue."""
    from matplotlib import colormaps

    steps = colormaps[COLOURS](np.linspace(0, 1, 2 * _HALF + 1))
    return as_bytes(np.round(255 * steps[:, :3]), "u1")

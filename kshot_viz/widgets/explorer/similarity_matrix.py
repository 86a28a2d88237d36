"""The correlations between a layer's neurons that one can touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from numpy.typing import NDArray
from traitlets import Bool, Dict, Int, List, Unicode

from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.neurons.similarity import (
    COLOURS,
    by_group,
    caption,
    correlations,
    draw_similarity,
)
from kshot_viz.viz.style.canvas import figure_of
from kshot_viz.widgets.base.buffers import as_bytes, as_integers, both_ways, group_bytes, sent
from kshot_viz.widgets.base.page import static
from kshot_viz.widgets.base.parts import with_picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

_SCRIPTS = ("page.js", "similarity.js")
# A correlation is one of 255 steps: 0 is -1, 127 is 0, 254 is 1.
_HALF = 127


class SimilarityMatrix(anywidget.AnyWidget):
    """The correlation matrix of a layer, ordered and framed by group; drag along it to select.

    The matrix travels once, as bytes; another grouping is drawn from what is there already.

    Parameters
    ----------
    activations : Activations
    layer : str
    grouping : Grouping, optional

    Notes
    -----
    Of a layer with more than 2,000 neurons, evenly spaced ones are drawn, and the note says so.
    """

    _esm = "\n".join(map(static, _SCRIPTS))
    _css = static("canvas.css")

    values, neurons, labels, palette, ramp = sent(), sent(), sent(), sent(), sent()
    names = Dict().tag(sync=True)
    dead = Int(-1).tag(sync=True)
    known = Bool(False).tag(sync=True)
    caption = List(Unicode(), ["", ""]).tag(sync=True)
    selection = both_ways(help="Selected neurons, 32-bit integers, ascending.")

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
        self._groups = groups
        with self.hold_sync():
            self.labels, self.palette = group_bytes(groups)
            self.names = {str(group): name for group, name in groups.names.items()}
            self.dead = -1 if groups.dead is None else int(groups.dead)
            self.known = groups.known
            self.caption = list(caption(self._layer, groups, len(self._matrix)))

    @property
    def selected(self) -> NDArray[np.int64]:
        """The selected neurons, ascending."""
        return as_integers(self.selection)

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

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**options), self)


def _ramp() -> bytes:
    """Return the colours of the figure's scale, 255 times red, green, blue."""
    from matplotlib import colormaps

    steps = colormaps[COLOURS](np.linspace(0, 1, 2 * _HALF + 1))
    return as_bytes(np.round(255 * steps[:, :3]), "u1")

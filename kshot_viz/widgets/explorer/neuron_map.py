"""The map and the similarity matrix of a layer's neurons, in which neurons can be selected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Int, List, TraitError, Unicode, validate

from kshot_viz.grouping.labels import indices
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.neurons.neuron_map import Embedding, draw_neuron_map, neuron_embedding
from kshot_viz.viz.neurons.similarity import (
    COLOURS,
    by_group,
    caption,
    correlations,
    draw_similarity,
)
from kshot_viz.viz.style.canvas import figure_of
from kshot_viz.widgets.base.parts import NeuronCanvas, as_bytes, as_integers, sent, static

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.activations import Activations, LayerActivations
    from kshot_viz.grouping.grouping import Grouping

_MATRIX_SCRIPTS = ("page.js", "similarity.js")
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

    _esm = "\n".join(map(static, _MATRIX_SCRIPTS))

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


_SCRIPTS = ("page.js", "geometry.js", "drawing.js", "points_view.js", "neuron_map.js")


class NeuronMap(NeuronCanvas):
    """The neurons of one layer as points: hover, pan and zoom, lasso, rectangle, keyboard.

    Parameters
    ----------
    activations : Activations
    layer : str
    grouping : Grouping, optional
        Gives the colours and numbers, those of every figure.
    method : {"pca", "umap"}
    seed : int
        Seed of UMAP.
    statistics : mapping of str to array_like, optional
        More numbers of each neuron than its mean and spread, shape (neurons,).
    height : int
        Pixels.

    Attributes
    ----------
    selected : ndarray of int
        The selected neurons, ascending; set them with :meth:`select`.

    Raises
    ------
    KShotKeyError, KShotValueError
        For an unknown layer or method, or a grouping made for another network.
    """

    _esm = "\n".join(map(static, _SCRIPTS))

    points, statistics = sent(), sent()
    layer = Unicode("").tag(sync=True)
    axes = List(Unicode(), ["", ""]).tag(sync=True)
    statistic_names = List(Unicode()).tag(sync=True)
    height = Int(420).tag(sync=True)

    def __init__(
        self,
        activations: Activations,
        layer: str,
        grouping: Grouping | None = None,
        *,
        method: str = "pca",
        seed: int = 0,
        statistics: Mapping[str, Any] | None = None,
        height: int = 420,
    ) -> None:
        super().__init__(height=height)
        whole = activations.layer(layer)
        groups = layer_groups(grouping, layer, whole.width)
        embedding = neuron_embedding(activations, layer, method=method, seed=seed)
        self.show(layer, embedding, groups, activation_statistics(whole) | dict(statistics or {}))

    # ---- what is shown -------------------------------------------------------------------------

    def show(
        self, layer: str, embedding: Embedding, groups: LayerGroups, statistics: Mapping[str, Any]
    ) -> None:
        """Show another layer; the selection is empty then."""
        self._statistics = {name: np.asarray(values) for name, values in statistics.items()}
        self._groups = groups
        with self.hold_sync():
            self.selection = b""
            self.layer = layer
            self.statistic_names = list(self._statistics)
            self.statistics = b"".join(as_bytes(v, "f4") for v in self._statistics.values())
            self.move(embedding)
            self.regroup(groups)

    @property
    def embedding(self) -> Embedding:
        """The coordinates of the neurons."""
        return self._embedding

    def move(self, embedding: Embedding) -> None:
        """Give the same neurons other coordinates."""
        self._embedding = embedding
        with self.hold_sync():
            self.points = as_bytes(embedding.points, "f4")
            self.axes = list(embedding.axes)

    # ---- the selection -------------------------------------------------------------------------

    def select(self, neurons: Iterable[int]) -> None:
        """Select neurons; an empty list selects none.

        Raises
        ------
        KShotValueError
            For a neuron that the layer does not have.
        """
        wanted = list(neurons)
        if wanted:
            wanted = indices(wanted, self._width, f"Layer {self.layer!r} has neurons").tolist()
        self.selection = as_bytes(sorted(set(wanted)), "i4")

    @validate("selection")
    def _checked(self, proposal: Any) -> bytes:
        data = proposal["value"]
        if len(data) % 4:
            raise TraitError("`selection` must be 32-bit integers.")
        chosen = as_integers(data)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self._width):
            raise TraitError(f"`selection` must be neurons 0 to {self._width - 1}.")
        return data

    @property
    def _width(self) -> int:
        return len(self._groups.labels)

    # ---- the same without a browser --------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Return ``neuron, group, number, x, y, selected`` and the statistics, one row a neuron.

        ``group`` is the label in the grouping, ``number`` the one that is shown: a group keeps it
        through all edits; -1 for dead neurons.
        """
        import pandas as pd

        rows = {
            "neuron": np.arange(self._width),
            "group": self._groups.labels,
            "number": np.take(self._groups.numbers, self._groups.labels),
            "x": self._embedding.points[:, 0],
            "y": self._embedding.points[:, 1],
            "selected": np.isin(np.arange(self._width), self.selected),
        }
        return pd.DataFrame(rows | self._statistics)

    def figure(self) -> Figure:
        """Return the map as a matplotlib figure."""
        drawn = draw_neuron_map(
            self._embedding, self.layer, self._groups, selected=self.selected.tolist()
        )
        return figure_of(drawn)

    def __repr__(self) -> str:
        return f"NeuronMap of {self.layer}: {self._width:,} neurons, {self._groups.summary}"


def activation_statistics(layer: LayerActivations) -> dict[str, Any]:
    """Return the mean and the spread of every neuron's activations."""
    return {"mean activation": layer.mean, "spread": layer.std}

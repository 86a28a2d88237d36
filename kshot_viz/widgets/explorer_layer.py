"""The layer an explorer shows: its map, its similarity matrix, and where the neurons stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.groups import LayerGroups, layer_groups
from kshot_viz.viz.places import METHODS as PLACINGS
from kshot_viz.viz.places import Places, neuron_places
from kshot_viz.viz.similarity import correlations
from kshot_viz.widgets.explorer_controls import Controls
from kshot_viz.widgets.neuron_map import NeuronMap, known_of
from kshot_viz.widgets.similarity_matrix import SimilarityMatrix
from kshot_viz.widgets.threads import Background

if TYPE_CHECKING:
    from kshot_viz.activations import Activations

_AT_ONCE = PLACINGS[0]


class LayerView:
    """Map and matrix of one layer with one selection; another kind of map comes when it is ready.

    Parameters
    ----------
    activations : Activations
    layer : str
        The layer to begin with.
    grouping : Grouping
    controls : Controls
        They choose the kind of map.
    seed : int
        Seed of UMAP.
    failed : callable
        Takes an exception of the background.
    """

    def __init__(
        self,
        activations: Activations,
        layer: str,
        grouping: Grouping,
        controls: Controls,
        seed: int,
        failed: Callable[[Exception], None],
    ) -> None:
        self._activations, self._controls, self._seed = activations, controls, seed
        known = _of(grouping, layer)
        self.layer, self.groups = layer, self._look_up(layer, grouping)
        self.map = NeuronMap(activations, layer, known)
        self.matrix = SimilarityMatrix(activations, layer, known)
        ipywidgets.link((self.map, "selection"), (self.matrix, "selection"))
        self._places = {(layer, _AT_ONCE): self.map.placed}
        self.background = Background(failed)

    @property
    def selected(self) -> list[int]:
        """The selected neurons, ascending."""
        return self.map.selected.tolist()

    def show(self, layer: str, grouping: Grouping) -> None:
        """Show another layer."""
        matrix = correlations(self._activations, layer)
        self.layer, self.groups = layer, self._look_up(layer, grouping)
        statistics = known_of(self._activations.layer(layer))
        self.map.show(layer, self.placed(), self.groups, statistics)
        self.matrix.show(layer, matrix, self.groups)

    def regroup(self, grouping: Grouping) -> None:
        """Show another grouping of the same layer."""
        self.groups = self._look_up(self.layer, grouping)
        self.map.regroup(self.groups)
        self.matrix.regroup(self.groups)

    def place(self) -> None:
        """Move the points to the chosen map; principal components stand until it is there."""
        layer, method = self.layer, self._controls.placing.value
        if method == _AT_ONCE or (layer, method) in self._places:
            self._move()
            return
        self._controls.place_state.busy("computing UMAP; the first takes about 10 s")

        def done(_: Places) -> None:
            if (self.layer, self._controls.placing.value) == (layer, method):
                self._move()

        self.background.start(lambda: self._lay_out(layer, method), done)

    def placed(self) -> Places:
        """Return the chosen map, or principal components until it is computed."""
        known = self._places.get((self.layer, self._controls.placing.value))
        return known or self._lay_out(self.layer, _AT_ONCE)

    def _move(self) -> None:
        self.map.move(self.placed())
        self._controls.place_state.idle()

    def _lay_out(self, layer: str, method: str) -> Places:
        if (layer, method) not in self._places:
            found = neuron_places(self._activations, layer, method=method, seed=self._seed)
            self._places[layer, method] = found
        return self._places[layer, method]

    def _look_up(self, layer: str, grouping: Grouping) -> LayerGroups:
        width = self._activations.layer(layer).width
        return layer_groups(_of(grouping, layer), layer, width)


def _of(grouping: Grouping, layer: str) -> Grouping | None:
    return grouping if layer in grouping else None

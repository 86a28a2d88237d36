"""The layer an explorer shows: its map, its similarity matrix, and where the neurons stand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import ipywidgets

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.embedding import METHODS as PLACINGS
from kshot_viz.viz.neurons.embedding import Embedding, neuron_embedding
from kshot_viz.viz.neurons.similarity import correlations
from kshot_viz.widgets.base.threads import Background
from kshot_viz.widgets.explorer.controls import Controls
from kshot_viz.widgets.explorer.look import look_at
from kshot_viz.widgets.explorer.neuron_map import NeuronMap, known_of
from kshot_viz.widgets.explorer.similarity_matrix import SimilarityMatrix

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
    lock : RLock
        Held while another layer or other groups come: threads bring them too.

    Attributes
    ----------
    look : Look
        What is shown; it is swapped whole.
    """

    def __init__(
        self,
        activations: Activations,
        layer: str,
        grouping: Grouping,
        controls: Controls,
        seed: int,
        failed: Callable[[Exception], None],
        lock: threading.RLock,  # type: ignore[valid-type]
    ) -> None:
        self._activations, self._controls, self._seed = activations, controls, seed
        self._failed, self._lock = failed, lock
        self.look = look_at(activations, layer, grouping)
        known = grouping if layer in grouping else None
        self.map = NeuronMap(activations, layer, known)
        self.matrix = SimilarityMatrix(activations, layer, known)
        ipywidgets.link((self.map, "selection"), (self.matrix, "selection"))
        self._places = {(layer, _AT_ONCE): self.map.placed}
        self.background = Background(self._no_map)
        self.map.observe(lambda _: self._select(), "selection")

    def show(self, layer: str, grouping: Grouping) -> None:
        """Show another layer."""
        matrix = correlations(self._activations, layer)
        look = look_at(self._activations, layer, grouping)
        places = self._placed(layer)
        statistics = known_of(self._activations.layer(layer))
        with self._lock:
            self.map.show(layer, places, look.groups, statistics)
            self.matrix.show(layer, matrix, look.groups)
            self.look = look

    def regroup(self, grouping: Grouping) -> None:
        """Show another grouping of the same layer."""
        with self._lock:
            before = self.look
            self.look = look_at(self._activations, before.layer, grouping, before.neurons)
            self.map.regroup(self.look.groups)
            self.matrix.regroup(self.look.groups)

    def place(self) -> None:
        """Move the points to the chosen map; principal components stand until it is there."""
        layer, method = self.look.layer, self._controls.placing.value
        if method == _AT_ONCE or (layer, method) in self._places:
            self._move(layer, method)
            return
        self._controls.place_state.busy("computing UMAP; the first takes about 10 s")
        self.background.start(
            lambda: self._lay_out(layer, method), lambda _: self._move(layer, method)
        )

    def placed(self) -> Embedding:
        """Return the chosen map, or principal components until it is computed."""
        return self._placed(self.look.layer)

    def _select(self) -> None:
        with self._lock:
            self.look = replace(self.look, neurons=tuple(self.map.selected.tolist()))

    def _placed(self, layer: str) -> Embedding:
        known = self._places.get((layer, self._controls.placing.value))
        return known or self._lay_out(layer, _AT_ONCE)

    def _move(self, layer: str, method: str) -> None:
        """Move the points, unless something else was chosen meanwhile."""
        with self._lock:
            if (self.look.layer, self._controls.placing.value) == (layer, method):
                self.map.move(self._placed(layer))
                self._controls.place_state.idle()

    def _no_map(self, error: Exception) -> None:
        """Say what went wrong, and go back to the map that is there at once."""
        self._controls.place_state.idle()
        self._controls.placing.value = _AT_ONCE
        self._failed(error)

    def _lay_out(self, layer: str, method: str) -> Embedding:
        if (layer, method) not in self._places:
            found = neuron_embedding(self._activations, layer, method=method, seed=self._seed)
            self._places[layer, method] = found
        return self._places[layer, method]

"""The layer shown by an explorer: groups, selection, neuron map and similarity matrix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ipywidgets

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.group_sizes import plot_group_sizes
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.neurons.neuron_map import METHODS as EMBEDDINGS
from kshot_viz.viz.neurons.neuron_map import Embedding, neuron_embedding
from kshot_viz.viz.neurons.overview import explorer_figure
from kshot_viz.viz.neurons.similarity import correlations
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Picture
from kshot_viz.widgets.explorer.explorer_controls import ExplorerControls
from kshot_viz.widgets.explorer.neuron_map import NeuronMap, SimilarityMatrix, activation_statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kshot_viz.activations import Activations

_AT_ONCE = EMBEDDINGS[0]


@dataclass(frozen=True, eq=False)
class LayerState:
    """What an explorer shows, as one immutable value: no thread sees half of a change.

    Attributes
    ----------
    layer : str
    grouping : Grouping
        All of it.
    groups : LayerGroups
        Those of the layer.
    neurons : tuple of int
        The selected ones, ascending.
    """

    layer: str
    grouping: Grouping
    groups: LayerGroups
    neurons: tuple[int, ...] = ()


def layer_state(
    activations: Activations,
    layer: str,
    grouping: Grouping,
    neurons: tuple[int, ...] = (),
    *,
    step: float = 1.0,
) -> LayerState:
    """Return the state of a layer with its groups; a grouping may lack the layer."""
    known = grouping if layer in grouping else None
    groups = layer_groups(known, layer, activations.layer(layer).width, step=step)
    return LayerState(layer, grouping, groups, neurons)


def selection_text(state: LayerState) -> str:
    """Return which neurons and groups are selected, in words."""
    numbers = ", ".join(map(str, state.neurons[:12])) + (", ..." if len(state.neurons) > 12 else "")
    text = f"Neuron{'s' if len(state.neurons) > 1 else ''} {numbers}"
    if not state.groups.known:
        return text
    groups = sorted({int(state.groups.labels[neuron]) for neuron in state.neurons})
    names = ", ".join(state.groups.name(group) for group in groups[:8])
    more = ", ..." if len(groups) > 8 else ""
    return f"{text} of group{'s' if len(groups) > 1 else ''} {names}{more}"


class LayerView:
    """Map and matrix of one layer with one selection; another kind of map appears when computed.

    Parameters
    ----------
    activations : Activations
    layer : str
        The layer to begin with.
    grouping : Grouping
    controls : ExplorerControls
        They choose the kind of map.
    seed : int
        Seed of UMAP.
    failed : callable
        Takes an exception of the background.
    lock : RLock
        Held while layer or groups change, since threads change them too.
    steps : callable
        Takes a grouping and returns what each layer's step size is multiplied by.

    Attributes
    ----------
    state : LayerState
        What is shown; replaced as a whole.
    """

    def __init__(
        self,
        activations: Activations,
        layer: str,
        grouping: Grouping,
        controls: ExplorerControls,
        seed: int,
        failed: Callable[[Exception], None],
        lock: threading.RLock,  # type: ignore[valid-type]
        steps: Callable[[Grouping], Mapping[str, float]],
    ) -> None:
        self._activations, self.controls, self._seed = activations, controls, seed
        self._failed, self._lock, self._steps = failed, lock, steps
        self.state = self._state(layer, grouping)
        known = grouping if layer in grouping else None
        self.map = NeuronMap(activations, layer, known)
        self.matrix = SimilarityMatrix(activations, layer, known)
        self.matrix.regroup(self.state.groups)
        ipywidgets.link((self.map, "selection"), (self.matrix, "selection"))
        self._embeddings = {(layer, _AT_ONCE): self.map.embedding}
        self.background = Background(self._no_map)
        self.map.observe(lambda _: self._select(), "selection")
        controls.embedding.observe(lambda _: self.embed(), "value")

    def show(self, layer: str, grouping: Grouping) -> None:
        """Show another layer."""
        matrix = correlations(self._activations, layer)
        state = self._state(layer, grouping)
        embedding = self._shown_embedding(layer)
        statistics = activation_statistics(self._activations.layer(layer))
        with self._lock:
            self.map.show(layer, embedding, state.groups, statistics)
            self.matrix.show(layer, matrix, state.groups)
            self.state = state

    def regroup(self, grouping: Grouping) -> None:
        """Show another grouping of the same layer."""
        with self._lock:
            before = self.state
            self.state = self._state(before.layer, grouping, before.neurons)
            self.map.regroup(self.state.groups)
            self.matrix.regroup(self.state.groups)

    def embed(self) -> None:
        """Move the points to the chosen map; principal components are shown until then."""
        layer, method = self.state.layer, self.controls.embedding.value
        if method == _AT_ONCE or (layer, method) in self._embeddings:
            self._move(layer, method)
            return
        self.controls.embedding_status.busy("computing UMAP; the first takes about 10 s")
        self.background.start(
            lambda: self._computed(layer, method), lambda _: self._move(layer, method)
        )

    def embedding(self) -> Embedding:
        """Return the chosen map, or principal components until it is computed."""
        return self._shown_embedding(self.state.layer)

    def use(self, steps: Callable[[Grouping], Mapping[str, float]]) -> None:
        """Show what other settings do to the layers: which are frozen."""
        self._steps = steps
        self.regroup(self.state.grouping)

    def _state(self, layer: str, grouping: Grouping, neurons: tuple[int, ...] = ()) -> LayerState:
        step = self._steps(grouping).get(layer, 1.0)
        return layer_state(self._activations, layer, grouping, neurons, step=step)

    def draw_sizes(self, picture: Picture) -> None:
        """Draw the sizes of the layer's groups, if it has groups."""
        state = self.state
        picture.layout.display = "" if state.groups.known else "none"
        if state.groups.known:
            picture.show(plot_group_sizes(state.grouping.only([state.layer])), 78)

    def figure(self, **options: Any) -> Figure:
        """Return what is shown as one figure; options as in :func:`explorer_figure`."""
        state = self.state
        return explorer_figure(
            self.embedding(),
            self.matrix.frame(),
            state.layer,
            state.groups,
            state.grouping,
            selected=state.neurons,
            **options,
        )

    def _select(self) -> None:
        with self._lock:
            self.state = replace(self.state, neurons=tuple(self.map.selected.tolist()))

    def _shown_embedding(self, layer: str) -> Embedding:
        known = self._embeddings.get((layer, self.controls.embedding.value))
        return known or self._computed(layer, _AT_ONCE)

    def _move(self, layer: str, method: str) -> None:
        """Move the points, unless something else was chosen meanwhile."""
        with self._lock:
            if (self.state.layer, self.controls.embedding.value) == (layer, method):
                self.map.move(self._shown_embedding(layer))
                self.controls.embedding_status.idle()

    def _no_map(self, error: Exception) -> None:
        """Show the error, and go back to the map that needs no waiting."""
        self.controls.embedding_status.idle()
        self.controls.embedding.value = _AT_ONCE
        self._failed(error)

    def _computed(self, layer: str, method: str) -> Embedding:
        if (layer, method) not in self._embeddings:
            found = neuron_embedding(self._activations, layer, method=method, seed=self._seed)
            self._embeddings[layer, method] = found
        return self._embeddings[layer, method]


def first_layer(activations: Activations, grouping: Grouping, layer: str | None) -> str:
    """Return the layer to begin with: ``layer``, else the first one that has groups."""
    if layer is not None:
        activations.layer(layer)
        return layer
    return next((name for name in grouping if name in activations), next(iter(activations)))

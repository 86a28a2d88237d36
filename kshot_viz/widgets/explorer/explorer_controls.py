"""Controls of the group explorer: layer, map and slider, and the buttons that edit groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np

from kshot_viz.grouping.clustering.methods import METHODS, NESTED
from kshot_viz.grouping.editing.history import EditHistory
from kshot_viz.viz.neurons.layer_groups import LayerGroups, step_text
from kshot_viz.viz.neurons.neuron_map import METHODS as EMBEDDINGS
from kshot_viz.widgets.base.parts import Status, button, row

# Groups in the list of those that neurons can be moved to.
_OFFERED = 200
# As wide as what is chosen.
_WIDE = {"width": "auto", "min_width": "110px", "max_width": "100%"}
_EMBEDDING_NAMES = {"pca": "PCA", "umap": "UMAP"}


class ExplorerControls(ipywidgets.HBox):
    """The controls above the map.

    Parameters
    ----------
    layers : sequence of str
    first : str
        The layer to begin with.
    steps : mapping of str to float
        What each layer's step size is multiplied by; 0 for a frozen one.
    """

    def __init__(self, layers: Sequence[str], first: str, steps: Mapping[str, float]) -> None:
        self._quiet: int | None = None
        self._layers = layers
        self.layer = ipywidgets.Dropdown(
            options=_layer_options(layers, steps), value=first, description="Layer"
        )
        self.layer.layout.width, self.layer.layout.max_width = "auto", "100%"
        self.layer.add_class("kv-layer")
        self.embedding = ipywidgets.ToggleButtons(
            options=[(_EMBEDDING_NAMES[name], name) for name in EMBEDDINGS],
            tooltips=["Principal components, at once", "Neighbours stay together; takes seconds"],
            style={"button_width": "auto"},
        )
        self.embedding.add_class("kv-embedding")
        self.embedding_status = Status()
        self.method = ipywidgets.Dropdown(
            options=[*NESTED, *(name for name in METHODS if name not in NESTED)],
            description="Cuts by",
            tooltip="How the slider clusters; the groups one begins with may be made otherwise",
        )
        self.method.add_class("kv-method")
        self.groups = ipywidgets.IntSlider(
            min=1, max=1, value=1, description="Groups", disabled=True
        )
        self.groups.layout.width = "420px"
        self.groups.add_class("kv-groups")
        self.groups.tooltip = "From one group to every neuron on its own"
        self.state = Status()
        super().__init__(
            [
                self.layer,
                self.embedding,
                self.embedding_status,
                self.method,
                self.groups,
                self.state,
            ]
        )
        self.add_class("kv-row")
        self.add_class("kv-controls")

    def use(self, steps: Mapping[str, float]) -> None:
        """Name the layers anew: other settings freeze others."""
        options = _layer_options(self._layers, steps)
        if list(self.layer.options) != options:
            chosen = self.layer.value
            with self._quietly():
                # The first one is chosen in between.
                self.layer.options = options
                self.layer.value = chosen

    def wait_for(self, what: str) -> None:
        """Disable the slider until :meth:`show`."""
        self.groups.disabled = True
        self.state.busy(what)

    def failed(self) -> None:
        """Leave the slider disabled, since there is nothing to cut."""
        self.state.idle()

    def show(self, count: int, most: int) -> None:
        """Set the slider without requesting a cut."""
        if (self.groups.value, self.groups.max) != (count, max(1, most)):
            self._set(count, most)
        self.groups.disabled = most < 2
        self.state.idle()

    @property
    def quiet(self) -> bool:
        """Whether this thread, and no person, is setting a control."""
        return self._quiet == threading.get_ident()

    def _set(self, count: int, most: int) -> None:
        with self._quietly(), self.groups.hold_trait_notifications():
            self.groups.max = max(1, most)
            self.groups.value = count

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = threading.get_ident()
        try:
            yield
        finally:
            self._quiet = None


def _layer_options(layers: Sequence[str], steps: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return layers in words and by name."""
    known = {name: steps.get(name, 1.0) for name in layers}
    return [
        (name if step == 1 else f"{name} ({step_text(step)})", name) for name, step in known.items()
    ]


class EditBar(ipywidgets.HBox):
    """Buttons that edit the groups; ``act`` does the edit.

    Parameters
    ----------
    act : callable
        Takes the name of an edit and its value: ``"group"``, ``"move"`` (a group), ``"merge"``,
        ``"split"``, ``"shuffle"``, ``"name"`` (a text), ``"undo"``, ``"redo"``.
    """

    def __init__(self, act: Callable[..., Any]) -> None:
        self.target = ipywidgets.Dropdown(options=[("-", None)], layout=_WIDE)
        self.target.tooltip = "The group to move the selection to"
        self.target.add_class("kv-target")
        self.text = ipywidgets.Text(placeholder="name of the group", layout={"width": "150px"})
        self.text.tooltip = "A name for the group of the selection"
        self.undo = button("Undo", "Nothing to undo", lambda: act("undo"), name="kv-undo")
        self.redo = button("Redo", "Nothing to redo", lambda: act("redo"), name="kv-redo")
        edits = [
            button(text, tip, lambda name=name: act(name), name=f"kv-{name}")
            for name, text, tip in _SIMPLE
        ]
        self.move = button(
            "Move to", "Put the selected neurons into the group beside", lambda: self._move(act)
        )
        named = button(
            "Name", "Name the group of the selection", lambda: act("name", self.text.value)
        )
        super().__init__(
            [
                row(*edits, name="kv-edits"),
                row(self.move, self.target, name="kv-edits"),
                row(self.text, named, name="kv-edits"),
                row(self.undo, self.redo, name="kv-edits"),
            ]
        )
        self.add_class("kv-row")
        self.add_class("kv-edit-bar")

    def _move(self, act: Callable[..., Any]) -> None:
        act("move", self.target.value)

    def show(self, groups: LayerGroups, history: EditHistory) -> None:
        """Offer the present groups, and what can be undone."""
        options = targets(groups)
        if list(self.target.options) != options:
            kept = self.target.value
            self.target.options = options
            self.target.value = kept if kept in [value for _, value in options] else options[0][1]
        _offer(self.undo, "Undo", history.undoes)
        _offer(self.redo, "Redo", history.redoes)


def targets(groups: LayerGroups) -> list[tuple[str, int | None]]:
    """Return the groups to move neurons to, in words and by the number that is shown.

    Of more than 200, those that have a name and the largest ones of several neurons.
    """
    if not groups.known:
        return [("-", None)]
    sizes = np.bincount(groups.labels)
    offered = list(range(sizes.size))
    if sizes.size > _OFFERED:
        largest = np.argsort(-sizes, kind="stable")[:_OFFERED]
        offered = sorted({*groups.names, *largest[sizes[largest] > 1].tolist()})
    words: list[tuple[str, int | None]] = [
        (f"group {groups.name(one)} ({sizes[one]:,})", groups.numbers[one])
        for one in sorted(offered, key=lambda one: (one == groups.dead, groups.numbers[one]))
    ]
    return words or [("-", None)]


def _offer(which: ipywidgets.Button, verb: str, what: str | None) -> None:
    which.disabled = what is None
    which.tooltip = f"{verb}: {what}" if what else f"Nothing to {verb.lower()}"


_SIMPLE = (
    ("group", "Make group", "Make one group of the selected neurons"),
    ("merge", "Merge", "Make one group of all groups that the selection touches"),
    ("split", "Split", "Split the group of the selection where its members differ most"),
    ("shuffle", "Shuffle", "Draw the members of all groups of this layer at random (the null)"),
)

"""What to look at: the layer, the kind of map, how it is clustered, and into how many groups."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ipywidgets

from kshot_viz.grouping.clustering.methods import METHODS, NESTED
from kshot_viz.viz.neurons.embedding import METHODS as PLACINGS
from kshot_viz.widgets.base.parts import Status

_PLACING_NAMES = {"pca": "PCA", "umap": "UMAP"}


class Controls(ipywidgets.HBox):
    """The controls above the map.

    Parameters
    ----------
    layers : sequence of str
    first : str
        The layer to begin with.
    """

    def __init__(self, layers: Sequence[str], first: str) -> None:
        self._quiet: int | None = None
        self.layer = ipywidgets.Dropdown(options=layers, value=first, description="Layer")
        self.layer.add_class("kv-layer")
        self.placing = ipywidgets.ToggleButtons(
            options=[(_PLACING_NAMES[name], name) for name in PLACINGS],
            tooltips=["Principal components, at once", "Neighbours stay together; takes seconds"],
            style={"button_width": "auto"},
        )
        self.placing.add_class("kv-placing")
        self.place_state = Status()
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
            [self.layer, self.placing, self.place_state, self.method, self.groups, self.state]
        )
        self.add_class("kv-row")
        self.add_class("kv-controls")

    def wait_for(self, what: str) -> None:
        """Hold the slider until :meth:`show`."""
        self.groups.disabled = True
        self.state.busy(what)

    def failed(self) -> None:
        """Leave the slider held, since there is nothing to cut."""
        self.state.idle()

    def show(self, count: int, most: int) -> None:
        """Set the slider without that being taken for a person's hand."""
        if (self.groups.value, self.groups.max) != (count, max(1, most)):
            self._set(count, most)
        self.groups.disabled = most < 2
        self.state.idle()

    @property
    def quiet(self) -> bool:
        """Whether it is this thread, and no person, that sets the slider just now."""
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

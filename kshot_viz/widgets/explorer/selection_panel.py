"""Views of the selected neurons: filters, most exciting images, classes, gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.capture import image_responses
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.gradients import GradientTrace, gradient_trace
from kshot_viz.viz.neurons.filters import plot_filters
from kshot_viz.viz.neurons.responses import plot_class_activations, plot_gradients, plot_top_images
from kshot_viz.widgets.base.background import Redraw
from kshot_viz.widgets.base.parts import Picture, Status, heading, row
from kshot_viz.widgets.explorer.layer_view import LayerState, LayerView, selection_text
from kshot_viz.widgets.explorer.scoring_setup import ScoringSetup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.models.backbone import Backbone

SELECT_FIRST = "Select neurons in the map to see what they respond to."
_SHOWN = 512
# A trace is of one layer and one grouping, and every edit makes another.
_TRACES = 8


class SelectionPanel(ipywidgets.VBox):
    """Four views of the selected neurons, each computed when it is first shown.

    Parameters
    ----------
    backbone : Backbone
    images : image batch or ImageDataset
        The images to show; of more than 512, evenly spaced ones.
    setup : ScoringSetup
        Its support and its setting are those that gradients are traced with.
    view : LayerView
        Has the selection.
    """

    def __init__(
        self,
        backbone: Backbone,
        images: Any,
        setup: ScoringSetup,
        view: LayerView,
    ) -> None:
        self._backbone, self._layer_view, self._setup = backbone, view, setup
        self._images, self._labels = shown_images(images)
        self._responses: dict[str, NDArray[np.float64]] = {}
        self._traces: dict[tuple[str, Grouping], GradientTrace] = {}
        self.status = Status(SELECT_FIRST)
        self.picture = Picture("The selected neurons")
        self.view = ipywidgets.ToggleButtons(
            options=[(text, name) for name, text in VIEWS.items()],
            tooltips=[TIPS[name] for name in VIEWS],
            style={"button_width": "auto"},
        )
        self.view.add_class("kv-views")
        self.redraw = Redraw(self._draw, self._failed)
        self.view.observe(lambda _: self.redraw.ask(), "value")
        super().__init__([row(heading("Selection"), self.view), self.status, self.picture])
        self.add_class("kv-card")
        self.add_class("kv-selection")

    def use(self, setup: ScoringSetup) -> None:
        """Trace gradients on other images or with another setting from now on."""
        self._setup, self._traces = setup, {}
        self.redraw.ask()

    def axes(self, ax: Axes | None = None) -> Axes:
        """Draw the chosen view of the present selection."""
        state = self._layer_view.state
        return _DRAW[self.view.value](self, state, ax)

    def _draw(self) -> None:
        state = self._layer_view.state
        if not state.neurons:
            self.picture.layout.display = "none"
            self.status.idle(SELECT_FIRST)
            return
        if not self._ready(state):
            self.status.busy(WAITS[self.view.value])
        drawn = self.axes()
        self.picture.show(drawn, 90)
        self.picture.layout.display = ""
        self.status.idle(selection_text(state))

    def _failed(self, error: Exception) -> None:
        self.picture.layout.display = "none"
        self.status.error(error)

    def _ready(self, state: LayerState) -> bool:
        if self.view.value == "gradient":
            return (state.layer, state.grouping) in self._traces
        return self.view.value == "filters" or state.layer in self._responses

    # ---- the four views --------------------------------------------------------------------------

    def _filters(self, state: LayerState, ax: Axes | None) -> Axes:
        grouping = state.grouping if state.groups.known else None
        return plot_filters(
            self._backbone, grouping, layer=state.layer, neurons=state.neurons, ax=ax
        )

    def _exciting(self, state: LayerState, ax: Axes | None) -> Axes:
        responses = self._layer_responses(state.layer)
        return plot_top_images(self._images, responses, state.neurons, labels=self._labels, ax=ax)

    def _classes(self, state: LayerState, ax: Axes | None) -> Axes:
        if self._labels is None:
            raise KShotValueError(
                "These images have no classes: give `images` as an ImageDataset, or anything with "
                "`.images` and `.labels`."
            )
        responses = self._layer_responses(state.layer)
        return plot_class_activations(responses, self._labels, state.groups, state.neurons, ax=ax)

    def _gradient(self, state: LayerState, ax: Axes | None) -> Axes:
        support = self._setup.support
        if support is None:
            raise KShotValueError("Gradients need labelled images: give `episodes=` or `table=`.")
        if not state.groups.known:
            raise KShotValueError(f"Layer {state.layer!r} has no groups, so nothing is averaged.")
        key = (state.layer, state.grouping)
        traces = self._traces
        if key not in traces:
            traces[key] = gradient_trace(
                self._backbone,
                support,
                state.grouping,
                state.layer,
                config=self._setup.config,
                method=self._setup.method,
                watch=self._show_step,
            )
            while len(traces) > _TRACES:
                del traces[next(iter(traces))]
        return plot_gradients(traces[key], state.groups, state.neurons, ax=ax)

    def _show_step(self, done: int, total: int) -> None:
        self.status.busy(f"{WAITS['gradient']}: step {done} of {total}")

    def _layer_responses(self, layer: str) -> NDArray[np.float64]:
        if layer not in self._responses:
            self._responses[layer] = image_responses(self._backbone, self._images, layer)
        return self._responses[layer]


def shown_images(images: Any) -> tuple[Any, Any]:
    """Return at most 512 evenly spaced images, and their classes where they have any."""
    labels = getattr(images, "labels", None)
    pictures = images if hasattr(images, "take") else getattr(images, "images", images)
    n = len(pictures)
    some = np.unique(np.linspace(0, n - 1, min(n, _SHOWN)).astype(int))
    kept = None if labels is None else np.asarray(labels)[some]
    if hasattr(pictures, "take") and hasattr(pictures, "digests"):
        return pictures.take(some), kept
    if isinstance(pictures, (list, tuple)):
        return [pictures[index] for index in some], kept
    return pictures[some], kept


VIEWS = {
    "filters": "Filters",
    "images": "Exciting images",
    "classes": "Classes",
    "gradient": "Gradient",
}
TIPS = {
    "filters": "The kernels of the selected neurons",
    "images": "The images to which they respond most strongly",
    "classes": "Their mean activation per class",
    "gradient": "Their gradient step by step, and what averaging removes",
}
WAITS = {
    "filters": "Drawing the filters",
    "images": "Running the images through the network",
    "classes": "Running the images through the network",
    "gradient": "Fine-tuning once to record the gradients",
}
_DRAW = {
    "filters": SelectionPanel._filters,
    "images": SelectionPanel._exciting,
    "classes": SelectionPanel._classes,
    "gradient": SelectionPanel._gradient,
}

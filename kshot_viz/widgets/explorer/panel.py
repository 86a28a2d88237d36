"""What is known of the selected neurons: filters, exciting images, classes, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.strength import image_responses
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.gradient_trace import GradientTrace, gradient_trace
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.viz.neurons.filters import plot_filters
from kshot_viz.viz.neurons.gradient_norms import plot_gradients
from kshot_viz.viz.neurons.responses import plot_class_activations, plot_top_images
from kshot_viz.widgets.base.parts import Picture, Status, heading, row
from kshot_viz.widgets.base.threads import Redraw
from kshot_viz.widgets.explorer.look import Look, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.models.backbone import Backbone

SELECT_FIRST = "Select neurons in the map to see what they answer to."
_SHOWN = 512
# A trace is of one layer and one grouping, and every edit makes another.
_TRACES = 8


class SelectionPanel(ipywidgets.VBox):
    """Four views of the selected neurons, each computed when it is first asked for.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
        The images to show; of more than 512, evenly spaced ones.
    labels : array_like or None
        Their classes.
    support : object or None
        Labelled images whose gradients are traced.
    config : FinetuneConfig
    look : callable
        Returns the present :class:`Look`.
    """

    def __init__(
        self,
        backbone: Backbone,
        images: Any,
        labels: Any,
        support: Any,
        config: FinetuneConfig,
        look: Callable[[], Look],
    ) -> None:
        self._backbone, self._look = backbone, look
        self._images, self._labels = images, labels
        self._support, self._config = support, config
        self._answers: dict[str, NDArray[np.float64]] = {}
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

    def use(self, support: Any, config: FinetuneConfig) -> None:
        """Trace gradients on other images or with another setting from now on."""
        self._support, self._config, self._traces = support, config, {}
        self.redraw.ask()

    def axes(self, ax: Axes | None = None) -> Axes:
        """Draw the chosen view of the present selection."""
        look = self._look()
        return _DRAW[self.view.value](self, look, ax)

    def _draw(self) -> None:
        look = self._look()
        if not look.neurons:
            self.picture.layout.display = "none"
            self.status.idle(SELECT_FIRST)
            return
        if not self._ready(look):
            self.status.busy(WAITS[self.view.value])
        drawn = self.axes()
        self.picture.show(drawn, 90)
        self.picture.layout.display = ""
        self.status.idle(summary(look))

    def _failed(self, error: Exception) -> None:
        self.picture.layout.display = "none"
        self.status.error(error)

    def _ready(self, look: Look) -> bool:
        if self.view.value == "gradient":
            return (look.layer, look.grouping) in self._traces
        return self.view.value == "filters" or look.layer in self._answers

    # ---- the four views --------------------------------------------------------------------------

    def _filters(self, look: Look, ax: Axes | None) -> Axes:
        grouping = look.grouping if look.groups.known else None
        return plot_filters(self._backbone, grouping, layer=look.layer, neurons=look.neurons, ax=ax)

    def _exciting(self, look: Look, ax: Axes | None) -> Axes:
        answers = self._answered(look.layer)
        return plot_top_images(self._images, answers, look.neurons, labels=self._labels, ax=ax)

    def _classes(self, look: Look, ax: Axes | None) -> Axes:
        if self._labels is None:
            raise KShotValueError(
                "These images have no classes: give `images` as an ImageDataset, or anything with "
                "`.images` and `.labels`."
            )
        answers = self._answered(look.layer)
        return plot_class_activations(answers, self._labels, look.groups, look.neurons, ax=ax)

    def _gradient(self, look: Look, ax: Axes | None) -> Axes:
        if self._support is None:
            raise KShotValueError("Gradients need labelled images: give `episodes=` or `table=`.")
        if not look.groups.known:
            raise KShotValueError(f"Layer {look.layer!r} has no groups, so nothing is averaged.")
        key = (look.layer, look.grouping)
        traces = self._traces
        if key not in traces:
            traces[key] = gradient_trace(
                self._backbone, self._support, look.grouping, look.layer, config=self._config
            )
            while len(traces) > _TRACES:
                del traces[next(iter(traces))]
        return plot_gradients(traces[key], look.groups, look.neurons, ax=ax)

    def _answered(self, layer: str) -> NDArray[np.float64]:
        if layer not in self._answers:
            self._answers[layer] = image_responses(self._backbone, self._images, layer)
        return self._answers[layer]


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
        return [pictures[place] for place in some], kept
    return pictures[some], kept


VIEWS = {
    "filters": "Filters",
    "images": "Exciting images",
    "classes": "Classes",
    "gradient": "Gradient",
}
TIPS = {
    "filters": "The kernels of the selected neurons",
    "images": "The images to which they answer most strongly",
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

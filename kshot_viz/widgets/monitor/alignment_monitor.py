"""Dashboard of what happens inside a network while it is fine-tuned, by several methods."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Int, Unicode, validate

from kshot_viz.analysis.dynamics.dynamics import dynamics_steps, finetune_dynamics
from kshot_viz.analysis.dynamics.state import LAYER_MEASURES
from kshot_viz.errors import unknown_name
from kshot_viz.text import counted
from kshot_viz.viz.analysis.dynamics import plot_dynamics
from kshot_viz.widgets.base.background import Background, Redraw
from kshot_viz.widgets.base.parts import Dashboard, Picture, Status, button, heading, row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.analysis.dynamics.dynamics import FinetuneDynamics
    from kshot_viz.models.backbone import Backbone

_ABOUT = {
    "gradient agreement": "How far the images of the support ask for the same change",
    "energy kept": "The share of the gradient that is left when each group has its mean",
    "CKA to the start": "Similarity of a layer's outputs to those before the first step",
}
_RELATION = "Correlation of two matrices of a layer; H representation, G gradient, Z weight"


class AlignmentMonitor(Dashboard):
    """Alignment, gradients, similarity to the start and accuracy of fine-tuning runs, as they go.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    images : image batch
        What is measured on.
    **settings
        As in :func:`kshot_viz.analysis.finetune_dynamics`: ``labels``, ``methods``, ``grouping``,
        ``config``, ``at``, ``layers``, ``kind``, ``positions``, ``draws`` and ``seed``.

    Attributes
    ----------
    measure : str
        What is drawn for each layer; see :func:`kshot_viz.viz.plot_dynamics`.
    state : str
        "new", "running", "stopped", "finished", "failed" or "closed".
    measured : int
        How many pairs of method and step were measured.

    Raises
    ------
    KShotError
        As :func:`kshot_viz.analysis.finetune_dynamics`, at once.
    """

    measure = Unicode("f-RWA")
    state = Unicode("new", read_only=True)
    measured = Int(0, read_only=True)
    children: Any
    _opened = False

    def __init__(self, backbone: Backbone, support: Any, *, images: Any, **settings: Any) -> None:
        self._steps = dynamics_steps(**_arguments(backbone, support, images, settings))
        self._found = next(self._steps)
        self._stop = False
        super().__init__()
        self._picture = Picture("Accuracy, and the chosen measure in each layer, by step")
        self._progress = Status("Nothing is measured yet: press Start.")
        self._trouble = Status()
        self._make_controls()
        self.children = [*self.children, *self._arranged()]
        self._work = Background(self._failed)
        self._working = (self._work,)
        self._redraw = Redraw(self._draw, self._trouble.error)
        self.observe(lambda _: self._redraw.ask(), "measure")
        self._draw()
        self._opened = True

    # -- actions -----------------------------------------------------------------------------

    def start(self) -> None:
        """Tune and measure in the background, or go on after a stop."""
        if self.state in ("finished", "failed", "closed"):
            return
        # One that is running and was to stop goes on.
        self._stop = False
        if self.state != "running":
            self._turn_to("running")
            self._work.start(self._go, self._ended)

    def stop(self) -> None:
        """Stop after the step that is measured now; :meth:`start` goes on from there."""
        self._stop = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is measured and all is drawn; return whether that is so."""
        return self._work.wait(timeout) and self._redraw.wait(timeout)

    # -- what it shows -----------------------------------------------------------------------

    @property
    def dynamics(self) -> FinetuneDynamics:
        """What was measured so far."""
        return self._found

    def frame(self) -> pd.DataFrame:
        """Return what was measured so far, as :meth:`FinetuneDynamics.frame`."""
        return self._found.frame()

    def figure(self) -> Figure:
        """Return the picture as a new figure."""
        return plot_dynamics(self._found, self.measure)

    def __repr__(self) -> str:
        return f"AlignmentMonitor, {self.state}: {self._found!r}"

    def close(self) -> None:
        """Close it; a run that is going on stops at its next measurement."""
        # One whose construction failed is closed too, when deleted: it has no parts yet.
        if self._opened:
            self._turn_to("closed")
        super().close()

    # -- inside ------------------------------------------------------------------------------

    @validate("measure")
    def _known_only(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name not in LAYER_MEASURES:
            raise unknown_name("measure", name, LAYER_MEASURES)
        return name

    def _go(self) -> str:
        """Measure until all is done or a stop is wanted; return the state then."""
        for found in self._steps:
            self._found = found
            self.set_trait("measured", found.steps_measured)
            self._redraw.ask()
            self._work.check()
            if self._stop:
                return "stopped"
        return "finished"

    def _ended(self, state: str) -> None:
        """Take note of the end, unless it was asked to go on meanwhile."""
        if self.state == "closed":
            return
        if state == "stopped" and not self._stop:
            self._work.start(self._go, self._ended)
        else:
            self._turn_to(state)

    def _failed(self, error: Exception) -> None:
        self._trouble.error(error)
        self._turn_to("failed")

    def _turn_to(self, state: str) -> None:
        self.set_trait("state", state)
        running = state == "running"
        self._start.disabled = running or state in ("finished", "failed", "closed")
        self._start.description = "Go on" if state == "stopped" else "Start"
        self._halt.disabled = not running
        self._show_progress()

    def _draw(self) -> None:
        self._picture.show(self.figure())
        self._show_progress()

    def _show_progress(self) -> None:
        found, over = self._found, self.state == "finished"
        # What a diverged run would have measured is never measured.
        self._bar.value = 1.0 if over else found.steps_measured / found.planned
        if found.steps_measured:
            done = ", ".join(f"{name} {status}" for name, status in found.status.items())
            text = f"{found.steps_measured} of {counted(found.planned, 'measurement')}; {done}"
            (self._progress.busy if self.state == "running" else self._progress.done)(text)

    def _make_controls(self) -> None:
        tip = "Tune and measure in the background; the kernel stays free"
        self._start = button("Start", tip, self.start, name="kv-start")
        self._halt = button("Stop", "Stop after this step; it can go on", self.stop, name="kv-stop")
        self._halt.disabled = True
        self._bar = ipywidgets.FloatProgress(min=0.0, max=1.0, layout={"width": "200px"})
        self._measures = ipywidgets.Dropdown(
            description="measure",
            options=list(LAYER_MEASURES),
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )
        self._measures.add_class("kv-choose-measure")
        self._about = Status()
        ipywidgets.link((self, "measure"), (self._measures, "value"))
        self.observe(lambda _: self._explain(), "measure")
        self._explain()

    def _explain(self) -> None:
        self._about.idle(_ABOUT.get(self.measure, _RELATION))

    def _arranged(self) -> list[Any]:
        return [
            heading(f"Inside {self._found.network} while it is tuned"),
            row(self._start, self._halt, self._bar, self._measures),
            self._about,
            self._progress,
            self._trouble,
            self._picture,
        ]


def _arguments(
    backbone: Backbone, support: Any, images: Any, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of :func:`finetune_dynamics`, those left out at their defaults."""
    signature = inspect.signature(finetune_dynamics)
    if unknown := sorted(set(settings) - set(signature.parameters)):
        allowed = [name for name in signature.parameters if name not in ("backbone", "support")]
        raise unknown_name("setting", unknown[0], allowed)
    call = signature.bind(backbone, support, images=images, **settings)
    call.apply_defaults()
    return call.arguments

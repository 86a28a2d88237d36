"""Parts that all dashboards share: style sheet, picture, status line, boxes and buttons."""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
from numpy.typing import ArrayLike, NDArray
from traitlets import Bool, Bytes, Dict, Int, Unicode, observe

from kshot_viz.errors import KShotError
from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.viz.style.canvas import figure_of, to_png
from kshot_viz.viz.style.colours import rgb
from kshot_viz.viz.style.dark_mode import recolour
from kshot_viz.widgets.base.background import Background, Ticker
from kshot_viz.widgets.base.left_picture import LeavesPicture, tail_trait

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


STATIC = Path(__file__).parents[1] / "static"


@cache
def static(name: str) -> str:
    """Return the text of a file that comes with the package."""
    return (STATIC / name).read_text("utf-8")


class Page(anywidget.AnyWidget):
    """The style sheet of all dashboards; draws nothing.

    Attributes
    ----------
    dark : bool
        Whether the page is dark; the browser sets it, light until then.
    """

    _esm = static("page.js") + static("theme.js")
    _css = static("dashboard.css")
    dark = Bool(False).tag(sync=True)
    left = tail_trait()

    def __init__(self) -> None:
        super().__init__()
        self.layout.display = "none"


class Picture(ipywidgets.Image):
    """An image that shows figures; it never grows beyond its own size.

    Parameters
    ----------
    title : str
        What it shows, for those who hover or listen.
    """

    # The browser's side writes the tooltip only beside a description, and fails without one.
    description = Unicode("").tag(sync=True)
    dark = Bool(False, help="whether it stands on a dark page")

    def __init__(self, title: str, **options: Any) -> None:
        self._encoding = threading.Lock()
        self._drawn: Figure | None = None
        self._dpi = 100.0
        layout = {"max_width": "100%", "align_self": "flex-start", "object_fit": "contain"}
        super().__init__(format="png", layout=layout, tooltip=title, **options)
        self.add_class("kv-picture")

    def show(self, drawn: Figure | Axes, dpi: float = 100) -> None:
        """Show a figure (from any thread), and keep it, since the theme may change."""
        with self._encoding:
            self._drawn, self._dpi = figure_of(drawn), dpi
            self._encode(self._drawn)

    @observe("dark")
    def _turned(self, _: Any) -> None:
        with self._encoding:
            if self._drawn is not None:
                self._encode(self._drawn)

    def _encode(self, figure: Figure) -> None:
        recolour(figure, dark=self.dark)
        self.value = to_png(figure, self._dpi, transparent=self.dark)


class Status(ipywidgets.HTML):
    """One line of status text; texts are escaped."""

    kind = Unicode("idle", help="idle, busy, done or error")

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.add_class("kv-status")
        self.idle(text)

    def idle(self, text: str = "") -> None:
        """Show a text that needs no attention, or nothing."""
        self._show("idle", text)

    def busy(self, text: str) -> None:
        """Show what is being computed."""
        self._show("busy", text)

    def done(self, text: str) -> None:
        """Show a result."""
        self._show("done", text)

    def error(self, error: Exception | str) -> None:
        """Show an error: the message of one of this package, with the class for any other."""
        known = isinstance(error, (KShotError, str))
        self._show("error", str(error) if known else f"{type(error).__name__}: {error}")

    def _show(self, kind: str, text: str) -> None:
        self.kind = kind
        role = "alert" if kind == "error" else "status"
        self.value = f'<span class="kv-{kind}" role="{role}">{html.escape(text)}</span>'


class Dashboard(LeavesPicture, ipywidgets.VBox):
    """A box with the look of all dashboards, which leaves a figure where no kernel runs.

    Subclasses have ``frame()``, the numbers that are shown, and ``figure()``, all of it as one
    matplotlib figure.
    """

    # What computes for it in the background, and ends when it is closed.
    _working: Sequence[Background | Ticker] = ()

    def __init__(self, children: Any = (), **options: Any) -> None:
        page = Page()
        page.observe(self._turn, "dark")
        super().__init__([page, *children], **options)
        self.add_class("kv-dashboard")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def close(self) -> None:
        """Close it with everything in it; what is being computed stops at its next stage."""
        for one in self._working:
            one.stop()
        close_parts(self)
        super().close()

    def _turn(self, change: Any) -> None:
        for picture in _pictures(self):
            picture.dark = change["new"]

    def _hide(self, tail: str) -> None:
        self.children[0].left = tail


def _pictures(widget: Any) -> Iterator[Picture]:
    for child in getattr(widget, "children", ()):
        if isinstance(child, Picture):
            yield child
        yield from _pictures(child)


def close_parts(widget: Any) -> None:
    """Close what is in a widget, and the layouts and styles that it alone has."""
    for child in getattr(widget, "children", ()):
        close_parts(child)
        child.close()
    for name in ("layout", "style"):
        if widget.has_trait(name) and widget.trait_has_value(name):
            getattr(widget, name).close()


def heading(text: str) -> ipywidgets.HTML:
    """Return a small title; the text is escaped."""
    return ipywidgets.HTML(heading_html(text))


def heading_html(text: str) -> str:
    """Return what a small title shows."""
    return f'<div class="kv-heading">{html.escape(text)}</div>'


def row(*children: Any, name: str = "") -> ipywidgets.HBox:
    """Return widgets side by side that wrap where there is no room."""
    box = ipywidgets.HBox(list(children))
    box.add_class("kv-row")
    if name:
        box.add_class(name)
    return box


def column(*children: Any, name: str = "") -> ipywidgets.VBox:
    """Return widgets below one another."""
    box = ipywidgets.VBox(list(children))
    box.add_class("kv-column")
    if name:
        box.add_class(name)
    return box


def button(text: str, tip: str, act: Any, *, name: str = "", icon: str = "") -> ipywidgets.Button:
    """Return a button as wide as its text; ``act`` takes no argument."""
    made = ipywidgets.Button(description=text, tooltip=tip, icon=icon)
    made.layout.width = "auto"
    made.add_class("kv-button")
    if name:
        made.add_class(name)
    made.on_click(lambda _: act())
    return made


def sent(**options: Any) -> Any:
    """Return a trait for bytes that only Python sets."""
    return Bytes(b"", **options).tag(sync=True)


def both_ways(**options: Any) -> Any:
    """Return a trait for bytes that both sides set.

    The browser sends a memoryview, which the trait would refuse; and it has what it sent, so
    nothing is echoed.
    """
    taken = {"from_json": lambda value, widget: bytes(value), "echo_update": False}
    return Bytes(b"", **options).tag(sync=True, **taken)


def as_bytes(values: ArrayLike, kind: str) -> bytes:
    """Return values as little-endian bytes of a numpy type such as ``"f4"`` or ``"i4"``."""
    return np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()


def as_integers(data: bytes) -> NDArray[np.int64]:
    """Return the 32-bit integers that the browser sent."""
    return np.frombuffer(data, dtype="<i4").astype(np.int64)


class NeuronCanvas(LeavesPicture, anywidget.AnyWidget):
    """Neurons of one layer, coloured by group, of which some are selected.

    Subclasses have ``figure()``, which is shown where no kernel runs.
    """

    _css = static("canvas.css")

    labels, palette, numbers, shapes = sent(), sent(), sent(), sent()
    left = tail_trait()
    names = Dict().tag(sync=True)
    dead = Int(-1).tag(sync=True)
    known = Bool(False).tag(sync=True)
    selection = both_ways(help="Selected neurons, 32-bit integers, ascending.")

    def regroup(self, groups: LayerGroups) -> None:
        """Give the same neurons other groups."""
        self._groups = groups
        colours = np.array([rgb(colour) for colour in groups.colours])
        with self.hold_sync():
            self.labels = as_bytes(groups.labels, "i4")
            self.palette = as_bytes(np.round(255 * colours), "u1")
            self.numbers = as_bytes(groups.numbers, "i4")
            self.shapes = as_bytes(groups.shapes, "u1")
            self.names = {str(group): name for group, name in groups.names.items()}
            self.dead = -1 if groups.dead is None else int(groups.dead)
            self.known = groups.known

    @property
    def groups(self) -> LayerGroups:
        """The groups of the neurons that are shown."""
        return self._groups

    @property
    def selected(self) -> NDArray[np.int64]:
        """The selected neurons, ascending."""
        return as_integers(self.selection)

    def _hide(self, tail: str) -> None:
        self.left = tail

"""A Mapper graph in the browser: nodes can be selected, moved and pinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
from numpy.typing import NDArray
from traitlets import Bool, Dict, Float, Int, List, Unicode

from kshot_viz.viz.topology.graph_view import GraphView
from kshot_viz.viz.topology.node_colours import RAMP, Known, NodeColours
from kshot_viz.widgets.base.parts import as_bytes, sent, static

_SCRIPTS = (
    "page.js",
    "geometry.js",
    "drawing.js",
    "springs.js",
    "mapper_drawing.js",
    "points_view.js",
    "mapper_graph.js",
)
_RAMP_STEPS = 9
Pick = Callable[[NDArray[np.int64]], None]


class MapperCanvas(anywidget.AnyWidget):
    """One graph; what is selected in the browser is handed to ``pick``.

    Parameters
    ----------
    pick : callable
        Takes the marks that a person selected: indices of drawn nodes, the last one noise.
    height : int
        Pixels.
    """

    _esm = "\n".join(map(static, _SCRIPTS))
    _css = static("canvas.css")

    # What is drawn; the browser's messages name the edition they speak of.
    edition = Int(0).tag(sync=True)
    points, radii, edges, weights = sent(), sent(), sent(), sent()
    pinned = sent()
    words = List(Unicode()).tag(sync=True)
    marks = List(Unicode()).tag(sync=True)
    noise = Int(0).tag(sync=True)
    title, note = Unicode("").tag(sync=True), Unicode("").tag(sync=True)
    # Whether the controls show settings that gave no graph, so that this one is of others.
    earlier = Bool(False).tag(sync=True)
    # How it is coloured.
    colours = sent()
    legend: Any = List().tag(sync=True)
    scale = Dict().tag(sync=True)
    # What is selected, searched and hidden.
    picked, shares, found = sent(), sent(), sent()
    least = Float(0.0).tag(sync=True)
    height = Int(460).tag(sync=True)

    def __init__(self, pick: Pick, *, height: int) -> None:
        super().__init__(height=height)
        self._pick = pick
        self.view: GraphView | None = None
        self._laid_out: NDArray[np.float64] | None = None
        self.on_msg(self._receive)

    def show(self, view: GraphView, known: Known) -> None:
        """Show another graph; nothing is selected and nothing pinned then."""
        with self.hold_sync():
            # First: what the browser still says of the graph before is not taken for this one.
            self.edition += 1
            self.view, self._laid_out = view, view.positions
            self.points = as_bytes(view.positions, "f4")
            self.radii = as_bytes(view.radii, "f4")
            self.edges = as_bytes(view.edges, "i4")
            self.weights = as_bytes(view.weights, "f4")
            self.noise, self.title, self.note = view.noise, view.title, view.note
            self.earlier = False
            self.picked = self.pinned = self.shares = self.found = b""
            self.describe(known)

    def outdate(self, remark: str) -> None:
        """Say that the graph is not of the chosen settings, here and in figures."""
        if self.view is not None:
            self.view = replace(self.view, remark=remark)
            self.note, self.earlier = self.view.note, True

    def describe(self, known: Known) -> None:
        """Say what is known of the nodes."""
        if self.view is not None:
            self.words, self.marks = self.view.words(known), self.view.marks(known)

    def colour(self, found: NodeColours) -> None:
        """Colour the nodes."""
        if self.view is None:
            return
        with self.hold_sync():
            self.colours = as_bytes(np.round(255 * self.view.colours(found)), "u1")
            self.legend = [list(pair) for pair in found.legend]
            self.scale = _scale(found)

    def select(self, picked: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        """Mark nodes: those that were picked, and the selected share of every one."""
        with self.hold_sync():
            self.picked, self.shares = as_bytes(picked, "i4"), as_bytes(shares, "f4")

    def search(self, found: NDArray[np.float64] | None) -> None:
        """Fade the marks of which nothing was found; None ends the search."""
        self.found = b"" if found is None else as_bytes(found, "f4")

    # ---- what the browser says ---------------------------------------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        view = self.view
        # A graph that was replaced meanwhile had other nodes.
        if view is None or content.get("edition") != self.edition:
            return
        kind = content.get("kind")
        if kind == "pick":
            self._pick(_marks(content.get("marks"), len(view.positions)))
        elif kind == "move" and buffers:
            positions = np.frombuffer(bytes(buffers[0]), "<f4").astype(np.float64)
            if positions.size == view.positions.size and np.isfinite(positions).all():
                self.view = view.moved(positions.reshape(-1, 2))
                pinned = _marks(content.get("pinned"), len(view.positions))
                self._moved(pinned)
        elif kind == "release" and self._laid_out is not None:
            self.view = view.moved(self._laid_out)
            self._moved(np.zeros(0, dtype=np.int64))

    def _moved(self, pinned: NDArray[np.int64]) -> None:
        assert self.view is not None
        with self.hold_sync():
            self.points = as_bytes(self.view.positions, "f4")
            self.pinned = as_bytes(pinned, "i4")


def _marks(given: Any, count: int) -> NDArray[np.int64]:
    """Return the marks of a message that exist, ascending."""
    numbers = given if isinstance(given, list) else []
    return np.array(
        sorted({one for one in numbers if isinstance(one, int) and 0 <= one < count}),
        dtype=np.int64,
    )


def _scale(found: NodeColours) -> dict[str, Any]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if found.scale is None:
        return {"label": found.label}
    steps = [to_hex(one) for one in colormaps[RAMP](np.linspace(0, 1, _RAMP_STEPS))]
    low, high = found.scale
    return {"label": found.label, "low": low, "high": high, "ramp": steps}

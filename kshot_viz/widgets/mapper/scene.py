"""The graphs on the page: what they are coloured by, searched for and selected."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.topology.graph_view import GraphView, draw_graph_view
from kshot_viz.viz.topology.node_colours import Kinds, Known, NodeColours, node_colours
from kshot_viz.widgets.mapper.graphs import Shown
from kshot_viz.widgets.mapper.mapper_canvas import MapperCanvas
from kshot_viz.widgets.mapper.mapper_controls import DisplayControls
from kshot_viz.widgets.mapper.node_panel import NodePanel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Rows = NDArray[np.int64]
# Without one, or with no kinds at all, a graph can be coloured by it.
_ALWAYS = "norm"
EARLIER = "Of the settings before, since those chosen above give no graph"


class Scene:
    """One canvas for every state, and the panel of the selection.

    Parameters
    ----------
    n : int
        Number of states.
    display : DisplayControls
    panel : NodePanel
    picked : callable
        Takes the rows of the nodes that a person selected.
    failed : callable
        Takes what is to be said where a graph or a colouring is not possible.
    height : int
    """

    def __init__(
        self,
        n: int,
        display: DisplayControls,
        panel: NodePanel,
        picked: Callable[[Rows], None],
        failed: Callable[[Exception], None],
        height: int,
    ) -> None:
        self._display, self._panel = display, panel
        self._selected, self._failed = picked, failed
        self.shown: Shown | None = None
        self.rows: Rows = np.zeros(0, dtype=np.int64)
        self._origin: tuple[int, Rows] | None = None
        self.canvases = [
            MapperCanvas(partial(self._picked, one), height=height) for one in range(n)
        ]
        display.colour.observe(lambda _: self.colour(), "value")
        display.search.observe(lambda _: self.search(), "value")
        display.least.observe(lambda _: self.hide_edges(), "value")

    # ---- updates ---------------------------------------------------------------------------------

    def show(self, shown: Shown) -> None:
        """Show other graphs; the rows that are selected stay so."""
        self.shown, self._origin = shown, None
        for canvas, view, known in zip(self.canvases, shown.views, shown.known, strict=True):
            canvas.show(view, known)
        self._refresh()

    def fail(self, error: Exception) -> None:
        """Say why the chosen settings give no graph, and of which settings those that stay are."""
        self._failed(error)
        for canvas in self.canvases:
            canvas.outdate(EARLIER)

    def regroup(self, groups: Kinds | None) -> None:
        """Give the rows other groups."""
        if self.shown is None:
            return
        self.shown = self.shown.grouped(groups)
        for canvas, known in zip(self.canvases, self.shown.known, strict=True):
            canvas.describe(known)
        self._refresh()

    def _refresh(self) -> None:
        self.hide_edges()
        self.colour()
        self.search()
        self.select(self.rows)

    def colour(self) -> None:
        """Colour all nodes as chosen, or by their norm where that is not possible."""
        for index, canvas in enumerate(self.canvases if self.shown else []):
            try:
                found = self._colours(index, self._display.colour.value)
            except KShotError as error:
                found = self._colours(index, _ALWAYS)
                self._failed(error)
            canvas.colour(found)

    def hide_edges(self) -> None:
        """Hide the edges whose Jaccard index is too small."""
        for canvas in self.canvases:
            canvas.least = self._display.least.value

    def search(self) -> None:
        """Fade the nodes that hold no row of the classes or groups that are searched for."""
        wanted = self._display.search.value.strip()
        rows = None
        self._display.found.idle()
        if self.shown is not None and wanted:
            rows = _rows_of(wanted, self.shown.known[0])
            self._display.found.done(counted(len(rows), "row"))
        for canvas in self.canvases:
            if canvas.view is not None:
                canvas.search(None if rows is None else canvas.view.shares(rows))

    def select(self, rows: Rows) -> None:
        """Mark these rows in all graphs, and say what they are."""
        self.rows = rows
        if self.shown is None:
            return
        for index, canvas in enumerate(self.canvases):
            if canvas.view is None:
                continue
            own = self._origin is not None and self._origin[0] == index
            picked = self._origin[1] if own and self._origin else np.zeros(0, dtype=np.int64)
            canvas.select(picked, canvas.view.shares(rows))
        self._panel.show(rows, self.shown.clouds, self.shown.views, self.shown.known[0])

    def _picked(self, index: int, marks: Rows) -> None:
        """Take over what a person selected in one canvas."""
        view = self.canvases[index].view
        if view is None:
            return
        self._origin = (index, marks)
        rows = view.members(marks)
        if np.array_equal(rows, self.rows):
            self.select(rows)
        self._selected(rows)
        self._origin = None

    # ---- the same without a browser --------------------------------------------------------------

    def views(self) -> list[GraphView]:
        """Return the graphs as they lie on the page.

        Raises
        ------
        KShotValueError
            Where no graph could be made yet.
        """
        if self.shown is None:
            raise KShotValueError(
                "There is no graph yet: the status says why. Other settings may find one."
            )
        return [canvas.view for canvas in self.canvases if canvas.view is not None]

    @property
    def text(self) -> str:
        """What the graphs are, in a line."""
        views = self.views() if self.shown else []
        found = [f"{view.title}: {view.graph.summary()}" for view in views]
        return "; ".join(found) or "no graph yet"

    def frame(self) -> pd.DataFrame:
        """Return one row a node, with its graph and the number of its selected rows."""
        import pandas as pd

        frames = []
        for view in self.views():
            chosen = [int(np.isin(one.members, self.rows).sum()) for one in view.graph.nodes]
            frames.append(view.graph.frame().assign(graph=view.title, selected=chosen))
        return pd.concat(frames, ignore_index=True)

    def figure(self) -> Figure:
        """Return the graphs beside each other."""
        from matplotlib.figure import Figure

        views = self.views()
        figure = Figure(figsize=(7.4 * len(views), 6.0), layout="constrained")
        for index, view in enumerate(views):
            draw_graph_view(
                view,
                self._colours(index, self._display.colour.value),
                marks=view.marks(self.shown.known[index]) if self.shown else (),
                shares=view.shares(self.rows),
                least=self._display.least.value,
                ax=figure.add_subplot(1, len(views), index + 1),
            )
        return figure

    def _colours(self, index: int, by: str) -> NodeColours:
        assert self.shown is not None
        return node_colours(self.shown.views[index].graph, by, self.shown.known[index])


def _rows_of(wanted: str, known: Known) -> Rows:
    """Return the rows whose class or group has this in its name; letters may be small or large."""
    found = [np.zeros(0, dtype=np.int64)]
    for kinds in (known.classes, known.groups):
        if kinds is not None:
            codes = [i for i, n in enumerate(kinds.names) if wanted.casefold() in n.casefold()]
            found.append(np.flatnonzero(np.isin(kinds.codes, codes)))
    return np.unique(np.concatenate(found))

"""Dashboard to explore Mapper graphs of activations: one, or two of the same rows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import List, validate

from kshot_viz.analysis.topology.cover import default_intervals
from kshot_viz.analysis.topology.lenses import given_lens
from kshot_viz.checks import checked, instance, number, optional, text, whole
from kshot_viz.errors import KShotError
from kshot_viz.text import counted
from kshot_viz.viz.topology.node_colours import Kinds
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Dashboard, Status, column, row
from kshot_viz.widgets.explorer.neuron_map import NeuronMap
from kshot_viz.widgets.mapper.clouds import Clouds, LayerPoints, checked_rows
from kshot_viz.widgets.mapper.graph_files import downloads
from kshot_viz.widgets.mapper.graphs import Shown, make_graphs
from kshot_viz.widgets.mapper.mapper_controls import (
    GIVEN,
    DisplayControls,
    MapperControls,
    colourings,
)
from kshot_viz.widgets.mapper.neuron_link import NeuronLink
from kshot_viz.widgets.mapper.node_panel import NodePanel
from kshot_viz.widgets.mapper.scene import Scene

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.analysis.topology.graph import MapperGraph
    from kshot_viz.models.backbone import Backbone
_SETTLED = 0.3  # seconds without movement after which the controls are followed


class MapperExplorer(Dashboard):
    """The shape of a point cloud as a graph, with what it is made by as controls.

    A click on a node selects exactly its rows; with a second state of them, in both graphs.

    Parameters
    ----------
    points : array_like, ActivationPoints, or mapping of str to these
        What ``activation_points`` returns, rows of images or of neurons. Of a mapping, such as
        ``Activations``, a layer is chosen from a list.
    labels : sequence, optional
        A class for each row or each image; those of ``images`` by default.
    after : the same as ``points``, optional
        A second state of the same rows in the same order.
    images : image batch or ImageDataset, optional
        Examples of a selection are shown from these; row r is of the image ``points.image[r]``, or
        of image r.
    groups : sequence, optional
        A group for each row.
    neurons : NeuronMap, optional
        Rows are its neurons: their groups are taken from it, and a selection is one of both.
    titles : sequence of str, optional
        What the states are called.
    lens, intervals, overlap, cover, clusterer, epsilon, min_samples
        As in ``mapper_graph``, to begin with.
    colour_by : {"norm", "class", "purity", "group", "match", "size"}, optional
        By default the class, the group or the norm, whichever there is.
    most_nodes, height : int
        Of a larger graph so many of the largest nodes are drawn; its height in pixels.
    seed : int
        Of ``mapper_graph`` and of the layout.

    Attributes
    ----------
    selected : list of int
        The selected rows, ascending; a trait that can be observed and set.

    Raises
    ------
    KShotError
        For points that have no shape, such as a single row or NaN; states of other rows; and for
        arguments that cannot be used. Where settings only find no cluster, the status says why.
    """

    selected: Any = List()
    _working: tuple[Background, ...] = ()
    _link: NeuronLink | None = None

    @checked(
        intervals=optional(whole(2, 10_000)),
        overlap=number(0, above=True),
        cover=text,
        clusterer=text,
        epsilon=optional(number(0, above=True)),
        min_samples=whole(1),
        neurons=optional(instance(NeuronMap)),
        colour_by=optional(text),
        most_nodes=whole(1),
        height=whole(200),
        seed=whole(0),
    )
    def __init__(
        self,
        points: Any,
        labels: Any = None,
        *,
        after: Any = None,
        images: Any = None,
        groups: Any = None,
        neurons: NeuronMap | None = None,
        titles: Sequence[str] | None = None,
        lens: Any = "norm",
        intervals: int | None = None,
        overlap: float = 0.3,
        cover: str = "uniform",
        clusterer: str = "dbscan",
        epsilon: float | None = None,
        min_samples: int = 5,
        colour_by: str | None = None,
        most_nodes: int = 10_000,
        height: int = 460,
        seed: int = 0,
    ) -> None:
        if neurons is not None and after is None:
            titles = titles or [neurons.layer]
        clouds = Clouds(points, after, titles)
        first = clouds.load(clouds.choices[0] if clouds.choices else "")[0]
        first.check_images(images)
        self._n, given = len(first.points), given_lens(lens, len(first.points))
        own = first.labels(getattr(images, "labels", None) if labels is None else labels)
        named, classes = first.labels(groups), Kinds.of(own) if own else None
        self._groups = Kinds.of(named) if named else None
        if neurons is not None:
            self._join(neurons)
        self._lock, self.status = threading.RLock(), Status()
        self._working = (Background(lambda error: self.scene.fail(error)),)
        self._make = partial(
            make_graphs, clouds, lens=given, classes=classes, most_nodes=most_nodes, seed=seed,
            check=self._working[0].check,
        )  # fmt: skip
        settings = {
            "lens": lens if given is None else GIVEN, "overlap": float(overlap), "cover": cover,
            "intervals": intervals or default_intervals(self._n), "clusterer": clusterer,
            "epsilon": epsilon, "min_samples": min_samples,
        }  # fmt: skip
        self.controls = MapperControls(clouds.choices, given is not None, settings, self._ask)
        offered = colourings(classes, self._groups, clouds.n > 1)
        self.display = DisplayControls(offered, colour_by or offered[0])
        self.panel = NodePanel(images)
        self.scene = Scene(
            clouds.n, self.display, self.panel, self.select, self.status.error, height
        )
        super().__init__(self._children())
        self.add_class("kv-mapper")
        self.observe(lambda _: self._follow(), "selected")
        self._begin()

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        images: Any,
        layers: Sequence[str] | None = None,
        *,
        after: Backbone | None = None,
        positions: str = "pooled",
        **options: Any,
    ) -> MapperExplorer:
        """Open on the layers of a network; each is computed when it is chosen.

        Parameters
        ----------
        backbone : Backbone
        images : image batch or ImageDataset
        layers : sequence of str, optional
            All by default; the first one is shown first.
        after : Backbone, optional
            The same network at another moment, fine-tuned for example.
        positions : str
            As in ``activation_points``.
        options
            Those of the class.

        Raises
        ------
        KShotKeyError
            For an unknown layer or ``positions``.
        """
        states = [one for one in (backbone, after) if one is not None]
        first, *rest = (LayerPoints(one, images, layers, positions=positions) for one in states)
        return cls(first, after=rest[0] if rest else None, **{"images": images, **options})

    def _children(self) -> list[Any]:
        canvases = [column(one, name="kv-left") for one in self.scene.canvases]
        head = row(self.status, row(*downloads(self.scene, self.status.error)), name="kv-head")
        parts = [self.controls, self.display, head]
        if len(canvases) == 1:
            return [*parts, row(*canvases, self.panel, name="kv-split")]
        return [*parts, row(*canvases, name="kv-split"), self.panel]

    # ---- actions --------------------------------------------------------------------------------

    def select(self, rows: Any) -> None:
        """Select rows; an empty list selects none."""
        self.selected = [int(one) for one in rows]

    def link(self, neurons: NeuronMap) -> None:
        """Make the selection that of a map of neurons too; its groups are offered as colours.

        A map with another number of neurons than there are rows is a KShotValueError.
        """
        self._join(neurons)
        if self._groups is not None:
            self.display.offer("group")
        self._regroup()
        self._follow()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is computed and drawn; return whether it is."""
        return self._working[0].wait(timeout) and self.panel.redraw.wait(timeout)

    def close(self) -> None:
        """Close it; a linked map of neurons stays."""
        link, self._link = self._link, None
        if link is not None:
            link.end()
        if self._working and self.status.kind == "busy":
            self._working[0].stop()
            self.status.idle()
        super().close()

    # ---- the same without a browser --------------------------------------------------------------

    @property
    def graphs(self) -> list[MapperGraph]:
        """The graphs that are shown, one or two."""
        return [view.graph for view in self.scene.views()]

    def frame(self) -> pd.DataFrame:
        """Return one row a node, as ``MapperGraph.frame``, with ``graph`` and ``selected``.

        ``graph`` is the title of the node's graph, ``selected`` the number of its selected rows.
        """
        return self.scene.frame()

    def figure(self) -> Figure:
        """Return the graphs as they are shown."""
        return self.scene.figure()

    def __repr__(self) -> str:
        return f"MapperExplorer: {self.scene.text}"

    # ---- updates ---------------------------------------------------------------------------------

    @validate("selected")
    def _checked(self, proposal: Any) -> list[int]:
        return checked_rows(proposal["value"], self._n)

    def _begin(self) -> None:
        """Make the first graphs now, so that a picture is there; the status says why not."""
        try:
            self._show(self._make(self.controls.settings, groups=self._groups))
        except KShotError as error:
            self.scene.fail(error)

    def _ask(self) -> None:
        self.status.busy("Making the graph")
        work = partial(self._make, self.controls.settings, groups=self._groups)
        self._working[0].start(work, self._show, rest=_SETTLED)

    def _show(self, shown: Shown) -> None:
        with self._lock:
            self.status.done(f"Made in {shown.seconds:.1f} s of {counted(self._n, 'row')}.")
            self.scene.show(shown.grouped(self._groups))
            self.controls.used(shown.views[0].graph.settings.get("epsilon"))

    def _follow(self) -> None:
        with self._lock:
            self.scene.select(np.array(self.selected, dtype=np.int64))
        if self._link is not None:
            self._link.pass_on(self.selected)

    def _join(self, neurons: NeuronMap) -> None:
        link = NeuronLink(neurons, self._n, self.select, self._regroup)
        if self._link is not None:
            self._link.end()
        self._link = link
        self._groups = link.groups or self._groups

    def _regroup(self) -> None:
        """Take over the groups of the map."""
        groups = self._link.groups if self._link is not None else None
        self._groups = groups or self._groups
        with self._lock:
            self.scene.regroup(self._groups)

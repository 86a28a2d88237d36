"""What is drawn of a Mapper graph, in the browser and in a figure alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.nerve import incidence
from kshot_viz.analysis.topology.summaries import component_of, degrees
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import bare, entitle, figure_of, new_axes, text_colour
from kshot_viz.viz.style.colours import DEAD_COLOUR, rgb, text_on
from kshot_viz.viz.topology.layout import graph_layout
from kshot_viz.viz.topology.node_colours import RAMP, Known, NodeColours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.int64]
_EDGE = "#7F7F7F"
# Strongest edges that are drawn; more cannot be seen.
MOST_EDGES = 40_000
_LARGEST, _SMALLEST = 16.0, 3.2  # radii of the largest node in pixels, in small and large graphs
_POINTS = 0.75  # of a figure, in a pixel


@dataclass(frozen=True, eq=False)
class GraphView:
    """The drawn part of a graph.

    Attributes
    ----------
    graph : MapperGraph
    title : str
    kept : ndarray of int, shape (nodes,)
        Drawn nodes as positions in ``graph.nodes``, ascending.
    edges : ndarray of int, shape (edges, 2)
        Drawn edges, as positions in ``kept``.
    weights : ndarray, shape (edges,)
        Their Jaccard indices.
    positions : ndarray, shape (marks, 2)
        Of the drawn nodes and, last, of the mark that stands for noise where there is any.
    remark : str
        What is said of it before all else.
    """

    graph: MapperGraph
    title: str
    kept: Numbers
    edges: Numbers
    weights: NDArray[np.float64]
    positions: NDArray[np.float64]
    remark: str = ""

    @property
    def noise(self) -> int:
        """Number of rows that are in no node."""
        return len(self.graph.noise)

    @property
    def sizes(self) -> Numbers:
        """Rows of every mark."""
        own = self.graph.sizes[self.kept]
        return np.append(own, self.noise) if self.noise else own

    @property
    def radii(self) -> NDArray[np.float64]:
        """Radius of every mark in pixels: it grows with the logarithm of the rows."""
        sizes = self.sizes
        largest = float(np.clip(110 / np.sqrt(max(1, len(sizes))), _SMALLEST, _LARGEST))
        share = np.log1p(sizes) / np.log1p(sizes.max(initial=1))
        return largest * (0.3 + 0.7 * share**1.5)

    def members(self, marks: Numbers) -> Numbers:
        """Return the rows of marks, ascending."""
        parts = [self._rows(int(mark)) for mark in marks]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)

    def _rows(self, mark: int) -> Numbers:
        if mark == len(self.kept):
            return self.graph.noise
        return self.graph.nodes[self.kept[mark]].members

    def shares(self, rows: Numbers) -> NDArray[np.float64]:
        """Return the share of every mark's rows that is among these."""
        chosen = np.zeros(self.graph.n_points)
        chosen[rows] = 1
        nodes = [self.graph.nodes[one].members for one in self.kept]
        held = incidence(nodes, self.graph.n_points) @ chosen
        if self.noise:
            held = np.append(held, chosen[self.graph.noise].sum())
        return np.asarray(held / self.sizes, dtype=np.float64)

    def colours(self, found: NodeColours) -> NDArray[np.float64]:
        """Return the colour of every mark; noise is grey."""
        own = found.rgb[self.kept]
        return np.concatenate([own, [rgb(DEAD_COLOUR)]]) if self.noise else own

    def words(self, known: Known) -> list[str]:
        """Return what is said of every mark, in lines."""
        neighbours = degrees(len(self.graph.nodes), self.graph.edges)
        found = [self._about(int(one), known, int(neighbours[one])) for one in self.kept]
        noise = [f"noise\n{counted(self.noise, 'row')} in no node"] if self.noise else []
        return found + noise

    def _about(self, index: int, known: Known, neighbours: int) -> str:
        node = self.graph.nodes[index]
        lines = [node.name, counted(node.size, "row")]
        for word, kinds in (("", known.classes), ("group ", known.groups)):
            if kinds is not None:
                pairs = kinds.top(node.members)
                lines.append(word + ", ".join(f"{isolated(n)} {100 * s:.0f} %" for n, s in pairs))
        lines += [f"mean norm {node.norm:.4g}", counted(neighbours, "neighbour")]
        if known.match is not None:
            index_ = float(known.match[index])
            lines.append(f"Jaccard {index_:.2f} with its match" if index_ else "only in this graph")
        return "\n".join(lines)

    def marks(self, known: Known) -> list[str]:
        """Return the class, or else the group, that is written on every mark with room for it."""
        kinds = known.classes or known.groups
        if kinds is None:
            return []
        found = [kinds.top(self.graph.nodes[one].members, 1)[0][0] for one in self.kept]
        return [*found, "noise"] if self.noise else found

    @property
    def note(self) -> str:
        """What the graph is, and what of it is not drawn."""
        found = self.graph.summary()
        counts = (
            counted(found.nodes, "node"), counted(found.edges, "edge"),
            counted(found.components, "component"), counted(found.loops, "loop"),
        )  # fmt: skip
        rows = f"{found.covered:,} of {self.graph.n_points:,} rows, {self.noise:,} are noise"
        parts = [self.remark, ", ".join(counts), rows, *self._left_out()]
        return "; ".join(filter(None, parts))

    def _left_out(self) -> list[str]:
        epsilon, parts = self.graph.settings.get("epsilon"), []
        if epsilon is not None:
            parts.append(f"epsilon {epsilon:.4g}")
        nodes = len(self.graph.nodes) - len(self.kept)
        if nodes:
            parts.append(
                f"only the {len(self.kept):,} largest nodes are drawn, {nodes:,} are left out"
            )
        inside = int(np.isin(self.graph.edges, self.kept).all(axis=1).sum())
        if inside > len(self.edges):
            parts.append(f"only the {len(self.edges):,} strongest of {inside:,} edges are drawn")
        return parts

    def moved(self, positions: NDArray[np.float64]) -> GraphView:
        """Return the same with its marks elsewhere."""
        return replace(self, positions=positions)


def graph_view(graph: MapperGraph, title: str, *, most_nodes: int, seed: int) -> GraphView:
    """Lay a graph out.

    Parameters
    ----------
    graph : MapperGraph
    title : str
    most_nodes : int
        Of a larger graph, so many of the largest nodes are drawn.
    seed : int
    """
    kept = np.sort(np.argsort(-graph.sizes, kind="stable")[:most_nodes])
    positions = graph_layout(graph, kept, seed=seed)
    inside = np.isin(graph.edges, kept).all(axis=1)
    edges, weights = np.searchsorted(kept, graph.edges[inside]), graph.jaccard[inside]
    positions = _along_the_lens(graph, kept, edges, positions)
    strongest = np.sort(np.argsort(-weights, kind="stable")[:MOST_EDGES])
    if len(graph.noise):
        corner = [positions[:, 0].max() + 1.5, positions[:, 1].min()]
        positions = np.concatenate([positions, [corner]])
    return GraphView(graph, title, kept, edges[strongest], weights[strongest], positions)


def _along_the_lens(
    graph: MapperGraph, kept: Numbers, edges: Numbers, positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn every component so that the lens grows to the right: pictures can be compared then."""
    result = positions.copy()
    lens = np.array([graph.nodes[one].lens[0] for one in kept])
    component = component_of(len(kept), edges)
    for one in range(component.max(initial=-1) + 1):
        own = np.flatnonzero(component == one)
        x = positions[own, 0]
        if ((x - x.mean()) * (lens[own] - lens[own].mean())).sum() < 0:
            result[own, 0] = x.min() + x.max() - x
    return result


def draw_graph_view(
    view: GraphView,
    colours: NodeColours,
    *,
    marks: Sequence[str] = (),
    shares: NDArray[np.float64] | None = None,
    least: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a view as a figure.

    Parameters
    ----------
    view : GraphView
    colours : NodeColours
    marks : sequence of str
        Written on every mark that has room for it.
    shares : ndarray, shape (marks,), optional
        Selected share of every mark; marks without any are faded.
    least : float
        Edges with a smaller Jaccard index are left out.
    ax : Axes, optional
    """
    from matplotlib.collections import LineCollection

    ax = new_axes(ax, (7.4, 5.6))
    strong = view.weights >= least
    lines = [view.positions[pair] for pair in view.edges[strong]]
    widths = (0.6 + 4 * view.weights[strong]).tolist()
    ax.add_collection(LineCollection(lines, linewidths=widths, colors=_EDGE, alpha=0.7, zorder=1))
    faces = np.ones((len(view.positions), 4))
    faces[:, :3] = view.colours(colours)
    if view.noise:
        faces[-1, 3] = 0.4
    if shares is not None and shares.any():
        faces[:, 3] = np.where(shares > 0, 1, 0.25)
    area = (2 * view.radii * _POINTS) ** 2
    x, y = view.positions.T
    ax.scatter(x, y, s=area, c=faces, edgecolors=text_colour(ax), linewidths=0.5)
    _write_marks(ax, view, faces, marks)
    bare(ax)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.06)
    _explain(ax, colours)
    entitle(ax, view.title, view.note)
    return ax


def _write_marks(
    ax: Axes, view: GraphView, faces: NDArray[np.float64], marks: Sequence[str]
) -> None:
    """Write the class on nodes with room for it, and how many rows are noise."""
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "parse_math": False}
    room = 2 * view.radii * _POINTS
    for (x, y), face, name, wide in zip(view.positions, faces, marks, room, strict=False):
        if face[3] > 0.5 and wide >= max(10.0, 5.5 * len(name) + 4):
            ax.text(x, y, isolated(name), color=text_on(_hex(face)), **look)
    if view.noise:
        below = (0, -(room[-1] / 2 + 7))
        look |= {"xytext": below, "textcoords": "offset points"}
        ax.annotate(f"noise {view.noise:,}", view.positions[-1], **look)


def _hex(face: NDArray[np.float64]) -> str:
    from matplotlib.colors import to_hex

    red, green, blue = face[:3].tolist()
    return to_hex((red, green, blue))


def _explain(ax: Axes, colours: NodeColours) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    if colours.scale is not None:
        ramp = ScalarMappable(Normalize(*colours.scale), RAMP)
        bar = figure_of(ax).colorbar(ramp, ax=ax, shrink=0.6, pad=0.02)
        bar.set_label(colours.label, fontsize=9)
        bar.outline.set_visible(False)  # type: ignore[operator]
        return
    look = {"marker": "o", "linestyle": "", "markeredgecolor": text_colour(ax)}
    handles = [
        Line2D([], [], markerfacecolor=colour, label=isolated(name), **look)
        for name, colour in colours.legend
    ]
    where: dict[str, Any] = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, -0.01),
        "frameon": False,
    }
    legend = ax.legend(handles=handles, ncols=5, fontsize=8.5, **where)
    for one in legend.get_texts():
        one.set_parse_math(False)

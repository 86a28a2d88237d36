"""A Mapper graph drawn: nodes by size and colour, edges by the rows that nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.checks import checked, instance, optional, text, whole
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import bare, entitle, figure_of, new_axes, text_colour
from kshot_viz.viz.style.colours import text_on
from kshot_viz.viz.topology.layout import graph_layout
from kshot_viz.viz.topology.node_colours import Kinds, Known, node_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = ("class", "norm", "purity", "size")
_BAR = {"norm": "mean L2 norm", "purity": "share of the top class", "size": "rows"}
_LETTERS = 24  # of a class in the legend
_LETTER = 8.5  # points
_EDGE = "#7F7F7F"
_LEAST, _MOST = 14.0, 420.0  # areas of nodes, in square points


@checked(
    graph=instance(MapperGraph),
    colour_by=text,
    title=optional(text),
    most_nodes=whole(1),
    seed=whole(0),
)
def plot_mapper(
    graph: MapperGraph,
    *,
    colour_by: str = "norm",
    title: str | None = None,
    most_nodes: int = 300,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a Mapper graph by a force layout; components lie beside each other.

    The area of a node grows with its rows, the width of an edge with the Jaccard index of its
    nodes. Only who is joined with whom means something, not where a component lies.

    Parameters
    ----------
    graph : MapperGraph
    colour_by : {"class", "norm", "purity", "size"}
        The most frequent class of a node, its mean norm, the share of that class, or its rows.
        Graphs of the same labels give a class the same colour.
    title : str, optional
        By default what the graph is, which else begins the note.
    most_nodes : int
        Of a larger graph, so many of the largest nodes are drawn; the note says so.
    seed : int
        Seed of the layout of components of more than 150 nodes; smaller ones need none.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        For an unknown ``colour_by``.
    KShotValueError
        For classes of a graph without labels.
    KShotError
        Where networkx is not installed.
    """
    if colour_by not in COLOURS:
        raise unknown_name("colour_by", colour_by, COLOURS)
    if colour_by in ("class", "purity") and not any(node.classes for node in graph.nodes):
        raise KShotValueError(
            f"colour_by={colour_by!r} needs labels: give them to mapper_graph, or colour by 'norm'."
        )
    frame = _mapper_frame(graph, most_nodes, seed)
    ax = new_axes(ax, (7.4, 5.2))
    _edges(ax, graph, frame)
    if colour_by == "class":
        _by_class(ax, graph, frame)
    else:
        _by_number(ax, frame, colour_by)
    bare(ax)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.06)
    shape = _shape(graph)
    note = _note(graph, frame)
    if title is None:
        entitle(ax, f"Mapper graph: {shape}", note)
    else:
        entitle(ax, title, f"{shape}; {note}")
    return ax


def _mapper_frame(graph: MapperGraph, most_nodes: int, seed: int) -> pd.DataFrame:
    """Return the table of the nodes that are drawn, with ``x, y, area``."""
    frame = graph.frame()
    kept = np.sort(np.argsort(-graph.sizes, kind="stable")[:most_nodes])
    positions = graph_layout(graph, kept, seed=seed)
    drawn = frame.iloc[kept].assign(x=positions[:, 0], y=positions[:, 1])
    return drawn.assign(area=_area(drawn["size"].to_numpy(), graph.sizes.max(initial=1), len(kept)))


def _area(rows: NDArray[np.int64], most: int, n: int) -> NDArray[np.float64]:
    scale = min(1.0, 60 / max(n, 1))
    return _LEAST + (_MOST * scale) * rows / most


def _edges(ax: Axes, graph: MapperGraph, frame: pd.DataFrame) -> None:
    from matplotlib.collections import LineCollection

    at = frame[["x", "y"]]
    kept = np.isin(graph.edges, frame.index).all(axis=1)
    lines = [at.loc[pair].to_numpy() for pair in graph.edges[kept].tolist()]
    widths = (0.6 + 4.0 * graph.jaccard[kept]).tolist()
    ax.add_collection(LineCollection(lines, linewidths=widths, colors=_EDGE, alpha=0.7, zorder=1))


def _nodes(ax: Axes, frame: pd.DataFrame, **look: Any) -> Any:
    rim = {"edgecolors": text_colour(ax), "linewidths": 0.5}
    return ax.scatter(frame["x"], frame["y"], s=frame["area"], zorder=2, **rim, **look)


def _by_number(ax: Axes, frame: pd.DataFrame, name: str) -> None:
    limits = {"vmin": 0, "vmax": 1} if name == "purity" else {}
    drawn = _nodes(ax, frame, c=frame[name], cmap="viridis", **limits)
    bar = figure_of(ax).colorbar(drawn, ax=ax, shrink=0.6, pad=0.02)
    bar.set_label(_BAR[name], fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)  # type: ignore[operator]
    _legend(ax, frame, [])


def _by_class(ax: Axes, graph: MapperGraph, frame: pd.DataFrame) -> None:
    from matplotlib.colors import to_hex

    # Those of all rows: the colours of a graph with other nodes of the same rows are the same.
    labels = graph.labels or np.repeat([node.classes[0] for node in graph.nodes], graph.sizes)
    found = node_colours(graph, "class", Known(Kinds.of(labels)))
    shades = [to_hex(found.rgb[node]) for node in frame.index]
    _nodes(ax, frame, c=shades)
    _write_classes(ax, frame, shades)
    _legend(ax, frame, [(isolated(_short(name)), colour) for name, colour in found.legend])


def _write_classes(ax: Axes, frame: pd.DataFrame, colours: list[str]) -> None:
    """Write the class on nodes that are large enough: colours alone can be alike."""
    wide = 2 * np.sqrt(frame["area"] / np.pi)
    for (_, node), width, colour in zip(frame.iterrows(), wide, colours, strict=True):
        name = node["top_class"]
        if width >= max(10.0, 5.5 * len(name) + 4):
            ax.text(
                node["x"],
                node["y"],
                isolated(name),
                ha="center",
                va="center",
                fontsize=8,
                color=text_on(colour),
                parse_math=False,
                zorder=3,
            )


def _legend(ax: Axes, frame: pd.DataFrame, classes: list[tuple[str, str]]) -> None:
    """Say what areas, widths and colours stand for; below the graph, where it hides nothing."""
    from matplotlib.lines import Line2D

    edge = text_colour(ax)
    ordered = frame.sort_values("size", kind="stable")[["size", "area"]].iloc[[0, -1]]
    handles = [
        _dot("none", edge, float(area), counted(int(rows), "row"))
        for rows, area in ordered.drop_duplicates().itertuples(index=False)
    ]
    for share in (0.1, 0.5):
        name = f"Jaccard {share}"
        handles.append(Line2D([], [], color=_EDGE, linewidth=0.6 + 4 * share, label=name))
    # A line of its own, as high as its largest circle, so that none lies over a class.
    height = max(_LETTER, float(np.sqrt(ordered["area"].max())))
    first = _below(ax, handles, 0.0, height / _LETTER)
    if classes:
        ax.add_artist(first)
        dots = [_dot(colour, edge, 60.0, name) for name, colour in classes]
        _below(ax, dots, height + _LETTER, 0.7)


def _below(ax: Axes, handles: list[Any], points: float, height: float) -> Any:
    """Return a legend so many points below the Axes."""
    from matplotlib.transforms import ScaledTranslation

    down = ScaledTranslation(0, -points / 72, figure_of(ax).dpi_scale_trans)
    legend = ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        bbox_transform=ax.transAxes + down,
        ncols=_columns(ax, [one.get_label() for one in handles]),
        frameon=False,
        fontsize=_LETTER,
        handleheight=height,
        handlelength=max(2.0, height),
    )
    for text_ in legend.get_texts():
        text_.set_parse_math(False)
    return legend


def _columns(ax: Axes, names: list[str]) -> int:
    """Return how many columns of the legend fit below the figure."""
    letters = figure_of(ax).get_figwidth() * 72 / 5.2
    return max(1, min(7, len(names), int(letters / (max(map(len, names)) + 8))))


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _dot(colour: str, edge: Any, area: float, name: str) -> Any:
    from matplotlib.lines import Line2D

    look = {"markerfacecolor": colour, "markeredgecolor": edge, "markersize": float(np.sqrt(area))}
    return Line2D([], [], marker="o", linestyle="", markeredgewidth=0.5, label=name, **look)


def _shape(graph: MapperGraph) -> str:
    found = graph.summary()
    return (
        f"{counted(found.nodes, 'node')}, {counted(found.edges, 'edge')}, "
        f"{counted(found.components, 'component')}, {counted(found.loops, 'loop')}"
    )


def _note(graph: MapperGraph, frame: pd.DataFrame) -> str:
    noise = len(graph.noise)
    parts = [f"{graph.n_points - noise:,} of {graph.n_points:,} rows, {noise:,} are noise"]
    if "lens" in graph.settings:
        lens, n, overlap = (graph.settings[one] for one in ("lens", "intervals", "overlap"))
        parts.append(f"lens {lens}, {n} intervals, {100 * overlap:.0f} % overlap")
    if len(frame) < len(graph.nodes):
        left = len(graph.nodes) - len(frame)
        parts.append(f"only the {len(frame):,} largest nodes are drawn, {left:,} are left out")
    return "; ".join(parts)

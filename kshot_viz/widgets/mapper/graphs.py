"""The graphs that an explorer shows: made of its clouds, laid out, and matched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.mapper import mapper_graph
from kshot_viz.analysis.topology.matching import match_nodes
from kshot_viz.errors import KShotValueError
from kshot_viz.viz.topology.graph_view import GraphView, graph_view
from kshot_viz.viz.topology.node_colours import Kinds, Known
from kshot_viz.widgets.mapper.clouds import Cloud, Clouds
from kshot_viz.widgets.mapper.mapper_controls import GIVEN

# The matching compares each node of one graph with each of the other.
MOST_MATCHED = 2000


@dataclass(frozen=True, eq=False)
class Shown:
    """For every state its cloud, its graph and what is known of its nodes; the time it took."""

    clouds: tuple[Cloud, ...]
    views: tuple[GraphView, ...]
    known: tuple[Known, ...]
    seconds: float

    def grouped(self, groups: Kinds | None) -> Shown:
        """Return the same with other groups of the rows."""
        return replace(self, known=tuple(replace(one, groups=groups) for one in self.known))


def make_graphs(
    clouds: Clouds,
    settings: dict[str, Any],
    *,
    lens: Any,
    classes: Kinds | None,
    groups: Kinds | None,
    most_nodes: int,
    seed: int,
    check: Callable[[], None],
) -> Shown:
    """Make, lay out and match the graphs of these settings.

    Parameters
    ----------
    clouds : Clouds
    settings : dict
        As ``MapperControls.settings``.
    lens : array_like or None
        The lens in numbers.
    classes, groups : Kinds, optional
    most_nodes, seed : int
    check : callable
        Called between the stages; it may raise.
    """
    options, begin = dict(settings), time.monotonic()
    found = clouds.load(options.pop("choice"))
    if options["lens"] == GIVEN:
        options["lens"] = lens
    labels = None if classes is None else [classes.names[code] for code in classes.codes]
    views = []
    for cloud in found:
        check()
        try:
            graph = mapper_graph(cloud.points, labels=labels, seed=seed, **options)
        except KShotValueError as error:
            raise KShotValueError(
                f"{cloud.title}: {error}" if len(found) > 1 else str(error)
            ) from error
        check()
        views.append(graph_view(graph, cloud.title, most_nodes=most_nodes, seed=seed))
    matches = _matches([view.graph for view in views])
    known = tuple(Known(classes, groups, one) for one in matches)
    return Shown(tuple(found), tuple(views), known, time.monotonic() - begin)


def _matches(graphs: Sequence[MapperGraph]) -> list[NDArray[np.float64] | None]:
    """Return for every node its Jaccard index with its partner, where there are two graphs."""
    if len(graphs) < 2 or max(len(one.nodes) for one in graphs) > MOST_MATCHED:
        return [None] * len(graphs)
    pairs = match_nodes(graphs[0], graphs[1])
    found: list[NDArray[np.float64] | None] = []
    for graph, side in zip(graphs, ("first", "second"), strict=True):
        index = dict(zip(pairs[side], pairs["jaccard"], strict=True))
        found.append(np.array([float(index[node.name]) for node in graph.nodes]))
    return found

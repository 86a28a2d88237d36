"""A Mapper graph: its nodes, edges and rows, as tables and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.nerve import jaccard
from kshot_viz.analysis.topology.nodes import MapperNode
from kshot_viz.analysis.topology.summaries import (
    GraphSummary,
    component_of,
    degrees,
    summarised,
)
from kshot_viz.analysis.topology.topoact import parsed, topoact_record
from kshot_viz.errors import KShotError
from kshot_viz.files import read_json, write_json
from kshot_viz.records import plain
from kshot_viz.text import counted, html_details, html_table

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class MapperGraph:
    """The shape of a point cloud as a graph; made by ``mapper_graph``.

    Two graphs are equal if all that they would write into a file is.

    Attributes
    ----------
    nodes : tuple of MapperNode
    edges : ndarray of int, shape (edges, 2)
        Positions in ``nodes``, the lower one first.
    shared : ndarray of int, shape (edges,)
        Rows that both nodes hold.
    n_points : int
        Number of all rows.
    lens : ndarray, shape (n_points, dimensions), or None
        None for a graph from a file of another program.
    bounds : tuple of ndarray, shape (intervals, 2)
        For each dimension of the lens, the ends of its intervals; empty without a lens.
    labels : tuple of str, or None
        The class of every row.
    settings : dict
        What the graph was made with; ``epsilon`` is the one that was used.
    """

    nodes: tuple[MapperNode, ...]
    edges: NDArray[np.int64]
    shared: NDArray[np.int64]
    n_points: int
    lens: NDArray[np.float64] | None = None
    bounds: tuple[NDArray[np.float64], ...] = ()
    labels: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    # -- numbers ------------------------------------------------------------------------------

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows in every node."""
        return np.array([node.size for node in self.nodes], dtype=np.int64)

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """For every edge, the shared rows as a part of the rows that either node holds."""
        return jaccard(self.sizes, self.edges, self.shared)

    @property
    def noise(self) -> NDArray[np.int64]:
        """Rows that are in no node, ascending."""
        covered = np.zeros(self.n_points, dtype=bool)
        for node in self.nodes:
            covered[node.members] = True
        return np.flatnonzero(~covered)

    def interval(self, node: MapperNode) -> tuple[tuple[float, float], ...]:
        """Return the lowest and highest lens of a node's bin, for each dimension."""
        ends = [one[at] for one, at in zip(self.bounds, node.bin, strict=True)]
        return tuple((float(low), float(high)) for low, high in ends)

    def nodes_of(self, row: int) -> tuple[MapperNode, ...]:
        """Return the nodes that hold a row; none for noise."""
        return tuple(node for node in self.nodes if row in node.members)

    def summary(self) -> GraphSummary:
        """Return counts: nodes, edges, components, loops, branches, covered rows and noise."""
        noise = len(self.noise)
        return summarised(len(self.nodes), self.edges, self.n_points - noise, noise)

    # -- tables -------------------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Return one row a node.

        Returns
        -------
        DataFrame
            ``node, size, share`` (of all rows), ``lens`` (``lens_1, lens_2`` for two dimensions),
            ``norm, degree, component, top_class, purity`` (share of the top class; NaN without
            labels) and ``classes`` (up to three with their shares).
        """
        import pandas as pd

        n = len(self.nodes)
        lens = np.array([node.lens for node in self.nodes]).reshape(n, -1)
        names = ["lens"] if lens.shape[1] == 1 else ["lens_1", "lens_2"]
        return pd.DataFrame(
            {
                "node": [node.name for node in self.nodes],
                "size": self.sizes,
                "share": self.sizes / self.n_points,
                **dict(zip(names, lens.T, strict=False)),
                "norm": [node.norm for node in self.nodes],
                "degree": degrees(n, self.edges),
                "component": component_of(n, self.edges),
                "top_class": [next(iter(node.classes), None) for node in self.nodes],
                "purity": [next(iter(node.shares), np.nan) for node in self.nodes],
                "classes": [_classes(node) for node in self.nodes],
            }
        )

    def edges_frame(self) -> pd.DataFrame:
        """Return one row an edge: ``source, target, shared, jaccard``."""
        import pandas as pd

        names = np.array([node.name for node in self.nodes], dtype=object)
        return pd.DataFrame(
            {
                "source": names[self.edges[:, 0]],
                "target": names[self.edges[:, 1]],
                "shared": self.shared,
                "jaccard": self.jaccard,
            }
        )

    def to_networkx(self) -> Any:
        """Return a ``networkx.Graph`` with the columns of both tables, and ``members``.

        Raises
        ------
        KShotError
            Where networkx is not installed.
        """
        try:
            import networkx
        except ImportError as error:
            raise KShotError("`to_networkx` needs networkx: pip install networkx.") from error
        graph = networkx.Graph(n_points=self.n_points, **self.settings)
        columns = plain(self.frame().to_dict("records"))
        for node, row in zip(self.nodes, columns, strict=True):
            graph.add_node(row.pop("node"), **row, members=node.members.tolist())
        for row in plain(self.edges_frame().to_dict("records")):
            graph.add_edge(row.pop("source"), row.pop("target"), **row)
        return graph

    # -- files --------------------------------------------------------------------------------

    def to_topoact(self) -> dict[str, Any]:
        """Return the node-link JSON that the page of TopoAct reads.

        What TopoAct has no field for (the lens, labels, settings) stands under ``graph``.
        """
        return topoact_record(self)

    @classmethod
    def from_topoact(cls, record: Mapping[str, Any]) -> MapperGraph:
        """Rebuild a graph from node-link JSON, of this library or of TopoAct.

        Raises
        ------
        KShotFileError
            If it is none, or written by a newer version.
        """
        return cls(**parsed(record, "The record"))

    def save(self, path: str | Path) -> Path:
        """Write JSON, as :meth:`to_topoact`; a reader never sees half a file."""
        return write_json(path, self.to_topoact())

    @classmethod
    def load(cls, path: str | Path) -> MapperGraph:
        """Read JSON; a file that is cut off, newer or no graph is a KShotFileError naming it."""
        return cls(**parsed(read_json(path), str(path)))

    # -- showing ------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapperGraph) and self.to_topoact() == other.to_topoact()

    def __hash__(self) -> int:
        return hash((self.n_points, len(self.nodes), self.edges.tobytes()))

    def __repr__(self) -> str:
        return f"MapperGraph({self.summary()}; {_settings(self)})"

    def _repr_html_(self) -> str:
        largest = np.argsort(-self.sizes, kind="stable")[:_SHOWN]
        nodes = [self.nodes[index] for index in largest]
        rows = [(one.name, one.size, f"{one.norm:.3g}", _classes(one)) for one in nodes]
        table = html_table(("node", "rows", "mean norm", "classes"), rows)
        rest = len(self.nodes) - len(nodes)
        more = f"<p>and {counted(rest, 'smaller node')}</p>" if rest else ""
        return html_details(f"Mapper graph: {self.summary()}; {_settings(self)}", table + more)


def _classes(node: MapperNode) -> str:
    pairs = zip(node.classes, node.shares, strict=True)
    return ", ".join(f"{name} {share:.2f}" for name, share in pairs)


def _settings(graph: MapperGraph) -> str:
    shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in graph.settings.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items()) or "settings not known"

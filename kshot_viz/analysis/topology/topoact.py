"""Node-link JSON as TopoAct's page reads it, which is also how graphs are saved here.

A node is ``id, membership, top_classes, top_class_percents, l2NormAvg, average_activation``, a link
``source, target, intersection``. What else a graph has stands under ``graph``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.analysis.topology.nodes import MapperNode
from kshot_viz.errors import KShotFileError
from kshot_viz.records import plain

if TYPE_CHECKING:
    from kshot_viz.analysis.topology.graph import MapperGraph

SCHEMA = 1
_NAME = re.compile(r"cube(\d+)_cluster(\d+)")


def topoact_record(graph: MapperGraph) -> dict[str, Any]:
    """Return a graph as plain JSON values."""
    names = [node.name for node in graph.nodes]
    links = zip(graph.edges.tolist(), graph.shared.tolist(), strict=True)
    own = {
        "schema": SCHEMA,
        "n_points": graph.n_points,
        "settings": graph.settings,
        "lens": graph.lens,
        "bounds": graph.bounds,
        "labels": graph.labels,
    }
    return {
        "directed": False,
        "multigraph": False,
        "graph": plain(own),
        "nodes": [_node_record(node) for node in graph.nodes],
        "links": [
            {"source": names[first], "target": names[second], "intersection": shared}
            for (first, second), shared in links
        ],
    }


def _node_record(node: MapperNode) -> dict[str, Any]:
    return plain(
        {
            "id": node.name,
            "membership": node.members,
            "top_classes": node.classes,
            "top_class_percents": node.shares,
            "l2NormAvg": node.norm,
            "average_activation": node.activation,
            "bin": node.bin,
            "lens": node.lens,
        }
    )


def parsed(record: Any, called: str) -> dict[str, Any]:
    """Return the fields of the graph that a record holds.

    Parameters
    ----------
    record : JSON values
        Of this library, or of TopoAct: there only nodes and links are known.
    called : str
        Its name in errors.

    Raises
    ------
    KShotFileError
        For other values, a newer schema, or links that contradict the nodes.
    """
    try:
        own = dict(record["graph"])
        if own.get("schema", SCHEMA) != SCHEMA:
            raise KShotFileError(
                f"{called} has schema {own['schema']!r}; this version reads {SCHEMA}."
            )
        nodes = tuple(_node(one) for one in record["nodes"])
        edges, shared = _links(record["links"], nodes)
        fields = {"nodes": nodes, "edges": edges, "shared": shared, **_whole(own, nodes)}
    except KShotFileError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        why = f"{type(error).__name__}: {error}"
        raise KShotFileError(f"{called} is no Mapper graph in node-link form ({why}).") from error
    return fields


def _node(record: Mapping[str, Any]) -> MapperNode:
    named = _NAME.fullmatch(record["id"])
    members = np.unique(np.array(record["membership"], dtype=np.int64))
    if not len(members) or members[0] < 0 or len(members) != len(record["membership"]):
        raise ValueError(f"the membership of {record['id']!r} must be different rows")
    norm = float(record["l2NormAvg"])
    classes = tuple(str(one) for one in record.get("top_classes", ()))
    shares = tuple(float(one) for one in record.get("top_class_percents", ()))
    if len(classes) != len(shares):
        raise ValueError(f"{record['id']!r} has {len(classes)} classes and {len(shares)} shares")
    return MapperNode(
        name=str(record["id"]),
        bin=tuple(int(one) for one in record.get("bin", [named[1]] if named else [0])),
        members=members,
        lens=tuple(float(one) for one in record.get("lens", [norm])),
        norm=norm,
        activation=np.array(record["average_activation"], dtype=np.float64).reshape(-1),
        classes=classes,
        shares=shares,
    )


def _links(records: Any, nodes: tuple[MapperNode, ...]) -> tuple[np.ndarray, np.ndarray]:
    at = {node.name: index for index, node in enumerate(nodes)}
    if len(at) != len(nodes):
        raise ValueError("two nodes have one id")
    found = {}
    for one in records:
        pair = tuple(sorted((at[one["source"]], at[one["target"]])))
        found[pair] = int(one["intersection"])
        both = np.intersect1d(nodes[pair[0]].members, nodes[pair[1]].members, assume_unique=True)
        if pair[0] == pair[1] or len(both) != found[pair]:
            raise ValueError(f"the link {one['source']} to {one['target']} contradicts its nodes")
    order = sorted(found)
    edges = np.array(order, dtype=np.int64).reshape(-1, 2)
    return edges, np.array([found[pair] for pair in order], dtype=np.int64)


def _whole(own: Mapping[str, Any], nodes: tuple[MapperNode, ...]) -> dict[str, Any]:
    """Return the fields that TopoAct's files lack; rows are then as many as members need."""
    least = max((int(node.members[-1]) + 1 for node in nodes), default=0)
    n_points = int(own.get("n_points", least))
    lens, labels = own.get("lens"), own.get("labels")
    if lens is not None:
        lens = np.array(lens, dtype=np.float64).reshape(n_points, -1)
    bounds = tuple(np.array(one, dtype=np.float64).reshape(-1, 2) for one in own.get("bounds", ()))
    if n_points < least or (labels is not None and len(labels) != n_points):
        raise ValueError(f"{n_points} rows do not fit the memberships or labels")
    if len({(len(node.lens), len(node.bin), len(node.activation)) for node in nodes}) > 1:
        raise ValueError("the nodes have lenses, bins or activations of different lengths")
    for node in nodes:
        if bounds and not all(at < len(one) for at, one in zip(node.bin, bounds, strict=True)):
            raise ValueError(f"the bin of {node.name!r} is none of the cover")
    return {
        "n_points": n_points,
        "lens": lens,
        "bounds": bounds,
        "labels": None if labels is None else tuple(str(one) for one in labels),
        "settings": dict(own.get("settings", {})),
    }

"""Colours of the nodes of a Mapper graph, and the legend that says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.viz.style.colours import DEAD_COLOUR, group_colours, rgb

if TYPE_CHECKING:
    from kshot_viz.viz.neurons.layer_groups import LayerGroups

COLOURINGS = {
    "norm": "mean norm",
    "class": "class",
    "purity": "purity",
    "group": "group",
    "match": "match with the other graph",
    "size": "rows",
}
RAMP = "viridis"
_SCALES = {"norm": "mean L2 norm", "purity": "share of the top class", "size": "rows"}
# More kinds cannot be distinguished by colour.
_KINDS = 10
# Below it a node and its partner have fewer rows in common than not.
HALF = 0.5
_MATCHES = (
    ("matched: at least half of the rows in common", "#009E73"),
    ("matched by less than half", "#E69F00"),
    ("only in this graph", "#D55E00"),
)


@dataclass(frozen=True, eq=False)
class Kinds:
    """A kind for every row: its class, or its group.

    Attributes
    ----------
    names : tuple of str
    codes : ndarray of int, shape (rows,)
        Indices into ``names``.
    colours : tuple of str
        One for each name.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    colours: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[Any] | NDArray[Any]) -> Kinds:
        """Colour the ten most frequent labels; the others are grey."""
        names, codes = np.unique(np.array([str(one) for one in labels]), return_inverse=True)
        frequent = np.argsort(-np.bincount(codes), kind="stable")[:_KINDS]
        order = {int(code): rank for rank, code in enumerate(sorted(frequent.tolist()))}
        found = group_colours(order.get(code, -1) for code in range(len(names)))
        return cls(tuple(names.tolist()), codes.astype(np.int64), found)

    @classmethod
    def of_groups(cls, groups: LayerGroups) -> Kinds:
        """Take the groups of a layer's neurons with the colours of all other figures."""
        names = tuple(groups.name(one) for one in range(len(groups.colours)))
        return cls(names, groups.labels, groups.colours)

    def counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of these rows are of each kind."""
        return np.bincount(self.codes[rows], minlength=len(self.names))

    def top(self, rows: NDArray[np.int64], most: int = 3) -> list[tuple[str, float]]:
        """Return the most frequent kinds of these rows with their shares; names decide ties."""
        counts = self.counts(rows)
        order = [one for one in np.argsort(-counts, kind="stable")[:most].tolist() if counts[one]]
        return [(self.names[one], float(counts[one] / len(rows))) for one in order]


@dataclass(frozen=True, eq=False)
class NodeColours:
    """A colour for every node.

    Attributes
    ----------
    rgb : ndarray, shape (nodes, 3)
        In [0, 1].
    legend : tuple of (str, str)
        Text and colour of each kind; empty where there is a scale.
    scale : tuple of (float, float), or None
        Lowest and highest value of the colour ramp.
    label : str
        What the colours mean.
    """

    rgb: NDArray[np.float64]
    legend: tuple[tuple[str, str], ...] = ()
    scale: tuple[float, float] | None = None
    label: str = ""


@dataclass(frozen=True, eq=False)
class Known:
    """What nodes can be coloured by, beside their own numbers.

    Attributes
    ----------
    classes, groups : Kinds or None
    match : ndarray, shape (nodes,), or None
        Jaccard index of each node with its partner in the other graph; 0 without a partner.
    """

    classes: Kinds | None = None
    groups: Kinds | None = None
    match: NDArray[np.float64] | None = field(default=None)


def node_colours(graph: MapperGraph, by: str, known: Known) -> NodeColours:
    """Return the colour of every node.

    Parameters
    ----------
    graph : MapperGraph
    by : {"norm", "class", "purity", "group", "match", "size"}
    known : Known

    Raises
    ------
    KShotKeyError
        For an unknown colouring.
    KShotValueError
        Where there is nothing to colour by: no classes, no groups, or no other graph.
    """
    if by not in COLOURINGS:
        raise unknown_name("colour_by", by, COLOURINGS)
    label = COLOURINGS[by]
    if by in ("class", "group"):
        kinds = known.classes if by == "class" else known.groups
        return _by_kind(graph, _given(kinds, by), f"most frequent {label}")
    if by == "match":
        return _by_match(_given(known.match, by), label)
    if by == "purity":
        _given(known.classes, by)
    return _by_number(graph.frame()[by].to_numpy(dtype=np.float64), by)


def _given(found: Any, by: str) -> Any:
    if found is None:
        cure = {
            "group": "give `groups`, or a map of neurons as `neurons`",
            "match": "give a second state as `after`; each graph may have 2,000 nodes at most",
        }.get(by, "give `labels`")
        raise KShotValueError(f"colour_by={by!r} is not known here: {cure}.")
    return found


def _by_kind(graph: MapperGraph, kinds: Kinds, label: str) -> NodeColours:
    counts = np.array([kinds.counts(node.members) for node in graph.nodes])
    counts = counts.reshape(len(graph.nodes), len(kinds.names))
    top, present = counts.argmax(axis=1), counts.sum(axis=0)
    table = np.array([rgb(colour) for colour in kinds.colours]).reshape(-1, 3)
    shown = [code for code in np.flatnonzero(present).tolist() if code in top]
    named = sorted(sorted(shown, key=lambda code: -present[code])[: 2 * _KINDS])
    legend = [(kinds.names[one], kinds.colours[one]) for one in named if _coloured(kinds, one)]
    if (rest := len(shown) - len(legend)) > 0:
        legend.append((f"{rest} more", DEAD_COLOUR))
    return NodeColours(table[top], tuple(legend), label=label)


def _coloured(kinds: Kinds, code: int) -> bool:
    return kinds.colours[code] != DEAD_COLOUR


def _by_match(match: NDArray[np.float64], label: str) -> NodeColours:
    level = np.where(match >= HALF, 0, np.where(match > 0, 1, 2))
    table = np.array([rgb(colour) for _, colour in _MATCHES])
    shown = [_MATCHES[one] for one in sorted(set(level.tolist()))]
    return NodeColours(table[level], tuple(shown), label=label)


def _by_number(values: NDArray[np.float64], by: str) -> NodeColours:
    from matplotlib import colormaps

    low, high = (0.0, 1.0) if by == "purity" else (float(values.min()), float(values.max()))
    share = (values - low) / ((high - low) or 1.0)
    return NodeColours(colormaps[RAMP](share)[:, :3], scale=(low, high), label=_SCALES[by])

"""Nodes of two graphs of the same rows, matched by the rows that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.nerve import incidence
from kshot_viz.checks import checked, instance
from kshot_viz.errors import KShotValueError

if TYPE_CHECKING:
    import pandas as pd


@checked(first=instance(MapperGraph), second=instance(MapperGraph))
def match_nodes(first: MapperGraph, second: MapperGraph) -> pd.DataFrame:
    """Match the nodes of two graphs, for example before and after fine-tuning.

    Each node has at most one partner; together the pairs have the largest possible sum of Jaccard
    indices (an optimal assignment).

    Parameters
    ----------
    first, second : MapperGraph
        Of the same rows in the same order.

    Returns
    -------
    DataFrame
        A row for each pair that shares rows, then for each node without a partner: ``first,
        second`` (names, None without a partner), ``jaccard, shared, first_size, second_size`` and
        ``first_class, second_class``.

    Raises
    ------
    KShotValueError
        If the graphs have different numbers of rows.
    """
    import pandas as pd
    from scipy.optimize import linear_sum_assignment

    if first.n_points != second.n_points:
        raise KShotValueError(
            f"Nodes are matched by the rows they share, so both graphs must be of the same rows; "
            f"not of {first.n_points:,} and {second.n_points:,}."
        )
    shared = _shared(first, second)
    index = shared / (first.sizes[:, None] + second.sizes - shared)
    pairs = zip(*linear_sum_assignment(index, maximize=True), strict=True)
    met = [(int(one), int(two)) for one, two in pairs if shared[one, two]]
    alone = [(one, None) for one in sorted(set(range(len(first.nodes))) - {a for a, _ in met})]
    new = [(None, two) for two in sorted(set(range(len(second.nodes))) - {b for _, b in met})]
    rows = [_row(first, second, one, two, shared, index) for one, two in [*met, *alone, *new]]
    columns = ["first", "second", "jaccard", "shared", "first_size", "second_size"]
    return pd.DataFrame(rows, columns=[*columns, "first_class", "second_class"])


def _shared(first: MapperGraph, second: MapperGraph) -> np.ndarray:
    one, two = (incidence([n.members for n in g.nodes], g.n_points) for g in (first, second))
    return (one @ two.T).toarray()


def _row(
    first: MapperGraph,
    second: MapperGraph,
    one: int | None,
    two: int | None,
    shared: np.ndarray,
    index: np.ndarray,
) -> tuple[object, ...]:
    a = None if one is None else first.nodes[one]
    b = None if two is None else second.nodes[two]
    met = one is not None and two is not None
    return (
        a.name if a else None,
        b.name if b else None,
        float(index[one, two]) if met else 0.0,
        int(shared[one, two]) if met else 0,
        a.size if a else 0,
        b.size if b else 0,
        next(iter(a.classes), None) if a else None,
        next(iter(b.classes), None) if b else None,
    )

"""Nodes of a Mapper graph: their rows, and what these have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.lenses import norms
from kshot_viz.analysis.topology.points import Points
from kshot_viz.errors import KShotValueError

_TOP = 3


@dataclass(frozen=True, eq=False)
class MapperNode:
    """One cluster of one bin.

    Attributes
    ----------
    name : str
        ``"cube3_cluster0"``: the number of the bin, and of the cluster in it.
    bin : tuple of int
        The interval in each dimension of the lens.
    members : ndarray of int, shape (size,)
        Its rows of the points, ascending.
    lens : tuple of float
        Mean of the lens, one number a dimension.
    norm : float
        Mean L2 norm of its rows.
    activation : ndarray, shape (features,)
        Mean of its rows.
    classes, shares : tuples
        Up to three most frequent labels, and their shares of the rows.
    """

    name: str
    bin: tuple[int, ...]
    members: NDArray[np.int64]
    lens: tuple[float, ...]
    norm: float
    activation: NDArray[np.float64]
    classes: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.members)


def checked_labels(labels: Any, n: int) -> tuple[str, ...] | None:
    """Return labels as texts, one for each of n rows; None where there are none.

    Raises
    ------
    KShotValueError
        For another number of labels.
    """
    if labels is None:
        return None
    try:
        names = tuple(str(one) for one in labels)
    except TypeError as error:
        raise KShotValueError("`labels` must be a list with a label for each row.") from error
    if isinstance(labels, str) or len(names) != n:
        given = "a text" if isinstance(labels, str) else f"{len(names)} labels"
        raise KShotValueError(
            f"`labels` must have one label for each of the {n} rows; not {given}."
        )
    return names


def top_classes(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return up to three most frequent labels and their shares; names decide ties."""
    names, counts = np.unique(np.asarray(labels, dtype=object).astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_TOP]
    shares = counts[order] / counts.sum()
    return tuple(names[order].tolist()), tuple(shares.tolist())


def mean_node(
    name: str,
    bin_: tuple[int, ...],
    rows: NDArray[np.int64],
    points: Points,
    lens: NDArray[np.float64],
) -> MapperNode:
    """Return the node of these rows, without labels."""
    own = points[rows]
    means = tuple(lens[rows].mean(axis=0).tolist())
    activation = own.mean(axis=0, dtype=np.float64)
    return MapperNode(name, bin_, rows, means, float(norms(own).mean()), activation)

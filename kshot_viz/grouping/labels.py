"""Integer labels of one layer: canonical form and edits, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.errors import KShotValueError

Labels = NDArray[np.int64]


def canonical(labels: ArrayLike, last: int | None = None) -> Labels:
    """Renumber groups by their first member; the group ``last`` (dead neurons) comes at the end.

    Parameters
    ----------
    labels : array_like of int, shape (neurons,)
    last : int, optional
        A label to be put last.
    """
    given = checked(labels)
    _, first, inverse = np.unique(given, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    if last is not None:
        order = np.concatenate(
            [order[given[first[order]] != last], order[given[first[order]] == last]]
        )
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return rank[inverse.ravel()].astype(np.int64)


def checked(labels: ArrayLike) -> Labels:
    """Return labels as int64, shape (neurons,), or raise a KShotValueError."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise KShotValueError(f"Labels must be a non-empty list of integers; shape {array.shape}.")
    if array.dtype == bool or not np.issubdtype(array.dtype, np.integer):
        raise KShotValueError(f"Labels must be integers; not {array.dtype}.")
    return array.astype(np.int64)


def merged(labels: Labels, groups: Sequence[int]) -> Labels:
    """Make one group of several."""
    return np.where(np.isin(labels, groups), groups[0], labels)


def moved(labels: Labels, neurons: Sequence[int], group: int | None) -> Labels:
    """Put neurons into ``group``, or into a new group of their own where ``group`` is None."""
    changed = labels.copy()
    changed[list(neurons)] = labels.max() + 1 if group is None else group
    return changed


def contiguous(width: int, n_groups: int) -> Labels:
    """Cut ``width`` neurons into runs of nearly equal length."""
    return np.arange(width, dtype=np.int64) * n_groups // width


def count_from(n_groups: float | int, width: int, layer: str) -> int:
    """Turn a share of the width (float) or a count (int) into a number of groups.

    Raises
    ------
    KShotValueError
        For a share outside (0, 1] or more groups than neurons; the layer is named.
    """
    if isinstance(n_groups, (bool, np.bool_)) or not np.isreal(n_groups) or np.ndim(n_groups):
        raise KShotValueError(
            f"`n_groups` of layer {layer!r} must be a share or a count; not {n_groups!r}."
        )
    if isinstance(n_groups, (float, np.floating)):
        if not 0 < n_groups <= 1:
            raise KShotValueError(
                f"`n_groups` of layer {layer!r} as a float is a share in (0, 1]; not {n_groups!r}."
            )
        return max(1, round(float(n_groups) * width))
    if not 1 <= n_groups <= width:
        raise KShotValueError(
            f"Layer {layer!r} has {width} neurons: `n_groups` must be 1 to {width}; not {n_groups}."
        )
    return int(n_groups)

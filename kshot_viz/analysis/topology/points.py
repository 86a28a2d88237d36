"""Checks of a point cloud, and an order of its rows that does not depend on how they came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError

Points = NDArray[np.floating]
# Squares of larger numbers are beyond float32.
_LARGEST = 1e18


def checked_points(points: Any) -> Points:
    """Return points as float32 or float64, shape (rows, features).

    Raises
    ------
    KShotValueError
        For another shape, fewer than two rows, NaN, infinite or huge numbers, or rows that are all
        equal.
    """
    try:
        found = np.asarray(points)
    except (TypeError, ValueError, RuntimeError) as error:
        raise KShotValueError(f"`points` cannot be made an array: {error}") from error
    if found.ndim != 2 or found.dtype.kind not in "fiub" or not found.shape[1]:
        raise KShotValueError(
            f"`points` must be numbers of shape (rows, features); not {found.dtype} of shape "
            f"{found.shape}."
        )
    if len(found) < 2:
        raise KShotValueError(f"`points` must have at least two rows; not {len(found)}.")
    single: bool = found.dtype.kind == "f" and found.dtype.itemsize <= 4
    kept: Points = found.astype(np.float32 if single else np.float64, copy=False)
    # Rows that are only copied cannot be told from each other: a minus before zero must not count.
    kept = np.ascontiguousarray(kept + 0)
    if bad := int((~np.isfinite(kept).all(axis=1)).sum()):
        raise KShotValueError(f"`points` must be finite; {bad} of {len(kept)} rows are not.")
    if (largest := float(np.abs(kept).max())) > _LARGEST:
        raise KShotValueError(
            f"`points` must be at most {_LARGEST:g}, or their squares are not exact; the largest "
            f"is {largest:.3g}. Divide them by a constant."
        )
    if (kept == kept[0]).all():
        raise KShotValueError(f"All {len(kept)} rows of `points` are equal, so they have no shape.")
    return kept


def canonical_order(points: Points, lens: NDArray[np.float64] | None = None) -> NDArray[np.intp]:
    """Return an order of the rows that depends on their values alone.

    Sums, and the border points of DBSCAN, depend on the order of rows; computed in this order,
    they are those of every permutation. Only equal rows keep the order in which they came.

    Parameters
    ----------
    points : ndarray, shape (rows, features)
    lens : ndarray, shape (rows, dimensions), optional
        Further values of the rows.
    """
    whole = points if lens is None else np.hstack([points, lens + 0.0])
    whole = np.ascontiguousarray(whole)
    as_bytes = whole.view(np.dtype((np.void, whole.itemsize * whole.shape[1])))
    return np.argsort(as_bytes.ravel(), kind="stable")

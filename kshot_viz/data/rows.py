"""Checks of rows: how long they are, and class numbers and indices in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kshot_viz.errors import KShotValueError


def length(name: str, part: Any) -> int:
    """Return how many items a part has; raises a KShotValueError for what is no sequence."""
    if not hasattr(part, "__len__") or getattr(part, "ndim", 1) == 0:
        raise KShotValueError(f"`{name}` must be a sequence; not {type(part).__name__}.")
    return len(part)


def checked_targets(targets: np.ndarray, n_classes: int) -> np.ndarray:
    """Return class indices as int64 (N,); raises a KShotValueError for others."""
    array = np.asarray(targets)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise KShotValueError(
            f"`targets` must be a row of integers; not {array.dtype} {array.shape}."
        )
    if array.size and not (array.min() >= 0 and array.max() < n_classes):
        raise KShotValueError(
            f"`targets` must lie in 0..{n_classes - 1}; not {array.min()}..{array.max()}."
        )
    return array.astype(np.int64)


def checked_indices(argument: str, indices: Iterable[int] | np.ndarray, length: int) -> np.ndarray:
    """Return indices as int64 (N,); raises a KShotValueError for those out of range."""
    try:
        values = indices if isinstance(indices, np.ndarray) else list(indices)
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise KShotValueError(f"`{argument}` must be a row of integers: {error}.") from error
    array = array.astype(np.int64) if array.size == 0 and array.dtype.kind in "fiu" else array
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise KShotValueError(f"`{argument}` must be a row of integers; not {array.dtype}.")
    if array.size and not (array.min() >= 0 and array.max() < length):
        raise KShotValueError(f"`{argument}` must lie in 0..{length - 1}; not {values!r}.")
    return array.astype(np.int64)

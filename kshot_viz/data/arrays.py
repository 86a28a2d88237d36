"""Pixels and labels that a user hands over, as a data set keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kshot_viz.errors import KShotValueError

# How far rounding may take a float image out of [0, 1].
TOLERANCE = 1e-3
_SHOWN = 5


def eight_bit(images: Any) -> np.ndarray:
    """Return images as uint8 ``(N, H, W, C)``.

    Parameters
    ----------
    images : array
        uint8, or floats in [0, 1], which are rounded to eight bits; ``(N, H, W)`` or
        ``(N, H, W, C)`` with C 1 or 3.

    Raises
    ------
    KShotValueError
        For another type or shape, and for values outside [0, 1], NaN or infinity.
    """
    try:
        given = np.asarray(images)
    except (ValueError, TypeError, RuntimeError) as error:
        raise KShotValueError(f"`images` must be one array, all of one size: {error}") from error
    array = given[..., None] if given.ndim == 3 else given
    usual = array.dtype == np.uint8 or array.dtype.kind == "f"
    if not usual or array.ndim != 4 or array.shape[3] not in (1, 3):
        first = array.ndim == 4 and array.shape[1] in (1, 3)
        hint = " Channels come last: use x.transpose(0, 2, 3, 1)." if first and usual else ""
        raise KShotValueError(
            "`images` must be uint8, or floats in [0, 1], of shape (N, H, W), (N, H, W, 1) or "
            f"(N, H, W, 3); not {given.dtype} {given.shape}.{hint}"
        )
    return np.ascontiguousarray(array) if array.dtype == np.uint8 else _rounded(array)


def _rounded(array: np.ndarray) -> np.ndarray:
    if array.size and not np.isfinite(array).all():
        raise KShotValueError("`images` holds values that are NaN or infinite.")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 1.0)
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise KShotValueError(
            f"float `images` must lie in [0, 1]; these go from {low:g} to {high:g}. Divide values "
            "0 to 255 by 255, or give them as uint8."
        )
    out = np.empty(array.shape, dtype=np.uint8)
    for index, image in enumerate(array):
        out[index] = np.rint(np.clip(image.astype(np.float64), 0.0, 1.0) * 255)
    return out


def named_targets(labels: Any, classes: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class indices ``(N,)`` and the names of the classes.

    Parameters
    ----------
    labels : sequence of str or int
        Names; or indices into ``classes``, and numbers that are their own names without it.
    classes : sequence of str, optional
        All names in order; the sorted labels by default.

    Raises
    ------
    KShotValueError
        For labels that are neither all names nor all integers, and for a name not in ``classes``.
    """
    values = _labels(labels)
    if classes is None:
        found, targets = np.unique(values, return_inverse=True)
        return targets.reshape(-1).astype(np.int64), tuple(map(str, found.tolist()))
    single = isinstance(classes, (str, bytes)) or getattr(classes, "ndim", 1) == 0
    if single or not isinstance(classes, Iterable):
        raise KShotValueError(f"`classes` must be a list of names; not {classes!r}.")
    names = tuple(map(str, classes))
    if values.dtype.kind != "U":
        if values.size and not (values.min() >= 0 and values.max() < len(names)):
            raise KShotValueError(
                f"integer `labels` must lie in 0..{len(names) - 1}, since they are indices into "
                f"`classes`; not {values.min()}..{values.max()}."
            )
        return values, names
    index = {name: i for i, name in enumerate(names)}
    unknown = sorted({str(one) for one in values if str(one) not in index})
    if unknown:
        raise KShotValueError(f"`labels` holds {_some(unknown)}, not in `classes`: {_some(names)}.")
    return np.array([index[str(one)] for one in values], dtype=np.int64), names


def labels_of(images: Any, labels: ArrayLike | None) -> ArrayLike:
    """Return the labels that were given, else those of a data set; none is a KShotValueError."""
    found: ArrayLike | None = getattr(images, "labels", None) if labels is None else labels
    if found is None:
        raise KShotValueError("`labels` are missing: one for each image, or a data set alone.")
    return found


def label_row(labels: Any) -> np.ndarray:
    """Return labels as an array ``(N,)``.

    Raises
    ------
    KShotValueError
        For labels that are no row, and for missing ones (None, NaN).
    """
    try:
        array = np.asarray(labels)
    except (ValueError, TypeError, RuntimeError) as error:
        raise KShotValueError(f"`labels` must be a row, one for each image: {error}") from error
    if array.ndim != 1:
        raise KShotValueError(
            f"`labels` must be a row, one for each image; not {array.dtype} of shape {array.shape}."
        )
    missing = sum(one is None or one != one for one in array.tolist())
    if missing:
        raise KShotValueError(f"`labels` holds {missing} that are missing (None or NaN).")
    return array


def _labels(labels: Any) -> np.ndarray:
    """Return labels as a row of integers or of texts."""
    array = label_row(labels)
    if array.dtype.kind in "OT" and all(isinstance(one, str) for one in array.tolist()):
        return np.array(array.tolist(), dtype=np.str_)
    if array.dtype.kind in "iuU" or not array.size:
        return array if array.size else array.astype(np.int64)
    raise KShotValueError(f"`labels` must be names or integers; not {array.dtype}.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more

"""Representations as checked arrays of float64, samples in rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations import LayerActivations
from kshot_viz.errors import KShotValueError

Rows = NDArray[np.float64]
# Rounding of float32 activations spreads a constant by less than this share of its level.
_CONSTANT = 1e-6


def sample_rows(given: Any, name: str) -> Rows:
    """Return a representation as (samples, features).

    Parameters
    ----------
    given : array_like, shape (samples, features), or LayerActivations
        Captured activations have neurons in rows; each of their features (one position of one
        image) is a sample here.
    name : str
        Of the argument, for messages.

    Raises
    ------
    KShotValueError
        For another shape, fewer than two samples, values that are no finite numbers, and a
        representation that is the same for all samples.
    """
    if isinstance(given, LayerActivations):
        given = _transposed(given, name)
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"it is of type {array.dtype}")
        rows = array.astype(np.float64)
    except (ValueError, TypeError, RuntimeError) as error:
        raise KShotValueError(f"`{name}` must be an array of numbers: {error}") from error
    if rows.ndim != 2 or not rows.shape[1]:
        raise KShotValueError(f"`{name}` must be (samples, features); not of shape {rows.shape}.")
    if len(rows) < 2:
        raise KShotValueError(f"`{name}` has {len(rows)} sample; similarity needs at least 2.")
    if not np.isfinite(rows).all():
        raise KShotValueError(f"`{name}` holds values that are NaN or infinite.")
    if constant(rows):
        raise KShotValueError(
            f"`{name}` is the same for all {len(rows)} samples: a constant is like nothing else. "
            f"Leave this layer out, or take other images."
        )
    return rows


def sample_pair(a: Any, b: Any) -> tuple[Rows, Rows]:
    """Return two representations of the same samples.

    Raises
    ------
    KShotValueError
        As :func:`sample_rows`, and where the numbers of samples differ.
    """
    first, second = sample_rows(a, "a"), sample_rows(b, "b")
    if len(first) != len(second):
        raise KShotValueError(
            f"`a` and `b` must be of the same samples, in rows; not {len(first)} and "
            f"{len(second)}. Arrays of capture_activations have neurons in rows: transpose them."
        )
    return first, second


def constant(rows: Rows) -> bool:
    """Return whether all samples are the same up to the rounding of float32."""
    return bool(np.ptp(rows, axis=0).max() <= _CONSTANT * np.abs(rows).max())


def centred(rows: Rows) -> Rows:
    """Return the rows minus their mean."""
    return rows - rows.mean(axis=0)


def ratio(above: float, below: float) -> float:
    """Return a ratio; NaN where there is nothing to divide by."""
    return above / below if below > 0 else float("nan")


def _transposed(layer: LayerActivations, name: str) -> NDArray[Any]:
    if layer.form != "features":
        raise KShotValueError(
            f"`{name}` was kept as inner products of neurons, which hold no samples; capture it "
            f"without `max_memory`."
        )
    return layer.points.T

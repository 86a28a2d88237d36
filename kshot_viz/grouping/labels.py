"""Labels of one layer, and the JSON record of a grouping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import read_json

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
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise KShotValueError(
            f"Labels must be one integer for each neuron, such as [0, 0, 1]; not {labels!r}."
        ) from error
    if array.ndim != 1 or array.size == 0:
        raise KShotValueError(f"Labels must be a non-empty list of integers; shape {array.shape}.")
    if array.dtype == bool or not np.issubdtype(array.dtype, np.integer):
        raise KShotValueError(f"Labels must be integers; not {array.dtype}.")
    return array.astype(np.int64)


def indices(given: Iterable[int], size: int, owner: str) -> Labels:
    """Return numbers in [0, size) as an array, or raise an error that starts with ``owner``."""
    array = np.asarray(list(given))
    whole = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
    if not whole or array.size == 0 or array.min() < 0 or array.max() >= size:
        raise KShotValueError(f"{owner} 0 to {size - 1}; not {array.tolist()}.")
    return array.astype(np.int64)


def merged(labels: Labels, groups: Labels) -> Labels:
    """Make one group of several; dead neurons that join others are no longer the last group."""
    return np.where(np.isin(labels, groups), groups.min(), labels)


def moved(labels: Labels, neurons: Labels, group: int | None) -> Labels:
    """Put neurons into ``group``, or into a new group of their own where ``group`` is None."""
    changed = labels.copy()
    changed[neurons] = labels.max() + 1 if group is None else group
    return changed


def shuffled(labels: Labels, rng: np.random.Generator, kept: int | None) -> Labels:
    """Draw the members of all groups but ``kept`` anew; sizes stay."""
    mixed, free = labels.copy(), labels != (-1 if kept is None else kept)
    mixed[free] = rng.permutation(labels[free])
    return mixed


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
    if isinstance(n_groups, bool) or not isinstance(n_groups, Real):
        raise KShotValueError(
            f"`n_groups` of layer {layer!r} must be a share or a count; not {n_groups!r}."
        )
    if not isinstance(n_groups, Integral):
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


SCHEMA = 1


def parse_record(record: Any) -> tuple[dict[str, Labels], dict[str, int], dict[str, Any]]:
    """Return labels, dead groups and origin from a grouping's record.

    Raises
    ------
    KShotFileError
        For a record of a newer schema, or of something else than a grouping.
    """
    schema = record.get("schema") if isinstance(record, Mapping) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise KShotFileError(
            f"This grouping has schema {schema}; this version reads up to {SCHEMA}."
        )
    if schema != SCHEMA:
        raise KShotFileError(f"This is not a grouping: its `schema` is not {SCHEMA}.")
    try:
        rows = {name: checked(row) for name, row in record["labels"].items()}
        dead = {name: int(rows[name].max()) for name in record["dead"]}
        return rows, dead, dict(record["origin"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise KShotFileError(f"This is not a grouping: {error!r}.") from error


def load_record(path: str | Path) -> tuple[dict[str, Labels], dict[str, int], dict[str, Any]]:
    """Read a grouping's file; one that is missing, cut off, newer or other is a KShotFileError."""
    try:
        return parse_record(read_json(path, called="The file"))
    except KShotFileError as error:
        raise KShotFileError(f"{path}: {error}") from error


def read_only(labels: ArrayLike, last: int | None) -> Labels:
    """Return canonical labels that cannot be written to."""
    row = canonical(labels, last)
    row.flags.writeable = False
    return row

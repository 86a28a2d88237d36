"""Arrays as bytes between Python and JavaScript: no lists of numbers in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from traitlets import Bytes

from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.viz.style.colours import rgb


def sent(**options: Any) -> Any:
    """Return a trait for bytes that only Python sets."""
    return Bytes(b"", **options).tag(sync=True)


def both_ways(**options: Any) -> Any:
    """Return a trait for bytes that both sides set.

    What comes from the browser is a memoryview, which the trait would refuse; and it knows what it
    sent, so nothing is echoed.
    """
    taken = {"from_json": lambda value, widget: bytes(value), "echo_update": False}
    return Bytes(b"", **options).tag(sync=True, **taken)


def as_bytes(values: ArrayLike, kind: str) -> bytes:
    """Return values as little-endian bytes of a numpy type such as ``"f4"`` or ``"i4"``."""
    return np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()


def as_integers(data: bytes) -> NDArray[np.int64]:
    """Return the 32-bit integers that the browser sent."""
    return np.frombuffer(data, dtype="<i4").astype(np.int64)


def group_bytes(groups: LayerGroups) -> tuple[bytes, bytes]:
    """Return the group of every neuron, and red, green and blue of every group."""
    colours = np.array([rgb(colour) for colour in groups.colours])
    return as_bytes(groups.labels, "i4"), as_bytes(np.round(255 * colours), "u1")

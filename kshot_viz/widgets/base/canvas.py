"""Base class of the canvas widgets; arrays travel as bytes, never as lists of numbers in JSON."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from numpy.typing import ArrayLike, NDArray
from traitlets import Bool, Bytes, Dict, Int

from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.viz.style.colours import rgb
from kshot_viz.widgets.base.parts import static, with_picture


def sent(**options: Any) -> Any:
    """Return a trait for bytes that only Python sets."""
    return Bytes(b"", **options).tag(sync=True)


def both_ways(**options: Any) -> Any:
    """Return a trait for bytes that both sides set.

    The browser sends a memoryview, which the trait would refuse; and it has what it sent, so
    nothing is echoed.
    """
    taken = {"from_json": lambda value, widget: bytes(value), "echo_update": False}
    return Bytes(b"", **options).tag(sync=True, **taken)


def as_bytes(values: ArrayLike, kind: str) -> bytes:
    """Return values as little-endian bytes of a numpy type such as ``"f4"`` or ``"i4"``."""
    return np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()


def as_integers(data: bytes) -> NDArray[np.int64]:
    """Return the 32-bit integers that the browser sent."""
    return np.frombuffer(data, dtype="<i4").astype(np.int64)


class NeuronCanvas(anywidget.AnyWidget):
    """Neurons of one layer, coloured by group, of which some are selected.

    Subclasses have ``figure()``, which is shown where no kernel runs.
    """

    _css = static("canvas.css")

    labels, palette = sent(), sent()
    names = Dict().tag(sync=True)
    dead = Int(-1).tag(sync=True)
    known = Bool(False).tag(sync=True)
    selection = both_ways(help="Selected neurons, 32-bit integers, ascending.")

    def regroup(self, groups: LayerGroups) -> None:
        """Give the same neurons other groups."""
        self._groups = groups
        colours = np.array([rgb(colour) for colour in groups.colours])
        with self.hold_sync():
            self.labels = as_bytes(groups.labels, "i4")
            self.palette = as_bytes(np.round(255 * colours), "u1")
            self.names = {str(group): name for group, name in groups.names.items()}
            self.dead = -1 if groups.dead is None else int(groups.dead)
            self.known = groups.known

    @property
    def selected(self) -> NDArray[np.int64]:
        """The selected neurons, ascending."""
        return as_integers(self.selection)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**options), self)

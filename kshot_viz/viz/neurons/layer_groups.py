"""Order, colours and names of the groups of one layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import group_names
from kshot_viz.grouping.editing.numbers import group_numbers
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.colours import LONE_COLOUR, group_colours, group_shapes

if TYPE_CHECKING:
    from kshot_viz.grouping.grouping import Grouping


@dataclass(frozen=True, eq=False)
class LayerGroups:
    """The groups of a layer with what figures need.

    Attributes
    ----------
    labels : ndarray of int, shape (neurons,)
    colours : tuple of str
        One for each group; the dead neurons' group is grey.
    numbers : tuple of int
        What each group is shown with: it keeps its number through all edits. -1 for the dead.
    dead : int or None
        Label of the group of dead neurons.
    known : bool
        False where no grouping was given; all neurons then share one neutral colour.
    names : mapping of int to str
        Names that a person gave to groups.
    step : float
        What the layer's step size is multiplied by; 0 where the layer is frozen.
    """

    labels: NDArray[np.int64]
    colours: tuple[str, ...]
    numbers: tuple[int, ...]
    dead: int | None
    known: bool
    names: Mapping[int, str] = field(default_factory=dict)
    step: float = 1.0

    def order(self, at_most: int) -> NDArray[np.int64]:
        """Return neurons ordered by group; of more than ``at_most``, evenly spaced ones."""
        order = np.argsort(self.labels, kind="stable")
        if order.size <= at_most:
            return order
        return order[np.arange(at_most) * order.size // at_most]

    def colour(self, neuron: int) -> str:
        """Return the colour of a neuron's group."""
        return self.colours[int(self.labels[neuron])]

    def name(self, group: int) -> str:
        """Return the label of a group: its name, its number, or "dead"."""
        return self.names.get(group, "dead" if group == self.dead else str(self.numbers[group]))

    @property
    def shapes(self) -> tuple[int, ...]:
        """Index of the marker and hatch of each group."""
        return group_shapes(self.numbers)

    @property
    def summary(self) -> str:
        """The number of groups and of dead neurons and the layer's step size, in words."""
        step = f", {step_text(self.step)}" if self.step != 1 else ""
        if not self.known:
            return f"not grouped{step}"
        live = len(self.colours) - (self.dead is not None)
        dead = int((self.labels == self.dead).sum()) if self.dead is not None else 0
        deaf = f" and {counted(dead, 'dead neuron')}" if dead else ""
        return f"{counted(live, 'group')}{deaf}{step}"


def step_text(step: float) -> str:
    """Return what a layer's multiplier of the step size means, in words."""
    return f"step ×{step:g}" if step else "frozen"


def layer_groups(
    grouping: Grouping | None, layer: str, width: int, *, step: float = 1.0
) -> LayerGroups:
    """Return the groups of one layer, for a network whose layer has ``width`` neurons.

    Raises
    ------
    KShotKeyError
        If the layer is not in the grouping.
    KShotValueError
        If the grouping has another number of neurons there.
    """
    if grouping is None:
        alone = np.zeros(width, dtype=np.int64)
        return LayerGroups(alone, (LONE_COLOUR,), (0,), None, known=False, step=step)
    labels = grouping[layer]
    if labels.size != width:
        raise KShotValueError(
            f"Layer {layer!r} has {width} neurons, the grouping has {labels.size} there: it was "
            f"made for another network."
        )
    numbers = group_numbers(grouping, layer)
    return LayerGroups(
        labels,
        palette(grouping, layer),
        numbers,
        grouping.dead_group(layer),
        known=True,
        names={group: isolated(name) for group, name in group_names(grouping, layer).items()},
        step=step,
    )


def palette(grouping: Grouping, layer: str) -> tuple[str, ...]:
    """Return the colour of each group of a layer; grey for the dead neurons, which come last."""
    return group_colours(group_numbers(grouping, layer))


def neuron_list(neurons: Iterable[int]) -> list[int]:
    """Return selected neurons as a list.

    Raises
    ------
    KShotValueError
        If it is empty.
    """
    chosen = [int(neuron) for neuron in neurons]
    if not chosen:
        raise KShotValueError("`neurons` is empty: select at least one neuron.")
    return chosen

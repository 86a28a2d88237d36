"""What an explorer shows, as one value: no thread ever sees the half of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups

if TYPE_CHECKING:
    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping


@dataclass(frozen=True, eq=False)
class Look:
    """What is looked at.

    Attributes
    ----------
    layer : str
    grouping : Grouping
        All of it.
    groups : LayerGroups
        Those of the layer.
    neurons : tuple of int
        The selected ones, ascending.
    """

    layer: str
    grouping: Grouping
    groups: LayerGroups
    neurons: tuple[int, ...] = ()


def look_at(
    activations: Activations, layer: str, grouping: Grouping, neurons: tuple[int, ...] = ()
) -> Look:
    """Look up the groups of a layer; a grouping may lack it."""
    known = grouping if layer in grouping else None
    groups = layer_groups(known, layer, activations.layer(layer).width)
    return Look(layer, grouping, groups, neurons)


def summary(look: Look) -> str:
    """Say which neurons and groups are selected."""
    numbers = ", ".join(map(str, look.neurons[:12])) + (", ..." if len(look.neurons) > 12 else "")
    text = f"Neuron{'s' if len(look.neurons) > 1 else ''} {numbers}"
    if not look.groups.known:
        return text
    groups = sorted({int(look.groups.labels[neuron]) for neuron in look.neurons})
    names = ", ".join(look.groups.name(group) for group in groups[:8])
    more = ", ..." if len(groups) > 8 else ""
    return f"{text} of group{'s' if len(groups) > 1 else ''} {names}{more}"

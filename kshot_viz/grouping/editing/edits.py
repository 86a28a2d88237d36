"""Edits that look at what neurons answer or leave the other layers alone."""

from __future__ import annotations

from kshot_viz.activations.activations import Activations
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.clustering.methods import METHODS
from kshot_viz.grouping.grouping import Grouping


def halved(grouping: Grouping, layer: str, group: int, activations: Activations) -> Grouping:
    """Split a group in two where its members differ most: at the last of Ward's merges.

    Raises
    ------
    KShotValueError
        For a group of a single neuron, or activations of another network.
    """
    members, whole = grouping.members(layer, group), activations.layer(layer)
    if members.size < 2:
        raise KShotValueError(f"Group {group} of {layer!r} has one neuron, which cannot be split.")
    if whole.width != grouping[layer].size:
        raise KShotValueError(
            f"Layer {layer!r} has {grouping[layer].size} neurons in the grouping but "
            f"{whole.width} in the activations."
        )
    if members.size == 2:
        return grouping.split(layer, members[1:])
    halves = METHODS["ward"].clustering(whole.compact[members], 0)(2)
    return grouping.split(layer, members[halves != halves[0]])


def shuffled_layer(grouping: Grouping, layer: str, *, seed: int = 0) -> Grouping:
    """Draw the members of one layer's groups at random: a null grouping there, as it was elsewhere.

    Dead neurons stay a group of their own.
    """
    return grouping.join(grouping.only([layer]).shuffled(seed=seed))

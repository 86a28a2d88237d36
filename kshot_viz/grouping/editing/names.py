"""Names of groups; they stay with the neurons when groups are numbered anew."""

from __future__ import annotations

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping

LONGEST = 40


def named(grouping: Grouping, layer: str, group: int, name: str) -> Grouping:
    """Return the grouping with a name for one group; an empty name takes it away.

    The name is kept with the group's members, in ``origin["names"]``. A later group has it if it
    holds more than half of them.

    Raises
    ------
    KShotKeyError, KShotValueError
        For an unknown layer or group, a name longer than 40 letters, or one that another group of
        the layer has.
    """
    name, members = name.strip(), grouping.members(layer, group).tolist()
    if len(name) > LONGEST:
        raise KShotValueError(
            f"`name` must have at most {LONGEST} letters; {name!r} has {len(name)}."
        )
    given = group_names(grouping, layer)
    if name and name in [other for number, other in given.items() if number != group]:
        raise KShotValueError(f"`name` {name!r} is the name of another group of {layer!r}.")
    kept = {other: _members(grouping, layer)[other] for n, other in given.items() if n != group}
    names = {**grouping.origin.get("names", {}), layer: kept | ({name: members} if name else {})}
    return Grouping(
        grouping,
        dead={one: grouping.dead_group(one) for one in grouping},
        origin={**grouping.origin, "names": names},
    )


def group_names(grouping: Grouping, layer: str) -> dict[int, str]:
    """Return the names of a layer's groups, by their present number."""
    labels = grouping[layer]
    found = {}
    for name, members in _members(grouping, layer).items():
        inside = [neuron for neuron in members if neuron < labels.size]
        groups = labels[inside]
        for group in set(groups.tolist()):
            if 2 * int((groups == group).sum()) > len(members):
                found[group] = name
    return dict(sorted(found.items()))


def same_names(one: Grouping, other: Grouping) -> bool:
    """Return whether the same neurons have the same names in both."""
    return _given(one) == _given(other)


def _given(grouping: Grouping) -> dict[str, dict[str, list[int]]]:
    layers = grouping.origin.get("names", {})
    return {layer: dict(names) for layer, names in layers.items() if names}


def _members(grouping: Grouping, layer: str) -> dict[str, list[int]]:
    names = grouping.origin.get("names", {})
    return dict(names.get(layer, {}))

"""The number that a group is shown with: the same through all edits.

Labels of a :class:`Grouping` are canonical, so a new group may take label 0 and shift all others.
The number by which a person knows a group is kept beside them, in ``origin["numbers"]``: for each
layer that was edited, the number of every neuron's group. It follows the group through any edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import group_names
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.text import isolated

# The number of dead neurons' group, which is shown by a word.
DEAD = -1
_KEY = "numbers"


def group_numbers(grouping: Grouping, layer: str) -> tuple[int, ...]:
    """Return the number that each group of a layer is shown with; -1 for dead neurons.

    A group keeps the number that most of its members had; where several groups claim one, the
    largest part keeps it, and the others take the smallest ones that are free.
    """
    kept = _kept(grouping, layer)
    if kept is None:
        return _as_labelled(grouping, layer)
    return _carried(grouping, layer, kept, set())


def numbered(
    grouping: Grouping, before: Grouping, layers: Iterable[str], history: Iterable[Grouping] = ()
) -> Grouping:
    """Return an edited grouping of the same network, whose groups keep their numbers.

    Parameters
    ----------
    grouping : Grouping
    before : Grouping
        The grouping before the edit.
    layers : iterable of str
        The layers that were edited.
    history : iterable of Grouping
        Groupings so far; a new group takes none of the numbers that were used in them.
    """
    earlier = list(history)
    rows = dict(grouping.origin.get(_KEY, {}))
    for layer in layers:
        # A grouping that was made elsewhere may bring numbers of its own.
        kept = _kept(grouping, layer)
        if kept is None and layer in before:
            kept = _row(before, layer)
        if kept is not None:
            used = {n for one in earlier if layer in one for n in group_numbers(one, layer)}
            numbers = _carried(grouping, layer, kept, used)
            rows[layer] = np.asarray(numbers)[grouping[layer]]
            if numbers == _as_labelled(grouping, layer):
                del rows[layer]
    return Grouping(
        grouping,
        dead={one: grouping.dead_group(one) for one in grouping},
        origin={**grouping.origin, _KEY: rows},
    )


def group_of(grouping: Grouping, layer: str, number: int) -> int:
    """Return the label of the group that is shown with a number.

    Raises
    ------
    KShotValueError
        If there is none.
    """
    numbers = group_numbers(grouping, layer)
    if number not in numbers:
        shown = ", ".join(map(str, sorted(set(numbers) - {DEAD})[:24]))
        raise KShotValueError(f"Layer {layer!r} has no group {number!r}; its groups: {shown}.")
    return numbers.index(number)


def group_title(grouping: Grouping, layer: str, group: int) -> str:
    """Return what a group is called: the name a person gave it, "dead", or its number."""
    number = group_numbers(grouping, layer)[group]
    names = group_names(grouping, layer)
    if group in names:
        return isolated(names[group])
    return "dead" if number == DEAD else str(number)


def _kept(grouping: Grouping, layer: str) -> Labels | None:
    """Return the kept number of every neuron, if it is of this layer."""
    row = grouping.origin.get(_KEY, {}).get(layer)
    if row is None or len(row) != grouping[layer].size:
        return None
    return np.asarray(row, dtype=np.int64)


def _row(grouping: Grouping, layer: str) -> Labels:
    """Return the number of every neuron's group."""
    return np.asarray(group_numbers(grouping, layer))[grouping[layer]]


def _as_labelled(grouping: Grouping, layer: str) -> tuple[int, ...]:
    live = grouping.n_groups(layer) - (grouping.dead_group(layer) is not None)
    return (*range(live), *[DEAD] * (grouping.n_groups(layer) - live))


def _carried(grouping: Grouping, layer: str, before: Labels, used: set[int]) -> tuple[int, ...]:
    """Hand numbers on to the groups that share most neurons with those that had them."""
    labels, dead = grouping[layer], grouping.dead_group(layer)
    wide = int(before.max()) + 2
    shared, counts = np.unique(labels * wide + before + 1, return_counts=True)
    groups, numbers = shared // wide, shared % wide - 1
    found: dict[int, int] = {} if dead is None else {dead: DEAD}
    taken = {DEAD}
    for pair in np.lexsort((groups, numbers, -counts)).tolist():
        group, number = int(groups[pair]), int(numbers[pair])
        if group not in found and number not in taken:
            found[group] = number
            taken.add(number)
    free = _free(taken | used)
    return tuple(
        found[group] if group in found else next(free) for group in range(grouping.n_groups(layer))
    )


def _free(taken: set[int]) -> Iterator[int]:
    return (number for number in count() if number not in taken)

"""Edit a grouping by hand: cut, group, move, merge, split, shuffle, name, undo and redo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from kshot_viz.activations.activations import Activations, LayerActivations
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.clustering.methods import METHODS, NESTED
from kshot_viz.grouping.editing.history import EditHistory, named
from kshot_viz.grouping.editing.numbers import group_of, group_title, numbered
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.seeds import child_seed
from kshot_viz.text import counted


class Workbench:
    """A grouping, its edits by hand, and their history.

    Parameters
    ----------
    activations : Activations
        Distances between neurons, for cuts and splits.
    grouping : Grouping
        Where the edits start; layers that it lacks train freely until they are cut into groups.
    seed : int
        Seed of k-means and of shuffling.

    Raises
    ------
    KShotValueError
        If the grouping was made for another network.
    """

    def __init__(self, activations: Activations, grouping: Grouping, *, seed: int = 0) -> None:
        _check_widths(activations, grouping)
        self.history = EditHistory(grouping)
        self._activations, self._seed = activations, seed
        self._edits: Counter[str] = Counter()
        self._clustered: dict[tuple[str, str], ClusteredLayer] = {}
        self._shuffles = 0

    @property
    def grouping(self) -> Grouping:
        """The grouping as it is now."""
        return self.history.grouping

    # ---- cutting -------------------------------------------------------------------------------

    def most(self, layer: str) -> int:
        """Return the largest number of groups of a layer: its neurons that respond."""
        whole = self._activations.layer(layer)
        live = int((~whole.dead).sum())
        return live or whole.width

    def count(self, layer: str) -> int:
        """Return the number of groups, dead neurons' not counted; all are alone without groups."""
        if layer not in self.grouping:
            return self.most(layer)
        dead = self.grouping.dead_group(layer) is not None
        return min(self.grouping.n_groups(layer) - dead, self.most(layer)) or 1

    def edits(self, layer: str) -> int:
        """Return how often the layer's groups were edited by hand, undone or redone; not cut."""
        return self._edits[layer]

    def prepare(self, layer: str, method: str, n_groups: int = 2) -> None:
        """Cluster a layer, so that cutting it takes no time.

        Without a tree, that is so for this number of groups; others take less than before.
        """
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        clustered = self._clustered.get((layer, method))
        if clustered is None:
            whole = self._activations.layer(layer)
            clustered = ClusteredLayer(whole, layer, method=method, seed=self._seed)
        clustered.labels(min(n_groups, self.most(layer)))
        self._clustered[layer, method] = clustered

    def at_once(self, layer: str, method: str) -> bool:
        """Return whether a cut takes no time."""
        return method in NESTED and (layer, method) in self._clustered

    def cut(self, layer: str, n_groups: int, method: str) -> Grouping:
        """Return the grouping with one layer clustered into so many groups; nothing is edited.

        Dead neurons make one more group, the last.
        """
        self.prepare(layer, method, n_groups)
        labels, dead = self._clustered[layer, method].labels(n_groups)
        made = self.grouping.join(Grouping({layer: labels}, dead={layer: dead}))
        return self._numbered(made, layer)

    def recut(self, grouping: Grouping, layer: str, drag: str = "") -> Grouping:
        """Take over a cut; several of one layer in a row and one ``drag`` are a single step."""
        n_groups = grouping.n_groups(layer) - (grouping.dead_group(layer) is not None)
        what = f"cut {layer} into {counted(n_groups, 'group')}"
        return self.history.apply(grouping, what, layer=layer, run=f"cut {layer} {drag}")

    def take(self, grouping: Grouping) -> Grouping:
        """Take over a grouping that was made elsewhere; a step as any other.

        Raises
        ------
        KShotValueError
            If the grouping was made for another network.
        """
        _check_widths(self._activations, grouping)
        return self._apply("", self._numbered(grouping, *grouping), "took over another grouping")

    def edit(self, what: str, layer: str, neurons: Sequence[int], value: Any = None) -> Grouping:
        """Make an edit by its name: that of a method below, ``"undo"`` or ``"redo"``.

        Parameters
        ----------
        what : {"group", "move", "merge", "split", "shuffle", "name", "undo", "redo"}
        layer : str
        neurons : sequence of int
            The selection.
        value : int or str, optional
            The number of the group to move to, as it is shown, or the name.
        """
        if what not in EDITS:
            raise unknown_name("what", what, EDITS)
        return EDITS[what](self, layer, neurons, value)

    def undo(self) -> Grouping:
        """Go back to the grouping before the last edit."""
        self.history.undo()
        self._count(self.history.touched)
        return self.grouping

    def redo(self) -> Grouping:
        """Go on to the edit that was undone last."""
        self.history.redo()
        self._count(self.history.touched)
        return self.grouping

    # ---- editing -------------------------------------------------------------------------------

    def group(self, layer: str, neurons: Sequence[int]) -> Grouping:
        """Make a group of neurons."""
        self._check(layer, neurons)
        made = self.grouping.split(layer, neurons)
        return self._apply(layer, made, f"made a group of {counted(len(neurons), 'neuron')}")

    def move(self, layer: str, neurons: Sequence[int], group: int | None) -> Grouping:
        """Put neurons into a group that is there, by its label."""
        self._check(layer, neurons)
        if group is None:
            raise KShotValueError("Choose a group to move the selection to.")
        made, target = self.grouping.move(layer, neurons, group), self._title(layer, group)
        what = f"moved {counted(len(neurons), 'neuron')} to group {target}"
        return self._apply(layer, made, what)

    def merge(self, layer: str, neurons: Sequence[int]) -> Grouping:
        """Make one group of all groups that the neurons are in."""
        groups = self._groups(layer, neurons)
        if len(groups) < 2:
            raise KShotValueError(
                f"The selection lies in group {self._title(layer, groups[0])} alone: select "
                f"neurons of two groups or more to merge them."
            )
        made = self.grouping.merge(layer, groups)
        return self._apply(layer, made, f"merged {len(groups)} groups")

    def split(self, layer: str, neurons: Sequence[int]) -> Grouping:
        """Split the group that the neurons are in where its members differ most."""
        group = self._group(layer, neurons, "split")
        members, title = self.grouping.members(layer, group), self._title(layer, group)
        if members.size < 2:
            raise KShotValueError(
                f"Group {title} of {layer!r} has one neuron, which cannot be split."
            )
        made = self.grouping.split(layer, _half(self._activations.layer(layer), members))
        return self._apply(layer, made, f"split group {title}")

    def shuffle(self, layer: str) -> Grouping:
        """Draw the members of a layer's groups at random: the null grouping."""
        self._check_layer(layer)
        seed = child_seed(self._seed, "shuffle by hand", self._shuffles)
        made = self.grouping.join(self.grouping.only([layer]).shuffled(seed=seed))
        self._shuffles += 1
        return self._apply(layer, made, f"shuffled {layer}")

    def name(self, layer: str, neurons: Sequence[int], name: str) -> Grouping:
        """Name the group that the neurons are in."""
        group = self._group(layer, neurons, "name")
        made, title = named(self.grouping, layer, group, name), self._title(layer, group)
        return self._apply(layer, made, f"named group {title}")

    def _title(self, layer: str, group: int) -> str:
        return group_title(self.grouping, layer, group)

    def _numbered(self, grouping: Grouping, *layers: str) -> Grouping:
        """Let the groups of edited layers keep their numbers."""
        return numbered(grouping, self.grouping, layers, self.history.past)

    def _apply(self, layer: str, grouping: Grouping, what: str) -> Grouping:
        before = self.grouping
        if layer:
            grouping = self._numbered(grouping, layer)
        if self.history.apply(grouping, what, layer=layer) is not before:
            self._count(layer)
        return self.grouping

    def _count(self, layer: str) -> None:
        self._edits.update([layer] if layer else list(self._activations))

    def _groups(self, layer: str, neurons: Sequence[int]) -> list[int]:
        self._check(layer, neurons)
        return sorted({int(self.grouping[layer][neuron]) for neuron in neurons})

    def _group(self, layer: str, neurons: Sequence[int], verb: str) -> int:
        groups = self._groups(layer, neurons)
        if len(groups) > 1:
            raise KShotValueError(
                f"The selection lies in {len(groups)} groups: select neurons of one group to "
                f"{verb} it."
            )
        return groups[0]

    def _check(self, layer: str, neurons: Sequence[int]) -> None:
        self._check_layer(layer)
        if not len(neurons):
            raise KShotValueError(
                "Nothing is selected: draw a line around neurons in the map, or click one."
            )

    def _check_layer(self, layer: str) -> None:
        if layer not in self.grouping:
            raise KShotValueError(
                f"Layer {layer!r} has no groups: its neurons train freely. Cut it first."
            )


def _check_widths(activations: Activations, grouping: Grouping) -> None:
    for name in grouping:
        if name in activations and activations.layer(name).width != grouping[name].size:
            raise KShotValueError(
                f"Layer {name!r} has {activations.layer(name).width} neurons, the grouping has "
                f"{grouping[name].size} there: it was made for another network."
            )


def _half(layer: LayerActivations, members: Labels) -> Labels:
    """Return one half of a group, cut where its members differ most: at Ward's last merge."""
    if members.size == 2:
        return members[1:]
    halves = METHODS["ward"].clustering(layer.compact[members], 0)(2)
    return members[halves != halves[0]]


EDITS: dict[str, Callable[[Workbench, str, Sequence[int], Any], Grouping]] = {
    "group": lambda bench, layer, neurons, _: bench.group(layer, neurons),
    "move": lambda bench, layer, neurons, value: bench.move(
        layer, neurons, None if value is None else group_of(bench.grouping, layer, value)
    ),
    "merge": lambda bench, layer, neurons, _: bench.merge(layer, neurons),
    "split": lambda bench, layer, neurons, _: bench.split(layer, neurons),
    "shuffle": lambda bench, layer, *_: bench.shuffle(layer),
    "name": lambda bench, layer, neurons, value: bench.name(layer, neurons, value or ""),
    "undo": lambda bench, *_: bench.undo(),
    "redo": lambda bench, *_: bench.redo(),
}

"""History of the edits of a grouping, with undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.text import counted


@dataclass(frozen=True)
class EditStep:
    """A grouping and the edit that led to it.

    Attributes
    ----------
    what : str
        The edit in words.
    grouping : Grouping
    layer : str
        The layer that was edited; empty where it was the whole grouping.
    run : str
        Steps of the same run follow one another as one: a slider's, while it is dragged.
    """

    what: str
    grouping: Grouping
    layer: str = ""
    run: str = ""

    def __str__(self) -> str:
        return f"{self.what} (layer {self.layer})" if self.layer else self.what


class EditHistory:
    """The groupings after each edit; groupings are immutable, so none is ever lost.

    Parameters
    ----------
    grouping : Grouping
        Where the edits start.
    """

    def __init__(self, grouping: Grouping) -> None:
        self._steps = [EditStep("as given", grouping)]
        self._at = 0
        # The last change: undo, redo or neither, and the step that it was applied to.
        self._verb, self._moved = "", self._steps[0]

    @property
    def grouping(self) -> Grouping:
        """The grouping as it is now."""
        return self._steps[self._at].grouping

    @property
    def past(self) -> tuple[Grouping, ...]:
        """The groupings up to the present one."""
        return tuple(step.grouping for step in self._steps[: self._at + 1])

    @property
    def first(self) -> Grouping:
        """The grouping as it was given."""
        return self._steps[0].grouping

    @property
    def steps(self) -> tuple[str, ...]:
        """The edits that led to the present grouping, in words."""
        return tuple(step.what for step in self._steps[1 : self._at + 1])

    @property
    def undoes(self) -> str | None:
        """The edit that :meth:`undo` takes back, or None."""
        return self._steps[self._at].what if self._at else None

    @property
    def redoes(self) -> str | None:
        """The edit that :meth:`redo` makes again, or None."""
        later = self._steps[self._at + 1 :]
        return later[0].what if later else None

    @property
    def touched(self) -> str:
        """The layer that was edited last, also by an undo or redo; empty where it was all."""
        return self._moved.layer

    @property
    def sentence(self) -> str:
        """What was done last and how many edits there are, as a sentence."""
        given, edits = "the groups are as they were given", counted(self._at, "edit")
        if not self._at:
            return f"{self._verb}{self._moved}; {given}." if self._verb else f"T{given[1:]}."
        if self._verb:
            return f"{self._verb}{self._moved}; {edits} so far."
        last, more = self.steps[-1], f" ({edits} so far)" if self._at > 1 else ""
        return f"{last[:1].upper()}{last[1:]}{more}."

    def apply(self, grouping: Grouping, what: str, *, layer: str = "", run: str = "") -> Grouping:
        """Go on to ``grouping``; what was undone is dropped. Where nothing changes, stay.

        Parameters
        ----------
        grouping : Grouping
        what : str
            The edit in words.
        layer : str
            The layer that is edited; empty for all of them.
        run : str
            Where the last step belongs to the same run, this one replaces it.

        Returns
        -------
        Grouping
            The present one: the very same object as before where nothing changed.
        """
        if _same(grouping, self.grouping):
            return self.grouping
        here = self._steps[self._at]
        kept = self._at if run and self._at and here.run == run else self._at + 1
        step = EditStep(what, grouping, layer, run)
        # A slider that came back to where it began made no step.
        back = _same(grouping, self._steps[kept - 1].grouping)
        self._steps[kept:] = [] if back else [step]
        self._at = kept - 1 if back else kept
        self._verb, self._moved = "Back again: " if back else "", step
        return self.grouping

    def undo(self) -> Grouping:
        """Go back to the grouping before the last edit."""
        if not self._at:
            raise KShotValueError("There is no edit to undo.")
        self._go("Undid: ", self._steps[self._at], -1)
        return self.grouping

    def redo(self) -> Grouping:
        """Go on to the edit that was undone last."""
        if self._at + 1 == len(self._steps):
            raise KShotValueError("There is no edit to redo.")
        self._go("Did again: ", self._steps[self._at + 1], 1)
        return self.grouping

    def _go(self, verb: str, moved: EditStep, by: int) -> None:
        self._at += by
        self._verb, self._moved = verb, moved
        # A step that was undone or redone to is kept: no run goes on from there.
        self._steps[self._at] = replace(self._steps[self._at], run="")


def _same(one: Grouping, other: Grouping) -> bool:
    return one == other and same_names(one, other)


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

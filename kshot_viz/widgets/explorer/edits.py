"""The buttons that edit a grouping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np

from kshot_viz.grouping.editing.history import EditHistory
from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.widgets.base.parts import button, row

_OFFERED = 200


class EditBar(ipywidgets.HBox):
    """Buttons; what they do is handed in.

    Parameters
    ----------
    act : callable
        Takes the name of an edit and what it needs: ``"group"``, ``"move"`` (a group), ``"merge"``,
        ``"split"``, ``"shuffle"``, ``"name"`` (a text), ``"undo"``, ``"redo"``.
    """

    def __init__(self, act: Callable[..., Any]) -> None:
        self.target = ipywidgets.Dropdown(options=[("-", None)], layout={"width": "110px"})
        self.target.tooltip = "The group to move the selection to"
        self.target.add_class("kv-target")
        self.text = ipywidgets.Text(placeholder="name of the group", layout={"width": "150px"})
        self.text.tooltip = "A name for the group of the selection"
        self.undo = button("Undo", "Nothing to undo", lambda: act("undo"), name="kv-undo")
        self.redo = button("Redo", "Nothing to redo", lambda: act("redo"), name="kv-redo")
        edits = [
            button(text, tip, lambda name=name: act(name), name=f"kv-{name}")
            for name, text, tip in _SIMPLE
        ]
        self.move = button(
            "Move to", "Put the selected neurons into the group beside", lambda: self._move(act)
        )
        named = button(
            "Name", "Name the group of the selection", lambda: act("name", self.text.value)
        )
        super().__init__(
            [
                row(*edits, name="kv-edits"),
                row(self.move, self.target, name="kv-edits"),
                row(self.text, named, name="kv-edits"),
                row(self.undo, self.redo, name="kv-edits"),
            ]
        )
        self.add_class("kv-row")
        self.add_class("kv-edit-bar")

    def _move(self, act: Callable[..., Any]) -> None:
        act("move", self.target.value)

    def show(self, groups: LayerGroups, history: EditHistory) -> None:
        """Offer the present groups, and what can be undone."""
        options = targets(groups)
        if list(self.target.options) != options:
            kept = self.target.value
            self.target.options = options
            self.target.value = kept if kept in [value for _, value in options] else options[0][1]
        _offer(self.undo, "Undo", history.undoes)
        _offer(self.redo, "Redo", history.redoes)


def targets(groups: LayerGroups) -> list[tuple[str, int | None]]:
    """Return the groups to move neurons to, in words and by number.

    Of more than 200, those that have a name and the largest ones of several neurons.
    """
    if not groups.known:
        return [("-", None)]
    sizes = np.bincount(groups.labels)
    offered = list(range(sizes.size))
    if sizes.size > _OFFERED:
        largest = np.argsort(-sizes, kind="stable")[:_OFFERED]
        offered = sorted({*groups.names, *largest[sizes[largest] > 1].tolist()})
    words = [(f"group {groups.name(one)} ({sizes[one]:,})", one) for one in offered]
    return [*words] or [("-", None)]


def _offer(which: ipywidgets.Button, verb: str, what: str | None) -> None:
    which.disabled = what is None
    which.tooltip = f"{verb}: {what}" if what else f"Nothing to {verb.lower()}"


_SIMPLE = (
    ("group", "Make group", "Make one group of the selected neurons"),
    ("merge", "Merge", "Make one group of all groups that the selection touches"),
    ("split", "Split", "Split the group of the selection where its members differ most"),
    ("shuffle", "Shuffle", "Draw the members of all groups of this layer at random (the null)"),
)

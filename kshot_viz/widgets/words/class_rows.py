"""An editable name and text for each class."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ipywidgets

from kshot_viz.text import isolated
from kshot_viz.widgets.base.parts import button, close_parts, row
from kshot_viz.words.troubles import Trouble

Changed = Callable[[], None]


class ClassRow(ipywidgets.VBox):
    """Name and text of one class, and what is said of them.

    Parameters
    ----------
    name, text : str
    changed : callable
        Called without arguments when name or text changed.
    remove : callable
        Takes this row.

    Attributes
    ----------
    origin : str
        The class of the images that it is, whatever its name becomes; empty for none.
    """

    def __init__(
        self,
        name: str,
        text: str,
        changed: Changed,
        remove: Callable[[ClassRow], None],
    ) -> None:
        self.origin, self._repaired, self._trouble = "", "", False
        self.name = ipywidgets.Text(name, placeholder="class", layout={"width": "7em"})
        self.text = ipywidgets.Text(text, placeholder="what it looks like")
        for field, kind in ((self.name, "name"), (self.text, "text")):
            field.add_class(f"kv-class-{kind}")
            field.observe(lambda _: changed(), "value")
        self.text.layout = ipywidgets.Layout(flex="1 1 200px", width="auto", min_width="0")
        self.repair = button("", "Put the nearest known words in", self._mend, name="kv-repair")
        tip = "Remove this class"
        self.remove = button("", tip, lambda: remove(self), icon="times", name="kv-remove")
        self.said = ipywidgets.HTML()
        self.said.add_class("kv-said")
        fields = row(self.name, self.text, self.repair, self.remove, name="kv-class-fields")
        super().__init__([fields, self.said])
        self.add_class("kv-class-row")
        self.tell(None, "")

    @property
    def pair(self) -> tuple[str, str]:
        """Name and text, without spaces at the ends."""
        return self.name.value.strip(), self.text.value.strip()

    def tell(self, trouble: Trouble | None, evidence: str | None) -> None:
        """Say what is wrong with it or, as HTML, what its words do; None: that is to come."""
        named = isolated(self.pair[0]) or "a class without a name"
        self.name.tooltip, self.text.tooltip = f"Name of {named}", f"Description of {named}"
        had_trouble, self._trouble = self._trouble, trouble is not None
        self._repaired = trouble.repaired if trouble else ""
        self.repair.layout.display = "" if self._repaired else "none"
        self.repair.description = _last_change(self.pair[1], self._repaired)
        if trouble is not None:
            self.said.value = _trouble_html(trouble)
        elif evidence is not None or had_trouble:
            self.said.value = evidence or ""

    def _mend(self) -> None:
        self.text.value = self._repaired


def _trouble_html(trouble: Trouble) -> str:
    kind, role = ("idle", "status") if trouble.began else ("error", "alert")
    return f'<span class="kv-{kind}" role="{role}">{html.escape(trouble.text)}</span>'


def _last_change(before: str, after: str) -> str:
    """Return the first word that differs, for the button that puts it in."""
    pairs = zip(before.split(), after.split(), strict=False)
    return next((f"→ {new}" for old, new in pairs if old != new), "")


class ClassRows(ipywidgets.VBox):
    """All classes; ``changed`` is called once after each edit.

    Parameters
    ----------
    classes : iterable of str
        Classes of the images.
    changed : callable
        Called without arguments.
    """

    children: Any

    def __init__(self, classes: Iterable[str], changed: Changed) -> None:
        self._classes, self._changed = list(classes), changed
        super().__init__()
        self.add_class("kv-class-rows")

    @property
    def rows(self) -> list[ClassRow]:
        """The rows, from top to bottom."""
        return list(self.children)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Name and text of every class."""
        return [one.pair for one in self.rows]

    @property
    def typed(self) -> list[tuple[str, str]]:
        """The same as typed: a space at the end of a text says that its last word is whole."""
        return [(one.pair[0], one.text.value) for one in self.rows]

    def renamed(self) -> dict[str, str]:
        """Return class of the images -> the name that it has now."""
        return {one.origin: one.pair[0] for one in self.rows if one.origin}

    def fill(self, descriptions: Mapping[str, str]) -> None:
        """Have these classes instead; those of the images keep their labels."""
        gone = self.rows
        self.children = [self._made(*pair) for pair in descriptions.items()]
        self._claim()
        self._close(gone)
        self._changed()

    def add(self, name: str = "", text: str = "") -> ClassRow:
        """Add a class at the end; one without a name gets one."""
        made = self._made(name or self._free_name(), text)
        self.children = [*self.children, made]
        self._claim()
        self._changed()
        return made

    def remove(self, gone: ClassRow) -> None:
        """Take a class away."""
        self.children = [one for one in self.rows if one is not gone]
        self._close([gone])
        self._changed()

    def tell(
        self, troubles: Mapping[int, Trouble], evidence: Mapping[tuple[str, str], str]
    ) -> None:
        """Say at each class what is wrong with it or, by name and text, what its words do."""
        # Where nothing is wrong the evidence of a new text follows; until then the old one stays.
        unknown = "" if troubles else None
        for number, one in enumerate(self.rows):
            one.tell(troubles.get(number), evidence.get(one.pair, unknown))

    def _made(self, name: str, text: str) -> ClassRow:
        return ClassRow(name, text, self._edited, self.remove)

    def _edited(self) -> None:
        self._claim()
        self._changed()

    def _claim(self) -> None:
        """Let each class be the one of the images with its name, if no other one is it already."""
        taken = {one.origin for one in self.rows}
        for one in self.rows:
            name = one.pair[0]
            if not one.origin and name in self._classes and name not in taken:
                one.origin = name
                taken.add(name)

    def _free_name(self) -> str:
        taken, number = {name for name, _ in self.pairs}, 1
        while f"new {number}" in taken:
            number += 1
        return f"new {number}"

    def _close(self, gone: Iterable[ClassRow]) -> None:
        for one in gone:
            close_parts(one)
            one.close()

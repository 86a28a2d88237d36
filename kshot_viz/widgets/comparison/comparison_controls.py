"""Controls of the comparison dashboard; each view shows those that it uses."""

from __future__ import annotations

from typing import Any

import ipywidgets

from kshot_viz.viz.comparison.comparison_view import VIEWS, ComparisonView
from kshot_viz.viz.comparison.measures import MEASURES
from kshot_viz.viz.style.colours import MethodStyle, method_label, method_styles
from kshot_viz.widgets.base.parts import row

_TASK = ("way", "shot", "measure", "paired", "reference", "method")


class ComparisonControls:
    """A control for every choice but the methods, and a box for each method.

    Attributes
    ----------
    by_choice : dict of str to widget
    boxes : dict of str to widget
        A box for each method, with the colour it has in every figure.
    """

    def __init__(self, start: ComparisonView) -> None:
        methods = [(method_label(name), name) for name in start.known]
        views = [(label, name) for name, (label, _) in VIEWS.items()]
        self.by_choice: dict[str, Any] = {
            "view": ipywidgets.ToggleButtons(options=views, style={"button_width": "auto"}),
            "way": _dropdown("classes", _numbers(start.ways)),
            "shot": _dropdown("shots", _numbers(start.shots)),
            "measure": _dropdown("measure", [(one.label, name) for name, one in MEASURES.items()]),
            "paired": ipywidgets.Checkbox(description="paired differences", indent=False),
            "reference": _dropdown("difference to", methods),
            "method": _dropdown("method", methods),
        }
        self.by_choice["paired"].layout.width = "auto"
        for name, control in self.by_choice.items():
            control.add_class(f"kv-choose-{name}")
        self.boxes = {name: _box(style) for name, style in method_styles(start.known).items()}

    def arranged(self) -> list[Any]:
        """Return the controls in rows."""
        return [
            self.by_choice["view"],
            row(*(self.by_choice[name] for name in _TASK)),
            row(*self.boxes.values(), name="kv-methods"),
        ]

    def ticked(self) -> tuple[str, ...]:
        """Return the methods whose boxes are ticked."""
        return tuple(name for name, box in self.boxes.items() if box.value)

    def tick(self, methods: tuple[str, ...]) -> None:
        """Tick the boxes of these methods only."""
        for name, box in self.boxes.items():
            box.value = name in methods

    def offer(self, shown: ComparisonView) -> None:
        """Show the controls that the view uses, with the choices there are."""
        used = set(VIEWS[shown.view][1])
        if len(shown.ways) > 1:
            used.add("way")
        pairs = "measure" in used
        if pairs and not shown.paired:
            used.discard("reference")
        for name in _TASK:
            _show(self.by_choice[name], name in used)
        for box in self.boxes.values():
            _show(box, "methods" in used)
        self.by_choice["reference"].description = "difference to" if pairs else "from"
        self.by_choice["method"].description = "to" if shown.view == "changed" else "method"
        shots = _numbers(shown.shots)
        if list(self.by_choice["shot"].options) != shots:
            # In this order: the control accepts no new value before it has the new options.
            self.by_choice["shot"].options = shots
            self.by_choice["shot"].value = shown.shot


def _numbers(values: list[int]) -> list[tuple[str, int]]:
    return [(f"{value:,}", value) for value in values]


def _show(control: Any, wanted: bool) -> None:
    control.layout.display = "" if wanted else "none"


def _dropdown(description: str, options: list[Any]) -> ipywidgets.Dropdown:
    style, layout = {"description_width": "initial"}, {"width": "auto"}
    return ipywidgets.Dropdown(description=description, options=options, style=style, layout=layout)


def _box(style: MethodStyle) -> ipywidgets.Checkbox:
    box = ipywidgets.Checkbox(description=style.label, indent=False)
    box.layout.width = "auto"
    box.layout.border_left = f"5px solid {style.colour}"
    box.add_class("kv-method")
    return box

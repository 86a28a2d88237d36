"""Controls of the comparison dashboard; each view shows those that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets

from kshot_viz.study.regimes.verdicts import CHOSEN_ON
from kshot_viz.text import isolated
from kshot_viz.viz.comparison.comparison_view import ComparisonView
from kshot_viz.viz.comparison.measures import MEASURES
from kshot_viz.viz.comparison.selection import ordered_methods
from kshot_viz.viz.comparison.study_part import StudyPart
from kshot_viz.viz.comparison.view_kinds import OF_STUDY, REGRET
from kshot_viz.viz.style.colours import MethodStyle, method_label, method_styles
from kshot_viz.widgets.base.parts import row

_SHOWN = ("way", "shot", "measure", "paired", "reference", "method")


class ComparisonControls:
    """A control for every choice but the methods, and a box for each method.

    Attributes
    ----------
    by_choice : dict of str to widget
        Task, regime and rule are there for a study only.
    boxes : dict of str to widget
        A box for each method of any task, with the colour it has in every figure.
    """

    def __init__(self, start: ComparisonView) -> None:
        methods, self._known = _methods(start.known), start.known
        self.by_choice: dict[str, Any] = {
            "view": ipywidgets.ToggleButtons(options=_views(start), style={"button_width": "auto"}),
            "way": _dropdown("classes", _numbers(start.ways)),
            "shot": _dropdown("shots", _numbers(start.shots)),
            "measure": _dropdown("measure", [(one.label, name) for name, one in MEASURES.items()]),
            "paired": ipywidgets.Checkbox(description="paired differences", indent=False),
            "reference": _dropdown("difference to", methods),
            "method": _dropdown("method", methods),
            **({} if start.part is None else _study_controls(start.part)),
        }
        self.by_choice["paired"].layout.width = "auto"
        for name, control in self.by_choice.items():
            control.add_class(f"kv-choose-{name}")
        self.boxes = {name: _box(style) for name, style in method_styles(_every(start)).items()}

    def arranged(self) -> list[Any]:
        """Return the controls in rows."""
        of_study = [self.by_choice[name] for name in OF_STUDY if name in self.by_choice]
        return [
            *([row(*of_study)] if of_study else []),
            self.by_choice["view"],
            row(*(self.by_choice[name] for name in _SHOWN)),
            row(*self.boxes.values(), name="kv-methods"),
        ]

    def ticked(self) -> tuple[str, ...]:
        """Return the methods whose boxes are ticked."""
        return tuple(name for name in self._known if self.boxes[name].value)

    def tick(self, methods: tuple[str, ...]) -> None:
        """Tick the boxes of these methods only."""
        for name, box in self.boxes.items():
            box.value = name in methods

    def offer(self, shown: ComparisonView) -> None:
        """Show the controls that the view uses, with the choices there are."""
        used = set(shown.uses)
        if len(shown.ways) > 1 and shown.view != REGRET:
            used.add("way")
        pairs = "measure" in used
        if pairs and not shown.paired:
            used.discard("reference")
        for name in (*_SHOWN, *OF_STUDY):
            if name in self.by_choice:
                _show(self.by_choice[name], name in used)
        for name, box in self.boxes.items():
            _show(box, "methods" in used and name in shown.known)
        self.by_choice["reference"].description = "difference to" if pairs else "from"
        self.by_choice["method"].description = "to" if shown.view == "changed" else "method"
        self._offer("way", _numbers(shown.ways), shown.way)
        self._offer("shot", _numbers(shown.shots), shown.shot)
        if shown.part is not None:
            self._offer("regime", _regimes(shown.part), shown.part.regime)
            self._offer("view", _views(shown), shown.view)
        self._offer("reference", _methods(shown.known), shown.reference)
        self._offer("method", _methods(shown.choosable), shown.method)
        self._known = shown.known
        for name, style in method_styles(shown.known).items():
            self.boxes[name].layout.border_left = _border(style)

    def _offer(self, name: str, options: list[tuple[str, Any]], value: Any) -> None:
        control = self.by_choice[name]
        if list(control.options) != options:
            # In this order: the control accepts no new value before it has the new options.
            control.options = options
            control.value = value


def _every(start: ComparisonView) -> list[str]:
    """Return the methods of all that may be shown."""
    if start.part is None:
        return list(start.known)
    return [
        name
        for one in start.part.study.comparisons.values()
        for name in ordered_methods(one.settings)
    ]


def _views(shown: ComparisonView) -> list[tuple[str, str]]:
    return [(label, name) for name, (label, _) in shown.views.items()]


def _methods(known: Sequence[str]) -> list[tuple[str, str]]:
    return [(method_label(name), name) for name in known]


def _study_controls(part: StudyPart) -> dict[str, Any]:
    return {
        "task": _dropdown("task", [(isolated(name), name) for name in part.tasks]),
        "regime": _dropdown("regime", _regimes(part)),
        "rule": _dropdown("rule", part.rules),
    }


def _regimes(part: StudyPart) -> list[tuple[str, str]]:
    return [(f"{name}: {CHOSEN_ON[name]}", name) for name in part.regimes]


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
    box.layout.border_left = _border(style)
    box.add_class("kv-method")
    return box


def _border(style: MethodStyle) -> str:
    return f"5px solid {style.colour}"

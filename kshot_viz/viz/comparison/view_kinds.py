"""The views of a comparison: what each is called, depends on, and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.changed_predictions import changed_frame, plot_changed
from kshot_viz.viz.comparison.episode_dots import episodes_frame, plot_episodes
from kshot_viz.viz.comparison.measure_plots import plot_measure
from kshot_viz.viz.comparison.measures import measure_frame
from kshot_viz.viz.comparison.predictions import confusion_frame, plot_confusion
from kshot_viz.viz.comparison.step_size import plot_step_size, step_size_frame
from kshot_viz.viz.neurons.gates import draw_gates
from kshot_viz.viz.study.regret_heat import plot_regret
from kshot_viz.viz.style.colours import method_label

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.viz.comparison.comparison_view import ComparisonView
    from kshot_viz.viz.comparison.study_part import StudyPart

_DRAWN = frozenset({"measure", "paired", "reference", "methods"})
# The label of each view, and the choices it depends on.
VIEWS: dict[str, tuple[str, frozenset[str]]] = {
    "shots": ("Against shots", _DRAWN),
    "step_size": ("Against step size", frozenset({"shot", "methods"})),
    "episodes": ("Episode by episode", _DRAWN | {"shot"}),
    "confusion": ("Confusion", frozenset({"shot", "method"})),
    "changed": ("Changed predictions", frozenset({"shot", "reference", "method"})),
}
# Where a method has gates, and network and images are known.
GATES = "gates"
GATE_VIEWS = {GATES: ("Gates", frozenset({"shot"}))}
_GATES_OF = "the queries of the first test episode"
# Of a study only: it is about all tasks and regimes.
REGRET = "regret"
STUDY_VIEWS = {REGRET: ("Regret", frozenset({"rule"}))}
# What is chosen of a study, whatever the view.
OF_STUDY = ("task", "regime", "rule")


def _part(view: ComparisonView) -> StudyPart:
    if view.part is None:
        raise KShotValueError(f"Only a study has the view {view.view!r}.")
    return view.part


FRAMES: dict[str, Callable[[ComparisonView], pd.DataFrame]] = {
    "shots": lambda v: measure_frame(v.comparison, way=v.way, **v.drawn),
    "step_size": lambda v: step_size_frame(v.comparison, v.way, v.shot, v.methods),
    "episodes": lambda v: episodes_frame(v.comparison, **v.task, **v.drawn),
    "confusion": lambda v: confusion_frame(v.comparison, v.method, **v.task),
    "changed": lambda v: changed_frame(v.comparison, v.reference, v.method, **v.task),
    GATES: lambda v: v.gate_frame(),
    REGRET: lambda v: _part(v).regret(),
}
FIGURES: dict[str, Callable[[ComparisonView], Any]] = {
    "shots": lambda v: plot_measure(v.comparison, way=v.way, **v.drawn),
    "step_size": lambda v: plot_step_size(v.comparison, methods=v.methods, **v.task),
    "episodes": lambda v: plot_episodes(v.comparison, **v.task, **v.drawn),
    "confusion": lambda v: plot_confusion(v.comparison, v.method, **v.task),
    "changed": lambda v: plot_changed(v.comparison, v.reference, v.method, data=v.data, **v.task),
    GATES: lambda v: draw_gates(v.gate_frame(), about=f": {_GATES_OF}, {method_label(v.method)}"),
    REGRET: lambda v: plot_regret(_part(v).study, rule=_part(v).rule),
}

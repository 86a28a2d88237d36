"""A view of a comparison: its frame, its figure, and both as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.text import counted, isolated, listed
from kshot_viz.viz.comparison.changed_predictions import changed_frame, plot_changed
from kshot_viz.viz.comparison.episode_dots import episodes_frame, plot_episodes
from kshot_viz.viz.comparison.measure_plots import plot_accuracy, plot_measure
from kshot_viz.viz.comparison.measures import MEASURES, measure_frame
from kshot_viz.viz.comparison.predictions import confusion_frame, plot_confusion
from kshot_viz.viz.comparison.selection import chosen_methods, of_shot, of_way, ordered_methods
from kshot_viz.viz.comparison.step_size import plot_step_size, step_size_frame
from kshot_viz.viz.report.report import report_page
from kshot_viz.viz.study.regret_heat import plot_regret
from kshot_viz.viz.style.canvas import figure_of, to_png, to_svg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.study.comparison import Comparison
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
# Of a study only: it is about all tasks and regimes.
REGRET = "regret"
STUDY_VIEWS = {REGRET: ("Regret", frozenset({"rule"}))}
# What is chosen of a study, whatever the view.
OF_STUDY = ("task", "regime", "rule")
MIME = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "csv": "text/csv",
    "html": "text/html",
}


@dataclass(frozen=True)
class ComparisonView:
    """What is shown of a comparison.

    Attributes
    ----------
    comparison : Comparison
    data : ImageDataset or None
        Its images, where the comparison has none itself.
    view : str
        One of :attr:`views`.
    way, shot : int or None
        The task; the smallest by default.
    measure : str
        One of :data:`kshot_viz.viz.comparison.measures.MEASURES`.
    paired : bool
        Differences to ``reference`` on the same episodes, instead of values.
    reference : str
        The method to pair with, and "before" of the predictions that changed; "plain" by default,
        where it took part.
    methods : tuple of str
        Those that are drawn; all by default.
    method : str
        The one whose confusion is drawn, and "after" of the predictions that changed.
    part : StudyPart or None
        Where the comparison comes from, if it is one of a study.
    """

    comparison: Comparison
    data: ImageDataset | None = None
    view: str = "shots"
    way: int | None = None
    shot: int | None = None
    measure: str = "accuracy"
    paired: bool = False
    reference: str = ""
    methods: tuple[str, ...] = ()
    method: str = ""
    part: StudyPart | None = None
    known: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = tuple(ordered_methods(self.comparison.settings))
        if not known or not len(self.comparison.frame):
            raise KShotValueError("This comparison has no rows to draw.")
        reference = self.reference or ("plain" if "plain" in known else known[0])
        others = [name for name in known if name != reference]
        method = self.method or ("grouped" if "grouped" in others else [*others, reference][0])
        for argument, given, allowed in (
            ("view", self.view, self.views),
            ("measure", self.measure, MEASURES),
            ("reference", reference, known),
            ("method", method, known),
        ):
            if given not in allowed:
                raise unknown_name(argument, given, allowed)
        made: dict[str, Any] = {"known": known, "reference": reference, "method": method}
        made |= {"way": self.way or self.ways[0], "methods": self.methods or known}
        for name, value in made.items():
            object.__setattr__(self, name, value)
        chosen_methods(known, self.methods)
        shots = of_shot(of_way(self.comparison.settings, self.way), self.shot)["shot"]
        object.__setattr__(self, "shot", int(shots.iloc[0]))

    @property
    def views(self) -> dict[str, tuple[str, frozenset[str]]]:
        """The views there are: the label of each, and the choices it depends on."""
        return VIEWS if self.part is None else VIEWS | STUDY_VIEWS

    @property
    def label(self) -> str:
        """The label of the view."""
        return self.views[self.view][0]

    @property
    def uses(self) -> frozenset[str]:
        """The choices that the view depends on."""
        used = self.views[self.view][1]
        return used if self.part is None or self.view == REGRET else used | {*OF_STUDY}

    @property
    def ways(self) -> list[int]:
        """Numbers of classes that were compared."""
        return sorted({int(way) for way in self.comparison.settings["way"]})

    @property
    def shots(self) -> list[int]:
        """Numbers of shots that were compared at this number of classes."""
        rows = of_way(self.comparison.settings, self.way)
        return sorted({int(shot) for shot in rows["shot"]})

    def but(self, **changes: Any) -> ComparisonView:
        """Return the view with some choices changed."""
        return replace(self, **changes)

    def elsewhere(self, **changes: str) -> ComparisonView:
        """Return the same view of another task, regime or rule, with the choices that it has.

        Raises
        ------
        KShotValueError
            Unless the comparison is one of a study.
        """
        if self.part is None:
            raise KShotValueError(f"Only a study has {listed(list(changes))} to choose.")
        part = self.part.but(**changes)
        same = {name: getattr(self, name) for name in ("data", "view", "measure", "paired")}
        made = ComparisonView(part.comparison, part=part, **same)
        if self.way in made.ways:
            made = made.but(way=self.way, shot=None)
        if self.shot in made.shots:
            made = made.but(shot=self.shot)
        # All of them stay all of them.
        ticked = () if self.methods == self.known else self.methods
        return made.but(
            methods=tuple(name for name in ticked if name in made.known),
            **{
                name: getattr(self, name)
                for name in ("reference", "method")
                if getattr(self, name) in made.known
            },
        )

    def frame(self) -> pd.DataFrame:
        """Return the frame that :meth:`figure` draws."""
        return _FRAMES[self.view](self)

    def figure(self) -> Figure:
        """Return a new figure."""
        return figure_of(_FIGURES[self.view](self))

    @property
    def task(self) -> dict[str, Any]:
        """Arguments that select the episodes."""
        return {"way": self.way, "shot": self.shot}

    @property
    def drawn(self) -> dict[str, Any]:
        """Arguments that select what is drawn of them."""
        return {
            "measure": self.measure,
            "paired": self.paired,
            "reference": self.reference,
            "methods": self.methods,
        }

    def content(self, kind: str) -> bytes:
        """Return the view as a file.

        Parameters
        ----------
        kind : {"png", "svg", "csv", "html"}
            The picture, the numbers behind it, or one page with findings, tables, this picture and
            the usual ones, settings and how to replay any row.

        Raises
        ------
        KShotKeyError
            For another kind.
        """
        if kind not in MIME:
            raise unknown_name("kind", kind, MIME)
        if kind == "csv":
            return self._table().to_csv(index=False).encode("utf-8")
        if kind == "html":
            return report_page(self.comparison, figures=self.figures(), title=self.title).encode()
        return to_png(self.figure(), dpi=200) if kind == "png" else to_svg(self.figure())

    def file_name(self, kind: str) -> str:
        """Return a name for :meth:`content` that says what is in it."""
        one_shot = [f"{self.shot}_shot"] if "shot" in self.uses else []
        about = ["comparison"] if self.part is None else self.part.slugs(self.uses)
        return "_".join([*about, self.view, *one_shot]) + f".{kind}"

    def _table(self) -> pd.DataFrame:
        """Return :meth:`frame` with columns that name its values."""
        frame = self.frame()
        if "measure" not in self.uses:
            return frame
        against = self.reference if self.paired else ""
        return frame.assign(measure=self.measure, difference_to=against)

    def figures(self) -> Mapping[str, Figure]:
        """Return this picture and the usual ones, by caption."""
        made = {f"As shown: {self.label.lower()}": self.figure()}
        made["Accuracy"] = figure_of(plot_accuracy(self.comparison, way=self.way))
        if not len(self.comparison.curve()):
            return made
        for shot in self.shots:
            caption = f"Accuracy against step size, {counted(shot, 'shot')}"
            drawn = plot_step_size(self.comparison, shot=shot, way=self.way)
            made[caption] = figure_of(drawn)
        return made

    @property
    def title(self) -> str:
        """The data set, the network and the number of methods."""
        about = self.comparison.manifest
        data, network = (isolated(about[part]["name"]) for part in ("data", "backbone"))
        return f"{data}, {network}: {len(self.known)} methods{self._settings_text()}"

    @property
    def heading(self) -> str:
        """What stands above the view: its title, or what a view of the whole study is about."""
        return self.title if self.part is None or self.view != REGRET else self.part.title

    def _settings_text(self) -> str:
        if self.part is None:
            return ""
        return f", settings chosen in regime {self.part.regime!r} by rule {self.part.rule!r}"


def _part(view: ComparisonView) -> StudyPart:
    if view.part is None:
        raise KShotValueError(f"Only a study has the view {view.view!r}.")
    return view.part


_FRAMES: dict[str, Callable[[ComparisonView], pd.DataFrame]] = {
    "shots": lambda v: measure_frame(v.comparison, way=v.way, **v.drawn),
    "step_size": lambda v: step_size_frame(v.comparison, v.way, v.shot, v.methods),
    "episodes": lambda v: episodes_frame(v.comparison, **v.task, **v.drawn),
    "confusion": lambda v: confusion_frame(v.comparison, v.method, **v.task),
    "changed": lambda v: changed_frame(v.comparison, v.reference, v.method, **v.task),
    REGRET: lambda v: _part(v).regret(),
}
_FIGURES: dict[str, Callable[[ComparisonView], Any]] = {
    "shots": lambda v: plot_measure(v.comparison, way=v.way, **v.drawn),
    "step_size": lambda v: plot_step_size(v.comparison, methods=v.methods, **v.task),
    "episodes": lambda v: plot_episodes(v.comparison, **v.task, **v.drawn),
    "confusion": lambda v: plot_confusion(v.comparison, v.method, **v.task),
    "changed": lambda v: plot_changed(v.comparison, v.reference, v.method, data=v.data, **v.task),
    REGRET: lambda v: plot_regret(_part(v).study, rule=_part(v).rule),
}

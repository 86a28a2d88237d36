"""A view of a comparison: its frame, its figure, and both as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.study.tuned_gates import TunedGates
from kshot_viz.text import counted, isolated, listed
from kshot_viz.viz.comparison.measure_plots import plot_accuracy
from kshot_viz.viz.comparison.measures import MEASURES
from kshot_viz.viz.comparison.selection import chosen_methods, of_shot, of_way, ordered_methods
from kshot_viz.viz.comparison.step_size import plot_step_size
from kshot_viz.viz.comparison.view_kinds import (
    FIGURES,
    FRAMES,
    GATE_VIEWS,
    GATES,
    OF_STUDY,
    REGRET,
    STUDY_VIEWS,
    VIEWS,
)
from kshot_viz.viz.report.report import report_page
from kshot_viz.viz.style.canvas import figure_of, to_png, to_svg
from kshot_viz.viz.style.colours import method_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.study.comparison import Comparison
    from kshot_viz.viz.comparison.study_part import StudyPart

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
        Of the gates one that has some.
    part : StudyPart or None
        Where the comparison comes from, if it is one of a study.
    gates : TunedGates
        Made for the first view of a comparison; views that are made of it have the same.
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
    gates: TunedGates | None = field(default=None, repr=False, compare=False)
    known: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = tuple(ordered_methods(self.comparison.settings))
        if not known or not len(self.comparison.frame):
            raise KShotValueError("This comparison has no rows to draw.")
        if self.gates is None:
            object.__setattr__(self, "gates", TunedGates(self.comparison, self.data))
        reference = self.reference or ("plain" if "plain" in known else known[0])
        choosable = self.gated if self.view == GATES else known
        others = [name for name in choosable if name != reference]
        method = self.method or ("grouped" if "grouped" in others else [*others, reference][0])
        for argument, given, allowed in (
            ("view", self.view, self.views),
            ("measure", self.measure, MEASURES),
            ("reference", reference, known),
            ("method", method, choosable),
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
        gates = GATE_VIEWS if self.gated else {}
        return VIEWS | gates | ({} if self.part is None else STUDY_VIEWS)

    @property
    def gated(self) -> tuple[str, ...]:
        """The methods whose gates can be shown."""
        return () if self.gates is None else self.gates.methods

    @property
    def choosable(self) -> tuple[str, ...]:
        """What ``method`` may be."""
        return self.gated if self.view == GATES else self.known

    @property
    def label(self) -> str:
        """The label of the view."""
        return self.views[self.view][0]

    @property
    def uses(self) -> frozenset[str]:
        """The choices that the view depends on."""
        used = self.views[self.view][1]
        if self.view == GATES and len(self.gated) > 1:
            used |= {"method"}
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
        if changes.get("view") == GATES and self.method not in self.gated:
            changes = {"method": "", **changes}
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
        same = {name: getattr(self, name) for name in ("data", "measure", "paired")}
        made = ComparisonView(part.comparison, part=part, **same)
        if self.view in made.views:
            made = made.but(view=self.view)
        if self.way in made.ways:
            made = made.but(way=self.way, shot=None)
        if self.shot in made.shots:
            made = made.but(shot=self.shot)
        # All of them stay all of them.
        ticked = () if self.methods == self.known else self.methods
        kept: dict[str, Any] = {"methods": tuple(name for name in ticked if name in made.known)}
        if self.reference in made.known:
            kept["reference"] = self.reference
        if self.method in made.choosable:
            kept["method"] = self.method
        return made.but(**kept)

    def frame(self) -> pd.DataFrame:
        """Return the frame that :meth:`figure` draws."""
        return FRAMES[self.view](self)

    def figure(self) -> Figure:
        """Return a new figure."""
        return figure_of(FIGURES[self.view](self))

    def gate_frame(self) -> pd.DataFrame:
        """Return the gates of the method; the first time it is tuned for that."""
        tuned = self.gates or TunedGates(self.comparison, self.data)
        return tuned.frame(self.method, **self.task)

    @property
    def stage(self) -> str:
        """What takes its time before the view can be drawn; empty where nothing does."""
        ready = self.gates is not None and self.gates.known(self.method, **self.task)
        if self.view != GATES or ready:
            return ""
        return f"Tuning {method_label(self.method)} on the first test episode, for its gates."

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

"""Dashboard of a comparison or study: by shots and methods, by episode, and by image."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Bool, Int, Tuple, Unicode, validate

from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.findings.finding import findings
from kshot_viz.study.regimes.study import Study
from kshot_viz.text import counted
from kshot_viz.viz.comparison.comparison_view import MIME, ComparisonView
from kshot_viz.viz.comparison.study_part import StudyPart
from kshot_viz.viz.comparison.view_kinds import OF_STUDY, REGRET
from kshot_viz.viz.report.html import frame_html
from kshot_viz.viz.style.canvas import write_file
from kshot_viz.widgets.base.background import Redraw
from kshot_viz.widgets.base.parts import (
    Dashboard,
    Picture,
    Status,
    column,
    heading,
    heading_html,
    row,
)
from kshot_viz.widgets.comparison.comparison_controls import ComparisonControls
from kshot_viz.widgets.comparison.download import Download, File

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset


CHOICES = ("view", "way", "shot", "measure", "paired", "reference", "methods", "method", *OF_STUDY)
_FILES = {
    "png": ("PNG", "Save the picture as PNG"),
    "svg": ("SVG", "Save the picture as SVG"),
    "csv": ("CSV", "Save the numbers behind the picture as CSV"),
    "html": ("HTML", "Save the whole comparison as one page that needs no network"),
}


class KShotComparison(Dashboard):
    """Methods on the same episodes, in several views; of a study, the regret of all tasks too.

    Parameters
    ----------
    table : Comparison or Study
        Made by :func:`kshot_viz.compare_methods` or :func:`kshot_viz.study`, or read by
        ``Comparison.load`` or ``Study.load``. Of a study one task is shown, at the settings that
        one regime and rule chose.
    data : ImageDataset, optional
        Its images, where it was read from files; without them the changed images are not drawn.

    Attributes
    ----------
    view : str
        ``"shots"``, ``"step_size"``, ``"episodes"``, ``"confusion"`` or ``"changed"``; of a study
        also ``"regret"``, of all tasks and regimes; where a method has gates, and network and
        images are known, ``"gates"``: it is tuned once more on the first test episode for them.
    way, shot : int
    measure : str
        ``"accuracy"``, ``"support_accuracy"``, ``"gap"`` or ``"support_loss"``.
    paired : bool
    reference, method : str
    methods : tuple of str
    task, regime, rule : str
        Of a study: as in :meth:`kshot_viz.Study.comparison`; else empty.
        Traits: set them, or let the controls do it.

    Raises
    ------
    KShotValueError
        If ``table`` is no comparison or study, or is empty.
    """

    children: Any
    view = Unicode("shots")
    way = Int()
    shot = Int()
    measure = Unicode("accuracy")
    paired = Bool(False)
    reference = Unicode()
    methods = Tuple()
    method = Unicode()
    task = Unicode()
    regime = Unicode()
    rule = Unicode()
    _ticking = _following = False

    def __init__(self, table: Comparison | Study, *, data: ImageDataset | None = None) -> None:
        start = _start(table, data)
        self._shown = start
        super().__init__(**_values(start))
        self._heading = heading(start.heading)
        self._picture = Picture("The figure of the view that is chosen")
        self._table = ipywidgets.HTML()
        self._table.add_class("kv-table")
        self._status = Status()
        self.controls = ComparisonControls(start)
        self._link()
        self.children = [*self.children, *self._arranged()]
        self._redraw = Redraw(self._draw, self._status.error)
        self.observe(self._chosen, names=list(CHOICES))
        self._draw()

    # -- what it shows -----------------------------------------------------------------------

    @property
    def shown(self) -> ComparisonView:
        """The view with its choices."""
        return self._shown

    def frame(self) -> pd.DataFrame:
        """Return the numbers behind the picture."""
        return self._shown.frame()

    def figure(self) -> Figure:
        """Return the picture as a new figure."""
        return self._shown.figure()

    def export(self, path: str | Path) -> Path:
        """Write what is shown to a file; the suffix chooses PNG, SVG, CSV or one HTML page.

        Raises
        ------
        KShotKeyError
            For another suffix.
        KShotFileError
            If the file cannot be written.
        """
        target = Path(path)
        kind = target.suffix.lower().removeprefix(".")
        return write_file(target, self._shown.content(kind))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last change is drawn; return whether it is."""
        return self._redraw.wait(timeout)

    def __repr__(self) -> str:
        table, shown = self._shown.comparison, self._shown
        methods = ", ".join(dict.fromkeys(table.settings["method"]))
        part = shown.part
        of = "" if part is None else f" in {part.task!r} ({part.regime}, {part.rule})"
        at = counted(self.shot, "shot")
        return f"KShotComparison of {methods}{of}, shown at {at}: {shown.view}"

    # -- inside ------------------------------------------------------------------------------

    @validate(*CHOICES)
    def _known_only(self, proposal: Any) -> Any:
        """Refuse a value that the comparison does not have, before anything changes."""
        if not self._following:
            self._changed(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    def _changed(self, name: str, value: Any) -> ComparisonView:
        """Return the view with another choice; another number of classes may have other shots."""
        if name in OF_STUDY:
            return self._shown.elsewhere(**{name: value})
        if name != "way":
            return self._shown.but(**{name: value})
        other = self._shown.but(way=value, shot=None)
        return other.but(shot=self.shot) if self.shot in other.shots else other

    def _chosen(self, change: Any) -> None:
        if self._following:
            return
        self._shown = self._changed(change["name"], change["new"])
        self._follow()
        self._redraw.ask()

    def _follow(self) -> None:
        """Bring controls and traits to what is shown: another task may lack some choices."""
        self._following = True
        try:
            # The options first: a control refuses a value that it does not offer.
            self.controls.offer(self._shown)
            for name, value in _values(self._shown).items():
                setattr(self, name, value)
        finally:
            self._following = False

    def _draw(self) -> None:
        shown, table, drawn = self._shown, "", False
        if shown.stage:
            self._picture.layout.display, self._table.value = "none", ""
            self._status.busy(shown.stage)
        try:
            # The one rule of a table of regret stands above it.
            numbers = shown.frame().drop(columns="rule", errors="ignore")
            table = frame_html(numbers, f"{shown.label}: the numbers")
            self._picture.show(shown.figure())
            drawn = True
            self._status.done(_findings(shown))
        except KShotError as error:
            self._status.error(error)
        # The old picture is not of the new choice.
        self._picture.layout.display = "" if drawn else "none"
        self._table.value = table
        self._heading.value = heading_html(shown.heading)

    def _link(self) -> None:
        for name, control in self.controls.by_choice.items():
            ipywidgets.dlink((self, name), (control, "value"))
            control.observe(partial(self._set, name), "value")
        self.controls.tick(self.methods)
        for box in self.controls.boxes.values():
            box.observe(self._ticked, "value")
        self.observe(lambda change: self._tick(change["new"]), names="methods")
        self.controls.offer(self._shown)

    def _set(self, name: str, change: Any) -> None:
        if not self._following:
            setattr(self, name, change["new"])

    def _tick(self, methods: tuple[str, ...]) -> None:
        """Tick the boxes of these methods, without taking the steps in between for choices."""
        self._ticking = True
        try:
            self.controls.tick(methods)
        finally:
            self._ticking = False

    def _ticked(self, _: Any) -> None:
        if self._ticking:
            return
        chosen = self.controls.ticked()
        if chosen:
            self.methods = chosen
        else:
            self._tick(self.methods)
            self._status.error("Choose at least one method.")

    def _arranged(self) -> list[Any]:
        downloads = [
            Download(label, tip, partial(self._file, kind), self._status.error)
            for kind, (label, tip) in _FILES.items()
        ]
        return [
            row(self._heading, row(*downloads), name="kv-head"),
            *self.controls.arranged(),
            self._status,
            row(column(self._picture), column(self._table, name="kv-beside"), name="kv-sides"),
        ]

    def _file(self, kind: str) -> File:
        return self._shown.file_name(kind), MIME[kind], self._shown.content(kind)


def _start(table: Any, data: ImageDataset | None) -> ComparisonView:
    """Return what is shown at first."""
    if isinstance(table, Study):
        part = StudyPart(table)
        return ComparisonView(part.comparison, data, part=part)
    if isinstance(table, Comparison):
        return ComparisonView(table, data)
    raise KShotValueError(
        f"`table` must be a Comparison, made by kv.compare_methods(...) or read by "
        f"kv.Comparison.load(folder), or a Study, made by kv.study(...) or read by "
        f"kv.Study.load(folder); not {table!r}."
    )


def _values(shown: ComparisonView) -> dict[str, Any]:
    """Return the value of every choice that there is."""
    values = {name: getattr(shown, name) for name in CHOICES if name not in OF_STUDY}
    part = shown.part
    return values if part is None else values | {name: getattr(part, name) for name in OF_STUDY}


def _findings(shown: ComparisonView) -> str:
    """Return the findings of the comparison, at the shots that are shown, or those on regret."""
    if shown.part is not None and shown.view == REGRET:
        return "\n".join(shown.part.verdicts())
    summary = shown.comparison.summary()
    rows = summary[summary["way"] == shown.way]
    if "shot" in shown.uses:
        rows = rows[rows["shot"] == shown.shot]
    return " ".join(findings(rows, shown.comparison.manifest))

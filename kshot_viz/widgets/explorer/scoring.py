"""Scores of an edited grouping: k-shot accuracy beside that of the grouping as given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import check_source
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.study.rescoring import Rescoring, rescoring
from kshot_viz.text import counted
from kshot_viz.viz.neurons.overview import plot_rescoring
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Picture, Status, button, heading, row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.activations import Activations
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

GIVEN, EDITED = "as given", "edited"
NO_EPISODES = "Give `episodes=` or `table=` to score the groups on k-shot episodes."


@dataclass(frozen=True, eq=False)
class ScoringSetup:
    """Episodes and setting that groupings are scored with, or why that is not possible.

    Attributes
    ----------
    rescoring : Rescoring or None
    why_not : str
        Empty where it is possible.
    note : str
        Shown beside every score.
    """

    rescoring: Rescoring | None
    why_not: str = ""
    note: str = ""

    @property
    def support(self) -> Any:
        """The k shots of the first episode, or None."""
        if self.rescoring is None:
            return None
        return self.rescoring.episodes[0].split(self.rescoring.data)[0]

    @property
    def config(self) -> FinetuneConfig:
        """The setting."""
        return FinetuneConfig() if self.rescoring is None else self.rescoring.config


def scoring_setup(
    backbone: Backbone,
    activations: Activations,
    images: Any,
    episodes: Sequence[Episode] | None,
    *,
    data: ImageDataset | None,
    table: Comparison | None,
    **options: Any,
) -> ScoringSetup:
    """Return the setup; the episodes' images are ``data``, ``images`` or the table's."""
    if not episodes and table is None:
        return ScoringSetup(None, NO_EPISODES)
    if data is None and isinstance(images, ImageDataset) and episodes:
        data = images if images.fingerprint == episodes[0].fingerprint else None
    try:
        found = rescoring(backbone, episodes or None, data=data, table=table, **options)
    except KShotError as error:
        return ScoringSetup(None, str(error))
    return ScoringSetup(found, note="; ".join(_notes(found, activations, images)))


def _notes(found: Rescoring, activations: Activations, images: Any) -> list[str]:
    """Return notes for the reader: the setting, and whether groups come from query images."""
    notes = [found.setting]
    seen = isinstance(images, ImageDataset) and activations.n_images == len(images)
    if seen:
        try:
            check_source(images, found.data, found.episodes)
        except KShotError:
            notes.append(
                "groups cut here come from images that are queries of these episodes, so the score "
                "is too good"
            )
    return notes


class ScorePanel(ipywidgets.VBox):
    """Scores the present grouping in the background.

    Parameters
    ----------
    setup : ScoringSetup
    first : Grouping
        The grouping as given.
    now : callable
        Returns the grouping as it is now.
    """

    def __init__(
        self,
        setup: ScoringSetup,
        first: Grouping,
        now: Callable[[], Grouping],
    ) -> None:
        self._first, self._now = first, now
        self._rescoring: Rescoring | None = None
        self._scored: tuple[Grouping, pd.DataFrame] | None = None
        self._requested: Grouping | None = None
        self.status = Status()
        self.picture = Picture("Accuracy before and after the edits")
        self.picture.layout.display = "none"
        self.background = Background(self.status.error)
        self.go = button("Score", "Run the episodes again with this grouping", self.score)
        self.go.add_class("kv-score")
        self.always = ipywidgets.Checkbox(value=False, description="after every edit", indent=False)
        self.always.layout.width = "auto"
        self.use(setup)
        super().__init__(
            [row(heading("Accuracy"), self.go, self.always), self.status, self.picture]
        )
        self.add_class("kv-card")
        self.add_class("kv-scores")

    def use(self, setup: ScoringSetup) -> None:
        """Score with this setup from now on; earlier scores are dropped."""
        possible = setup.rescoring is not None
        if possible != (self._rescoring is not None):
            self.always.value = possible
        self.go.disabled = self.always.disabled = not possible
        self._rescoring, self.note = setup.rescoring, setup.note
        self._scored = self._requested = None
        self.picture.layout.display = "none"
        self.status.idle(setup.why_not)

    def score(self, *, rest: float = 0.0) -> None:
        """Score the present grouping after ``rest`` seconds without another request."""
        if self._rescoring is None:
            return
        rescoring, now = self._rescoring, self._now()
        self._requested = now
        self._busy()
        self.background.start(
            lambda: self._scores(rescoring, now),
            lambda frame: self._show(rescoring, now, frame),
            rest=rest,
        )

    def changed(self, *, rest: float = 0.0) -> None:
        """Score the changed grouping, or mark the picture as that of an earlier one."""
        if self._rescoring is None:
            return
        if self.always.value:
            self.score(rest=rest)
        else:
            self._show_stale()

    def _show_stale(self) -> None:
        """Show whether the picture is of an earlier grouping."""
        if self._requested is not None:
            self._busy()
        elif self._scored is not None and self._scored[0] != self._now():
            self.status.idle("The groups changed since. Press Score to see what that does.")

    def frame(self) -> pd.DataFrame:
        """Return the last score, as :meth:`Rescoring.compare` gives it.

        Raises
        ------
        KShotValueError
            If nothing was scored yet.
        """
        if self._scored is None:
            raise KShotValueError("Nothing was scored yet: press Score, or call score().")
        return self._scored[1]

    @property
    def known(self) -> bool:
        """Whether something was scored."""
        return self._scored is not None

    def axes(self, ax: Axes | None = None) -> Axes:
        """Draw the last score."""
        return plot_rescoring(self.frame(), note=self.note, ax=ax)

    def _busy(self) -> None:
        n = 0 if self._rescoring is None else len(self._rescoring.episodes)
        self.status.busy(f"Fine-tuning on {counted(n, 'episode')}")

    def _scores(self, rescoring: Rescoring, now: Grouping) -> pd.DataFrame:
        groupings = {GIVEN: self._first} | ({EDITED: now} if now != self._first else {})
        try:
            return rescoring.compare(groupings)
        finally:
            # A later request may wait already; it is kept.
            if self._requested is now:
                self._requested = None

    def _show(self, rescoring: Rescoring, now: Grouping, frame: pd.DataFrame) -> None:
        if rescoring is not self._rescoring:
            return
        self._scored = (now, frame)
        self.picture.show(self.axes(), 90)
        self.picture.layout.display = ""
        if now == self._now():
            self.status.done(score_text(frame))
        else:
            self._show_stale()


def score_text(frame: pd.DataFrame) -> str:
    """Return the result as one sentence that claims no more than the interval does."""
    last = frame.iloc[-1]
    result = f"{100 * last['accuracy']:.1f} % on {counted(int(last['n']), 'episode')}"
    if len(frame) == 1:
        return f"{result}, as given."
    low, high = last["difference_low"], last["difference_high"]
    if last["difference"] == low == high == 0:
        return f"{result}: as accurate as the grouping as given, episode by episode."
    points = f"{100 * last['difference']:+.1f} points against the grouping as given"
    points = points.replace("-", "\N{MINUS SIGN}")
    if low != low:
        return f"{result}: {points}; a single episode has no interval."
    zero = "excludes" if low > 0 or high < 0 else "holds"
    return f"{result}: {points}, and its interval {zero} zero."

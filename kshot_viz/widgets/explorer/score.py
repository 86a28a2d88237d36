"""What the edited grouping is worth: the k-shot comparison again, beside the one as given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.comparison.grouping_scores import plot_rescoring
from kshot_viz.widgets.base.parts import Picture, Status, button, heading, row
from kshot_viz.widgets.base.threads import Background

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.study.rescoring import Rescoring
    from kshot_viz.widgets.explorer.scoring import Scoring

GIVEN, EDITED = "as given", "edited"


class ScorePanel(ipywidgets.VBox):
    """Scores the present grouping in the background.

    Parameters
    ----------
    scoring : Scoring
        What scoring needs, or why it is not possible.
    first : Grouping
        The grouping as given.
    now : callable
        Returns the grouping as it is now.
    """

    def __init__(
        self,
        scoring: Scoring,
        first: Grouping,
        now: Callable[[], Grouping],
    ) -> None:
        self._first, self._now = first, now
        self._rescoring: Rescoring | None = None
        self._scored: tuple[Grouping, pd.DataFrame] | None = None
        self._asked: Grouping | None = None
        self.status = Status()
        self.picture = Picture("Accuracy before and after the edits")
        self.picture.layout.display = "none"
        self.background = Background(self.status.error)
        self.go = button("Score", "Run the episodes again with this grouping", self.score)
        self.go.add_class("kv-score")
        self.always = ipywidgets.Checkbox(value=False, description="after every edit", indent=False)
        self.always.layout.width = "auto"
        self.use(scoring)
        super().__init__(
            [row(heading("Accuracy"), self.go, self.always), self.status, self.picture]
        )
        self.add_class("kv-card")
        self.add_class("kv-scores")

    def use(self, scoring: Scoring) -> None:
        """Score that way from now on; what was scored before is dropped."""
        possible = scoring.rescoring is not None
        if possible != (self._rescoring is not None):
            self.always.value = possible
        self.go.disabled = self.always.disabled = not possible
        self._rescoring, self.note = scoring.rescoring, scoring.note
        self._scored = self._asked = None
        self.picture.layout.display = "none"
        self.status.idle(scoring.why_not)

    def score(self, *, rest: float = 0.0) -> None:
        """Score the present grouping when it has rested so many seconds; the picture follows."""
        if self._rescoring is None:
            return
        rescoring, now = self._rescoring, self._now()
        self._asked = now
        self._busy()
        self.background.start(
            lambda: self._scores(rescoring, now),
            lambda frame: self._show(rescoring, now, frame),
            rest=rest,
        )

    def changed(self, *, rest: float = 0.0) -> None:
        """Hear of another grouping: score it, or say that the picture is of an earlier one."""
        if self._rescoring is None:
            return
        if self.always.value:
            self.score(rest=rest)
        else:
            self._tell()

    def _tell(self) -> None:
        """Say that the picture is of an earlier grouping, where it is."""
        if self._asked is not None:
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
            # A later one may wait already; that one stays asked for.
            if self._asked is now:
                self._asked = None

    def _show(self, rescoring: Rescoring, now: Grouping, frame: pd.DataFrame) -> None:
        if rescoring is not self._rescoring:
            return
        self._scored = (now, frame)
        self.picture.show(self.axes(), 90)
        self.picture.layout.display = ""
        if now == self._now():
            self.status.done(verdict(frame))
        else:
            self._tell()


def verdict(frame: pd.DataFrame) -> str:
    """Say what came out in one sentence that claims no more than the interval does."""
    last = frame.iloc[-1]
    said = f"{100 * last['accuracy']:.1f} % on {counted(int(last['n']), 'episode')}"
    if len(frame) == 1:
        return f"{said}, as given."
    low, high = last["difference_low"], last["difference_high"]
    if last["difference"] == low == high == 0:
        return f"{said}: as accurate as the grouping as given, episode by episode."
    points = f"{100 * last['difference']:+.1f} points against the grouping as given"
    points = points.replace("-", "\N{MINUS SIGN}")
    if low != low:
        return f"{said}: {points}; a single episode has no interval."
    apart = low > 0 or high < 0
    judged = "its interval excludes zero" if apart else "its interval holds zero"
    return f"{said}: {points}, and {judged}."

"""What the edited grouping is worth: the k-shot comparison again, beside the one as given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from kshot_viz.errors import KShotValueError
from kshot_viz.study.notes import counted
from kshot_viz.viz.rescoring import plot_rescoring
from kshot_viz.widgets.parts import Picture, Status, button, heading, row
from kshot_viz.widgets.threads import Background

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.study.rescoring import Rescoring

GIVEN, EDITED = "as given", "edited"


class ScorePanel(ipywidgets.VBox):
    """Scores the present grouping in the background.

    Parameters
    ----------
    rescoring : Rescoring or None
    why_not : str
        Said where nothing can be scored.
    note : str
        What must stand beside every score.
    first : Grouping
        The grouping as given.
    now : callable
        Returns the grouping as it is now.
    """

    def __init__(
        self,
        rescoring: Rescoring | None,
        why_not: str,
        note: str,
        first: Grouping,
        now: Callable[[], Grouping],
    ) -> None:
        self._rescoring, self._first, self._now = rescoring, first, now
        self.note = note
        self._scored: tuple[Grouping, pd.DataFrame] | None = None
        self.status = Status(why_not)
        self.picture = Picture("Accuracy before and after the edits")
        self.picture.layout.display = "none"
        self.background = Background(self.status.error)
        self.go = button("Score", "Run the episodes again with this grouping", self.score)
        self.go.add_class("kv-score")
        self.always = ipywidgets.Checkbox(
            value=rescoring is not None, description="after every edit", indent=False
        )
        self.always.layout.width = "auto"
        self.go.disabled = self.always.disabled = rescoring is None
        super().__init__(
            [row(heading("Accuracy"), self.go, self.always), self.status, self.picture]
        )
        self.add_class("kv-card")
        self.add_class("kv-scores")

    def score(self) -> None:
        """Score the present grouping; the picture follows when it is done."""
        if self._rescoring is None:
            return
        rescoring, now = self._rescoring, self._now()
        n = counted(len(rescoring.episodes), "episode")
        self.status.busy(f"Fine-tuning on {n}")
        groupings = {GIVEN: self._first} | ({EDITED: now} if now != self._first else {})
        self.background.start(lambda: (now, rescoring.compare(groupings)), self._show)

    def changed(self, *, edited: bool) -> None:
        """Hear of another grouping: score it, or say that the picture is of an earlier one."""
        if self._rescoring is None:
            return
        if edited and self.always.value:
            self.score()
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

    def _show(self, found: tuple[Grouping, pd.DataFrame]) -> None:
        self._scored = found
        self.picture.show(self.axes(), 90)
        self.picture.layout.display = ""
        if found[0] == self._now():
            self.status.done(verdict(found[1]))
        else:
            self.changed(edited=False)


def verdict(frame: pd.DataFrame) -> str:
    """Say what came out in one sentence that claims no more than the interval does."""
    last = frame.iloc[-1]
    said = f"{100 * last['accuracy']:.1f} % on {counted(int(last['n']), 'episode')}"
    if len(frame) == 1:
        return f"{said}, as given."
    low, high = last["difference_low"], last["difference_high"]
    points = f"{100 * last['difference']:+.1f} points against the grouping as given"
    if low != low:
        return f"{said}: {points}; a single episode has no interval."
    apart = low > 0 or high < 0
    judged = "its interval excludes zero" if apart else "its interval holds zero"
    return f"{said}: {points}, and {judged}."

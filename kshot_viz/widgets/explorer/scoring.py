"""Scores of an edited grouping: k-shot accuracy beside that of the grouping as given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from kshot_viz.errors import KShotValueError
from kshot_viz.study.searches.rescoring import Rescoring
from kshot_viz.text import counted, points
from kshot_viz.viz.neurons.overview import plot_rescoring
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Picture, Status, button, heading, row
from kshot_viz.widgets.explorer.given_groups import GivenGroups
from kshot_viz.widgets.explorer.scoring_setup import ScoringSetup

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping

GIVEN, EDITED = "as given", "edited"
# Seconds; a score that takes longer is made at the button's press only.
_SLOW = 5.0


class ScorePanel(ipywidgets.VBox):
    """Scores the present grouping in the background.

    Parameters
    ----------
    setup : ScoringSetup
    given : GivenGroups
    now : callable
        Returns the grouping as it is now.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        setup: ScoringSetup,
        given: GivenGroups,
        now: Callable[[], Grouping],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given, self._now, self._clock = given, now, clock
        self._rescoring: Rescoring | None = None
        self._scored: tuple[Grouping, pd.DataFrame] | None = None
        self._requested: Grouping | None = None
        self._times: list[float] = []
        self._told = ""
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
        self._rescoring, self._seen, self._note = setup.rescoring, setup.seen, setup.note
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
            self.status.idle(
                f"The groups changed since. Press Score to see what that does. {self._told}".strip()
            )

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

    @property
    def note(self) -> str:
        """What a reader of the score must know: the setting, and which queries count."""
        left_out = int(self._scored[1]["left_out"].iloc[0]) if self._scored else 0
        if not left_out:
            return self._note
        return f"{self._note}; {left_out} queries that the edits were made by are left out"

    def axes(self, ax: Axes | None = None) -> Axes:
        """Draw the last score."""
        return plot_rescoring(self.frame(), note=self.note, ax=ax)

    def _busy(self) -> None:
        n = 0 if self._rescoring is None else len(self._rescoring.episodes)
        self.status.busy(f"Fine-tuning on {counted(n, 'episode')}")

    def _watch(self, name: str, done: int, total: int) -> None:
        """Show how far the scoring has come; end it where nobody will see the result."""
        self.background.check()
        self._times = [*(self._times if done else []), self._clock()]
        if done < total:
            self.status.busy(f"Fine-tuning, {name}: episode {done + 1} of {total}")
        else:
            self._untick(_seconds(self._times, cold=name == GIVEN))

    def _scores(self, rescoring: Rescoring, now: Grouping) -> pd.DataFrame:
        edited = now != self._given.shown
        groups = {GIVEN: self._given.scored} | ({EDITED: self._given.edited(now)} if edited else {})
        try:
            seen = self._seen if edited else frozenset()
            return rescoring.compare(groups, seen=seen, watch=self._watch)
        finally:
            # A later request may wait already; it is kept.
            if self._requested is now:
                self._requested = None

    def _untick(self, seconds: float) -> None:
        """Let edits be scored at the button's press only, if a score takes long; say so once."""
        if seconds > _SLOW and self.always.value and not self._told:
            self.always.value = False
            self._told = (
                f"A score takes {seconds:.0f} s here, so edits are not scored by themselves any "
                f"more: tick the box to have that again."
            )

    def _show(self, rescoring: Rescoring, now: Grouping, frame: pd.DataFrame) -> None:
        if rescoring is not self._rescoring:
            return
        self._scored = (now, frame)
        self.picture.show(self.axes(), 90)
        self.picture.layout.display = ""
        if now == self._now():
            told = "" if self.always.value else self._told
            self.status.done(f"{score_text(frame)} {told}".strip())
        else:
            self._show_stale()


def _seconds(times: list[float], *, cold: bool) -> float:
    """Return how long a score takes, from the times before the first episode and after each.

    A cold start is left out: the first episode waits until processes are up.
    """
    if not cold:
        return times[-1] - times[0]
    warm = times[1:]
    return (warm[-1] - warm[0]) * len(warm) / (len(warm) - 1) if len(warm) > 1 else 0.0


def score_text(frame: pd.DataFrame) -> str:
    """Return the result as one sentence that claims no more than the interval does."""
    last = frame.iloc[-1]
    result = f"{100 * last['accuracy']:.1f} % on {counted(int(last['n']), 'episode')}"
    if len(frame) == 1:
        return f"{result}, as given."
    low, high = last["difference_low"], last["difference_high"]
    if last["difference"] == low == high == 0:
        return f"{result}: as accurate as the grouping as given, episode by episode."
    change = points(last["difference"]).replace("-", "\N{MINUS SIGN}")
    against = f"{change} points against the grouping as given"
    if low != low:
        return f"{result}: {against}; a single episode has no interval."
    zero = "excludes" if low > 0 or high < 0 else "holds"
    return f"{result}: {against}, and its interval {zero} zero."

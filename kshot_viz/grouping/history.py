"""Edits of a grouping one after the other, with the way back."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping


@dataclass(frozen=True)
class Step:
    """A grouping and the edit that led to it.

    Attributes
    ----------
    what : str
        The edit in words.
    grouping : Grouping
    run : str
        Steps of the same run follow one another as one: a slider's, while it is dragged.
    """

    what: str
    grouping: Grouping
    run: str = ""


class EditHistory:
    """The groupings a person went through; groupings are immutable, so none is ever lost.

    Parameters
    ----------
    grouping : Grouping
        Where the edits start.
    """

    def __init__(self, grouping: Grouping) -> None:
        self._steps = [Step("as given", grouping)]
        self._at = 0

    @property
    def grouping(self) -> Grouping:
        """The grouping as it is now."""
        return self._steps[self._at].grouping

    @property
    def first(self) -> Grouping:
        """The grouping as it was given."""
        return self._steps[0].grouping

    @property
    def steps(self) -> tuple[str, ...]:
        """The edits that led to the present grouping, in words."""
        return tuple(step.what for step in self._steps[1 : self._at + 1])

    @property
    def undoes(self) -> str | None:
        """The edit that :meth:`undo` takes back, or None."""
        return self._steps[self._at].what if self._at else None

    @property
    def redoes(self) -> str | None:
        """The edit that :meth:`redo` makes again, or None."""
        later = self._steps[self._at + 1 :]
        return later[0].what if later else None

    @property
    def sentence(self) -> str:
        """The last edit and how many there were, as a sentence."""
        if not self._at:
            return "The groups are as they were given."
        last, more = self.steps[-1], f" ({self._at} edits so far)" if self._at > 1 else ""
        return f"{last[:1].upper()}{last[1:]}{more}."

    def apply(self, grouping: Grouping, what: str, *, run: str = "") -> Grouping:
        """Go on to ``grouping``; what was undone is dropped.

        Parameters
        ----------
        grouping : Grouping
        what : str
            The edit in words.
        run : str
            Where the last step belongs to the same run, this one takes its place.
        """
        here = self._steps[self._at]
        kept = self._at if run and self._at and here.run == run else self._at + 1
        self._steps[kept:] = [Step(what, grouping, run)]
        self._at = kept
        return grouping

    def undo(self) -> Grouping:
        """Go back to the grouping before the last edit."""
        if not self._at:
            raise KShotValueError("There is no edit to undo.")
        self._at -= 1
        return self.grouping

    def redo(self) -> Grouping:
        """Go on to the edit that was undone last."""
        if self._at + 1 == len(self._steps):
            raise KShotValueError("There is no edit to redo.")
        self._at += 1
        return self.grouping

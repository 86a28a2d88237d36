"""The part of a comparison that somebody chose to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.viz.comparison.tasks import ComparisonLike, of_shot, of_way, ordered_methods

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison


@dataclass(frozen=True)
class Selected:
    """A comparison of which only some methods are shown.

    p-values stay adjusted for all rivals: choosing which ones to look at afterwards is no reason
    to correct for fewer.
    """

    whole: ComparisonLike
    methods: tuple[str, ...]

    @property
    def settings(self) -> pd.DataFrame:
        """One row per way, shot and method."""
        return self._of(self.whole.settings)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was compared on what."""
        return self.whole.manifest

    def summary(self) -> pd.DataFrame:
        """One row per way, shot and method."""
        return self._of(self.whole.summary())

    def curve(self) -> pd.DataFrame:
        """One row per way, shot, method and step size."""
        return self._of(self.whole.curve())

    def _of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["method"].isin(self.methods)].reset_index(drop=True)


def select(comparison: ComparisonLike, methods: Sequence[str] | None) -> Selected:
    """Keep some methods of a comparison, all where none are named.

    Raises
    ------
    KShotKeyError
        If a method did not take part.
    KShotValueError
        If the list is empty.
    """
    known = ordered_methods(comparison.settings)
    return Selected(comparison, tuple(chosen_methods(known, methods)))


def chosen_methods(known: Sequence[str], methods: Sequence[str] | None) -> list[str]:
    """Return the methods asked for, in the order that every figure keeps."""
    if methods is None:
        return list(known)
    for name in methods:
        if name not in known:
            raise unknown_name("methods", name, known)
    if not methods:
        raise KShotValueError(f"Choose at least one method of {list(known)}.")
    return [name for name in known if name in methods]


def task_rows(comparison: Comparison, way: int | None, shot: int | None) -> pd.DataFrame:
    """Return the test rows of one task, each method at its chosen setting."""
    rows = comparison.frame
    return of_shot(of_way(rows[rows["chosen"] & (rows["pool"] == "test")], way), shot)

"""What figures and pages ask of a comparison, and which of its tasks they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.style.colours import method_styles

if TYPE_CHECKING:
    import pandas as pd


class ComparisonLike(Protocol):
    """The part of :class:`kshot_viz.Comparison` that is shown."""

    @property
    def settings(self) -> pd.DataFrame:
        """One row per way, shot and method: the chosen setting."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was compared on what."""

    def summary(self) -> pd.DataFrame:
        """One row per way, shot and method."""

    def curve(self) -> pd.DataFrame:
        """One row per way, shot, method and step size, on the tuning episodes."""


def of_way(frame: pd.DataFrame, way: int | None) -> pd.DataFrame:
    """Return the rows of one number of classes.

    Raises
    ------
    KShotValueError
        If there are no rows, no such ``way``, or several and none was asked for.
    """
    ways = sorted({int(value) for value in frame["way"]}) if len(frame) else []
    if not ways:
        raise KShotValueError("This comparison has no rows to draw.")
    if way is None and len(ways) > 1:
        raise KShotValueError(f"`way` must be given, one of {ways}: tasks of different size mix.")
    wanted = ways[0] if way is None else way
    return frame[frame["way"] == _known("way", wanted, ways)]


def of_shot(frame: pd.DataFrame, shot: int | None) -> pd.DataFrame:
    """Return the rows of one number of shots, the smallest where none was asked for."""
    shots = sorted({int(value) for value in frame["shot"]})
    wanted = shots[0] if shot is None else shot
    return frame[frame["shot"] == _known("shot", wanted, shots)]


def ordered_methods(frame: pd.DataFrame) -> list[str]:
    """Return the methods in the order that every figure and table keeps."""
    return list(method_styles(frame["method"]))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain dictionaries."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


def task_name(way: int, shot: int) -> str:
    """Return ``"10 classes, 1 shot"``."""
    return f"{way} classes, {counted(shot, 'shot')}"


def values(numbers: Any, one: str) -> str:
    """Return ``"6 episodes"``, or ``"5 to 6 episodes"`` where rows differ."""
    low, high = int(min(numbers)), int(max(numbers))
    return counted(low, one) if low == high else f"{low} to {counted(high, one)}"


def _known(name: str, given: int, allowed: list[int]) -> int:
    if given not in allowed:
        raise KShotValueError(f"`{name}` must be one of {allowed}; not {given!r}.")
    return given

"""Select the tasks and methods of a comparison that figures and pages show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.study.tables import chosen_test_rows
from kshot_viz.study.task import TASK, Task
from kshot_viz.text import counted
from kshot_viz.viz.style.colours import method_styles

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison


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

    def collapses(self) -> pd.DataFrame:
        """One row per way, shot, method and step size: how many tuning runs collapsed."""


class ReportedComparison(ComparisonLike, Protocol):
    """The part of :class:`kshot_viz.Comparison` that a report tells."""

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run."""

    @property
    def alike(self) -> pd.DataFrame:
        """One row per way, shot, method, measure and layer: how alike a group's neurons are."""

    def summary(self, *, reference: str = "plain") -> pd.DataFrame:
        """One row per way, shot and method, differences being those to a reference."""

    def robustness(self) -> pd.DataFrame:
        """One row per way, shot, method and variant of the settings."""


def by_task(frame: pd.DataFrame) -> Iterator[tuple[Task, pd.DataFrame]]:
    """Yield each task, in ascending order, with its rows."""
    for key, rows in frame.groupby(TASK):
        yield Task.of(dict(zip(TASK, key, strict=True))), rows  # type: ignore[call-overload]


def only_task(frame: pd.DataFrame) -> Task:
    """Return the task of a frame that has the rows of one task.

    Raises
    ------
    KShotValueError
        If the rows are of several tasks.
    """
    tasks = [task for task, _ in by_task(frame)]
    if len(tasks) != 1:
        raise KShotValueError(f"A figure shows one task; these rows are of {len(tasks)}: {tasks}.")
    return tasks[0]


def task_name(task: Task) -> str:
    """Return ``"10 classes, 1 shot"``."""
    return f"{task.way} classes, {counted(task.shot, 'shot')}"


def of_way(frame: pd.DataFrame, way: int | None) -> pd.DataFrame:
    """Return the rows of one number of classes.

    Raises
    ------
    KShotValueError
        If there are no rows, no such ``way``, or several and ``way`` is None.
    """
    ways = sorted({int(value) for value in frame["way"]}) if len(frame) else []
    if not ways:
        raise KShotValueError("This comparison has no rows to draw.")
    if way is None and len(ways) > 1:
        raise KShotValueError(f"`way` must be given, one of {ways}: tasks of different size mix.")
    wanted = ways[0] if way is None else way
    return frame[frame["way"] == _known("way", wanted, ways)]


def of_shot(frame: pd.DataFrame, shot: int | None) -> pd.DataFrame:
    """Return the rows of one number of shots, the smallest by default."""
    shots = sorted({int(value) for value in frame["shot"]})
    wanted = shots[0] if shot is None else shot
    return frame[frame["shot"] == _known("shot", wanted, shots)]


def task_rows(comparison: Comparison, way: int | None, shot: int | None) -> pd.DataFrame:
    """Return the test rows of one task, each method at its chosen setting."""
    return of_shot(of_way(chosen_test_rows(comparison.frame), way), shot)


def chosen_methods(known: Sequence[str], methods: Sequence[str] | None) -> list[str]:
    """Return the methods to show, all by default, in the order of every figure.

    Raises
    ------
    KShotKeyError
        If a method did not take part.
    KShotValueError
        If ``methods`` is empty.
    """
    if methods is None:
        return list(known)
    for name in methods:
        if name not in known:
            raise unknown_name("methods", name, known)
    if not methods:
        raise KShotValueError(f"Choose at least one method of {list(known)}.")
    return [name for name in known if name in methods]


def ordered_methods(frame: pd.DataFrame) -> list[str]:
    """Return the methods of a frame in the order of every figure and table."""
    return list(method_styles(frame["method"]))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain dictionaries."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


def _known(name: str, given: int, allowed: list[int]) -> int:
    if given not in allowed:
        raise KShotValueError(f"`{name}` must be one of {allowed}; not {given!r}.")
    return given

"""The key of a task: what rows of different tables are grouped by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes.episode import Episode

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, order=True)
class Task:
    """A data set and a network at one number of classes and of labelled images a class.

    Attributes
    ----------
    data, backbone : str
        Their names.
    way, shot : int
    """

    data: str
    backbone: str
    way: int
    shot: int

    @classmethod
    def of(cls, row: Any) -> Task:
        """Return the task of a row, a mapping with these columns."""
        return cls(str(row["data"]), str(row["backbone"]), int(row["way"]), int(row["shot"]))

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of this task."""
        return frame[(frame[TASK] == [getattr(self, name) for name in TASK]).all(axis=1)]

    def episodes(self, episodes: Iterable[Episode]) -> list[Episode]:
        """Return the episodes of this way and shot."""
        return [one for one in episodes if (one.way, one.shot) == (self.way, self.shot)]


TASK = [one.name for one in fields(Task)]


def tasks_of(episodes: Iterable[Episode], backbone: Backbone) -> list[Task]:
    """Return the distinct tasks of episodes, in order of appearance."""
    found = (Task(one.data_name, backbone.name, one.way, one.shot) for one in episodes)
    return list(dict.fromkeys(found))

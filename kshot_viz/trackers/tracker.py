"""What the ready callbacks share: a run is opened, gets the values of rows, and is closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from kshot_viz.trackers.callback import Callback, RunInfo, Scalar
from kshot_viz.trackers.series import Series, Values


class Tracker(Callback, ABC):
    """A callback that opens one run of a tracker for each call; it serves any number of calls."""

    _series: Series

    def on_start(self, run: RunInfo) -> None:
        """Open a run with the settings of the call."""
        self._series = Series(run.kind)
        self._open(run)

    def on_row(self, row: dict[str, Scalar]) -> None:
        """Add the numbers of a row."""
        number, values = self._series.add(row)
        self._add(number, values)

    def on_finish(self, result: Any) -> None:
        """Add the mean accuracies, and close the run."""
        self._close(self._series.means(), "")

    def on_error(self, error: BaseException) -> None:
        """Close the run as one that failed."""
        self._close({}, f"{type(error).__name__}: {error}")

    @abstractmethod
    def _open(self, run: RunInfo) -> None:
        """Open a run."""

    @abstractmethod
    def _add(self, number: int, values: Values) -> None:
        """Add one value to each of some curves."""

    @abstractmethod
    def _close(self, means: Values, failed: str) -> None:
        """Close the run, with numbers of the whole or with an error; it may not be open."""

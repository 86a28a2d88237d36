"""One progress bar over all runs of choosing the settings of a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kshot_viz.evaluate.progress import BAR_FORMAT
from kshot_viz.text import time_left

if TYPE_CHECKING:
    from tqdm import tqdm

Watch = Callable[[int, int], object]


class TuningBar:
    """A bar whose end moves: settings stop early, and the grid grows."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar, self._begin, self._timed = bar, time.perf_counter(), 0

    def expect(self, runs: int, later: int) -> None:
        """Say how many runs come now, and how many later if no more settings stop."""
        self._bar.total = self._bar.n + runs + later
        self._bar.refresh()

    def watching(self, watch: Watch | None) -> Watch:
        """Return what one call of ``evaluate`` tells its finished runs, which tells ``watch``."""
        before: list[int] = []

        def moved(done: int, total: int) -> None:
            # The first call tells what was kept from before, which took no time.
            self._move(done - sum(before[-1:]), timed=bool(before))
            before.append(done)
            if watch is not None:
                watch(done, total)

        return moved

    def _move(self, runs: int, *, timed: bool) -> None:
        self._timed += runs * timed
        if self._timed:
            each = (time.perf_counter() - self._begin) / self._timed
            left = self._bar.total - self._bar.n - runs
            self._bar.set_postfix_str(time_left(each * left), refresh=False)
        self._bar.update(runs)


@contextmanager
def tuning_bar(title: str, *, show: bool) -> Iterator[TuningBar]:
    """Show a bar until the block is left."""
    from tqdm.auto import tqdm

    with tqdm(desc=title, total=0, bar_format=BAR_FORMAT, disable=not show) as bar:
        yield TuningBar(bar)

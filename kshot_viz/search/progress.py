"""The progress bar of a search: it moves with every run, and its time left does not jump."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from kshot_viz.text import time_left

if TYPE_CHECKING:
    from tqdm import tqdm

    from kshot_viz.search.timing import SearchTiming

_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} evaluations [{elapsed}{postfix}]"
_SHOWN = ("best", "reward", "entropy")


class Clock:
    """Tells how long full evaluations will take: as measured first, and more and more as they do.

    What was measured counts as much as one batch. Time between two batches, in a pause say, does
    not count.
    """

    def __init__(self, timing: SearchTiming) -> None:
        self._timing = timing
        self._worked, self._begin = 0.0, time.perf_counter()

    def begin(self) -> None:
        """Start with a batch."""
        self._begin = time.perf_counter()

    def end(self) -> None:
        """Stop after a batch."""
        self._worked += time.perf_counter() - self._begin
        self._begin = time.perf_counter()

    def seconds(self, done: float, left: float) -> float:
        """Return the seconds of what is left, after so many full evaluations since the start."""
        worked = self._worked + time.perf_counter() - self._begin
        weight = self._timing.batch_cost
        return (self._timing.whole(weight) + worked) / (weight + done) * left


class SearchProgress:
    """A bar over full evaluations; all its methods are called in the thread that searches."""

    def __init__(self, bar: tqdm[Any], clock: Clock | None, spent: float, budget: float) -> None:
        self._bar, self._clock, self._budget = bar, clock, budget
        self._first = self._spent = spent
        self._known: dict[str, float] = {}

    def begin(self) -> None:
        """Start the time of a batch."""
        if self._clock is not None:
            self._clock.begin()

    def moved(self, evaluations: float) -> None:
        """Show so many full evaluations of the batch that runs."""
        self._show(self._spent + evaluations)

    def ended(self, batch: Mapping[str, Any]) -> None:
        """Show the summary of a batch."""
        if self._clock is not None:
            self._clock.end()
        self._known = {name: batch[name] for name in _SHOWN if math.isfinite(batch[name])}
        self._spent = batch["spent"]
        self._show(self._spent)

    def _show(self, spent: float) -> None:
        left = max(0.0, self._budget - spent)
        parts = [f"{name}={value:.3f}" for name, value in self._known.items()]
        if self._clock is not None:
            parts.insert(0, time_left(self._clock.seconds(spent - self._first, left)))
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.n = _rounded(self._budget - left)
        self._bar.update(0)


@contextmanager
def progress_of(
    spent: float, budget: float, *, timing: SearchTiming | None, show: bool
) -> Iterator[SearchProgress]:
    """Show a bar over the evaluations of a search, of which some were spent before."""
    from tqdm.auto import tqdm

    with tqdm(
        desc="search",
        initial=_rounded(min(spent, budget)),
        total=_rounded(budget),
        bar_format=_FORMAT,
        disable=not show,
    ) as bar:
        yield SearchProgress(bar, None if timing is None else Clock(timing), spent, budget)


# Made from what was spent and the budget, when the search begins.
Bar = Callable[[float, float], AbstractContextManager[SearchProgress]]


def _rounded(evaluations: float) -> float:
    """Return a number that is short when it is shown."""
    value = round(evaluations, 1)
    return int(value) if value.is_integer() else value

"""How long a comparison will take, and how to make it fit into a given time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from kshot_viz.study.task import Task
from kshot_viz.text import counted, duration

if TYPE_CHECKING:
    import pandas as pd

# What a budget never goes below, where as many were asked for.
FEWEST_TUNING, FEWEST_TEST = 3, 10
# Parts of what was asked for, that a budget may leave.
_PARTS = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1)


@dataclass(frozen=True)
class Sizes:
    """How much a comparison runs.

    Attributes
    ----------
    tuning, test : int
        Episodes of a task.
    every : int
        Every such value of the step sizes is tried: 1 for all, 2 for every second.
    """

    tuning: int
    test: int
    every: int = 1


@dataclass(frozen=True)
class Timing:
    """What was measured on the first episode of every task.

    Attributes
    ----------
    seconds : mapping of Task to mapping
        Seconds of one run of each method, in one process.
    settings : mapping of str to Sequence
        Of each method, the number of settings at every value and at every second value.
    workers : int
        Processes that work side by side.
    """

    seconds: Mapping[Task, Mapping[str, float]]
    settings: Mapping[str, Sequence[int]]
    workers: int

    def tuning(self, sizes: Sizes) -> float:
        """Return the seconds that choosing settings takes at most, without values beyond the grid.

        Settings that are clearly behind stop early, so it will mostly take less.
        """
        runs = {name: counts[sizes.every - 1] for name, counts in self.settings.items()}
        return self._total(runs) * sizes.tuning

    def test(self, sizes: Sizes) -> float:
        """Return the seconds that the test episodes take at most."""
        return self._total(dict.fromkeys(self.settings, 1)) * sizes.test

    def whole(self, sizes: Sizes) -> float:
        """Return the seconds of both."""
        return self.tuning(sizes) + self.test(sizes)

    def fit(self, asked: Sizes, budget: float) -> Sizes:
        """Return the sizes that use most of ``budget`` seconds without going beyond it.

        The smallest, where none fits.
        """
        # Of sizes that take equally long, the one that leaves out less.
        found = sorted(_smaller(asked), key=lambda one: (self.whole(one), -one.every))
        return next((one for one in reversed(found) if self.whole(one) <= budget), found[0])

    def _total(self, runs: Mapping[str, int]) -> float:
        each = (
            seconds * runs[name] for one in self.seconds.values() for name, seconds in one.items()
        )
        return sum(each) / self.workers


def seconds_per_run(rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean seconds of a run of each method; the rows of a run share its time."""
    runs = rows.drop_duplicates(["episode", "run"])
    return {str(name): float(part.mean()) for name, part in runs.groupby("method")["seconds"]}


def told(timing: Timing, sizes: Sizes, omitted: str) -> str:
    """Say how long a comparison will take, and what it leaves out for that."""
    tuning, test = timing.tuning(sizes), timing.test(sizes)
    parts = (
        f": {duration(tuning)} to choose settings, {duration(test)} for the test episodes"
        if tuning
        else ""
    )
    taken = f" Taken to fit: {omitted}." if omitted else ""
    return f"This takes at most about {duration(tuning + test)}{parts}.{taken}"


def left_out(asked: Sizes, taken: Sizes) -> str:
    """Say what a budget left out, or return ``""``."""
    parts = []
    if taken.tuning < asked.tuning:
        parts.append(f"{taken.tuning} of {counted(asked.tuning, 'tuning episode')}")
    if taken.test < asked.test:
        parts.append(f"{taken.test} of {counted(asked.test, 'test episode')} a task")
    if taken.every > asked.every:
        parts.append("every second step size")
    return ", ".join(parts)


def _smaller(asked: Sizes) -> Iterator[Sizes]:
    """Yield the sizes that a budget may choose, what was asked for among them."""
    for tuning, test, every in product(_PARTS, _PARTS, (1, 2)):
        yield Sizes(
            max(round(tuning * asked.tuning), min(asked.tuning, FEWEST_TUNING)),
            max(round(test * asked.test), min(asked.test, FEWEST_TEST)),
            every if asked.tuning else 1,
        )

"""How long a comparison will take, and how to make it fit into a given time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from kshot_viz.study.task import Task
from kshot_viz.text import counted, duration, minutes_text

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.models.backbone import Backbone

# Images that are loaded to measure how long one takes.
_LOADED = 12
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
class Loading:
    """Seconds that the images of the first 0, 1, 2, ... episodes of every task take to load.

    Each image is loaded once. Photographs of many pixels take longer than what is done with them.
    """

    tuning: Sequence[float]
    test: Sequence[float]


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
    loading : Loading
        What the images take, in every process.
    full : bool
        Whether test episodes run at every setting, and not at the chosen one alone.
    """

    seconds: Mapping[Task, Mapping[str, float]]
    settings: Mapping[str, Sequence[int]]
    workers: int
    loading: Loading
    full: bool = False

    def tuning(self, sizes: Sizes) -> float:
        """Return the seconds of choosing settings, where every setting runs on every episode.

        It takes less where settings that are clearly behind stop early, and more where the grid
        grows: how far is not known before.
        """
        return self._grid(sizes) * sizes.tuning + self.loading.tuning[sizes.tuning]

    def test(self, sizes: Sizes) -> float:
        """Return the seconds of the test episodes."""
        each = self._grid(sizes) if self.full else self._total(dict.fromkeys(self.settings, 1))
        return each * sizes.test + self.loading.test[sizes.test]

    def whole(self, sizes: Sizes) -> float:
        """Return the seconds of both."""
        return self.tuning(sizes) + self.test(sizes)

    def fit(self, asked: Sizes, budget: float) -> Sizes:
        """Return the sizes that use most of ``budget`` seconds without going beyond it.

        The smallest, where none fits; growth of the grid is not counted.
        """
        every = list(smaller(asked))
        fitting = [one for one in every if self.whole(one) <= budget]
        # Of what takes as long, the one that leaves no step size out.
        if fitting:
            return max(fitting, key=lambda one: (self.whole(one), -one.every))
        return min(every, key=lambda one: (self.whole(one), one.every))

    def _grid(self, sizes: Sizes) -> float:
        """Return the seconds of all settings on one episode."""
        return self._total({name: runs[sizes.every - 1] for name, runs in self.settings.items()})

    def _total(self, runs: Mapping[str, int]) -> float:
        each = (
            seconds * runs[name] for one in self.seconds.values() for name, seconds in one.items()
        )
        return sum(each) / self.workers


def loading_seconds(
    backbone: Backbone, data: ImageDataset, tasks: Iterable[Sequence[Episode]]
) -> list[float]:
    """Return the seconds that loading takes for the first 0, 1, 2, ... episodes of every task.

    A few images are loaded and prepared to measure it.
    """
    images = [[{*one.support, *one.query} for one in episodes] for episodes in tasks]
    known = sorted(set().union(*chain.from_iterable(images)))
    if not known:
        return [0.0]
    some = data.take(known[:: -(-len(known) // _LOADED)])
    begin = time.perf_counter()
    backbone.prepare(some.images)
    each = (time.perf_counter() - begin) / len(some)
    most = max(map(len, images))
    firsts = [[one for episodes in images for one in episodes[:n]] for n in range(most + 1)]
    return [each * len(set().union(*one)) for one in firsts]


def seconds_per_run(rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean seconds of a run of each method; the rows of a run share its time."""
    runs = rows.drop_duplicates(["episode", "run"])
    return {str(name): float(part.mean()) for name, part in runs.groupby("method")["seconds"]}


# Where an earlier call left rows: how many of them serve is known only when all is planned.
LESS = ", less what is there from an earlier call"


def told(
    timing: Timing,
    sizes: Sizes,
    *,
    grows: bool,
    omitted: str = "",
    fits: bool = True,
    begun: bool = False,
) -> str:
    """Say how long a comparison will take, and what it leaves out for that.

    Parameters
    ----------
    timing : Timing
    sizes : Sizes
        What is run.
    grows : bool
        Whether the grid may grow.
    omitted : str
        As of :func:`left_out`.
    fits : bool
        Whether that is within the given time.
    begun : bool
        Whether an earlier call left rows.
    """
    tuning, test = timing.tuning(sizes), timing.test(sizes)
    text = f"This takes about {duration(tuning + test)}{LESS if begun else ''}"
    if tuning:
        more = ", more where the grid grows" if grows else ""
        text += (
            f"{more}: {duration(tuning)} to choose settings, {duration(test)} for the test episodes"
        )
    return taken_to_fit(text, tuning + test, omitted=omitted, fits=fits)


def taken_to_fit(text: str, seconds: float, *, omitted: str, fits: bool) -> str:
    """Return a text about a time with what a budget left out, and whether it fits."""
    if omitted:
        return f"{text}. Taken to fit: {omitted}{'' if fits else least(seconds)}."
    return f"{text}." if fits else f"{text}. That is more than was given{least(seconds)}."


def budget_record(
    seconds: float, minutes: float | None, omitted: str, *, fits: bool
) -> dict[str, Any]:
    """Return what a manifest keeps of the time, as :func:`budget_text` reads it."""
    about: dict[str, Any] = {"estimated_seconds": round(seconds, 1)}
    if minutes is not None:
        about |= {"budget_minutes": minutes, "left_out": omitted, "fits_budget": fits}
    return about


def least(seconds: float) -> str:
    """Return what stands behind sizes that a budget cannot make smaller, with their time."""
    return f" (the least; about {duration(seconds)})"


def budget_text(manifest: Mapping[str, Any]) -> str:
    """Say what a record of a run left out to fit into a time, or return ``""``."""
    omitted, minutes = manifest.get("left_out"), manifest.get("budget_minutes")
    if minutes is None:
        return ""
    # Records of before do not say whether it fits.
    fits = manifest.get("fits_budget", True)
    unfit = "" if fits else least(float(manifest["estimated_seconds"]))
    if omitted:
        return f"To fit into {minutes_text(minutes)}, only this was run: {omitted}{unfit}."
    return f"This did not fit into {minutes_text(minutes)}{unfit}." if unfit else ""


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


def smaller(asked: Sizes) -> Iterator[Sizes]:
    """Yield the sizes that a budget may choose, what was asked for first.

    They are as many for whatever was asked for, and the n-th has the same share of everything.
    """
    for tuning, test, every in product(_PARTS, _PARTS, (1, 2)):
        yield Sizes(
            max(round(tuning * asked.tuning), min(asked.tuning, FEWEST_TUNING)),
            max(round(test * asked.test), min(asked.test, FEWEST_TEST)),
            every if asked.tuning else 1,
        )

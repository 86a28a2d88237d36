"""How long a study takes, from one measured episode of every task, and how to make it fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kshot_viz.study.fold_parts import fold_parts
from kshot_viz.study.plan import ComparisonPlan
from kshot_viz.study.regimes.every_choice import Asked
from kshot_viz.study.timing import (
    LESS,
    Sizes,
    Timing,
    budget_record,
    left_out,
    smaller,
    taken_to_fit,
)
from kshot_viz.text import counted, duration


@dataclass(frozen=True)
class StudyTiming:
    """What was measured on the tasks of a study.

    Attributes
    ----------
    timings : tuple of Timing
        Of each task.
    folds : tuple of float
        Of each task, the folds of the support of a test episode; their mean over numbers of shots.
    choices : int
        Regimes times rules: between one and so many settings of each method are tested.
    own_episodes : int
        Test episodes of which the support is split into folds; 0 where it is not.
    tests : tuple of int
        Test episodes that each task was asked for; of fewer, as large a share is split into folds.
    """

    timings: tuple[Timing, ...]
    folds: tuple[float, ...]
    choices: int
    own_episodes: int
    tests: tuple[int, ...]

    def seconds(self, sizes: Sequence[Sizes]) -> tuple[float, float]:
        """Return the least and the most seconds, where each task has these sizes."""
        low = high = 0.0
        split = self.own_of(sizes)
        for timing, folds, size in zip(self.timings, self.folds, sizes, strict=True):
            # A fold is an episode on which every setting runs.
            own = folds * min(split, size.test)
            tuned = timing.tuning(size) * (1 + own / max(size.tuning, 1))
            tested = timing.test(size)
            low, high = low + tuned + tested, high + tuned + self.choices * tested
        return low, high

    def own_of(self, sizes: Sequence[Sizes]) -> int:
        """Return of how many test episodes of each task the support is split into folds."""
        shares = [one.test / max(n, 1) for one, n in zip(sizes, self.tests, strict=True)]
        return math.ceil(self.own_episodes * max(shares))

    def fit(self, asked: Sequence[Sizes], budget: float, *, fewest_tuning: int) -> list[Sizes]:
        """Return the sizes that use most of ``budget`` seconds without going beyond it.

        Every task keeps the same share of what was asked for, and at least ``fewest_tuning`` tuning
        episodes. The smallest, where none fits.
        """
        every = [
            list(one)
            for one in zip(*map(smaller, asked), strict=True)
            if min(size.tuning for size in one) >= fewest_tuning
        ] or [list(asked)]
        fitting = [one for one in every if self.seconds(one)[1] <= budget]
        if fitting:
            return max(fitting, key=lambda one: (self.seconds(one)[1], -one[0].every))
        return min(every, key=lambda one: (self.seconds(one)[1], one[0].every))


def measure_study(plans: Sequence[ComparisonPlan], asked: Asked) -> StudyTiming:
    """Time the first episode of every task; with a store its rows serve again later."""
    return StudyTiming(
        tuple(plan.measure() for plan in plans),
        tuple(
            sum(len(fold_parts(task.shot)) for task in plan.tasks) / len(plan.tasks)
            for plan in plans
        ),
        choices=len(asked.regimes) * len(asked.rules),
        own_episodes=asked.own_episodes if "own" in asked.regimes else 0,
        tests=tuple(plan.sizes.test for plan in plans),
    )


def timed(
    plans: Sequence[ComparisonPlan], asked: Asked, minutes: float | None, *, tell: bool
) -> tuple[list[ComparisonPlan], Asked, dict[str, object]]:
    """Make plans fit into so many minutes; say how long they take, and what is left out for it.

    Where nobody asked for either, nothing is measured.
    """
    if not tell and minutes is None:
        return list(plans), asked, {}
    begun = tell and any(plan.begun for plan in plans)
    timing, whole = measure_study(plans, asked), [plan.sizes for plan in plans]
    sizes = whole
    if minutes is not None:
        fewest = min(asked.few.episodes, asked.n_val) if "few" in asked.regimes else 1
        sizes = timing.fit(whole, 60 * minutes, fewest_tuning=fewest)
    low, high = timing.seconds(sizes)
    fits, split = minutes is None or high <= 60 * minutes, timing.own_of(sizes)
    omitted = _left_out(whole, sizes)
    if split < timing.own_episodes:
        omitted += f", folds of {counted(split, 'test episode')}"
    if tell:
        from tqdm.auto import tqdm

        tqdm.write(study_time_text(low, high, omitted=omitted, fits=fits, begun=begun))
    if omitted:
        plans = [plan.within(size) for plan, size in zip(plans, sizes, strict=True)]
        own = split if timing.own_episodes else asked.own_episodes
        n_val = min(asked.n_val, max(size.tuning for size in sizes))
        asked = replace(asked, n_val=n_val, own_episodes=own)
    return list(plans), asked, budget_record(high, minutes, omitted, fits=fits)


def _left_out(whole: Sequence[Sizes], sizes: Sequence[Sizes]) -> str:
    """Say what the task that has the most episodes leaves out; small tasks may keep theirs."""
    largest = max(range(len(whole)), key=lambda i: (whole[i].test, whole[i].tuning))
    return left_out(whole[largest], sizes[largest])


def study_time_text(
    low: float, high: float, *, omitted: str = "", fits: bool = True, begun: bool = False
) -> str:
    """Say how long a study takes, and what it leaves out for that."""
    between = duration(low) if duration(low) == duration(high) else ""
    between = between or f"{duration(low)} to {duration(high)}"
    less = LESS if begun else ""
    text = f"This takes about {between}{less}, by how many different settings the regimes choose"
    return taken_to_fit(text, high, omitted=omitted, fits=fits)

"""How long a study takes, from one measured episode of every task."""

from __future__ import annotations

from collections.abc import Sequence

from kshot_viz.study.plan import ComparisonPlan
from kshot_viz.study.regimes.own_support import MOST_FOLDS
from kshot_viz.text import duration


def study_seconds(
    plans: Sequence[ComparisonPlan], *, choices: int, own_episodes: int
) -> tuple[float, float]:
    """Return the least and the most seconds that a study takes.

    Parameters
    ----------
    plans : sequence of ComparisonPlan
    choices : int
        Regimes times rules: between one and so many settings of each method are tested.
    own_episodes : int
        Test episodes of which the support is split into folds; 0 where it is not.
    """
    least = most = 0.0
    for plan in plans:
        timing, sizes = plan.measure(), plan.sizes
        folds = sum(_folds(task.shot) for task in plan.tasks) / len(plan.tasks)
        # A fold is an episode on which every setting runs.
        tuned = timing.tuning(sizes) * (1 + folds * own_episodes / max(sizes.tuning, 1))
        tested = timing.test(sizes)
        least, most = least + tuned + tested, most + tuned + choices * tested
    return least, most


def _folds(shot: int) -> int:
    return min(shot, MOST_FOLDS) if shot > 1 else 0


def study_time_text(least: float, most: float) -> str:
    """Say how long a study takes."""
    between = duration(least) if duration(least) == duration(most) else ""
    between = between or f"{duration(least)} to {duration(most)}"
    return f"This takes about {between}, by how many different settings the regimes choose."

"""What every regime and rule of a study chooses, in all of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.records import plain
from kshot_viz.study.plan import ComparisonPlan, TunedTasks
from kshot_viz.study.regimes.choices import (
    CHOSEN,
    Few,
    choose_blind,
    choose_few,
    choose_many,
    few_images,
)
from kshot_viz.study.regimes.own_support import choose_own
from kshot_viz.study.regimes.same_images import share_images
from kshot_viz.study.settings.tuning import Tuned
from kshot_viz.study.tables import joined
from kshot_viz.study.task import Task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Asked:
    """What a study was asked for."""

    regimes: tuple[str, ...]
    rules: tuple[str, ...]
    few: Few
    own_episodes: int
    n_val: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return plain(asdict(self))


def every_choice(
    plans: Sequence[ComparisonPlan],
    tuned: Sequence[TunedTasks],
    folds: Sequence[pd.DataFrame],
    asked: Asked,
) -> pd.DataFrame:
    """Return what every regime and rule chooses, in every task.

    ``folds`` are the rows of each plan that the regime ``"own"`` chooses from.
    """
    rows = [{task: _named(one) for task, one in found.items()} for found in tuned]
    parts = []
    for plan, of_support, mine in zip(plans, folds, rows, strict=True):
        others = {
            task: one
            for other, theirs in zip(plans, rows, strict=True)
            if not share_images(plan.data, other.data)
            for task, one in theirs.items()
        }
        for task in plan.tasks:
            for rule in asked.rules:
                found = _regimes(plan, task, mine[task], others, of_support, rule, asked)
                parts += [
                    one.assign(regime=name, rule=rule, labels=labels)
                    for name, (one, labels) in found.items()
                ]
    return joined(*(one.assign(episode=one.get("episode", "")) for one in parts))[CHOSEN]


def _named(tuned: Tuned) -> pd.DataFrame:
    """Return tuning rows with the names that their settings have across tasks."""
    names = {one.key: tuned.tuner.grid.across(one) for one in tuned.candidates}
    return tuned.rows.assign(across=tuned.rows["candidate"].map(names))


def _regimes(
    plan: ComparisonPlan,
    task: Task,
    rows: pd.DataFrame,
    others: Mapping[Task, pd.DataFrame],
    folds: pd.DataFrame,
    rule: str,
    asked: Asked,
) -> dict[str, tuple[pd.DataFrame, int]]:
    """Return what each regime chooses in a task, and the labels of the target that it uses."""
    episodes = task.episodes(plan.tuning.episodes)
    found = {}
    for name in asked.regimes:
        if name == "blind":
            found[name] = choose_blind(rows, others, task, rule), 0
        elif name == "own":
            found[name] = choose_own(folds, task, rule), 0
        elif name == "few":
            chosen = choose_few(rows, episodes, rule, asked.few)
            found[name] = chosen, len(few_images(episodes, asked.few))
        else:
            labels = plan.tuning.first([task], len(episodes)).target_labels
            found[name] = choose_many(rows, rule), labels
    return found

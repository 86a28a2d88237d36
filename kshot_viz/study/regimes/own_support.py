"""Choosing settings on the k labelled images themselves: folds that leave some of them out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.study.fold_parts import MOST_FOLDS, fold_parts
from kshot_viz.study.plan import ComparisonPlan
from kshot_viz.study.settings.choice import choose
from kshot_viz.study.tables import joined
from kshot_viz.study.task import Task

if TYPE_CHECKING:
    import pandas as pd

# Columns of the rows of folds: the test episode whose support was split, and its shots.
OF_EPISODE, OF_SHOT = "of_episode", "of_shot"


def support_folds(episode: Episode, most: int = MOST_FOLDS) -> list[Episode]:
    """Return episodes that train on a part of the support and are scored on the rest.

    Each fold leaves out one image of every class, or ``shot / most`` of them where there are more
    images than folds.

    Parameters
    ----------
    episode : Episode
        A test episode. Its queries are not used.
    most : int
        Folds at most.

    Returns
    -------
    list of Episode
        Tuning episodes, numbered from 0. None at one image a class, which leaves nothing to train
        on.
    """
    by_class = np.array(episode.support).reshape(episode.way, episode.shot)
    return [
        replace(
            episode,
            index=fold,
            pool="val",
            support=tuple(np.delete(by_class, out, axis=1).ravel().tolist()),
            query=tuple(by_class[:, out].ravel().tolist()),
            shot=episode.shot - len(out),
            query_per_class=len(out),
            queries_by_class=None,
        )
        for fold, out in enumerate(fold_parts(episode.shot, most))
    ]


def run_folds(plan: ComparisonPlan, n: int) -> pd.DataFrame:
    """Run the grid on the folds of the first ``n`` test episodes of every task.

    Returns
    -------
    DataFrame
        The rows, with ``of_episode`` and ``of_shot``, the test episode that they are folds of.
        Empty where all tasks have one image a class.
    """
    import pandas as pd

    parts = []
    for task in plan.tasks:
        for episode in task.episodes(plan.episodes)[:n]:
            if folds := support_folds(episode):
                rows = plan.run_grid(f"own {task.shot}-shot, {episode.name}", folds)
                rows[OF_EPISODE], rows[OF_SHOT] = episode.name, task.shot
                parts.append(rows)
    return joined(*parts) if parts else pd.DataFrame(columns=[OF_EPISODE, OF_SHOT])


def choose_own(rows: pd.DataFrame, task: Task, rule: str) -> pd.DataFrame:
    """Choose anew for each test episode of a task, on the folds of its support.

    Parameters
    ----------
    rows : DataFrame
        Of :func:`run_folds`.
    task : Task
    rule : str

    Returns
    -------
    DataFrame
        As of :func:`choose`, with ``episode``; no rows at one image a class.
    """
    # Folds have fewer shots than the task that settings are chosen for.
    mine = rows[rows[OF_SHOT] == task.shot].assign(shot=task.shot)
    parts = [
        choose(some, rule).assign(episode=name)
        for name, some in mine.groupby(OF_EPISODE, sort=False)
    ]
    return joined(*parts) if parts else mine.head(0)

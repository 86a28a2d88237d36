"""Which settings each regime takes: from no label of the target, a few, or many.

Every regime chooses by the same rules, :func:`kshot_viz.study.settings.choice.choose`, from rows of
its own: those of other tasks, of a few small tuning episodes, or of all tuning episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kshot_viz.checks import check, whole
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import unknown_name
from kshot_viz.evaluate.rows import class_mean
from kshot_viz.study.settings.choice import METHOD, SETTING, choose, collapsed
from kshot_viz.study.task import TASK, Task

if TYPE_CHECKING:
    import pandas as pd

# From the fewest labels of the target to the most.
REGIMES = ("blind", "own", "few", "many")
# Names a setting in every task, see TuningGrid.across, and the number of steps.
ACROSS = ["across", "steps"]
# What the settings of a task are beside their names, which may differ from network to network.
_OWN = ["setting", "tuned", "step_size", "lr", "head_lr"]
CHOSEN = [*METHOD, "regime", "rule", "episode", *SETTING, "tuned", "step_size", "lr", "head_lr"]
CHOSEN += ["val_accuracy", "n_val", "collapsed", "margin", "labels"]


@dataclass(frozen=True)
class Few:
    """How small the validation episodes of the regime ``"few"`` are.

    Attributes
    ----------
    episodes : int
        The first of the tuning episodes.
    queries : int
        The first query images of each class.
    """

    episodes: int = 3
    queries: int = 3

    def __post_init__(self) -> None:
        check("episodes", self.episodes, whole(1))
        check("queries", self.queries, whole(1))


def known_regimes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of regimes; one that does not exist is a KShotKeyError."""
    for one in names:
        if one not in REGIMES:
            raise unknown_name("regimes", one, REGIMES)
    return tuple(names)


def choose_many(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Choose on all tuning episodes of a task."""
    return choose(rows, rule)


def choose_few(
    rows: pd.DataFrame, episodes: Sequence[Episode], rule: str, size: Few
) -> pd.DataFrame:
    """Choose on a few tuning episodes of a task, on fewer queries of each.

    Parameters
    ----------
    rows : DataFrame
        Of all tuning episodes of one task, with ``predicted``.
    episodes : sequence of Episode
        These tuning episodes, in their order.
    rule : str
    size : Few
    """
    kept = {one.name: _first_queries(one, size.queries) for one in episodes[: size.episodes]}
    some = rows[rows["episode"].isin(kept)]
    columns = zip(some["predicted"], some["way"], some["episode"], strict=True)
    accuracy = [_accuracy(predicted, way, *kept[name]) for predicted, way, name in columns]
    n = some["episode"].map({name: len(targets) for name, (_, targets) in kept.items()})
    return choose(some.assign(accuracy=accuracy, n_query=n), rule)


def few_images(episodes: Sequence[Episode], size: Few) -> set[int]:
    """Return the labelled images that the regime ``"few"`` uses."""
    used: set[int] = set()
    for one in episodes[: size.episodes]:
        used |= {*one.support, *np.array(one.query)[_first_queries(one, size.queries)[0]].tolist()}
    return used


def choose_blind(
    own: pd.DataFrame, others: Mapping[Task, pd.DataFrame], task: Task, rule: str
) -> pd.DataFrame:
    """Choose on the tuning episodes of other tasks: no label of the target is used.

    Each of them counts as one episode: a setting has its mean accuracy there, and collapsed where a
    run of it did. Those with as many shots are taken, where there are any.

    Parameters
    ----------
    own : DataFrame
        Tuning rows of the task, with ``across``, see :meth:`TuningGrid.across`: what it may run.
        Their accuracies are not used.
    others : mapping of Task to DataFrame
        Tuning rows of the tasks on other images.
    task : Task
    rule : str

    Returns
    -------
    DataFrame
        As of :func:`choose`, without rows where there is no other task; ``setting`` is that of the
        task.
    """
    import pandas as pd

    same = [one for one in others if one.shot == task.shot] or list(others)
    if not same:
        return own.head(0)
    stacked = pd.concat([_as_episode(others[one], one) for one in same], ignore_index=True)
    # What is chosen must be among what the task itself may run.
    known = own.drop_duplicates(["method", *ACROSS])[["method", *ACROSS, *_OWN]]
    stacked = stacked.merge(known, on=["method", *ACROSS], how="inner")
    here = {name: getattr(task, name) for name in TASK}
    # What collapsed is told by its status: the rows of one method need one number of classes.
    most = max(one.way for one in [task, *same])
    return choose(stacked.assign(**here | {"way": most}), rule).assign(way=task.way)


def _as_episode(rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return one row for every setting of a task's tuning rows, as if the task were an episode."""
    groups = rows.assign(fell=collapsed(rows)).groupby(["method", *ACROSS], sort=False)
    found = groups.agg(
        accuracy=("accuracy", "mean"),
        n_query=("n_query", "sum"),
        fell=("fell", "any"),
    ).reset_index()
    status = np.where(found["fell"], "collapsed", "ok")
    return found.assign(status=status, episode=" ".join(map(str, astuple(task))))


def _first_queries(episode: Episode, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the first queries of each class, and their targets."""
    counts = np.array(episode.query_counts)
    targets = np.repeat(np.arange(episode.way), counts)
    within = np.arange(len(targets)) - np.repeat(counts.cumsum() - counts, counts)
    kept = np.flatnonzero(within < most)
    return kept, targets[kept]


def _accuracy(predicted: Sequence[int], way: int, kept: np.ndarray, targets: np.ndarray) -> Any:
    if not len(predicted):
        # It diverged, which counts as chance.
        return 1.0 / way
    hits = np.asarray(predicted)[kept] == targets
    return class_mean(torch.from_numpy(hits.astype(float)), torch.from_numpy(targets))

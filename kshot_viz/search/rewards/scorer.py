"""Scores of candidates on the tasks of a reward, where weak ones may end early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.evaluate.evaluate import bind, evaluate
from kshot_viz.evaluate.executors import at_once
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.search.rewards.reward import Reward

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


PRUNING = (None, "halving")
# Shares of the tasks after which the worse half of a batch ends.
RUNGS = (0.25, 0.5)


@dataclass(frozen=True)
class Score:
    """Reward and cost of a candidate.

    Attributes
    ----------
    reward : float
        Mean accuracy over all tasks, or an estimate of it for one that ended early.
    tasks : int
        Tasks it ran.
    cost : float
        Share of a full evaluation.
    steps : int
        Gradient steps taken.
    status : {"complete", "pruned", "cached"}
    """

    reward: float
    tasks: int
    cost: float
    steps: int
    status: str


def unseen(evaluations: float) -> None:
    """Look at no progress."""


class Scorer:
    """Scores batches of candidates on the tasks of a reward.

    Parameters
    ----------
    backbone : Backbone
    reward : Reward
    prune : {None, "halving"}
        ``"halving"`` ends the worse half of a batch after a quarter of the tasks, and the worse
        half of the rest after half of them (successive halving; Jamieson & Talwalkar, 2016). The
        reward of one that ended is its mean, corrected by how much harder or easier the remaining
        tasks were for those that ran them.
    seed : int
    options : mapping
        Passed on to :func:`kshot_viz.evaluate`: executor, workers, device.
    """

    def __init__(
        self,
        backbone: Backbone,
        reward: Reward,
        *,
        prune: str | None,
        seed: int,
        options: Mapping[str, Any],
    ) -> None:
        if prune not in PRUNING:
            raise unknown_name("prune", prune, PRUNING)
        self._backbone, self._reward, self._prune = backbone, reward, prune
        self._seed, self._options = seed, dict(options)
        self._cluster_cache = GroupingRule.clustering_cache(backbone, reward.source, seed)

    def __call__(
        self, candidates: Sequence[Candidate], moved: Callable[[float], object] = unseen
    ) -> list[Score]:
        """Score a batch of distinct candidates.

        ``moved`` takes, in this thread, the full evaluations done so far whenever some runs end.
        """
        if not candidates:
            return []
        bound = self._bound(candidates)
        tasks = len(self._reward.episodes)
        table = np.full((len(bound), tasks), np.nan)
        alive = np.arange(len(bound))
        for first, last in self._stages():
            before = int(np.isfinite(table).sum())
            table[alive, first:last] = self._accuracies(
                [bound[index] for index in alive],
                self._reward.episodes[first:last],
                partial(_moved, moved, before, tasks),
            )
            if last < tasks:
                alive = _better_half(table[:, :last], alive)
        return [
            self._score(table, row, candidate.config.steps) for row, candidate in enumerate(bound)
        ]

    def check(self, budget: float, batch_size: int) -> None:
        """Raise a KShotValueError unless the budget suffices: with pruning, for a whole batch."""
        least = self.cost(batch_size) if self.prunes else 0.0
        if not budget > 0:
            raise KShotValueError(f"`budget` must be > 0 full evaluations; not {budget!r}.")
        if budget < least:
            raise KShotValueError(
                f"`budget` must suffice for a batch of {batch_size} candidates, which takes up to "
                f"{least:g} full evaluations; not {budget:g}."
            )

    @property
    def prunes(self) -> bool:
        """Whether weak candidates of a batch end early."""
        return self._prune is not None

    @property
    def tasks(self) -> int:
        """Tasks of a full evaluation."""
        return len(self._reward.episodes)

    def seconds(self, candidates: Sequence[Candidate]) -> float:
        """Return the seconds of a full evaluation, as candidates take on the first task."""
        rows = self._rows(self._bound(candidates), self._reward.episodes[:1])
        jobs = rows["job"].nunique() * self.tasks
        workers = at_once(self._options["executor"], self._options["workers"])
        return float(rows["seconds"].mean()) * self.tasks / min(workers, jobs)

    def cost(self, candidates: int) -> float:
        """Return the cost of a batch of so many candidates, in full evaluations."""
        alive, runs = candidates, 0
        for first, last in self._stages():
            runs += alive * (last - first)
            alive = -(-alive // 2)
        return runs / len(self._reward.episodes)

    def _stages(self) -> list[tuple[int, int]]:
        """Return the first and last task of each stage."""
        tasks = len(self._reward.episodes)
        cuts = [round(share * tasks) for share in RUNGS] if self._prune else []
        ends = sorted({cut for cut in cuts if 0 < cut < tasks} | {tasks})
        return list(zip([0, *ends], ends, strict=False))

    def _bound(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        return bind(self._backbone, candidates, None, self._seed, self._cluster_cache)

    def _accuracies(
        self,
        bound: Sequence[Candidate],
        episodes: Sequence[Episode],
        watch: Callable[[int, int], object],
    ) -> np.ndarray:
        """Return accuracies, shape (candidates, tasks)."""
        rows = self._rows(bound, episodes, watch)
        return rows["accuracy"].to_numpy().reshape(len(episodes), len(bound)).T

    def _rows(
        self,
        bound: Sequence[Candidate],
        episodes: Sequence[Episode],
        watch: Callable[[int, int], object] | None = None,
    ) -> pd.DataFrame:
        return evaluate(
            self._backbone,
            self._reward.data,
            episodes,
            bound,
            seed=self._seed,
            watch=watch,
            **self._options,
        )

    def _score(self, table: np.ndarray, row: int, steps: int) -> Score:
        ran = np.isfinite(table[row])
        whole = np.isfinite(table).all(axis=1)
        reward = table[row, ran].mean()
        if not ran.all():
            # The accuracies of those that ran all tasks show how hard the rest was.
            reward += table[whole].mean() - table[np.ix_(whole, ran)].mean()
        done = int(ran.sum())
        return Score(
            reward=float(np.clip(reward, 0.0, 1.0)),
            tasks=done,
            cost=done / table.shape[1],
            steps=done * steps,
            status="complete" if ran.all() else "pruned",
        )


def _better_half(table: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Keep the better half, at least one; of equal ones the earlier."""
    order = np.argsort(-table[alive].mean(axis=1), kind="stable")
    return np.sort(alive[order[: -(-len(alive) // 2)]])


def _moved(
    moved: Callable[[float], object], before: int, tasks: int, done: int, total: int
) -> None:
    """Report full evaluations, where ``evaluate`` tells the runs of one stage."""
    moved((before + done) / tasks)

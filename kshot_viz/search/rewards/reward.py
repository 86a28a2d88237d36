"""The reward of a search: mean accuracy on small tasks without a query image of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.evaluate.evaluate import bind, evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.records import record_digest

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


# Source images that form groups, at most.
FORMING = 200


@dataclass(frozen=True, eq=False)
class Reward:
    """Tasks whose mean accuracy is the reward, the same ones for every candidate.

    Attributes
    ----------
    name : str
        The protocol.
    data : ImageDataset
        The images of these tasks and no others.
    episodes : tuple of Episode
    source : ImageDataset or None
        Images that may form groups; none of them is a query of a task.
    target_labels : int
        Labels of the target domain that were used beyond the k of each class.
    note : str
        One sentence about the labels that were used.
    """

    name: str
    data: ImageDataset
    episodes: tuple[Episode, ...]
    source: ImageDataset | None = None
    target_labels: int = 0
    note: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.episodes:
            raise KShotValueError("A reward needs at least one episode.")
        queries = {self.data.digests[i] for one in self.episodes for i in one.query}
        if self.source is not None and queries & set(self.source.digests):
            raise KShotValueError("Images that form groups may not be queries of the reward.")

    @property
    def key(self) -> str:
        """A short digest of the tasks and of what forms the groups."""
        source = None if self.source is None else self.source.fingerprint
        record = [self.name, self.data.fingerprint, source, [e.to_dict() for e in self.episodes]]
        return record_digest(record)

    def to_dict(self) -> dict[str, Any]:
        """Return a summary of the protocol, printed and stored; plain JSON values."""
        first = self.episodes[0]
        return {
            "name": self.name,
            "key": self.key,
            "data": self.data.name,
            "episodes": len(self.episodes),
            "way": first.way,
            "shot": first.shot,
            "queries": len(first.query),
            "target_labels": self.target_labels,
            "note": self.note,
            **self.settings,
        }

    def __repr__(self) -> str:
        first = self.episodes[0]
        most = "at most " if any(one.queries_by_class for one in self.episodes) else ""
        return (
            f"Reward({self.name!r}: {len(self.episodes)} tasks of {self.data.name!r}, "
            f"{first.way}-way {first.shot}-shot, {most}{first.query_per_class} queries a class; "
            f"{self.target_labels} target labels beyond the k. {self.note})"
        )


def renumbered(
    data: ImageDataset, episodes: Sequence[Episode]
) -> tuple[ImageDataset, tuple[Episode, ...]]:
    """Return the images of some episodes as a set of their own, and the episodes on it."""
    used = sorted({i for one in episodes for i in (*one.support, *one.query)})
    position = {image: index for index, image in enumerate(used)}
    kept = data.take(np.asarray(used))
    made = tuple(
        replace(
            one,
            support=tuple(position[i] for i in one.support),
            query=tuple(position[i] for i in one.query),
            fingerprint=kept.fingerprint,
        )
        for one in episodes
    )
    return kept, made


def forming(
    source: ImageDataset | None, excluded: ImageDataset, n: int = FORMING
) -> ImageDataset | None:
    """Return at most ``n`` distinct source images that are not in ``excluded``, evenly spread."""
    if source is None:
        return None
    known = set(excluded.digests)
    first: dict[str, int] = {}
    for index, digest in enumerate(source.digests):
        if digest not in known:
            first.setdefault(digest, index)
    free = np.fromiter(first.values(), dtype=np.int64)
    if not free.size:
        return None
    return source.take(
        free[np.unique(np.linspace(0, free.size - 1, min(n, free.size)).astype(int))]
    )


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

    def __call__(self, candidates: Sequence[Candidate]) -> list[Score]:
        """Score a batch of distinct candidates."""
        if not candidates:
            return []
        bound = bind(self._backbone, candidates, None, self._seed, self._cluster_cache)
        tasks = len(self._reward.episodes)
        table = np.full((len(bound), tasks), np.nan)
        alive = np.arange(len(bound))
        for first, last in self._stages():
            table[alive, first:last] = self._accuracies(bound, alive, first, last)
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

    def _accuracies(
        self, bound: Sequence[Candidate], alive: np.ndarray, first: int, last: int
    ) -> np.ndarray:
        """Return accuracies, shape (candidates alive, tasks)."""
        episodes = self._reward.episodes[first:last]
        rows: pd.DataFrame = evaluate(
            self._backbone,
            self._reward.data,
            episodes,
            [bound[index] for index in alive],
            seed=self._seed,
            **self._options,
        )
        return rows["accuracy"].to_numpy().reshape(len(episodes), len(alive)).T

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

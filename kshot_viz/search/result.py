"""The result of a search: its rollouts, its best candidate, and scores on fresh tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, without_queries
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.spaces.base import Space
from kshot_viz.stats import bootstrap_mean
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone

# Rollouts in a moving average of rewards.
MOVING = 20


@dataclass(frozen=True)
class Rollout:
    """One finished trial.

    Attributes
    ----------
    number : int
    parameters : mapping
    reward : float
    record : mapping
        Everything else that is stored of it; plain JSON values.
    """

    number: int
    parameters: Mapping[str, Any]
    reward: float
    record: Mapping[str, Any]


def batches(rollouts: Sequence[Rollout], size: int) -> list[list[Rollout]]:
    """Cut rollouts into batches; the last one may be incomplete."""
    found: dict[int, list[Rollout]] = {}
    for one in rollouts:
        found.setdefault(one.number // size, []).append(one)
    return [found[number] for number in sorted(found)]


def history_frame(rollouts: Sequence[Rollout], manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a rollout.

    Returns
    -------
    DataFrame
        ``rollout, batch, reward, best`` (so far, of those that ran all tasks), ``mean`` (moving
        average of the last 20), ``spent`` (budget so far), ``cost, steps, tasks, status, candidate,
        log_probability`` (of all that was chosen), ``advantage, entropy, gradient_norm`` and every
        parameter. Columns without a value for a sampler are NaN.
    """
    import pandas as pd

    names = ["reward", "cost", "steps", "tasks", "status", "candidate"]
    learned = ["log_probability", "advantage", "entropy", "gradient_norm"]
    size = int(manifest["batch_size"])
    updates = {
        one.number // size: one.record["update"] for one in rollouts if "update" in one.record
    }
    rows = [
        {
            "rollout": one.number,
            "batch": one.number // size,
            **{name: ({**one.record, "reward": one.reward}).get(name) for name in names},
            **_learned(updates.get(one.number // size), one.number % size),
            **one.parameters,
        }
        for one in rollouts
    ]
    searched = list(rollouts[0].parameters) if rollouts else []
    frame = pd.DataFrame(rows, columns=["rollout", "batch", *names, *learned, *searched])
    frame[learned] = frame[learned].astype(float)
    whole = frame["tasks"] == manifest["reward"]["episodes"]
    frame.insert(3, "best", frame["reward"].where(whole).cummax().ffill())
    frame.insert(4, "mean", frame["reward"].rolling(MOVING, min_periods=1).mean())
    frame.insert(5, "spent", frame["cost"].cumsum())
    return frame


def policy_frame(rollouts: Sequence[Rollout], space: Space) -> pd.DataFrame:
    """Return the probability of each value of each parameter, batch by batch.

    Returns
    -------
    DataFrame
        ``batch, parameter, value, probability``; empty for samplers without a policy.
    """
    import pandas as pd

    values = space.values
    rows = [
        [batch, parameter, str(value), probability]
        for batch, policy in enumerate(
            one.record["update"]["policy"] for one in rollouts if "update" in one.record
        )
        for parameter, shares in policy.items()
        for value, probability in zip(values[parameter], shares, strict=True)
    ]
    return pd.DataFrame(rows, columns=["batch", "parameter", "value", "probability"])


def _learned(update: Mapping[str, Any] | None, index: int) -> dict[str, float]:
    """Return the controller's columns of one rollout of a batch."""
    if update is None:
        return {}
    return {
        "log_probability": sum(map(math.log, update["probabilities"][index].values())),
        "advantage": update["advantages"][index],
        "entropy": update["entropy"],
        "gradient_norm": update["gradient_norm"],
    }


@dataclass(frozen=True, eq=False)
class SearchResult:
    """All rollouts of a search.

    Attributes
    ----------
    rollouts : tuple of Rollout
    space : GroupSpace or AssignmentSpace
    manifest : mapping
        The settings of the search, its network and its reward; plain JSON values.
    """

    rollouts: tuple[Rollout, ...]
    space: Space
    manifest: Mapping[str, Any]
    backbone: Backbone | None = field(default=None, repr=False)
    reward: Reward | None = field(default=None, repr=False)

    @property
    def history(self) -> pd.DataFrame:
        """One row a rollout; see :func:`kshot_viz.search.result.history_frame`."""
        return history_frame(self.rollouts, self.manifest)

    @property
    def policy(self) -> pd.DataFrame:
        """Probability of each value in each batch: ``batch, parameter, value, probability``."""
        return policy_frame(self.rollouts, self.space)

    def top(self, n: int = 10) -> list[Rollout]:
        """Return the best distinct candidates that ran all tasks, best first."""
        tasks = self.manifest["reward"]["episodes"]
        ranked = sorted(
            (
                one
                for one in self.rollouts
                if one.record["status"] != "cached" and one.record["tasks"] == tasks
            ),
            key=lambda one: (-one.reward, one.number),
        )
        return ranked[:n]

    @property
    def best_rollout(self) -> Rollout:
        """The rollout with the highest reward."""
        best = self.top(1)
        if not best:
            raise KShotValueError("The search has no finished rollout yet.")
        return best[0]

    @property
    def best(self) -> Candidate:
        """The best candidate: its grouping, or a rule that makes one, and its settings."""
        return self.space.candidate(self.best_rollout.parameters)

    def grouping(self, support: Any = None, *, name: str = "support") -> Grouping | None:
        """Return the best grouping for some k-shot images; None where nothing is grouped.

        Parameters
        ----------
        support : image batch, optional
            Needed where the support forms the groups of a layer.
        name : str
            Name of the episode; seeds are derived from it.
        """
        rule = self.best.grouping
        if not isinstance(rule, GroupingRule):
            return rule
        backbone, reward = self._parts()
        seed = int(self.manifest["seed"])
        bound = rule.bind(backbone, source=reward.source, seed=seed)
        if isinstance(bound, Grouping):
            return bound
        return bound.in_episode(backbone, support, name=name, seed=seed)

    def rescore(
        self,
        episodes: Sequence[Episode],
        data: ImageDataset | None = None,
        *,
        top: int = 1,
        executor: str = "serial",
        workers: int | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Score the best candidates on fresh tasks.

        The best of many is lucky in part: its reward shrinks on tasks that did not choose it. Of
        the images that formed groups in the search, queries of the fresh tasks are left out.

        Parameters
        ----------
        episodes : sequence of Episode
        data : ImageDataset, optional
            What they were drawn from.
        top : int
            Number of candidates.
        executor, workers, progress
            As in :func:`kshot_viz.evaluate`.

        Returns
        -------
        DataFrame
            ``rollout, reward, accuracy, low, high, n, shrinkage``: 95 % interval over tasks, and
            the reward minus the fresh accuracy.
        """
        import pandas as pd

        backbone, reward = self._parts()
        target = reward.data if data is None else data
        source = reward.source
        if source is not None:
            source = without_queries(source, target, episodes)
        chosen = self.top(top)
        candidates = [self.space.candidate(one.parameters) for one in chosen]
        rows = evaluate(
            backbone,
            target,
            episodes,
            candidates,
            source=source,
            seed=int(self.manifest["seed"]),
            executor=executor,
            workers=workers,
            progress=progress,
        )
        table = rows["accuracy"].to_numpy().reshape(len(episodes), len(chosen))
        found = []
        for fresh, one in zip(table.T, chosen, strict=True):
            known = bootstrap_mean(fresh)
            row = [one.number, one.reward, known.mean, known.low, known.high, known.n]
            found.append([*row, one.reward - known.mean])
        names = ["rollout", "reward", "accuracy", "low", "high", "n", "shrinkage"]
        return pd.DataFrame(found, columns=names)

    def _parts(self) -> tuple[Backbone, Reward]:
        if self.backbone is None or self.reward is None:
            raise KShotValueError(
                "This result was read from storage: give the search's network and reward to "
                "`with_parts(backbone, reward)` first."
            )
        return self.backbone, self.reward

    def with_parts(self, backbone: Backbone, reward: Reward) -> SearchResult:
        """Return the result with the network and the reward it was searched with."""
        if reward.key != self.manifest["reward"]["key"]:
            raise KShotValueError("This is another reward than the search's.")
        return SearchResult(self.rollouts, self.space, self.manifest, backbone, reward)

    def __repr__(self) -> str:
        if not self.rollouts:
            return "SearchResult without rollouts"
        best = self.best_rollout
        return (
            f"SearchResult of {counted(len(self.rollouts), 'rollout')} by "
            f"{self.manifest['sampler']!r}: best reward {best.reward:.3f} (rollout {best.number}), "
            f"{self.history['spent'].iloc[-1]:.0f} of {self.manifest['budget']:g} evaluations spent"
        )

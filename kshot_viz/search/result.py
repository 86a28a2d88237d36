"""The result of a search: its rollouts, its best candidate, and scores on fresh tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, without_queries
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import bind, evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.rollouts import Rollout, history_frame, policy_frame
from kshot_viz.search.spaces.base import Space
from kshot_viz.stats import bootstrap_mean
from kshot_viz.text import counted, html_details, html_table, minutes_text

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


# Candidates that a notebook shows.
_SHOWN = 5


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
        """One row a rollout; see :func:`kshot_viz.search.rollouts.history_frame`."""
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

    def bound(self) -> Candidate:
        """Return the best candidate with the groups that are the same in every task.

        Groups from source images and from weights are made already, so the candidate needs neither
        the source nor the seed of the search: it is the one that was rewarded.

        Raises
        ------
        KShotValueError
            If the network and the reward of the search are not known.
        """
        backbone, reward = self._parts()
        return bind(backbone, [self.best], reward.source, int(self.manifest["seed"]))[0]

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
        if isinstance(rule, GroupingRule):
            rule = self.bound().grouping
        if not isinstance(rule, GroupingRule):
            return rule
        seed = int(self.manifest["seed"])
        return rule.in_episode(self._parts()[0], support, name=name, seed=seed)

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
            f"{self._left_out}"
        )

    @property
    def _left_out(self) -> str:
        omitted = self.manifest.get("left_out")
        if not omitted:
            return ""
        return f"; to fit into {minutes_text(self.manifest['budget_minutes'])}, only {omitted}"

    def _repr_html_(self) -> str:
        found = [(one, self.space.candidate(one.parameters)) for one in self.top(_SHOWN)]
        rows = [
            (one.number, f"{one.reward:.3f}", candidate.groups, candidate.config.summary)
            for one, candidate in found
        ]
        table = html_table(("rollout", "reward", "groups", "settings"), rows)
        note = (
            "The best of many is lucky in part: .rescore(episodes, data) scores it on fresh tasks."
        )
        return html_details(repr(self), table + f"<p>{note}</p>" if rows else "")

"""Batch after batch: propose, score, learn, write down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.search.controller.sampler import ReinforceSampler
from kshot_viz.search.proposals import Proposals
from kshot_viz.search.rewards.score import Score, Scorer
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.storage.ledger import Ledger, Rollout, batches

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from kshot_viz.search.controller.reinforce import Update

# A search whose last batches held nothing new has converged.
REPEATS = 10


@dataclass(frozen=True)
class Plan:
    """What decides the history of a search, apart from the rewards."""

    space: Space
    budget: float
    batch_size: int
    first: Sequence[Mapping[str, Any]]
    sampler: str | BaseSampler
    seed: int


class Engine:
    """A search between two batches; made anew from the ledger whenever it goes on.

    Batch b is a function of the seed, b, and the rollouts of the batches before it. Whatever was
    not written down when a search ended comes out the same when it goes on.
    """

    def __init__(
        self, plan: Plan, scorer: Scorer, ledger: Ledger, controller: ReinforceSampler | None
    ) -> None:
        self._plan, self._scorer, self._ledger = plan, scorer, ledger
        self._distributions = plan.space.distributions()
        self._proposals = Proposals(plan.sampler, controller, self._distributions, plan.seed)
        self._written = {one.number: one for one in ledger.rollouts()}
        self._known: dict[str, Score] = {}
        self._batch, self._repeats, self._cut = 0, 0, False
        self.spent = 0.0
        for batch in batches(list(self._written.values()), plan.batch_size):
            if len(batch) == plan.batch_size:
                self._count(batch)
                self._proposals.restore(batch)

    @property
    def ended(self) -> str:
        """Why there is no next batch; empty where there is one."""
        if self._cut or self._plan.budget - self.spent < self._scorer.cost(1) - 1e-9:
            return "the budget is spent"
        if self._proposals.exhausted:
            return "the sampler has proposed everything"
        if self._repeats >= REPEATS:
            return f"nothing new in {REPEATS} batches"
        return ""

    def step(self) -> dict[str, Any] | None:
        """Run one batch, and say how it went; None where the budget does not suffice for it."""
        first = self._batch * self._plan.batch_size
        proposed = self._proposals.ask(self._batch, self._plan.batch_size, self._plan.first[first:])
        candidates = [self._plan.space.candidate(one) for one in proposed]
        affordable = self._affordable(candidates)
        # Whoever goes on with a larger budget runs the rest of the batch.
        self._cut = affordable < len(candidates)
        if not affordable:
            return None
        scores = self._scores(first, candidates[:affordable])
        update = self._proposals.tell([score.reward for score in scores])
        rollouts = [
            Rollout(first + place, proposed[place], score.reward, record)
            for place, (score, record) in enumerate(
                zip(scores, _records(candidates, scores, update), strict=True)
            )
        ]
        for one in rollouts:
            if one.number not in self._written:
                self._ledger.add(one, self._distributions)
                self._written[one.number] = one
        self._count(rollouts)
        return self._told(rollouts, update)

    def _affordable(self, candidates: Sequence[Candidate]) -> int:
        """Return how many of a batch the rest of the budget suffices for."""
        left = self._plan.budget - self.spent + 1e-9
        new: set[str] = set()
        for place, one in enumerate(candidates):
            new |= {one.key} - set(self._known)
            if self._scorer.cost(len(new)) > left:
                # Where candidates end each other, part of a batch would score other than all of it.
                return 0 if self._scorer.prunes else place
        return len(candidates)

    def _scores(self, first: int, candidates: Sequence[Candidate]) -> list[Score]:
        """Score a batch; what was tried or written down before is not computed again."""
        written = [self._written.get(first + place) for place in range(len(candidates))]
        if all(one is not None for one in written):
            return [Score.from_dict({**one.record, "reward": one.reward}) for one in written if one]
        distinct = {one.key: one for one in candidates if one.key not in self._known}
        new = dict(zip(distinct, self._scorer(list(distinct.values())), strict=True))
        scores = []
        for one in candidates:
            found = new.pop(one.key, None)
            if found is None:
                found = replace(self._known[one.key], cost=0.0, steps=0, status="cached")
            else:
                self._known[one.key] = found
            scores.append(found)
        return scores

    def _count(self, rollouts: Sequence[Rollout]) -> None:
        """Add finished rollouts to what is known and spent."""
        self._batch += 1
        self.spent += sum(one.record["cost"] for one in rollouts)
        fresh = [one for one in rollouts if one.record["status"] != "cached"]
        self._repeats = 0 if fresh else self._repeats + 1
        for one in fresh:
            score = Score.from_dict({**one.record, "reward": one.reward})
            self._known.setdefault(one.record["candidate"], score)

    def _told(self, rollouts: Sequence[Rollout], update: Update | None) -> dict[str, Any]:
        rewards = [one.reward for one in rollouts]
        return {
            "batch": self._batch - 1,
            "rollouts": len(self._written),
            "spent": self.spent,
            "budget": self._plan.budget,
            "reward": sum(rewards) / len(rewards) if rewards else math.nan,
            "best": max(
                (one.reward for one in self._known.values() if one.status == "complete"),
                default=math.nan,
            ),
            "entropy": math.nan if update is None else update.entropy,
        }


def _records(
    candidates: Sequence[Candidate], scores: Sequence[Score], update: Update | None
) -> list[dict[str, Any]]:
    """Return what is kept of each rollout; the last one of a batch keeps what all of it taught."""
    records: list[dict[str, Any]] = [
        {**score.to_dict(), "candidate": one.key}
        for one, score in zip(candidates, scores, strict=False)
    ]
    for record in records:
        del record["reward"]
    if update is not None:
        records[-1]["update"] = update.to_dict()
    return records

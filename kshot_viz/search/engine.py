"""The batches of a search: propose, score, learn and store."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.search.controller.sampler import ReinforceSampler
from kshot_viz.search.rewards.scorer import Score, Scorer, unseen
from kshot_viz.search.rollouts import Rollout, batches
from kshot_viz.search.settings import SearchSettings
from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.search.storage.storages import quiet
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

    from kshot_viz.search.controller.reinforce import Update

_log = logging.getLogger(__name__)
# A search has converged when so many batches in a row held no new candidate.
REPEATS = 10
# Fields of a score that are stored with a rollout, beside its reward.
STORED = ("tasks", "cost", "steps", "status")


class Proposals:
    """A sampler with a study in memory that holds the finished rollouts and nothing else.

    Proposing writes nothing to a disk, and a search that goes on fills the study again from its
    ledger. Random search and TPE get a new seed by name in each batch, so their proposals depend on
    the seed, the batch and the rollouts before it alone.

    Parameters
    ----------
    sampler : str or BaseSampler
        ``"random"``, ``"tpe"``, or any other sampler as it is.
    distributions : mapping
    seed : int
    """

    def __init__(
        self,
        sampler: str | BaseSampler,
        distributions: Mapping[str, BaseDistribution],
        seed: int,
    ) -> None:
        self._distributions, self._seed = dict(distributions), seed
        self._name = sampler if isinstance(sampler, str) else ""
        first = sampler if isinstance(sampler, BaseSampler) else self._make(0)
        with quiet():
            self._study = optuna.create_study(direction="maximize", sampler=first)
        self._reinforce = first if isinstance(first, ReinforceSampler) else None
        self._trials: list[Trial] = []
        # Some samplers (a grid, say) report that they have proposed everything.
        self.exhausted = False

    def restore(self, rollouts: Sequence[Rollout]) -> None:
        """Add finished rollouts, in order."""
        for one in rollouts:
            self._study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=one.reward,
                    params={name: one.parameters[name] for name in self._distributions},
                    distributions=self._distributions,
                )
            )

    def ask(
        self, batch: int, size: int, first: Sequence[Mapping[str, Any]] = ()
    ) -> list[dict[str, Any]]:
        """Return the parameters of a batch; ``first`` replaces its first proposals."""
        if self._name:
            self._study.sampler = self._make(batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._trials = []
            for index in range(size):
                if index < len(first):
                    given = {name: first[index][name] for name in self._distributions}
                    self._study.enqueue_trial(given)
                self._trials.append(self._study.ask(self._distributions))
        return [dict(trial.params) for trial in self._trials]

    def tell(self, rewards: Sequence[float]) -> Update | None:
        """Report the rewards of the batch, or of its first ones; return the controller's update."""
        known = len(self._reinforce.updates(self._study)) if self._reinforce else 0
        for trial, reward in zip(self._trials, rewards, strict=False):
            try:
                self._study.tell(trial, reward)
            except RuntimeError as error:
                # The reward is stored all the same; only there is no loop of Optuna's to stop.
                if "Study.stop" not in str(error):
                    raise
                self.exhausted = True
        updates = self._reinforce.updates(self._study) if self._reinforce else []
        return updates[known] if len(updates) > known else None

    def _make(self, batch: int) -> BaseSampler:
        made = {"random": RandomSampler, "tpe": TPESampler}[self._name]
        return made(seed=child_seed(self._seed, self._name, batch) % 2**32)


class Engine:
    """Runs a search batch by batch; rebuilt from the ledger whenever the search goes on.

    Batch b is a function of the seed, b, and the rollouts of the batches before it. Rollouts that
    were not stored when a search ended are the same when it goes on.
    """

    def __init__(
        self,
        settings: SearchSettings,
        scorer: Scorer,
        ledger: Ledger,
        controller: ReinforceSampler | None,
    ) -> None:
        self._settings, self._scorer, self._ledger = settings, scorer, ledger
        self._distributions = settings.space.distributions()
        self._proposals = Proposals(
            controller or settings.sampler, self._distributions, settings.seed
        )
        self._stored = {one.number: one for one in ledger.rollouts()}
        self._known: dict[str, Score] = {}
        self._batch, self._repeats, self._cut = 0, 0, False
        self.spent = 0.0
        if self._stored:
            _log.info("the search goes on from %d stored rollouts", len(self._stored))
        for batch in batches(list(self._stored.values()), settings.batch_size):
            if len(batch) == settings.batch_size:
                self._count(batch, [settings.space.candidate(one.parameters) for one in batch])
                self._proposals.restore(batch)

    @property
    def ended(self) -> str:
        """Why there is no next batch; empty where there is one."""
        if self._cut or self._settings.budget - self.spent < self._scorer.cost(1) - 1e-9:
            return "the budget is spent"
        if self._proposals.exhausted:
            return "the sampler has proposed everything"
        if self._repeats >= REPEATS:
            return f"nothing new in {REPEATS} batches"
        return ""

    def step(self, moved: Callable[[float], object] = unseen) -> dict[str, Any] | None:
        """Run one batch, and return its summary; None where the budget does not suffice for it.

        ``moved`` takes the full evaluations of the batch done so far, whenever some runs end.
        """
        first = self._batch * self._settings.batch_size
        settings = self._settings
        proposed = self._proposals.ask(self._batch, settings.batch_size, settings.first[first:])
        candidates = [settings.space.candidate(one) for one in proposed]
        affordable = self._affordable(candidates)
        # A search that goes on with a larger budget runs the rest of the batch.
        self._cut = affordable < len(candidates)
        if not affordable:
            return None
        scores = self._scores(first, candidates[:affordable], moved)
        update = self._proposals.tell([score.reward for score in scores])
        rollouts = [
            Rollout(first + index, proposed[index], score.reward, record)
            for index, (score, record) in enumerate(
                zip(scores, _records(candidates, scores, update), strict=True)
            )
        ]
        for one in rollouts:
            if one.number not in self._stored:
                self._ledger.add(one, self._distributions)
                self._stored[one.number] = one
        self._count(rollouts, candidates)
        summary = self._summary(rollouts, update)
        cached = sum(one.record["status"] == "cached" for one in rollouts)
        known = "batch %d: mean reward %.3f, %d of %d candidates were known, %.1f of %g evaluations"
        spent = (self.spent, settings.budget)
        _log.info(known, self._batch - 1, summary["reward"], cached, len(rollouts), *spent)
        return summary

    def _affordable(self, candidates: Sequence[Candidate]) -> int:
        """Return how many of a batch the rest of the budget suffices for."""
        left = self._settings.budget - self.spent + 1e-9
        new: set[str] = set()
        for index, one in enumerate(candidates):
            new |= {one.key} - set(self._known)
            if self._scorer.cost(len(new)) > left:
                # With pruning, part of a batch would get other scores than the whole batch.
                return 0 if self._scorer.prunes else index
        return len(candidates)

    def _scores(
        self, first: int, candidates: Sequence[Candidate], moved: Callable[[float], object]
    ) -> list[Score]:
        """Score a batch; candidates that were tried or stored before are not computed again."""
        stored = [self._stored.get(first + index) for index in range(len(candidates))]
        if all(one is not None for one in stored):
            return [_stored_score(one) for one in stored if one]
        distinct = {one.key: one for one in candidates if one.key not in self._known}
        new = dict(zip(distinct, self._scorer(list(distinct.values()), moved), strict=True))
        scores = []
        for one in candidates:
            found = new.pop(one.key, None)
            if found is None:
                found = replace(self._known[one.key], cost=0.0, steps=0, status="cached")
            else:
                self._known[one.key] = found
            scores.append(found)
        return scores

    def _count(self, rollouts: Sequence[Rollout], candidates: Sequence[Candidate]) -> None:
        """Add finished rollouts to the known scores and the spent budget."""
        self._batch += 1
        self.spent += sum(one.record["cost"] for one in rollouts)
        # Not by the stored keys: another version may derive the key of a candidate differently.
        fresh = {
            candidate.key: _stored_score(one)
            for one, candidate in zip(rollouts, candidates, strict=False)
            if one.record["status"] != "cached"
        }
        self._repeats = 0 if fresh else self._repeats + 1
        self._known = fresh | self._known

    def _summary(self, rollouts: Sequence[Rollout], update: Update | None) -> dict[str, Any]:
        rewards = [one.reward for one in rollouts]
        return {
            "batch": self._batch - 1,
            "rollouts": len(self._stored),
            "spent": self.spent,
            "budget": self._settings.budget,
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
    """Return the stored record of each rollout; the last one of a batch has the update."""
    records: list[dict[str, Any]] = [
        {**{name: getattr(score, name) for name in STORED}, "candidate": one.key}
        for one, score in zip(candidates, scores, strict=False)
    ]
    if update is not None:
        records[-1]["update"] = update.to_dict()
    return records


def _stored_score(rollout: Rollout) -> Score:
    return Score(rollout.reward, **{name: rollout.record[name] for name in STORED})

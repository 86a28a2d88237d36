"""How long a search will take, and how many candidates fit into a given time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.search.progress import Bar, progress_of
from kshot_viz.seeds import numpy_rng
from kshot_viz.text import counted, duration

if TYPE_CHECKING:
    from kshot_viz.search.rewards.scorer import Scorer
    from kshot_viz.search.settings import SearchSettings
    from kshot_viz.search.storage.ledger import Ledger

# Less of a full evaluation than any run takes.
_NOTHING = 1e-9


@dataclass(frozen=True)
class SearchTiming:
    """What was measured on the first task of the reward.

    Attributes
    ----------
    seconds : float
        Of a full evaluation, by all processes together.
    batch : int
        Candidates in a batch.
    batch_cost : float
        Full evaluations that a batch takes at most.
    tasks : int
        Tasks of a full evaluation.
    """

    seconds: float
    batch: int
    batch_cost: float
    tasks: int

    def whole(self, evaluations: float) -> float:
        """Return the seconds of so many full evaluations; repeated candidates take none."""
        return self.seconds * evaluations

    def fit(self, asked: float, budget: float) -> float:
        """Return the full evaluations that go into ``budget`` seconds.

        So many as whole batches of new candidates take, one at least: a sampler learns from a whole
        batch.
        """
        if self.whole(asked) <= budget:
            return asked
        batches = max(1, int(budget / self.whole(self.batch_cost)))
        return min(asked, batches * self.batch_cost)

    def told(self, evaluations: float, spent: float) -> str:
        """Say how long a search will take that has spent a part of its evaluations before."""
        share = self.batch_cost / self.batch
        candidates = counted(max(1, int(evaluations / share + _NOTHING)), "candidate")
        most = "" if share == 1 else "up to "
        return (
            f"This takes at most about {duration(self.whole(evaluations - spent))}: "
            f"{'the rest of ' if spent else ''}{candidates} on {most}"
            f"{counted(self.tasks, 'task')} each."
        )


@dataclass(frozen=True)
class TimeLimit:
    """What a time budget made of a search.

    Attributes
    ----------
    minutes : float
    asked : float
        Full evaluations that were asked for.
    left_out : str
        What of them is run, or ``""`` for all.
    """

    minutes: float
    asked: float
    left_out: str

    def to_dict(self) -> dict[str, Any]:
        """Return the entries of a manifest."""
        return {
            "budget_minutes": self.minutes,
            "budget_asked": self.asked,
            "left_out": self.left_out,
        }

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> TimeLimit | None:
        """Read the entries of a manifest; None where it has none."""
        if "budget_minutes" not in manifest:
            return None
        names = ("budget_minutes", "budget_asked", "left_out")
        return cls(*(manifest[name] for name in names))


def sized(
    settings: SearchSettings, minutes: float | None, scorer: Scorer, ledger: Ledger, *, show: bool
) -> tuple[SearchSettings, Bar]:
    """Return the settings that fit into so many minutes, and the progress bar, shown or not.

    The minutes are those of the whole search, so that the same call ends where it would have ended
    without an interrupt: what it was given before is kept. Nothing is measured where neither a time
    nor a progress bar was asked for, or nothing is left to do.
    """
    stored = ledger.manifest
    known = TimeLimit.of(stored)
    if known is not None and (known.minutes, known.asked) == (minutes, settings.budget):
        settings, minutes = replace(settings, budget=stored["budget"], limit=known), None
    spent = sum(one.record["cost"] for one in ledger.rollouts())
    if settings.budget - spent < _NOTHING or not (show or minutes is not None):
        return settings, partial(progress_of, timing=None, show=show)
    timing = measure(settings, scorer)
    if minutes is not None:
        settings = _limited(settings, minutes, timing, spent)
    if show:
        _tell(settings, timing, spent)
    return settings, partial(progress_of, timing=timing, show=show)


def measure(settings: SearchSettings, scorer: Scorer) -> SearchTiming:
    """Time a batch of random points of the space on the first task.

    They come from no sampler and their scores are kept nowhere, so the history stays what it is.
    """
    drawn = [_random_candidate(settings, number) for number in range(settings.batch_size)]
    tried = {one.key: one for one in drawn}
    return SearchTiming(
        seconds=scorer.seconds(list(tried.values())),
        batch=settings.batch_size,
        batch_cost=scorer.cost(settings.batch_size),
        tasks=scorer.tasks,
    )


def _random_candidate(settings: SearchSettings, number: int) -> Candidate:
    """Return a candidate with random choices, as an untrained controller proposes them."""
    rng = numpy_rng(settings.seed, "measure", number)
    values = settings.space.values
    return settings.space.candidate(
        {name: some[rng.integers(len(some))] for name, some in values.items()}
    )


def _limited(
    settings: SearchSettings, minutes: float, timing: SearchTiming, spent: float
) -> SearchSettings:
    asked, seconds = settings.budget, 60 * minutes
    # What is stored stays, even if an earlier call was given more time.
    taken = max(timing.fit(asked, seconds), min(asked, spent))
    fits = timing.whole(taken) <= seconds or taken <= spent
    least = "" if fits else f" (the least, in about {duration(timing.whole(taken))})"
    left_out = "" if fits and taken == asked else f"{taken:g} of {asked:g} evaluations{least}"
    return replace(settings, budget=taken, limit=TimeLimit(minutes, asked, left_out))


def _tell(settings: SearchSettings, timing: SearchTiming, spent: float) -> None:
    from tqdm.auto import tqdm

    limit = settings.limit
    taken = f" Taken to fit: {limit.left_out}." if limit is not None and limit.left_out else ""
    tqdm.write(timing.told(settings.budget, spent) + taken)

"""One job: train some candidates on one episode, one by one or as one, and score them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from kshot_viz.errors import KShotError
from kshot_viz.evaluate.episode_cache import EpisodeCache, EpisodeInputs, episode_cache
from kshot_viz.evaluate.fast.forward import Chunk
from kshot_viz.evaluate.fast.parameters import CandidatePlan, plan_candidate
from kshot_viz.evaluate.fast.split import TrainedPart, UntracedError
from kshot_viz.evaluate.rows import Entry, Row, RowContext, Score, diverged_at, scored
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import start_run
from kshot_viz.finetune.result import outcome, predictions
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import child_seed
from kshot_viz.threads import one_thread

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """Some candidates that train side by side."""

    path: str

    def scores(self, step: int) -> list[Score]:
        """Train until ``step`` and score every candidate."""


class LoopRunner:
    """One candidate in the reference loop."""

    path = "loop"

    def __init__(self, cache: EpisodeCache, candidate: Candidate) -> None:
        inputs = cache.inputs
        self._cache, self._losses = cache, list[float]()
        self._run = start_run(
            inputs.backbone,
            cache.support,
            candidate.method,
            cache.grouping(candidate.grouping),
            candidate.config,
            inputs.device,
        )
        self._states = self._run.states(child_seed(inputs.seed, "finetune", inputs.episode.name))

    def scores(self, step: int) -> list[Score]:
        """Train until ``step`` and score the candidate."""
        accuracy = float("nan")
        while len(self._losses) <= step and self._finite():
            _, loss, accuracy = next(self._states)
            self._losses.append(loss)
        if not self._finite():
            return [diverged_at(len(self._losses) - 1)]
        return [Score(self._losses[-1], accuracy, self._predictions())]

    def _finite(self) -> bool:
        return not self._losses or outcome(self._losses) == "ok"

    def _predictions(self) -> Tensor:
        module = self._run.backbone.module
        with torch.inference_mode(), evaluating(module):
            logits = [module(part.clone()) for part in self._cache.queries.split(256)]
        return torch.from_numpy(predictions(torch.cat(logits)))


class BatchRunner:
    """Candidates whose trained parts run as one."""

    def __init__(self, cache: EpisodeCache, entries: Sequence[Entry]) -> None:
        plans, self._trained = prepare_batch(cache, entries)
        self._cache, self.path = cache, cache.network.reach(self._trained)
        support = cache.frozen_support(self._trained)
        self._chunk = Chunk(self._trained, plans, support, cache.support.targets)
        self._states = self._chunk.states()
        self._at = -1
        self._losses = torch.zeros(len(plans))
        self._diverged: list[int | None] = [None] * len(plans)

    def scores(self, step: int) -> list[Score]:
        """Train until ``step`` and score every candidate."""
        while self._at < step and None in self._diverged:
            self._at, self._losses = next(self._states)
            for index in (~torch.isfinite(self._losses)).nonzero().flatten().tolist():
                if self._diverged[index] is None:
                    self._diverged[index] = self._at
        if None not in self._diverged:
            return [diverged_at(at) for at in self._diverged if at is not None]
        accuracies = self._chunk.accuracies().tolist()
        logits = [self._chunk.logits(one) for one in self._cache.frozen_queries(self._trained)]
        predicted = torch.from_numpy(predictions(torch.cat(logits, dim=2).transpose(1, 2)))
        rows = zip(self._losses.tolist(), accuracies, predicted, self._diverged, strict=True)
        return [diverged_at(at) if at is not None else Score(*row) for *row, at in rows]


def prepare_batch(
    cache: EpisodeCache, entries: Sequence[Entry]
) -> tuple[list[CandidatePlan], TrainedPart]:
    """Form the groups of candidates, and compute what is frozen for all of them."""
    network = cache.network
    plans = [
        plan_candidate(
            network.backbone,
            entry.slots,
            cache.grouping(entry.candidate.grouping),
            entry.candidate,
            cache.head(entry.candidate.method.head),
        )
        for entry in entries
    ]
    trained = network.trained_part({key for plan in plans for key in plan.trained})
    cache.frozen_support(trained)
    cache.frozen_queries(trained)
    return plans, trained


@dataclass(frozen=True, eq=False)
class Job:
    """Candidates that are trained together on one episode.

    Attributes
    ----------
    inputs : EpisodeInputs
    entries : tuple of Entry
        Trained as one; with ``loop`` a single one, by the reference loop.
    loop : bool
    at_steps : tuple of int
        Steps to score at.
    key : str
        Names the job by all of this.
    """

    inputs: EpisodeInputs
    entries: tuple[Entry, ...]
    loop: bool
    at_steps: tuple[int, ...]
    key: str


def run_job(job: Job) -> list[Row]:
    """Tune and score: one row for each candidate and step count, candidate by candidate.

    Where memory does not suffice, half as many candidates are computed together; the rows say so.
    Their ``seconds`` are those of one candidate, without the time to load the images.
    """
    cache = episode_cache(job.inputs)
    begin = time.perf_counter() - cache.loading
    with one_thread(), torch.inference_mode(False), torch.enable_grad():
        rows = _within_memory(job)
    seconds = (time.perf_counter() - cache.loading - begin) / len(job.entries)
    order = {entry.key: index for index, entry in enumerate(job.entries)}
    rows.sort(key=lambda row: (order[row["run"]], row["steps"]))
    return [row | {"seconds": seconds} for row in rows]


def _within_memory(job: Job) -> list[Row]:
    try:
        return _rows(job, episode_cache(job.inputs))
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        if len(job.entries) == 1:
            raise KShotError(
                f"There is not enough memory for a candidate of {job.entries[0].candidate.name!r} "
                f"on its own: freeze layers, or take smaller images."
            ) from error
    middle = len(job.entries) // 2
    _log.info("memory does not suffice for %d candidates at once: now %d", 2 * middle, middle)
    halves = job.entries[:middle], job.entries[middle:]
    return [row for half in halves for row in _within_memory(replace(job, entries=half))]


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _rows(job: Job, cache: EpisodeCache) -> list[Row]:
    try:
        runner = _runner(job, cache)
    except UntracedError:
        # Every process traces the network anew, on images of its own: one whose trace agrees only
        # just may be traced where the jobs are planned, and not here.
        _log.info("%d candidates are computed by the reference loop after all", len(job.entries))
        alone = [replace(job, entries=(one,), loop=True) for one in job.entries]
        return [row for one in alone for row in _rows(one, cache)]
    targets = cache.query_targets
    contexts = [_context(job, entry, runner.path) for entry in job.entries]
    return [
        scored(context, step, score, targets)
        for step in job.at_steps
        for context, score in zip(contexts, runner.scores(step), strict=True)
    ]


def _runner(job: Job, cache: EpisodeCache) -> Runner:
    if job.loop:
        return LoopRunner(cache, job.entries[0].candidate)
    return BatchRunner(cache, job.entries)


def _context(job: Job, entry: Entry, path: str) -> RowContext:
    inputs, chunk = job.inputs, len(job.entries)
    name = inputs.backbone.name
    return RowContext(entry, name, inputs.episode, inputs.seed, path, chunk, job.key)

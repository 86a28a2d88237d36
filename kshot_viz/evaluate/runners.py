"""Candidates of one job in training: by the reference loop, or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from kshot_viz.evaluate.episode_cache import Desk
from kshot_viz.evaluate.fast.candidate_plan import Lane, plan_lane
from kshot_viz.evaluate.fast.split import Tail
from kshot_viz.evaluate.fast.train import Chunk
from kshot_viz.evaluate.rows import Standing, nothing
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import start_run
from kshot_viz.finetune.methods import resolve_method
from kshot_viz.finetune.result import outcome, predictions
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import child_seed


class Contest(Protocol):
    """Some candidates that train side by side."""

    path: str

    def standings(self, step: int) -> list[Standing]:
        """Train until ``step`` and ask every candidate."""

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the candidates, by their present places."""


class Loop:
    """One candidate in the reference loop."""

    path = "loop"

    def __init__(self, desk: Desk, candidate: Candidate) -> None:
        case = desk.case
        grouping = desk.grouping(candidate.grouping)
        self._desk, self._losses = desk, list[float]()
        self._run = start_run(
            case.backbone, desk.support, candidate.method, grouping, candidate.config, case.device
        )
        self._states = self._run.states(child_seed(case.seed, "finetune", case.episode.name))

    def standings(self, step: int) -> list[Standing]:
        """Train until ``step`` and ask."""
        accuracy = float("nan")
        while len(self._losses) <= step and self._finite():
            _, loss, accuracy = next(self._states)
            self._losses.append(loss)
        if not self._finite():
            return [Standing(float("nan"), float("nan"), nothing(), len(self._losses) - 1)]
        return [Standing(self._losses[-1], accuracy, self._answers())]

    def keep(self, places: Sequence[int]) -> None:
        """Stay, or give the network back."""
        if not places:
            del self._run, self._states

    def _finite(self) -> bool:
        return not self._losses or outcome(self._losses) == "ok"

    def _answers(self) -> Tensor:
        module = self._run.backbone.module
        with torch.inference_mode(), evaluating(module):
            logits = [module(part.clone()) for part in self._desk.queries.split(256)]
        return torch.from_numpy(predictions(torch.cat(logits)))


class Together:
    """Candidates whose moving parts run as one."""

    def __init__(
        self, desk: Desk, candidates: Sequence[Candidate], pauses: Sequence[int] = ()
    ) -> None:
        lanes, self._tail = lay_out(desk, candidates)
        self._desk, self.path = desk, desk.traced().reach(self._tail)
        support = desk.frozen_support(self._tail)
        self._chunk = Chunk(self._tail, lanes, support, desk.support.targets)
        self._states = self._chunk.states(pauses)
        self._at = -1
        self._losses = torch.zeros(len(lanes))
        self._diverged: list[int | None] = [None] * len(lanes)

    def standings(self, step: int) -> list[Standing]:
        """Train until ``step`` and ask every candidate."""
        while self._at < step and None in self._diverged:
            self._at, self._losses = next(self._states)
            for place in (~torch.isfinite(self._losses)).nonzero().flatten().tolist():
                if self._diverged[place] is None:
                    self._diverged[place] = self._at
        if None not in self._diverged:
            return [self._lost(one) for one in self._diverged]
        accuracies = self._chunk.accuracies().tolist()
        logits = [self._chunk.logits(one) for one in self._desk.frozen_queries(self._tail)]
        answers = torch.from_numpy(predictions(torch.cat(logits, dim=2).transpose(1, 2)))
        rows = zip(self._losses.tolist(), accuracies, answers, self._diverged, strict=True)
        return [self._lost(at) if at is not None else Standing(*row) for *row, at in rows]

    def keep(self, places: Sequence[int]) -> None:
        """Free the slots of all others."""
        self._diverged = [self._diverged[one] for one in places]
        if places:
            self._chunk.keep(places)
            self._losses = self._losses[list(places)]

    def _lost(self, at: int | None) -> Standing:
        return Standing(float("nan"), float("nan"), nothing(), at)


def lay_out(desk: Desk, candidates: Sequence[Candidate]) -> tuple[list[Lane], Tail]:
    """Form the groups of candidates, and compute what is frozen for all of them."""
    network = desk.traced()
    groupings = [desk.grouping(one.grouping) for one in candidates]
    lanes = [
        plan_lane(network.backbone, resolve_method(one.method, grouping), grouping, one.config)
        for one, grouping in zip(candidates, groupings, strict=True)
    ]
    tail = network.tail({key for lane in lanes for key in lane.moving})
    desk.frozen_support(tail)
    desk.frozen_queries(tail)
    return lanes, tail

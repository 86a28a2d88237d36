"""One task: tune one candidate on one episode and score it. Runs in any process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import Run, start_run
from kshot_viz.finetune.result import outcome, predictions
from kshot_viz.finetune.support import Support, prepare_support
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.recorder import evaluating
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Task:
    """A candidate and an episode, with the images of that episode only.

    ``key`` names the task among all tasks ever asked for; ``place`` is shared by the tasks of one
    network, episode and seed, which use the same images and groupings.
    """

    backbone: Backbone
    episode: Episode
    support: ImageDataset
    query: ImageDataset
    candidate: Candidate
    at_steps: tuple[int, ...]
    seed: int
    key: str
    place: str
    device: str | None = None


def run_task(task: Task) -> list[Row]:
    """Tune and score; one row for each step count in ``at_steps``."""
    begin = time.perf_counter()
    with one_thread():
        images = _EPISODES.get(task)
        grouping = _EPISODES.grouping(task)
        candidate = task.candidate
        run = start_run(
            task.backbone, images.support, candidate.method, grouping, candidate.config, task.device
        )
        rows = list(_score(task, run, images))
    seconds = time.perf_counter() - begin
    return [row | {"seconds": seconds} for row in rows]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the same sums in the same order in every process."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def _score(task: Task, run: Run, images: _Images) -> Iterator[Row]:
    seed = child_seed(task.seed, "finetune", task.episode.name)
    wanted = set(task.at_steps)
    losses: list[float] = []
    for step, loss, accuracy in run.states(seed):
        losses.append(loss)
        if step in wanted and outcome(losses) == "ok":
            wanted.discard(step)
            yield _row(task, step, loss, accuracy, _answers(run, images.inputs), images.targets)
    for step in sorted(wanted):
        yield _failed(task, step, outcome(losses))


def _answers(run: Run, inputs: Tensor) -> Tensor:
    module = run.backbone.module
    like = next(module.parameters())
    with torch.inference_mode(), evaluating(module):
        logits = [module(part.to(like.device)) for part in inputs.split(256)]
    return torch.from_numpy(predictions(torch.cat(logits)))


def _row(
    task: Task, step: int, loss: float, accuracy: float, answers: Tensor, targets: Tensor
) -> Row:
    hits = (answers == targets).double().mean().item()
    return _about(task, step) | {
        "accuracy": hits,
        "support_loss": loss,
        "support_accuracy": accuracy,
        "status": "ok",
        "predicted": answers.tolist(),
    }


def _failed(task: Task, step: int, status: str) -> Row:
    """Score a run that diverged at chance, and say so: it knows nothing."""
    return _about(task, step) | {
        "accuracy": 1.0 / task.episode.way,
        "support_loss": float("nan"),
        "support_accuracy": float("nan"),
        "status": status,
        "predicted": [],
    }


def _about(task: Task, step: int) -> Row:
    candidate, episode = task.candidate, task.episode
    config = candidate.config
    return {
        "method": candidate.name,
        "way": episode.way,
        "shot": episode.shot,
        "pool": episode.pool,
        "episode": episode.name,
        "steps": step,
        "lr": config.lr,
        "head_lr": config.head_lr,
        "optimizer": config.optimizer,
        "n_query": len(episode.query),
        "seed": task.seed,
        "path": "loop",
        "candidate": candidate.key,
        "task": task.key,
    }


@dataclass(frozen=True, eq=False)
class _Images:
    support: Support
    inputs: Tensor
    targets: Tensor


class _Recent:
    """The prepared images and groupings of the episode at hand.

    Tasks come episode by episode, so one episode is enough to decode every image and to cluster
    every layer only once in each process.
    """

    def __init__(self) -> None:
        self._place = ""
        self._images: _Images | None = None
        self._groupings: dict[str, Grouping] = {}

    def get(self, task: Task) -> _Images:
        if self._images is None or task.place != self._place:
            self._place, self._images, self._groupings = task.place, _prepare(task), {}
        return self._images

    def grouping(self, task: Task) -> Grouping | None:
        rule = task.candidate.grouping
        if not isinstance(rule, GroupingRule):
            return rule
        whole = self._whole(task, replace(rule, shuffled=False))
        if not rule.shuffled:
            return whole
        return rule.shuffle(whole, name=task.episode.name, seed=task.seed)

    def _whole(self, task: Task, rule: GroupingRule) -> Grouping:
        """Cluster once for the groups and for their shuffled null."""
        if rule.key not in self._groupings:
            self._groupings[rule.key] = rule.in_episode(
                task.backbone, task.support, name=task.episode.name, seed=task.seed
            )
        return self._groupings[rule.key]


def _prepare(task: Task) -> _Images:
    support = prepare_support(task.backbone, task.support)
    queries = prepare_support(task.backbone, task.query)
    return _Images(support, queries.inputs, queries.targets)


_EPISODES = _Recent()

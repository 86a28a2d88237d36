"""What runs in worker processes for the page of recommendations: one task, or one episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import kshot_viz as kv
from kshot_viz.study.recommendation.safe import safe_candidates
from map_parts.numbers import TASK
from map_parts.tasks import tasks


@dataclass(frozen=True)
class Part:
    """A number of shots of a task of the map."""

    data: Path
    name: str
    shot: int
    episodes: int


@dataclass(frozen=True)
class Recommend:
    """What is recommended for one episode of a task."""

    part: Part
    index: int
    prior: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return f"{self.part.name}, {self.part.shot}-shot, {self.index}, {dict(self.prior)}"


def keyed(
    run: Callable[[Any], list[dict[str, Any]]], asked: Part | Recommend
) -> tuple[str, list[dict[str, Any]]]:
    """Return the rows of one thing to run, with what they are known by."""
    return str(asked), run(asked)


@cache
def loaded(data: Path, name: str, episodes: int) -> kv.StudyTask:
    """Load a task of the map once in every process."""
    return dict(tasks(data, episodes))[name]()


def fixed_rows(part: Part) -> list[dict[str, Any]]:
    """Return the accuracy of every candidate in every test episode, at its fixed setting."""
    torch.set_num_threads(1)
    task = loaded(part.data, part.name, part.episodes)
    episodes = [one for one in task.sampled(0) if one.shot == part.shot]
    found = pd.concat([_fixed(task, one) for one in episodes])
    kept = found[[*TASK, "method", "episode", "accuracy"]]
    return [one | {"task": part.name} for one in kept.to_dict(orient="records")]


def _fixed(task: kv.StudyTask, episode: kv.Episode) -> pd.DataFrame:
    """Run the candidates that would be chosen among in one episode."""
    support, _ = episode.split(task.data)
    tried = safe_candidates(task.backbone, support, groups_from=groups_from(task))
    return kv.evaluate(task.backbone, task.data, [episode], tried, source=task.source)


def recommended_rows(asked: Recommend) -> list[dict[str, Any]]:
    """Return what is recommended for one episode, and its accuracy there."""
    torch.set_num_threads(1)
    part = asked.part
    task = loaded(part.data, part.name, part.episodes)
    episode = [one for one in task.sampled(0) if one.shot == part.shot][asked.index]
    support, query = episode.split(task.data)
    found = kv.recommend(task.backbone, support, prior=dict(asked.prior), source=task.source)
    result = found.finetune(task.backbone, support)
    row = {
        "task": part.name,
        "data": task.data.name,
        "backbone": task.backbone.name,
        "shot": part.shot,
        "episode": episode.name,
        "method": found.method,
        "accuracy": result.score(query.images, query.labels),
        "stated": found.estimate.to_dict() if found.estimate else None,
    }
    return [row]


def groups_from(task: kv.StudyTask) -> str:
    """Return what forms the groups of a task."""
    return "support" if task.source is None else "source"

"""The rows of a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.slots import SlotPlan

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate of a job.

    Attributes
    ----------
    candidate : Candidate
    key : str
        Names the candidate on its episode among all that were ever evaluated.
    slots : tuple of SlotPlan
        What trains and with which step size; empty for the reference loop, where the method
        attaches itself.
    """

    candidate: Candidate
    key: str
    slots: tuple[SlotPlan, ...] = ()


@dataclass(frozen=True)
class RowContext:
    """What the rows of one candidate in one job share."""

    entry: Entry
    backbone: str
    episode: Episode
    seed: int
    path: str
    chunk: int
    job: str

    def row(self, steps: int, spent: int) -> Row:
        """Return the columns that do not depend on how it went."""
        candidate, episode, config = self.entry.candidate, self.episode, self.entry.candidate.config
        return {
            "method": candidate.name,
            "data": episode.data_name,
            "backbone": self.backbone,
            "way": episode.way,
            "shot": episode.shot,
            "pool": episode.pool,
            "episode": episode.name,
            "steps": steps,
            "lr": config.lr,
            "head_lr": config.head_lr,
            "weight_decay": config.weight_decay,
            "optimizer": config.optimizer,
            "options": json.dumps(candidate.method.options(), sort_keys=True),
            "n_query": len(episode.query),
            "seed": self.seed,
            "path": self.path,
            "chunk": self.chunk,
            "spent": spent,
            "candidate": candidate.key,
            "run": self.entry.key,
            "job": self.job,
        }


@dataclass(frozen=True)
class Score:
    """A candidate after some steps: its support loss and accuracy, and its query predictions.

    ``diverged`` is the step at which its loss was no longer finite, or None.
    """

    loss: float
    accuracy: float
    predictions: Tensor
    diverged: int | None = None


def diverged_at(step: int) -> Score:
    """Return the score of a candidate whose loss is not finite."""
    return Score(float("nan"), float("nan"), torch.empty(0, dtype=torch.int64), step)


def scored(context: RowContext, steps: int, score: Score, targets: Tensor) -> Row:
    """Return the row of a candidate; one that diverged is scored at chance."""
    if score.diverged is not None:
        return context.row(steps, score.diverged) | {
            "accuracy": 1.0 / context.episode.way,
            "support_loss": float("nan"),
            "support_accuracy": float("nan"),
            "status": f"diverged at step {score.diverged}",
            "predicted": [],
        }
    return context.row(steps, steps) | {
        "accuracy": class_mean((score.predictions == targets).double(), targets),
        "support_loss": score.loss,
        "support_accuracy": score.accuracy,
        "status": "ok",
        "predicted": score.predictions.tolist(),
    }


def class_mean(hits: Tensor, targets: Tensor) -> float:
    """Return the mean over classes of the share of hits, float64 (queries,).

    So a class with few queries counts as much as the others, and chance is 1 / way. A class without
    any does not count.
    """
    counts = targets.bincount()
    if counts.unique().numel() == 1:
        return float(hits.mean())
    shares = targets.bincount(weights=hits) / counts
    return float(shares[counts > 0].mean())

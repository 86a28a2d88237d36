"""The rows of a table: what is known of a candidate on an episode after some steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate

Row = dict[str, Any]
STOPPED = "stopped at step {}"


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate of a job; ``key`` names it on its episode among all ever asked for."""

    candidate: Candidate
    key: str


@dataclass(frozen=True)
class About:
    """What the rows of one candidate in one job share."""

    entry: Entry
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
            "way": episode.way,
            "shot": episode.shot,
            "pool": episode.pool,
            "episode": episode.name,
            "steps": steps,
            "lr": config.lr,
            "head_lr": config.head_lr,
            "optimizer": config.optimizer,
            "n_query": len(episode.query),
            "seed": self.seed,
            "path": self.path,
            "chunk": self.chunk,
            "spent": spent,
            "candidate": candidate.key,
            "task": self.entry.key,
            "job": self.job,
        }


@dataclass(frozen=True)
class Standing:
    """How one candidate stands: its support loss and accuracy, and its answers to the queries.

    ``diverged`` is the step at which its loss was not finite any more, or None.
    """

    loss: float
    accuracy: float
    answers: Tensor
    diverged: int | None = None


def scored(about: About, steps: int, standing: Standing, targets: Tensor) -> Row:
    """Return the row of a candidate; one that diverged knows nothing and is scored at chance."""
    if standing.diverged is not None:
        return about.row(steps, standing.diverged) | {
            "accuracy": 1.0 / about.episode.way,
            "support_loss": float("nan"),
            "support_accuracy": float("nan"),
            "status": f"diverged at step {standing.diverged}",
            "predicted": [],
        }
    hits = (standing.answers == targets).double().mean().item()
    return about.row(steps, steps) | {
        "accuracy": hits,
        "support_loss": standing.loss,
        "support_accuracy": standing.accuracy,
        "status": "ok",
        "predicted": standing.answers.tolist(),
    }


def stopped(about: About, steps: int, at: int) -> Row:
    """Return the row of a candidate that was ended early: no accuracy, and what it cost."""
    return about.row(steps, at) | {
        "accuracy": float("nan"),
        "support_loss": float("nan"),
        "support_accuracy": float("nan"),
        "status": STOPPED.format(at),
        "predicted": [],
    }


def nothing() -> Tensor:
    """Return the answers of a candidate that was not asked."""
    return torch.empty(0, dtype=torch.int64)

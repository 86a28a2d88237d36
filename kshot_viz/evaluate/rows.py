"""The rows of a table, and the file that keeps those of finished jobs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotFileError
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

    So a class with few queries counts as much as the others, and chance is 1 / way.
    """
    counts = targets.bincount()
    if counts.unique().numel() == 1:
        return float(hits.mean())
    return float((targets.bincount(weights=hits) / counts).mean())


_START = b'{"job":'


class RowStore:
    """A file of finished jobs.

    A line is written whole and flushed before the next job is taken up. A line that was cut off
    (full disk, power) is dropped when the file is opened, and its job runs again.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._rows = self._read()

    def __contains__(self, job: str) -> bool:
        return job in self._rows

    def __getitem__(self, job: str) -> list[Row]:
        return self._rows[job]

    def add(self, job: str, rows: list[Row]) -> None:
        """Keep the rows of one job; a KShotFileError names the file if the disk is full."""
        self._rows[job] = rows
        line = json.dumps({"job": job, "rows": rows}) + "\n"
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise KShotFileError(
                f"{self._path} cannot be written ({error.strerror}). The rows before this one are "
                f"in it; make room and run the same command again."
            ) from error

    def _read(self) -> dict[str, list[Row]]:
        folder = self._path.parent
        if folder.is_file():
            raise KShotFileError(f"{folder} is a file; results need a folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = self._path.read_bytes() if self._path.exists() else b""
            whole = text[: text.rfind(b"\n") + 1]
            self._cut(text[len(whole) :], len(whole))
        except OSError as error:
            raise KShotFileError(f"{self._path} cannot be opened: {error.strerror}.") from error
        return dict(self._entry(number, line) for number, line in enumerate(whole.splitlines(), 1))

    def _cut(self, torn: bytes, length: int) -> None:
        """Drop a torn last line in place, if it is one of ours."""
        if not torn:
            return
        if not torn.startswith(_START[: len(torn)]):
            raise KShotFileError(f"{self._path} holds something else; give another `store=`.")
        os.truncate(self._path, length)

    def _entry(self, number: int, line: bytes) -> tuple[str, list[Row]]:
        try:
            record = json.loads(line)
            return record["job"], record["rows"]
        except (ValueError, KeyError, TypeError) as error:
            raise KShotFileError(
                f"{self._path}, line {number}, is not a finished job. Move the file away to start "
                f"anew."
            ) from error
